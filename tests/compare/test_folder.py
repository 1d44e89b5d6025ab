"""Whose folder it is, and what is refused."""

import dataclasses

import pytest

from levelhead import data
from levelhead.compare.folder import Folder, default_folder
from levelhead.compare.settings import Comparison, distinct, find_devices
from levelhead.train import make_recipe


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return Comparison(
        data=data.load("spiral"),
        methods=("vanilla",),
        seeds=(0,),
        network="mlp(width=8)",
        recipe=make_recipe("spiral", "vector", epochs=1),
        devices=("cpu",),
        precision="32",
        threads=1,
    )


def test_methods_and_seeds_extend_a_folder(comparison, tmp_path):
    with Folder(tmp_path).claimed(comparison, "first"):
        pass
    wider = dataclasses.replace(comparison, methods=("vanilla", "mixup"), seeds=(0, 1))
    with Folder(tmp_path).claimed(wider, "second"):
        pass


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"recipe": make_recipe("spiral", "vector", epochs=2)}, "recipe.epochs"),
        ({"network": "mlp(width=9)"}, "network.name"),
        ({"threads": 2}, "threads"),
        ({"precision": "bf16"}, "precision"),
        ({"data": data.load("spiral", split_seed=1)}, "data.fingerprint"),
    ],
)
def test_anything_else_that_differs_is_refused_by_name(comparison, tmp_path, change, named):
    with Folder(tmp_path).claimed(comparison, "first"):
        pass
    before = (tmp_path / "comparison.json").read_bytes()
    other = dataclasses.replace(comparison, **change)
    with (
        pytest.raises(ValueError, match=f"belongs to another comparison: .*{named}.*another --out"),
        Folder(tmp_path).claimed(other, "second"),
    ):
        pass
    assert (tmp_path / "comparison.json").read_bytes() == before


def test_somebody_elses_files_are_not_touched(comparison, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"no comparison \(thesis.tex\)"), Folder(tmp_path).claimed(comparison, "x"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_place_of_the_folder(comparison, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="is a file"), Folder(tmp_path / "out").claimed(comparison, "x"):
        pass


def test_two_at_once_are_refused(comparison, tmp_path):
    with (
        Folder(tmp_path).claimed(comparison, "first"),
        pytest.raises(ValueError, match="at work"),
        Folder(tmp_path).claimed(comparison, "second"),
    ):
        pass


def test_default_folder_is_one_for_every_identity(comparison):
    other = dataclasses.replace(comparison, threads=2)
    assert default_folder(comparison) != default_folder(other)
    assert default_folder(comparison) == default_folder(dataclasses.replace(comparison, methods=("mixup",), seeds=(5,)))


def test_a_run_is_named_by_what_determines_its_numbers(comparison):
    (run,) = comparison.runs()
    same = dataclasses.replace(run, method="identity | one_hot")
    assert same.hash == run.hash
    for change in ({"seed": 1}, {"threads": 2}, {"precision": "bf16"}, {"fingerprint": "x"}, {"network": "mlp"}):
        assert dataclasses.replace(run, **change).hash != run.hash


def test_methods_that_mean_the_same_are_run_once():
    assert distinct(["mixup", "mixup(alpha=0.4)", "mixup | one_hot", "uls"]) == ("mixup", "uls")


def test_devices_that_are_not_there_are_refused():
    assert find_devices("cpu") == ("cpu",)
    with pytest.raises(ValueError, match="'tpu' is not here"):
        find_devices("tpu")
