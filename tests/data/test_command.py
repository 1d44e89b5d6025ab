"""A user's own data through the command line: what goes right, and a sentence with status 2 for what does not."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import levelhead as lh
from levelhead.cli import app
from levelhead.data import load

from .layouts import write_pairs, write_tree
from .photographs import BROKEN, write_photographs

QUICK = ("--epochs", "1", "--model", "mlp")


def call(*arguments: str) -> tuple[int, str, str]:
    """The command in this process: exit status, standard output, standard error."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_photographs_with_broken_ones(tmp_path):
    write_photographs(tmp_path / "photos", 120)
    out = tmp_path / "out"
    command = ("train", "--data", tmp_path / "photos", *QUICK, "--image-size", "16", "--out", out)
    status, _, errors = call(*command)
    assert status == 2
    assert "3 of 120 images cannot be read" in errors
    assert not out.exists()
    options = (
        "--skip-broken",
        "--fit",
        "letterbox",
        "--group-pattern",
        r"clip\d+|broken",
        "--class-weights",
        "balanced",
    )
    status, _, errors = call(*command, *options)
    assert status == 0, errors
    assert f"Note: 3 images that cannot be read were left out: {'; '.join(BROKEN)}" in errors
    about = json.loads((out / "comparison.json").read_text())
    assert about["identity"]["data"]["split"]["broken"] == {"train": list(BROKEN)}
    assert about["identity"]["data"]["split"]["fit"] == "letterbox"
    assert about["identity"]["recipe"]["class_weights"] == "balanced"
    assert any("groups were kept whole" in note for note in about["data"]["notes"])
    status, _, errors = call(*command, *options[:-2])
    assert status == 2
    assert "recipe.class_weights (balanced there, not said here)" in errors


def test_images_with_masks_and_broken_ones(tmp_path):
    folder, out = tmp_path / "street", tmp_path / "out"
    write_pairs(folder, {"train": 6, "cal": 3, "test": 3})
    for name in ("train/images/02.png", "test/masks/01.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:-150])
    command = ("train", "--data", folder, "--epochs", "1", "--image-size", "16", "--out", out)
    status, _, errors = call(*command)
    assert status == 2
    assert "2 of 12 pairs of image and mask cannot be used" in errors
    status, _, errors = call(*command, "--skip-broken", "--fit", "central")
    assert status == 2
    assert "images with masks take letterbox" in errors
    assert not out.exists()
    status, _, errors = call(*command, "--skip-broken", "--fit", "cover")
    assert status == 0, errors
    assert "Note: 2 pairs of image and mask that cannot be used were left out (1 of train, 1 of test):" in errors
    about = json.loads((out / "comparison.json").read_text())
    split = about["identity"]["data"]["split"]
    assert split["broken"] == {"train": ["train/images/02.png"], "test": ["test/masks/01.png"]}
    assert (split["fit"], split["sizes"]) == ("cover", {"train": 5, "cal": 3, "test": 2})


def test_a_run_reads_other_images_as_it_read_its_own(tmp_path):
    for part in ("train", "test"):
        for shape in ((8, 8, 3), (8, 30, 3), (20, 8, 3)):
            write_tree(tmp_path / "photos" / part, {f"{kind}/{shape[1]}": 9 for kind in "ab"}, shape, seed=shape[1])
    out = tmp_path / "out"
    command = ("train", "--data", tmp_path / "photos", *QUICK, "--fit", "letterbox", "--out", out)
    assert call(*command)[0] == 0
    own = lh.Predictions.load(next(out.glob("runs/*/test.safetensors")))
    status, _, errors = call("predict", out, "--data", tmp_path / "photos", "--out", tmp_path / "said.npz")
    assert status == 0, errors
    np.testing.assert_allclose(lh.Predictions.load(tmp_path / "said.npz").logits, own.logits, atol=1e-5)
    names = [str(path) for path in sorted((tmp_path / "photos" / "test").glob("*/*/*.png"))]
    rows = [f"{name},{name.split('/')[-3]}" for name in names]
    (tmp_path / "table.csv").write_text("\n".join(["file,kind", *rows]))
    said = tmp_path / "again.npz"
    status, _, errors = call(
        *("predict", out, "--data", tmp_path / "table.csv", "--image", "file", "--label", "kind", "--out", said)
    )
    assert status == 0, errors
    np.testing.assert_allclose(lh.Predictions.load(said).logits, own.logits, atol=1e-5)


def real_table(folder, name, ending):
    """A table that scikit-learn brings, with a column that is the same in every row."""
    held = getattr(pytest.importorskip("sklearn.datasets"), f"load_{name}")(as_frame=True)
    frame = held.data.assign(same=1.0, kind=held.target_names[held.target])
    path = folder / f"{name}.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    return path, frame


@pytest.mark.parametrize(("name", "ending"), [("iris", "csv"), ("wine", "parquet"), ("breast_cancer", "csv")])
def test_real_tables_of_numbers_are_standardised_on_train_alone(tmp_path, name, ending):
    path, frame = real_table(tmp_path, name, ending)
    data = load(path, label="kind")
    assert f"1 of {frame.shape[1] - 1} features are constant in train" in data.notes
    rows = frame.drop(columns="kind").to_numpy(np.float64)[data.splits["train"].ids]
    np.testing.assert_allclose(data.mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(data.std[:-1], rows.std(0)[:-1], rtol=1e-4)
    assert data.std[-1] == 1


def test_a_real_table_of_numbers_is_learned(tmp_path):
    path, _ = real_table(tmp_path, "breast_cancer", "parquet")
    out = tmp_path / "out"
    status, _, errors = call("train", "--data", path, "--label", "kind", "--epochs", "10", "--out", out)
    assert status == 0, errors
    entries = json.loads((out / "results.json").read_text())
    assert next(entry for entry in entries if entry["role"] == "test")["raw"]["accuracy"] > 0.9


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder of odd data, by name."""
    folder = tmp_path_factory.mktemp("odd")
    write_tree(folder / "photos", {"a": 12, "b": 12})
    (folder / "numbers.csv").write_text(
        "x,y,kind\n" + "\n".join(f"{row / 7},{row % 5},{'ab'[row % 2]}" for row in range(60))
    )
    (folder / "hole.csv").write_text("x,y,kind\n1,2,a\n,3,b\n5,nan,a\n")
    (folder / "mixed.csv").write_text("x,kind\n1,a\ntwo,b\n3,a\n")
    (folder / "floats.csv").write_text("x,kind\n1,0.5\n2,1.5\n")
    (folder / "twice.csv").write_text("x,x,kind\n1,2,a\n3,4,b\n")
    (folder / "one.csv").write_text("x,kind\n1,a\n2,a\n")
    (folder / "tiny.csv").write_text("x,kind\n1,a\n2,b\n")
    (folder / "header.csv").write_text("x,kind\n")
    (folder / "nothing.csv").write_text("")
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 9)
    (folder / "semicolons.csv").write_text("x;kind\n1;a\n2;b\n")
    (folder / "latin.csv").write_bytes(b"x,kind\n1,caf\xe9\n2,b\n")
    (folder / "places.csv").write_text("file,kind\nphotos,a\nphotos,b\n")
    (folder / "dates.csv").write_text("when,kind\n2020-01-01,a\n2020-01-02,b\n")
    (folder / "broken.jsonl").write_text('{"x": 1, "kind": "a"}\n{"x": \n')
    (folder / "list.jsonl").write_text("[1, 2]\n")
    (folder / "nested.jsonl").write_text('{"x": {"a": 1}, "kind": "a"}\n{"x": {"a": 2}, "kind": "b"}\n' * 9)
    (folder / "nothing.parquet").write_bytes(b"")
    (folder / "weights.json").write_text('{"a": 1}')
    (folder / "texts.csv").write_text("said,kind\n" + "\n".join(f"word{row},{'ab'[row % 2]}" for row in range(40)))
    np.savez(folder / "odd.npz", train_x=np.zeros((9, 3)), train_y=np.arange(9) // 8)
    return folder


BAD = {
    "no such file": ("gone.csv --label kind", "there is no data set called"),
    "label not said": ("numbers.csv", "say which column holds the labels with --label"),
    "label misspelt": ("numbers.csv --label kin", "did you mean 'kind'"),
    "missing value": ("hole.csv --label kind", "column 'x' has 1 missing, NaN or infinite values in 3 rows"),
    "words among numbers": ("mixed.csv --label kind", "column 'x' is not of numbers (string; row 1 holds 'two')"),
    "labels that are floats": ("floats.csv --label kind", "labels must be whole numbers, got float64"),
    "a column twice": ("twice.csv --label kind", "several columns called 'x'"),
    "one class": ("one.csv --label kind", "holds only one class (a)"),
    "tiny": ("tiny.csv --label kind", "too few to split"),
    "header only": ("header.csv --label kind", "has columns but no rows"),
    "empty": ("nothing.csv --label kind", "cannot be read as csv"),
    "binary": ("binary.csv --label kind", "binary.csv"),
    "semicolons": ("semicolons.csv --label kind", "seem to be parted by ';', and must be by commas"),
    "not UTF-8": ("latin.csv --label kind", "save the table as UTF-8"),
    "labels that are dates": (
        "dates.csv --label when",
        "labels must be whole numbers or words, but the column is of date",
    ),
    "a folder as image": ("places.csv --image file --label kind", "photos (it is a folder)"),
    "dates": ("dates.csv --label kind", "column 'when' is not of numbers"),
    "broken json": ("broken.jsonl --label kind", "line 2 is no JSON"),
    "a list in json": ("list.jsonl --label kind", "line 1 must be an object"),
    "nested json": ("nested.jsonl --label kind", "column 'x' is not of numbers"),
    "a list as labels": (
        "nested.jsonl --label x",
        "labels must be whole numbers or words, but the column is of struct",
    ),
    "empty parquet": ("nothing.parquet --label kind", "cannot be read as parquet"),
    "text misspelt": ("texts.csv --text sayd --label kind", "did you mean 'said'"),
    "text of numbers": ("numbers.csv --text x --label kind", "must hold texts, but row 0"),
    "image of numbers": ("numbers.csv --image x --label kind", "must hold paths of images, but row 0"),
    "image and text": ("texts.csv --image said --text said --label kind", "exclude each other"),
    "paths that are none": ("texts.csv --image said --label kind", "40 of 40 images cannot be read"),
    "group misspelt": ("numbers.csv --label kind --group z", "has no column 'z'"),
    "group is label": ("numbers.csv --label kind --group kind", "cannot be both the label and the group"),
    "split by a number": ("numbers.csv --label kind --split y", "must say train, val"),
    "one group": ("one.csv --label kind --group kind", "cannot be both"),
    "group of a folder": ("photos --group a", "folders of images take group_pattern="),
    "pattern of a table": ("numbers.csv --label kind --group-pattern x", "group_pattern= has no effect here"),
    "a pattern that is none": ("photos --group-pattern (", "is no regular expression"),
    "a pattern that finds nothing": ("photos --group-pattern zz", "finds nothing in 'a/000.png'"),
    "a fit that is none": ("photos --fit crop", "fit must be one of cover, central, letterbox, stretch"),
    "fit of a table": ("numbers.csv --label kind --fit cover", "fit= has no effect here"),
    "skip of a table": ("numbers.csv --label kind --skip-broken", "skip_broken= has no effect here"),
    "label of a folder": ("photos --label a", "label= has no effect here"),
    "words of a folder": ("photos --max-words 3", "max_words= has no effect here"),
    "weights misspelt": ("photos --class-weights balancd", "must be balanced, none, or a .json file"),
    "weights of no class": ("photos --class-weights weights.json", "the class weights leave out b"),
    "weights in a table": ("photos --class-weights numbers.csv", "numbers.csv is no JSON"),
    "one example of a class": ("odd.npz", "class '1' has 1 example, too few to split"),
    "size 0": ("photos --image-size 0", "image_size must be a whole number"),
    "too much for cal": ("numbers.csv --label kind --cal-size 1000", "cal_size must be from 2 to"),
    "one folder too high": (
        ".",
        "only one class folder (photos); a classifier needs at least two; do you mean photos?",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_a_sentence_and_status_2(places, monkeypatch, case):
    words, sentence = BAD[case]
    monkeypatch.chdir(places)
    status, printed, errors = call(
        ("compare", "train")[len(case) % 2], "--data", *words.split(), "--out", places / "never"
    )
    assert status == 2, errors
    assert sentence in errors
    assert errors.startswith("levelhead: ") or "Note: " in errors or "classes, inputs" in errors
    assert "Traceback" not in errors
    assert printed == ""
    assert not (places / "never").exists()
