"""The mean probability of several predictions: by hand, aligned by id, and what cannot be aligned."""

import dataclasses

import numpy as np
import pytest

import levelhead as lh

PROBS = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
LABELS = np.array([0, 1, 1])
FIRST = lh.Predictions(
    labels=LABELS,
    probs=PROBS,
    ids=np.array([10, 20, 30]),
    role="test",
    classes=("a", "b"),
    meta={"data": "x", "seed": "0"},
)


def changed(**given):
    return dataclasses.replace(FIRST, **given)


def test_by_hand_from_probabilities_and_logits():
    second = changed(
        probs=None, logits=np.log([[0.5, 0.5], [0.4, 0.6], [0.1, 0.9]]) + 3, meta={"data": "x", "seed": "1"}
    )
    both = lh.Predictions.ensemble([FIRST, second])
    np.testing.assert_allclose(both.probs, [[0.7, 0.3], [0.3, 0.7], [0.35, 0.65]])
    assert both.role == "test"
    assert both.classes == ("a", "b")
    assert dict(both.meta) == {"data": "x", "ensemble": "2"}


def test_class_names_may_be_missing_in_some():
    assert lh.Predictions.ensemble([changed(classes=()), FIRST]).classes == ("a", "b")


@pytest.mark.parametrize("ids", [np.array([10, 20, 30]), np.array(["p", "q", "r"])])
def test_examples_are_aligned_by_id(ids):
    order = np.array([2, 0, 1])
    first = changed(ids=ids)
    shuffled = changed(ids=ids[order], probs=PROBS[order], labels=LABELS[order])
    both = lh.Predictions.ensemble([first, shuffled])
    np.testing.assert_allclose(both.probs, PROBS)
    np.testing.assert_array_equal(both.labels, LABELS)
    np.testing.assert_array_equal(both.ids, ids)


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".parquet", ".csv"])
def test_files_go_in_and_a_file_comes_out(tmp_path, ending):
    paths = [FIRST.save(tmp_path / f"{k}{ending}") for k in range(3)]
    saved = lh.Predictions.load(lh.Predictions.ensemble(paths).save(tmp_path / f"all{ending}"))
    np.testing.assert_allclose(saved.probs, PROBS, rtol=1e-15)
    assert lh.metrics.accuracy(**saved.scores, labels=saved.labels) == pytest.approx(2 / 3)


def test_far_logits_and_ruled_out_classes():
    certain = lh.Predictions(labels=np.array([0]), logits=np.array([[3e38, -3e38, -np.inf]], dtype=np.float32))
    unsure = lh.Predictions(labels=np.array([0]), logits=np.zeros((1, 3), dtype=np.float32))
    np.testing.assert_allclose(lh.Predictions.ensemble([certain, unsure]).probs, [[2 / 3, 1 / 6, 1 / 6]])


def test_it_is_never_worse_than_its_members_on_average():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 500)
    members = [
        lh.Predictions(labels=labels, logits=rng.normal(size=(500, 3)) + 2 * np.eye(3)[labels]) for _ in range(4)
    ]
    both = lh.Predictions.ensemble(members)
    for measure in (lh.metrics.nll, lh.metrics.brier):  # both are convex in the probabilities
        alone = np.mean([measure(**each.scores, labels=labels) for each in members])
        assert measure(**both.scores, labels=labels) < alone


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (changed(ids=None), "lacks ids"),
        (changed(ids=np.array([10, 20, 40])), "lacks 1 of 3 ids, first 30"),
        (changed(ids=np.array([10, 10, 30])), "names two examples"),
        (changed(ids=np.array(["10", "20", "30"])), "ids of another kind"),
        (changed(labels=np.array([0, 1, 0])), r"other labels than the first for 1 of 3 examples, the first at index 2"),
        (changed(role="cal"), "other role than the first: 'cal', not 'test'"),
        (changed(classes=("a", "c")), "other classes"),
        (changed(probs=np.full((3, 3), 1 / 3), classes=()), "other num_classes than the first: 3, not 2"),
        (lh.Predictions(labels=[0], probs=PROBS[:1], ids=[10], role="test", classes=("a", "b")), "num_examples"),
    ],
)
def test_what_cannot_be_aligned_is_refused_with_the_member(second, said):
    with pytest.raises(ValueError, match=f"member 2 of the ensemble .*{said}"):
        lh.Predictions.ensemble([FIRST, FIRST, second])


def test_without_ids_another_order_shows_in_the_labels():
    bare = changed(ids=None)
    with pytest.raises(ValueError, match="save them with ids"):
        lh.Predictions.ensemble([bare, changed(ids=None, labels=LABELS[::-1].copy(), probs=PROBS[::-1].copy())])
    with pytest.raises(ValueError, match="got none"):
        lh.Predictions.ensemble([])
