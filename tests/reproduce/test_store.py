"""Runs are made once, land as small files, and go on from them: on the tiny bed, in seconds."""

import json
import subprocess
from contextlib import nullcontext
from dataclasses import replace

import pytest
from tests.reproduce.runs import in_this_process

from levelhead._version import __version__
from levelhead.compare import compare
from levelhead.reproduce import designs
from levelhead.reproduce.code import commit
from levelhead.reproduce.store import Results, Wanted, adopt, make, merged, missing

TINY = designs.bed("tiny")


def by(hear):
    return lambda runs: nullcontext(hear)


@pytest.fixture(scope="module", autouse=True)
def here():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "carry_out", in_this_process)
        yield


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    heard = []
    wanted = [Wanted("vanilla", 2), Wanted("mixup(alpha=0.4)", 1, ("targets", "epochs"), ("gaussian_noise",))]
    failed = make(
        "tiny", TINY, wanted, store=root / "runs", results=Results(root / "results"), commit="abc",
        watch=by(lambda event, run, _: heard.append((event, run.method, run.seed))),
    )  # fmt: skip
    assert failed == {}
    return root, wanted, [each for each in heard if each[0] == "done"]


def records(root):
    return Results(root / "results").load("tiny", TINY)


def test_every_run_lands_as_one_file_with_what_was_asked(places):
    root, wanted, done = places
    assert [each[1:] for each in done] == [("vanilla", 0), ("mixup(alpha=0.4)", 0), ("vanilla", 1)]
    assert len(list((root / "results" / "tiny").glob("*.json"))) == 3
    record = records(root)[wanted[1].sentence][0]
    measures = record["measures"]
    assert 0 < measures["accuracy_raw"] <= 1
    assert measures["winning_25"] <= measures["winning_50"] <= measures["winning_75"]
    assert measures["share_95"] <= measures["share_70"]
    assert 0 <= measures["auroc_raw@gaussian_noise"] <= 1
    assert 0 < measures["true_class_target"] <= 0.5
    assert len(record["series"]["loss"]) == len(record["series"]["ece"]) == 2
    assert (record["commit"], record["network"]) == ("abc", "mlp(width=16, depth=1)")


def test_nothing_is_made_twice_and_more_is_added(places):
    root, wanted, _ = places
    heard = []
    again = [*wanted, Wanted("uls", 1)]
    results = Results(root / "results")
    assert [(each.method, seed) for each, seed in missing(again, records(root))] == [("uls", 0)]
    make("tiny", TINY, again, store=root / "runs", results=results, watch=by(lambda *event: heard.append(event[0])))
    assert heard.count("done") == 1
    assert missing(again, records(root)) == []


def test_lost_files_come_back_from_the_store_without_training(places, tmp_path):
    root, wanted, _ = places
    results, heard = Results(tmp_path), []
    make("tiny", TINY, wanted, store=root / "runs", results=results, watch=by(lambda *event: heard.append(event[0])))
    assert heard == []
    assert {name: list(seeds) for name, seeds in results.load("tiny", TINY).items()} == {
        wanted[0].sentence: [0, 1],
        wanted[1].sentence: [0],
    }


def test_asking_more_of_a_run_loses_nothing_of_what_it_was_asked(places, tmp_path):
    """Even where its files are not in this store."""
    root, wanted, _ = places
    results = Results(tmp_path / "results")
    for file in (root / "results" / "tiny").glob("*-0.json"):
        (tmp_path / "results" / "tiny").mkdir(parents=True, exist_ok=True)
        (tmp_path / "results" / "tiny" / file.name).write_text(file.read_text())
    more = Wanted("mixup", 1, ("embeddings",), ("uniform_noise",))
    make("tiny", TINY, [more], store=tmp_path / "runs", results=results)
    record = results.load("tiny", TINY)[more.sentence][0]
    assert set(record["record"]) == {"targets", "epochs", "embeddings"}
    assert set(record["probes"]) == {"gaussian_noise", "uniform_noise"}
    assert {"auroc_raw@gaussian_noise", "auroc_raw@uniform_noise", "true_class_target"} <= record["measures"].keys()
    assert missing([wanted[1], more], results.load("tiny", TINY)) == []


def test_a_changed_design_asks_for_its_own_runs(places):
    root, wanted, _ = places
    other = TINY.model_copy(update={"training": {"epochs": 3}})
    assert Results(root / "results").load("tiny", other) == {}
    assert len(missing(wanted, {})) == 3


def test_stopping_lands_what_is_done_and_the_same_call_goes_on(tmp_path):
    results, wanted = Results(tmp_path / "results"), [Wanted("vanilla", 2)]

    def stop(event, run, _):
        if event == "done":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make("tiny", TINY, wanted, store=tmp_path / "runs", results=results, watch=by(stop))
    assert len(missing(wanted, results.load("tiny", TINY))) == 1
    make("tiny", TINY, wanted, store=tmp_path / "runs", results=results)
    assert missing(wanted, results.load("tiny", TINY)) == []


def test_a_finished_comparison_is_adopted_and_another_design_is_refused(places, tmp_path):
    root, wanted, _ = places
    folder = next((root / "runs").iterdir())
    results = Results(tmp_path)
    taken, left = adopt("tiny", TINY, folder, results, commit="abc")
    assert taken >= 3
    assert left == []
    once = records(root)[wanted[0].sentence][0]
    assert results.load("tiny", TINY)[wanted[0].sentence][0]["measures"] == once["measures"]
    with pytest.raises(ValueError, match="epochs is 2, not 7"):
        adopt("tiny", TINY.model_copy(update={"training": {"epochs": 7}}), folder, results, commit="abc")


def test_finished_runs_of_a_comparison_are_taken_in_place_of_training(places, tmp_path):
    root = places[0]
    source = next((root / "runs").iterdir())
    results, heard, said = Results(tmp_path / "results"), [], []
    asked = [Wanted("vanilla", 2), Wanted("mbls", 1)]
    make(
        "tiny", TINY, asked, store=tmp_path / "runs", results=results, sources=[source], say=said.append,
        watch=by(lambda event, run, _: heard.append((event, run.method))),
    )  # fmt: skip
    assert said == [f"{source}: 2 of 3 runs taken"]
    assert heard == [("done", "mbls")]
    taken, trained = (results.load("tiny", TINY)[each.sentence][0] for each in asked)
    assert taken["measures"] == records(root)[asked[0].sentence][0]["measures"]
    assert (taken["commit"], trained["commit"]) == (f"levelhead {__version__}", commit())
    assert (tmp_path / "runs" / taken["store"] / "runs" / taken["hash"] / "test.safetensors").is_file()


def test_a_comparison_that_differs_is_not_taken(places, tmp_path):
    root, wanted, _ = places
    source = next((root / "runs").iterdir())
    other, said = TINY.model_copy(update={"training": {"epochs": 1}}), []
    results = Results(tmp_path / "results")
    make(
        "tiny", other, [Wanted("vanilla", 1)], store=tmp_path / "runs", results=results, sources=[source],
        say=said.append,
    )  # fmt: skip
    assert said == [f"{source}: not taken here, recipe.epochs (2 there, 1 here)"]
    assert results.load("tiny", other)[wanted[0].sentence][0]["commit"] == commit()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="is no comparison"):
        make(
            "tiny", TINY, wanted, store=tmp_path / "runs", results=Results(tmp_path / "r"), sources=[tmp_path / "empty"]
        )


def test_the_code_is_named_by_its_checkout_or_its_version(tmp_path):
    """A package that was installed into somebody's repository is not part of it."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "_version.py").write_text("")
    assert commit(tmp_path) == f"levelhead {__version__}"
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "a"], check=True)
    commit.cache_clear()
    assert commit(tmp_path) == f"levelhead {__version__}"
    subprocess.run([*git, "add", "_version.py"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "b"], check=True)
    commit.cache_clear()
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert len(commit(tmp_path)) >= 4
    assert head.startswith(commit(tmp_path))


def test_what_several_ask_of_a_method_is_asked_once():
    asked = [Wanted("mixup", 3, ("targets",)), Wanted("vanilla", 5), Wanted("mixup(alpha=0.4)", 5, (), ("fgsm",))]
    assert merged(asked) == [replace(asked[0], seeds=5, record=("targets",), probes=("fgsm",)), asked[1]]


def test_a_result_is_plain_json(places):
    root = places[0]
    for file in (root / "results").rglob("*.json"):
        assert json.loads(file.read_text())["bed"] == "tiny"
        assert file.stat().st_size < 20_000
