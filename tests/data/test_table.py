"""Tables of numbers with a column of labels, from CSV and parquet."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from pyarrow import csv

from levelhead.data import load


def columns(num=40):
    rng = np.random.default_rng(0)
    return {
        "width": rng.normal(size=num),
        "kind": ["yak" if row % 2 else "owl" for row in range(num)],
        "count": rng.integers(0, 9, num),
        "tame": [row % 3 == 0 for row in range(num)],
    }


def written(tmp_path, table, ending):
    path = tmp_path / f"animals{ending}"
    (csv.write_csv if ending == ".csv" else pyarrow.parquet.write_table)(pa.table(table), path)
    return path


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_features_in_the_order_of_the_columns_and_words_as_classes(tmp_path, ending):
    table = columns()
    data = load(written(tmp_path, table, ending), label="kind")
    assert data.kind == "vector"
    assert data.classes == ("owl", "yak")
    assert data.shape == (3,)
    for split in data.splits.values():
        assert np.array_equal(split.labels, split.ids % 2)
        for feature, name in enumerate(["width", "count", "tame"]):
            expected = np.array(table[name], dtype=np.float32)[split.ids]
            np.testing.assert_allclose(split.inputs[:, feature], expected, rtol=1e-6)
    assert data.split_info["sizes"] == {"train": 20, "cal": 10, "test": 10}


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_whole_numbers_as_labels(tmp_path, ending):
    table = {"x": [0.5, 1.5, 2.5, 3.5] * 6, "y": [2, 4, 4, 10] * 6}
    data = load(written(tmp_path, table, ending), label="y")
    assert data.classes == ("2", "4", "10")
    assert data.splits["train"].labels.dtype == np.int64


def test_categories_of_parquet_are_labels(tmp_path):
    table = {"x": np.arange(0, 20, 0.5), "y": pa.array(["b", "a"] * 20).dictionary_encode()}
    assert load(written(tmp_path, table, ".parquet"), label="y").classes == ("a", "b")


def test_train_alone_decides_the_standardisation(tmp_path):
    data = load(written(tmp_path, columns(), ".csv"), label="kind")
    train = data.splits["train"].inputs.astype(np.float64)
    np.testing.assert_allclose(data.mean, train.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(data.std, train.std(axis=0), rtol=1e-6)


def test_a_column_that_only_counts_rows_is_pointed_out(tmp_path):
    table = {"row": np.arange(40), **columns()}
    data = load(written(tmp_path, table, ".csv"), label="kind")
    assert any("column 'row' counts the rows" in note for note in data.notes)
    plain = load(written(tmp_path, columns(), ".csv"), label="kind")
    assert not any("counts the rows" in note for note in plain.notes)


def test_a_constant_column_is_pointed_out_and_stays_finite(tmp_path):
    data = load(written(tmp_path, {**columns(), "same": [3.0] * 40}, ".csv"), label="kind")
    assert "1 of 4 features are constant in train" in data.notes
    assert data.mean[3] == 3
    assert data.std[3] == 1


def test_labels_beyond_64_bits_are_refused_and_decimals_are_numbers(tmp_path):
    table = {"x": np.arange(0, 20, 0.5), "y": pa.array([2**63 + 5, 3] * 20, pa.uint64())}
    with pytest.raises(ValueError, match=r"labels must be below 2\*\*63, got 9223372036854775813"):
        load(written(tmp_path, table, ".parquet"), label="y")
    table["y"] = pa.array([Decimal("1.5"), Decimal("2.0")] * 20)
    with pytest.raises(ValueError, match=r"got float64; the first is 1.5 at index 0"):
        load(written(tmp_path, table, ".parquet"), label="y")
