"""`hf:` data sets: folders in the forms that Hugging Face writes, read offline; and what can be wrong with them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from levelhead.data import DownloadError, hub, load, read_source
from levelhead.data.decode import Form
from levelhead.data.lazy import LazyImages

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """No request leaves the machine, and nothing is kept outside the test's folder."""
    import huggingface_hub

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (number, 8, 10, 3), dtype=np.uint8)


def photographs(**sizes: int):
    features = datasets.Features({"picture": datasets.Image(), "animal": datasets.ClassLabel(names=["cat", "dog"])})
    return datasets.DatasetDict(
        {
            split: datasets.Dataset.from_dict(
                {"picture": [Image.fromarray(each) for each in pixels(size)], "animal": [n % 2 for n in range(size)]},
                features=features,
            )
            for split, size in sizes.items()
        }
    )


def texts(**columns: list):
    return datasets.DatasetDict({"train": datasets.Dataset.from_dict(columns)})


def written(found, folder: Path, form: str) -> str:
    if form == "arrow":
        found.save_to_disk(str(folder))
    else:
        (folder / "data").mkdir(parents=True)
        for split, part in found.items():
            part.to_parquet(str(folder / "data" / f"{split}-00000-of-00001.parquet"))
    return f"hf:{folder}"


@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_images_with_their_class_names_and_splits(form, tmp_path):
    source = read_source(written(photographs(train=12, validation=4, test=6), tmp_path / "animals", form))
    assert (source.name, source.kind, source.classes) == ("animals", "image", ("cat", "dog"))
    assert {role: part.labels.tolist() for role, part in source.parts.items()} == {
        role: [n % 2 for n in range(size)] for role, size in (("train", 12), ("val", 4), ("test", 6))
    }
    assert np.array_equal(source.parts["test"].read(np.array([5, 1])), pixels(6)[[5, 1]].transpose(0, 3, 1, 2))
    assert "columns picture and animal" in source.origin
    smaller = read_source(f"hf:{tmp_path / 'animals'}", image_size=4)
    assert smaller.parts["train"].read(np.array([0])).shape == (1, 3, 4, 4)


def test_a_folder_of_texts_is_trained_on_like_any_other(tmp_path):
    rows = {"said": [f"good thing {n}" if n % 2 else f"bad thing {n}" for n in range(60)]}
    place = written(texts(**rows, mood=["glad" if n % 2 else "sad" for n in range(60)]), tmp_path / "moods", "parquet")
    with pytest.raises(ValueError, match=r"which column holds the labels\? .* said, mood"):
        load(place)
    data = load(place, label="mood", max_words=2)
    assert (data.kind, data.classes, data.shape) == ("text", ("glad", "sad"), (2,))
    assert {"good", "bad"} <= set(data.words)
    assert data.split_info["sizes"] == {"train": 30, "cal": 15, "test": 15}


def test_one_of_several_columns_of_texts_is_named_by_the_user(tmp_path):
    rows = {"first": ["one", "two"] * 9, "second": ["three", "four"] * 9, "label": [0, 1] * 9}
    place = written(texts(**rows), tmp_path / "pairs", "arrow")
    with pytest.raises(ValueError, match="several columns of texts, first, second; name one with --text"):
        read_source(place)
    assert "three" in read_source(place, text="second").words
    for columns, words in (({"text": "third"}, "no column of texts 'third'"), ({"label": "x"}, "no column 'x'")):
        with pytest.raises(ValueError, match=words):
            read_source(place, **columns)
    with pytest.raises(ValueError, match="image_size= has no effect here"):
        read_source(place, text="first", image_size=8)


def test_a_split_without_labels_is_left_out_with_a_note(tmp_path):
    found = photographs(train=12, test=6)
    found["test"] = found["test"].remove_columns("animal").add_column("animal", [-1] * 6)
    found["test"] = found["test"].cast(found["train"].features)
    source = read_source(written(found, tmp_path / "animals", "arrow"))
    assert list(source.parts) == ["train"]
    assert "test has no labels and is left out" in source.notes


def test_numbers_alone_and_a_missing_train_are_refused(tmp_path):
    place = written(texts(width=[1.0, 2.0], label=[0, 1]), tmp_path / "numbers", "arrow")
    with pytest.raises(ValueError, match="no column of images or of texts"):
        read_source(place)
    place = written(photographs(test=4), tmp_path / "test-alone", "arrow")
    with pytest.raises(ValueError, match="no split called train; it has test"):
        read_source(place)


def test_without_a_network_the_error_says_what_to_do():
    with pytest.raises(DownloadError, match=r"hf:nobody/nothing is neither .* nor in the cache(.|\n)*save_to_disk"):
        load("hf:nobody/nothing:small")
    with pytest.raises(ValueError, match="hf: needs the name of a data set"):
        load("hf:")


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"pip install 'levelhead\[hf\]'"):
        load("hf:ylecun/mnist")


def imagefolder(folder: Path) -> str:
    """Images in files of their own, which a split names and does not hold."""
    for role, size in (("train", 40), ("test", 12)):
        for number, image in enumerate(pixels(size)):
            path = folder / role / ("dog" if number % 2 else "cat") / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return f"hf:{folder}"


@pytest.mark.parametrize("form", ["arrow", "parquet", "files"])
def test_images_stream_like_those_of_memory(form, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    place = tmp_path / "animals"
    source = imagefolder(place) if form == "files" else written(photographs(train=40, test=12), place, form)
    held, streamed = load(source, stream="never"), load(source, stream="always", workers=0)
    assert isinstance(held.splits["test"].inputs, np.ndarray)
    assert isinstance(streamed.splits["test"].inputs, LazyImages)
    assert held.fingerprint == streamed.fingerprint
    for role, split in held.splits.items():
        assert np.array_equal(split.inputs, streamed.splits[role].inputs.read(np.arange(len(split))))
    assert np.array_equal(held.splits["test"].labels, [0] * 6 + [1] * 6 if form == "files" else [0, 1] * 6)
    with pytest.raises(ValueError, match="fit must be one of"):
        load(source, fit="crop")
    assert load(source, fit="letterbox", image_size=16).split_info["fit"] == "letterbox"


@pytest.mark.parametrize("form", ["arrow", "files"])
def test_broken_images_are_all_named_or_left_out(form, tmp_path):
    place = tmp_path / "animals"
    if form == "files":
        source = imagefolder(place)
        for name in ("train/cat/04.png", "train/dog/09.png"):
            (place / name).write_bytes((place / name).read_bytes()[:90])
        broken = [f"{place}/train/cat/04.png", f"{place}/train/dog/09.png"]
    else:
        found = photographs(train=40, test=12)
        raw = found["train"].cast_column("picture", datasets.Image(decode=False))
        rows = [dict(row["picture"]) for row in raw]
        rows[4]["bytes"], rows[9]["bytes"] = rows[4]["bytes"][:90], b""
        found["train"] = datasets.Dataset.from_dict(
            {"picture": rows, "animal": raw["animal"]}, features=raw.features
        ).cast_column("picture", datasets.Image())
        source = written(found, place, "arrow")
        broken = [f"{source}, train, image 4", f"{source}, train, image 9"]
    with pytest.raises(ValueError, match=r"2 of 52 images cannot be read: .*--skip-broken") as caught:
        load(source)
    assert all(name in str(caught.value) for name in broken)
    data = load(source, skip_broken=True)
    assert len(data.split_info["broken"]["train"]) == 2
    assert sum(len(split) for split in data.splits.values()) == 50


def test_a_selection_of_rows_is_read_in_its_order_and_cannot_stream(tmp_path):
    found = photographs(train=40, test=12)
    found["train"] = found["train"].select([3, 1, 2, *range(10, 40)])
    (tmp_path / "animals").mkdir()
    split = hub._StoredImages.of("x", found["train"], "picture")
    encoded = split.encoded(found["train"], np.zeros(33, np.int64))
    images = read_source(written(photographs(train=40), tmp_path / "all", "arrow")).parts["train"]
    part = encoded.part(np.zeros(33, np.int64), Form(3, 8, 10))
    assert np.array_equal(part.read(np.arange(3)), images.read(np.array([3, 1, 2])))
    with pytest.raises(ValueError, match=r"is a selection of rows, which cannot stream"):
        part.encoded.on_disk()
