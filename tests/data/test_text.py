"""Texts: words as in Kim's code, ids, sets by name in their original layouts, tables of the user's own."""

import json
import lzma

import numpy as np
import pytest

import levelhead as lh
from levelhead.data.text import only_the_body, words_of


def write_trec(folder, train="train_5500.label", test="TREC_10.label"):
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {"DESC:manner": "How does it work ?", "HUM:ind": "Who was it ?", "NUM:count": "How many are there ?"}
    lines = [f"{label} {text} {number}" for number in range(30) for label, text in kinds.items()]
    (folder / train).write_bytes("\n".join(lines).encode("latin-1"))
    (folder / test).write_bytes("\n".join([*lines[:6], "NUM:dist How far is it ?"]).encode("latin-1"))


def read(data, role="train", row=0):
    """A text back from its ids."""
    return " ".join(data.words[index] for index in data.splits[role].inputs[row] if index)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's a film, isn't it?", "it 's a film , is n't it ?"),
        ("We've they're I'd he'll", "we 've they 're i 'd he 'll"),
        ("caf\u00e9 (a/b) -- x_y", "caf ( a b ) x y"),
        ("  \t\n", ""),
    ],
)
def test_words_are_those_of_kims_code(text, words):
    assert words_of(text) == words.split()


def test_case_is_kept_where_asked():
    assert words_of("Who is He", lower=False) == ["Who", "is", "He"]


@pytest.mark.parametrize("names", [("train_5500.label", "TREC_10.label"), ("train.txt", "test.txt")])
def test_trec_in_both_layouts(tmp_path, names):
    write_trec(tmp_path / "trec", *names)
    data = lh.data.load("trec", data_dir=tmp_path, cal_size=9)
    assert data.kind == "text"
    assert data.classes == ("description", "human", "number")
    assert {role: len(split) for role, split in data.splits.items()} == {"train": 81, "cal": 9, "test": 7}
    assert data.splits["train"].inputs.dtype == np.int32
    assert read(data).split()[0] in ("How", "Who"), "TREC keeps its case"
    assert data.words[:2] == ("", "<unknown>")
    fine = lh.data.load("trec-50", data_dir=tmp_path, cal_size=9)
    assert fine.classes == ("DESC:manner", "HUM:ind", "NUM:count")
    assert "1 questions of classes that train lacks are left out" in fine.notes
    assert len(fine.splits["test"]) == 6


def test_mr_splits_on_line_feeds_only(tmp_path):
    (tmp_path / "mr").mkdir()
    for number, side in enumerate(("neg", "pos")):
        # 0x85 and vertical tab end a line for splitlines, not here
        lines = [f"word{row} is{chr(0x85)}one\x0bsentence {number} ." for row in range(40)]
        (tmp_path / "mr" / f"rt-polarity.{side}").write_bytes("\n".join(lines).encode("latin-1"))
    data = lh.data.load("mr", data_dir=tmp_path)
    assert sum(map(len, data.splits.values())) == 80
    assert data.classes == ("negative", "positive")


def test_sst5_has_its_own_val(tmp_path):
    (tmp_path / "sst5").mkdir()
    for stem, number in (("train", 50), ("dev", 10), ("test", 10)):
        (tmp_path / "sst5" / f"{stem}.txt").write_text(
            "\n".join(f"{row % 5} text number {row}" for row in range(number))
        )
    data = lh.data.load("sst5", data_dir=tmp_path, cal_size=5)
    assert {role: len(split) for role, split in data.splits.items()} == {"train": 45, "val": 10, "cal": 5, "test": 10}
    (tmp_path / "sst5" / "dev.txt").write_text("0 fine\n7 no such class\n")
    with pytest.raises(ValueError, match=r"dev.txt: line 2 must be a label 0 to 4"):
        lh.data.load("sst5", data_dir=tmp_path)


@pytest.mark.parametrize("form", ["folders", "jsonl", "jsonl.xz"])
def test_imdb_and_newsgroups_in_every_form(tmp_path, form):
    post = "From: somebody\nSubject: what it is about\n\nThe body of post {}\n> quoted\nmore\n\n--\nhis signature\n"
    rows = [(role, side, f"a review {side} {n}") for role in ("train", "test") for side in (0, 1) for n in range(20)]
    imdb, news = tmp_path / "imdb", tmp_path / "20newsgroups"
    for folder in (imdb, news):
        folder.mkdir()
    if form == "folders":
        for index, (role, side, text) in enumerate(rows):
            place = imdb / role / ("neg", "pos")[side]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{index}_1.txt").write_text(text)
            place = news / f"20news-bydate-{role}" / ("sci.space", "rec.autos")[side]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{index}").write_text(post.format(index), encoding="latin-1")
    else:
        opened = lzma.open if form.endswith("xz") else open
        with opened(imdb / f"imdb.{form}", "wt") as file:
            file.writelines(json.dumps({"split": r, "label": s, "text": t}) + "\n" for r, s, t in rows)
        with opened(news / f"20newsgroups.{form}", "wt") as file:
            for index, (role, side, _) in enumerate(rows):
                name = ("sci.space", "rec.autos")[side]
                file.write(json.dumps({"split": role, "name": name, "text": post.format(index)}) + "\n")
    reviews = lh.data.load("imdb", data_dir=tmp_path, cal_size=4)
    assert {role: len(split) for role, split in reviews.splits.items()} == {"train": 36, "cal": 4, "test": 40}
    posts = lh.data.load("20newsgroups", data_dir=tmp_path, cal_size=4)
    assert posts.classes == ("rec.autos", "sci.space")
    assert read(posts).startswith("the body of post")
    assert not {"somebody", "subject", "quoted", "signature"} & set(posts.words)
    assert posts.splits["train"].inputs[0, -1] != 0, "padding stands before the text"
    whole = lh.data.load("20newsgroups-raw", data_dir=tmp_path, cal_size=4)
    assert {"somebody", "subject", "quoted", "signature"} <= set(whole.words)


def test_stripping_like_scikit_learn():
    strip = pytest.importorskip("sklearn.datasets._twenty_newsgroups")
    posts = [
        "A: b\n\nbody\n\nlast",
        "A: b\n\none\nIn article <x>, y writes:\n> no\ntwo\n-----\nsignature",
        "A: b\n\nonly one line",
        "no header at all",
    ]
    for post in posts:
        theirs = strip.strip_newsgroup_header(post)
        theirs = strip.strip_newsgroup_footer(strip.strip_newsgroup_quoting(theirs))
        # without a blank line theirs takes the text for a header, and leaves nothing
        assert only_the_body(post).split() == (theirs or post).split()


def test_a_damaged_file_is_said(tmp_path):
    (tmp_path / "imdb").mkdir()
    path = tmp_path / "imdb" / "imdb.jsonl.xz"
    path.write_bytes(lzma.compress(b'{"split": "train", "label": 0, "text": "a"}\n')[:-8])
    with pytest.raises(ValueError, match="damaged or cut short"):
        lh.data.load("imdb", data_dir=tmp_path)
    path.unlink()
    (tmp_path / "imdb" / "imdb.jsonl").write_text('{"split": "train", "label": 0, "text": "a"}\nno json\n')
    with pytest.raises(ValueError, match="line 2 is no JSON"):
        lh.data.load("imdb", data_dir=tmp_path)


class TestTables:
    def rows(self):
        return [
            {"said": f"good {n}" if n % 2 else f"bad, {n}", "mood": ("no", "yes")[n % 2], "n": n} for n in range(60)
        ]

    def write(self, folder, ending):
        path = folder / f"table.{ending}"
        rows = self.rows()
        if ending == "jsonl":
            path.write_text("\n".join(map(json.dumps, rows)))
        else:
            import pyarrow as pa
            from pyarrow import csv, parquet

            table = pa.table({key: [row[key] for row in rows] for key in rows[0]})
            csv.write_csv(table, path) if ending == "csv" else parquet.write_table(table, path)
        return path

    @pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
    def test_any_form(self, tmp_path, ending):
        data = lh.data.load(self.write(tmp_path, ending), text="said", label="mood", cal_size=6, test_size=6)
        assert data.classes == ("no", "yes")
        assert set(data.words) == {"", "<unknown>", "good", "bad", ",", *map(str, range(60))}
        assert data.words.index("good") < data.words.index("0"), "the frequent first"

    def test_wrong_columns(self, tmp_path):
        path = self.write(tmp_path, "csv")
        with pytest.raises(ValueError, match="has no column 'sayd'; did you mean 'said'"):
            lh.data.load(path, text="sayd", label="mood")
        with pytest.raises(ValueError, match=r"which column holds the labels with --label"):
            lh.data.load(path, text="said")
        with pytest.raises(ValueError, match="must hold texts, but row 0"):
            lh.data.load(path, text="n", label="mood")
        with pytest.raises(ValueError, match="cannot be both the label and the inputs"):
            lh.data.load(path, text="mood", label="mood")
        with pytest.raises(ValueError, match="name it with --text"):
            lh.data.load(path, label="mood")
        with pytest.raises(ValueError, match="text= has no effect"):
            lh.data.load("digits", text="said")
        with pytest.raises(ValueError, match="max_words= has no effect"):
            lh.data.load("digits", max_words=4)

    def test_missing_texts(self, tmp_path):
        path = tmp_path / "table.jsonl"
        path.write_text('{"said": "a", "mood": 0}\n{"mood": 1}\n')
        with pytest.raises(ValueError, match=r"row 1 \(counted from 0\) holds nothing"):
            lh.data.load(path, text="said", label="mood")

    def test_long_texts_are_cut_and_empty_ones_said(self, tmp_path):
        path = tmp_path / "table.jsonl"
        rows = [{"said": "one two three four" if n else "...", "mood": n % 2} for n in range(40)]
        path.write_text("\n".join(map(json.dumps, rows)))
        data = lh.data.load(path, text="said", label="mood", max_words=3)
        assert data.shape == (3,)
        assert "four" not in data.words
        assert any("1 texts hold no words" in note for note in data.notes)
        assert any("39 texts have 3 words or more" in note for note in data.notes)


def test_the_fingerprint_knows_the_words(tmp_path):
    prints = []
    for word in ("good", "fine"):
        path = tmp_path / "table.jsonl"
        rows = [{"said": f"{word} {n % 7}", "mood": n % 2} for n in range(40)]
        path.write_text("\n".join(map(json.dumps, rows)))
        prints.append(lh.data.load(path, text="said", label="mood").fingerprint)
    assert prints[0] != prints[1]


@pytest.mark.parametrize(
    ("name", "sizes", "words"),
    [
        ("trec", {"train": 4907, "cal": 545, "test": 500}, 9594),
        ("mr", {"train": 8530, "cal": 1066, "test": 1066}, 18767),
        ("sst5", {"train": 7690, "val": 1101, "cal": 854, "test": 2210}, 17835),
    ],
)
def test_real_sets_have_their_known_counts(real_data, name, sizes, words):
    data = lh.data.load(name, data_dir=real_data)
    assert {role: len(split) for role, split in data.splits.items()} == sizes
    # Kim's table 1 counts 9,592 words of TREC and 18,765 of MR; padding and the unknown word come on top
    assert len(data.words) == words
