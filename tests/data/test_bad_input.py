"""Everything a user may get wrong about data, and the sentence that says what came, what is needed, and where.

Each case makes its files in an empty folder, asks for them, and must be refused with a `ValueError`.
"""

import pickle

import numpy as np
import pytest
from PIL import Image

from levelhead.data import load

from .layouts import arrays, encoded_image, ten_classes, write_image_parquet, write_tree


def npz(without=(), **changes):
    def make(folder):
        content = {name: array for name, array in {**arrays(), **changes}.items() if name not in without}
        np.savez(folder / "mine.npz", **content)
        return folder / "mine.npz"

    return make


def with_value(name, index, value):
    array = arrays()[name]
    array[index] = value
    return {name: array}


def file(name, content):
    def make(folder):
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def table(text):
    return file("t.csv", text)


def rows(header, *lines):
    return table("\n".join([header, *lines]) + "\n")


def tree(**counts):
    def make(folder):
        write_tree(folder, {name.replace("__", "/"): count for name, count in counts.items()})
        return folder

    return make


def broken_image(folder):
    write_tree(folder, {"a": 20, "b": 20})
    path = folder / "b" / "007.png"
    path.write_bytes(path.read_bytes()[:100])
    return folder


def no_image_at_all(folder):
    write_tree(folder, {"train/a": 20, "train/b": 20})
    (folder / "train" / "a" / "x.jpg").write_bytes(b"GIF? no")
    return folder


def empty_class(folder):
    write_tree(folder, {"a": 20, "b": 20})
    (folder / "c").mkdir()
    return folder


def strange_pixels(folder):
    write_tree(folder, {"a": 20, "b": 20})
    Image.fromarray(np.full((4, 4), 7.0, np.float32)).save(folder / "a" / "heat.tif")
    return folder


def parquet_folder(labels, content=None, columns=("image", "label")):
    def make(folder):
        images = [encoded_image(image) for image in ten_classes(len(labels), (3, 8, 8))[0]]
        write_image_parquet(folder / "train.parquet", content or images, labels, columns=columns)
        return folder

    return make


def images(dtype=np.float32, low=0.0, high=1.0):
    values = np.random.default_rng(0).uniform(low, high, (40, 3, 6, 6)).astype(dtype)
    return {"train_x": values, "test_x": values[:20]}


class Code:
    def __reduce__(self):
        return print, ("run!",)


NAN, INF = float("nan"), float("inf")
GOOD = ["1,2,a", "3,4,b"] * 10

CASES = {
    # names and paths
    "unknown name": (lambda folder: "fashon-mnist", {}, r"no data set called 'fashon-mnist', nor a file or folder /"),
    "did you mean": (lambda folder: "fashion_mnist", {}, "Did you mean 'fashion-mnist'\\? Names: digits, spiral"),
    "path that is not there": (lambda folder: folder / "no" / "where.npz", {}, r"nor a file or folder .*no/where.npz"),
    "no name": (lambda folder: "", {}, "no data set called ''"),
    "unknown ending": (file("a.txt", "x"), {}, r"a.txt: files ending in .txt are not read; use .npz, .csv, .parquet"),
    "no ending": (file("a", "x"), {}, "files ending in nothing are not read"),
    "pickle": (file("a.pkl", pickle.dumps(1)), {}, r"a.pkl: .pkl files are pickles, which can run any code"),
    "torch pickle": (file("a.PT", b"x"), {}, r".pt files are pickles"),
    # options
    "train_size too small": (npz(), {"train_size": 1}, r"train_size must be from 2 to 30 here"),
    "train_size too large": (npz(), {"train_size": 31}, r"after cal \(10\) were cut\); got 31"),
    "train_size zero": (npz(), {"train_size": 0}, "train_size must be a whole number, 1 or more; got 0"),
    "train_size a fraction": (npz(), {"train_size": 0.5}, "train_size must be a whole number, 1 or more; got 0.5"),
    "train_size a word": (npz(), {"train_size": "many"}, "got 'many'"),
    "train_size true": (npz(), {"train_size": True}, "got True"),
    "cal_size too small": (npz(), {"cal_size": 1}, r"cal_size must be from 2 to 38 here \(one example for each of 2"),
    "cal_size too large": (npz(), {"cal_size": 39}, r"cal_size must be from 2 to 38 here \(what is there\); got 39"),
    "test_size of a set with a test": (npz(), {"test_size": 5}, r"test_size= has no effect: mine.npz has its own test"),
    "negative split_seed": (npz(), {"split_seed": -1}, "split_seed must be a whole number, 0 or more; got -1"),
    "label of no table": (npz(), {"label": "y"}, "label= has no effect here: it is for tables"),
    "image_size of no images": (
        npz(),
        {"image_size": 8},
        "image_size= has no effect here: it is for folders of images",
    ),
    "image_size zero": (tree(a=9, b=9), {"image_size": 0}, "image_size must be a whole number, 1 or more; got 0"),
    "image_size of three": (
        tree(a=9, b=9),
        {"image_size": (1, 2, 3)},
        r"one number or \(height, width\); got \(1, 2, 3\)",
    ),
    "nothing left for test": (
        lambda folder: "digits",
        {"train_size": 1300},
        "digits has 1,797 examples: 1,300 for train and 500 for cal leave 0 for test, which needs 10 or more",
    ),
    # .npz: the file
    "truncated npz": (file("a.npz", b"PK\x03\x04 half"), {}, r"a.npz cannot be read as .npz \(.*\); save it again"),
    "no npz": (file("a.npz", b"hello"), {}, "a.npz cannot be read as .npz"),
    "npz of objects": (
        npz(train_x=np.array([Code()] * 40)),
        {},
        "Python objects can run code when read and are refused",
    ),
    "pickle called npz": (file("a.npz", pickle.dumps(Code())), {}, "can run code when read and are refused"),
    "no train": (npz(without=("train_x", "train_y")), {}, r"mine.npz lacks train_x, train_y; it holds test_x, test_y"),
    "no labels": (npz(without=("test_y",)), {}, "mine.npz lacks test_y"),
    "misspelt": (npz(tets_x=np.ones(3)), {}, "has tets_x, which no split is called"),
    # .npz: shapes and types
    "wrong shape": (npz(train_x=np.ones((40,))), {}, r"train_x: shape \(40,\) is neither \(N, C, H, W\)"),
    "no channels": (npz(train_x=np.ones((40, 9, 9, 9), np.uint8)), {}, r"shape \(40, 9, 9, 9\) is neither"),
    "no features": (npz(train_x=np.ones((40, 0))), {}, r"shape \(40, 0\) is neither"),
    "shapes that differ": (npz(test_x=np.ones((20, 4))), {}, r"test_x has shape \(4,\), one of train_x \(5,\)"),
    "types that differ": (
        npz(train_x=np.ones((40, 6, 6), np.uint8), test_x=np.ones((20, 6, 6))),
        {},
        "test_x is float64 but train_x is uint8; store both in the same way",
    ),
    "images of whole numbers": (
        npz(**images(np.int64, 0, 255)),
        {},
        r"train_x: images must be uint8, or float in \[0, 1\]; got int64",
    ),
    "images beyond 1": (
        npz(**images(high=255.0)),
        {},
        r"must lie in \[0, 1\], got values from .* to 25.*divide by 255",
    ),
    "images below 0": (npz(**images(low=-1.0)), {}, r"must lie in \[0, 1\], got values from -0.9.* outside at index 0"),
    "words as vectors": (
        npz(train_x=np.full((40, 2), "x"), test_x=np.full((20, 2), "x")),
        {},
        "must be real numbers, got <U1",
    ),
    "complex vectors": (npz(train_x=np.ones((40, 5), complex)), {}, "must be real numbers, got complex128"),
    # .npz: values
    "NaN": (
        npz(**with_value("train_x", (7, 2), NAN)),
        {},
        "train_x: 1 of 40 examples hold NaN or infinite values, the first at index 7",
    ),
    "infinite": (
        npz(**with_value("test_x", ([3, 9], 0), INF)),
        {},
        "test_x: 2 of 20 examples hold .* the first at index 3",
    ),
    "too large for float32": (
        npz(train_x=np.full((40, 5), 1e300)),
        {},
        "train_x: 40 of 40 examples hold NaN or infinite values, the first at index 0",
    ),
    "NaN in images": (
        npz(train_x=np.full((40, 6, 6), NAN), test_x=np.ones((20, 6, 6))),
        {},
        "40 of 40 examples hold NaN",
    ),
    # .npz: labels
    "negative labels": (
        npz(**with_value("train_y", [4, 5], -1)),
        {},
        r"train_y: labels must not be negative, got -1 at index 4 \(2 in all\)",
    ),
    "fractions as labels": (
        npz(train_y=np.linspace(0, 1, 40)),
        {},
        "train_y: labels must be whole numbers, got float64; the first is 0.025641 at index 1",
    ),
    "whole numbers stored as floats": (npz(train_y=np.ones(40)), {}, "must be whole numbers, got float64; write whole"),
    "labels in a column": (npz(train_y=np.zeros((40, 1), int)), {}, r"labels must be of shape \(N,\), got \(40, 1\)"),
    "one label for all": (npz(train_y=np.array(1)), {}, "train: 40 inputs but 0 labels"),
    "another length": (
        npz(train_y=np.zeros(39, int)),
        {},
        "train: 40 inputs but 39 labels; there must be one label an input",
    ),
    "class missing from train": (
        npz(**with_value("test_y", 6, 5)),
        {},
        r"test_y: class 5 has no example in .*train_y \(first at index 6\); train must hold every class",
    ),
    "words here, numbers there": (npz(test_y=np.array(["0", "1"] * 10)), {}, "labels are words in one of"),
    "one class only": (
        npz(train_y=np.zeros(40, int)),
        {},
        r"train_y holds only one class \(0\); a classifier needs at least",
    ),
    "empty train": (npz(train_x=np.ones((0, 5)), train_y=np.ones(0, int)), {}, "train is empty; every split needs"),
    "empty test": (npz(test_x=np.ones((0, 5)), test_y=np.ones(0, int)), {}, "test is empty; every split needs"),
    "too few of a class": (
        npz(train_y=np.repeat([0, 1], [39, 1])),
        {},
        "class '1' has 1 example, too few to split: each class needs at least 2, one for each of train, cal",
    ),
    # tables
    "label not said": (
        rows("x,y,kind", *GOOD),
        {},
        r"t.csv: say which column holds the labels .* its columns are x, y, kind",
    ),
    "label not there": (
        rows("x,y,kind", *GOOD),
        {"label": "kinds"},
        "no column 'kinds'; did you mean 'kind'\\? its columns are x, y, kind",
    ),
    "word among numbers": (
        rows("x,y,kind", *GOOD, "5,six,a"),
        {"label": "kind"},
        "column 'y' is not of numbers .*row 20 holds 'six'",
    ),
    "missing number": (
        rows("x,y,kind", *GOOD, ",7,a"),
        {"label": "kind"},
        "column 'x' has 1 missing, NaN or infinite values in 21 rows, the first in row 20",
    ),
    "infinite number": (rows("x,kind", "inf,a", "1,b"), {"label": "kind"}, "column 'x' has 1 missing, NaN or infinite"),
    "empty column": (rows("x,y,kind", ",1,a", ",2,b"), {"label": "kind"}, "column 'x' has 2 missing"),
    "missing label": (
        rows("x,kind", "1,a", "2,", "3,b"),
        {"label": "kind"},
        "1 rows have no label, the first is row 1",
    ),
    "fraction as label": (
        rows("x,y", "1,0.5", "2,1.5"),
        {"label": "y"},
        "column 'y': labels must be whole numbers, got float64; the first is 0.5",
    ),
    "negative label": (rows("x,y", "1,1", "2,-1"), {"label": "y"}, "labels must not be negative, got -1 at index 1"),
    "one label only": (rows("x,y", "1,1", "2,1"), {"label": "y"}, r"holds only one class \(1\)"),
    "nothing but labels": (rows("y", "1", "0"), {"label": "y"}, r"has no column but the labels \(y\)"),
    "columns called alike": (rows("x,x,y", "1,1,1", "2,2,0"), {"label": "y"}, "several columns called 'x'"),
    "no rows": (rows("x,y"), {"label": "y"}, "has columns but no rows"),
    "empty csv": (table(""), {"label": "y"}, "t.csv cannot be read as csv"),
    "ragged csv": (rows("x,y", "1,2", "3"), {"label": "y"}, "t.csv cannot be read as csv"),
    "truncated parquet": (file("t.parquet", b"PAR1 half"), {"label": "y"}, "t.parquet cannot be read as parquet"),
    "too few of a class in a table": (
        rows("x,kind", *(f"{n},a" for n in range(20)), "21,b", "22,b"),
        {"label": "kind"},
        "class 'b' has 2 examples, too few to split: each class needs at least 3",
    ),
    # folders
    "empty folder": (lambda folder: folder, {}, "holds no class folders; put the images of each class into a folder"),
    "unreadable image": (broken_image, {}, r"b/007.png cannot be read as an image .*; replace or remove it"),
    "no image": (no_image_at_all, {}, r"train/a/x.jpg cannot be read as an image"),
    "pixels out of range": (strange_pixels, {}, r"a/heat.tif cannot be read as an image \(pixels of mode F must lie"),
    "empty class folder": (empty_class, {}, r"/c holds no images \(endings: .bmp"),
    "one class folder": (tree(a=20), {}, r"holds only one class folder \(a\)"),
    "class missing from test": (
        tree(train__a=9, train__b=9, test__a=3),
        {},
        r"test: classes differ from those of train/: test/ lacks b; every split needs the same",
    ),
    "class missing from train/": (
        tree(train__a=9, train__b=9, cal__a=3, cal__b=3, cal__c=3, cal__d=3),
        {},
        r"cal: classes differ from those of train/: train/ lacks c, d",
    ),
    "no train folder": (tree(test__a=9, val__a=9), {}, r"has val/, test/ but no train/"),
    "a folder that is no role": (
        tree(train__a=9, train__b=9, valid__a=9),
        {},
        r"has valid/ beside train/; beside train/ there may be only val/, cal/ and test/",
    ),
    "too few images of a class": (tree(a=20, b=2), {}, "class 'b' has 2 examples, too few to split"),
    # parquet of images
    "no image column": (
        parquet_folder([0, 1] * 9, columns=("photo", "label")),
        {},
        r"no column of images \(image or img\)",
    ),
    "no label column": (
        parquet_folder([0, 1] * 9, columns=("image", "kind")),
        {},
        "no column of labels .*its columns are image, kind",
    ),
    "image not stored": (parquet_folder([0, 1] * 9, [None] * 18), {}, r"18 of 18 images .*image 0 \(it has no bytes"),
    "unreadable stored image": (
        parquet_folder([0, 1] * 9, [b"junk"] * 18),
        {},
        r"18 of 18 images cannot be read: .*train.parquet, image 0 \(it is of no format",
    ),
    "negative stored label": (parquet_folder([0, -1] * 9), {}, "labels must not be negative"),
    "stored label missing": (parquet_folder([0, None] * 9), {}, "9 rows have no label, the first is row 1"),
    "no stored images": (parquet_folder([]), {}, "train.parquet is empty"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_with_a_sentence(tmp_path, case):
    make, options, sentence = CASES[case]
    source = make(tmp_path)
    with pytest.raises(ValueError, match=sentence) as caught:
        load(source, **options)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("case", [case for case, (_, options, _) in CASES.items() if not options])
def test_the_sentence_names_the_file_where_there_is_one(tmp_path, case):
    make, options, _ = CASES[case]
    source = make(tmp_path)
    if case in ("unknown name", "did you mean", "no name", "too few of a class", "too few images of a class"):
        return
    with pytest.raises(ValueError) as caught:
        load(source, **options)
    assert str(tmp_path) in str(caught.value)
