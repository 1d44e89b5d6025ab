"""The figures that are about one idea each: hand-worked numbers, edges, and that something is drawn."""

import numpy as np
import pytest
from scipy.stats import kstest

from levelhead.plots import coverage, density, embedding, label_entropy, soft_targets, surface, sweep, winning


def drawn(ax):
    """Whether an axis holds anything that data made."""
    return bool(ax.lines or ax.patches or ax.collections)


def test_coverage_by_hand(ax):
    # surest first: right, (wrong, right: one confidence, so one place), wrong
    probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.6, 0.4]])
    found = coverage.coverage("a", probs=probs, labels=np.array([0, 1, 1, 1]))
    np.testing.assert_allclose(found.coverage, [0.25, 0.75, 1.0])
    np.testing.assert_allclose(found.risk, [0, 1 / 3, 0.5])
    coverage.draw(ax, [found], baseline="a")
    assert ax.lines[0].get_color() == "#000000"


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 1], [1, 1, 0, 0, 1]])
def test_coverage_answers_saturated_confidences_together(labels):
    # four probabilities of exactly one: infinite log-odds, whose differences are NaN
    probs = np.array([[1.0, 0.0]] * 4 + [[0.4, 0.6]])
    found = coverage.coverage("a", probs=probs, labels=np.array(labels))
    np.testing.assert_allclose(found.coverage, [0.8, 1])
    np.testing.assert_allclose(found.risk, [0.5, 0.4])


def test_coverage_keeps_the_end_of_a_long_curve():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(9000, 3)), rng.integers(0, 3, 9000)
    found = coverage.coverage("a", logits=logits, labels=labels)
    assert len(found.coverage) <= coverage.MOST
    assert found.coverage[-1] == 1
    assert found.risk[-1] == pytest.approx((logits.argmax(1) != labels).mean())


def test_winning_scores_by_hand(ax):
    probs = np.array([[0.51, 0.49], [0.52, 0.48], [1.0, 0.0], [0.5, 0.5]])
    found = winning.winning("test", probs=probs, n_bins=10)
    np.testing.assert_allclose(found.share, [0, 0, 0, 0, 0, 0.75, 0, 0, 0, 0.25])
    assert found.median == pytest.approx(0.515)
    winning.draw(ax, [found])
    assert drawn(ax)


def test_the_law_of_label_entropy_is_that_of_draws(ax):
    for alpha in (0.2, 1.0, 2.0):
        lam = np.random.default_rng(3).beta(alpha, alpha, 4000).clip(1e-300, 1 - 1e-16)
        drawn_entropy = -lam * np.log(lam) - (1 - lam) * np.log1p(-lam)
        law = label_entropy.label_entropy(alpha)
        # seeded, 4,000 draws: a law that is off by more than three in a hundred anywhere is told
        assert kstest(drawn_entropy, lambda h, law=law: np.interp(h, law.entropy, law.below)).pvalue > 0.001
        middle = (law.entropy > 0.05) & (law.entropy < 0.6)
        slope = np.gradient(law.below, law.entropy)
        np.testing.assert_allclose(law.density[middle], slope[middle], rtol=0.01)
    label_entropy.draw(ax, [law])
    assert drawn(ax)
    with pytest.raises(ValueError, match="alpha must be"):
        label_entropy.label_entropy(0)


def results(sentence, values):
    return [
        {"sentence": sentence, "role": "test", "raw": {"ece": value}, "scaled": {"ece": value / 2}} for value in values
    ]


def test_sweep_groups_what_differs_in_one_argument(ax):
    rows = [
        *results("mixup(alpha=0.2) | one_hot | cross_entropy", [0.1, 0.3]),
        *results("mixup(alpha=1e0) | one_hot | cross_entropy", [0.5]),
        *results("identity | one_hot | focal(gamma=3)", [0.9]),
        *results("cutmix(alpha=1, prob=0.5) | one_hot | cross_entropy", [0.7]),
        {"sentence": "mixup(alpha=2) | one_hot | cross_entropy", "role": "cal", "raw": {"ece": 9}},
    ]
    (found,) = sweep.sweeps(rows, argument="alpha")
    assert found.family == "mixup(alpha=…) | one_hot | cross_entropy"
    np.testing.assert_array_equal(found.values, [0.2, 1])
    np.testing.assert_allclose(found.mean, [0.2, 0.5])
    assert len(found.table()) == 3
    (scaled,) = sweep.sweeps(rows, argument="alpha", state="scaled")
    np.testing.assert_allclose(scaled.mean, [0.1, 0.25])
    sweep.draw(ax, [found], log=True)
    assert ax.get_title() == "seeds: 1 to 2"
    with pytest.raises(ValueError, match=r"no two methods differ in gamma= alone; .* alpha, gamma, prob"):
        sweep.sweeps(rows, argument="gamma")


def test_density_deals_the_same_batches_whatever_is_said(ax):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 450)
    right = np.eye(4)[labels] * 0.6 + 0.1  # confidence .7, always right
    found = density.density("sure", probs=right, labels=labels)
    assert found.accuracy.shape == (4,)  # the last 50 fill no batch
    np.testing.assert_allclose(found.confidence, 0.7)
    np.testing.assert_allclose(found.accuracy, 1)
    half = np.where(np.arange(450)[:, None] % 2 == 0, right, np.roll(right, 1, 1))
    a, b = (density.density("half", probs=half, labels=labels).accuracy for _ in range(2))
    np.testing.assert_array_equal(a, b)
    density.draw(ax, found)
    assert drawn(ax)
    with pytest.raises(ValueError, match="N >= 100"):
        density.density("few", probs=right[:99], labels=labels[:99])


def test_surface_asks_the_network_everywhere(ax):
    points = np.array([[0.0, 0.0], [1.0, 2.0]])
    # the class is decided by x alone, evenly at one half
    found = surface.surface(
        "x", lambda at: np.stack([0 * at[:, 0], 8 * (at[:, 0] - 0.5)], 1), points, np.array([0, 1]), resolution=81
    )
    assert found.probability.shape == (81, 81)
    assert (found.x[0], found.x[-1]) == (pytest.approx(-0.15), pytest.approx(1.15))
    assert (found.y[0], found.y[-1]) == (pytest.approx(-0.3), pytest.approx(2.3))
    np.testing.assert_allclose(found.probability[:, 40], 0.5, atol=1e-6)
    assert (np.diff(found.probability, axis=1) > 0).all()
    # between .3 and .7 lie log-odds of -.847 to .847, .212 of 1.3 along x
    assert found.unsure == pytest.approx(0.2118 / 1.3, abs=2 / 81)
    assert found.width == pytest.approx(0.2118, abs=2 * 1.3 / 81), "the even line is straight, so all of it is so wide"
    surface.draw(ax, found)
    assert drawn(ax)
    never = surface.surface("x", lambda at: np.stack([0 * at[:, 0], 0 * at[:, 0] + 5], 1), points, np.array([0, 1]))
    assert np.isnan(never.width)
    with pytest.raises(ValueError, match="points"):
        surface.surface("x", lambda at: at, np.zeros((3, 3)), np.zeros(3))


def write(path, **arrays):
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **arrays)


def test_soft_targets_are_those_recorded(tmp_path, ax):
    for epoch, own in ((1, 0.5), (10, 0.4)):
        row = np.array([own, own, 0.1, 0.05])
        write(tmp_path / "records" / f"targets-{epoch:04d}.npz", pairs=row, pairs_count=90)
    found = soft_targets.soft_targets("pls", tmp_path)
    assert found.epochs.tolist() == [1, 10]
    assert [row["target"] for row in found.table() if row["rank"] == "own"] == [0.5, 0.4]
    soft_targets.draw_bars(ax, [found])
    assert [patch.get_height() for patch in ax.patches] == [0.4, 0.4, 0.1, 0.05]
    soft_targets.draw_epochs(ax, found)
    with pytest.raises(ValueError, match="--record targets"):
        soft_targets.soft_targets("vanilla", tmp_path / "elsewhere")


def test_embeddings_by_hand(tmp_path, ax):
    labels = np.array([0, 0, 1, 1])
    near = np.array([[-1.0, 1], [-1, -1], [1, 1], [1, -1]])  # within 1, between 1
    for epoch, scale in ((1, 1), (2, 4)):
        write(
            tmp_path / "records" / f"embeddings-{epoch:04d}.npz", features=near * [scale, 1], labels=labels, ids=labels
        )
    first, last = embedding.embeddings(tmp_path)
    assert (first.epoch, first.spread) == (1, 1.0)
    assert last.spread == pytest.approx(1 / 16)
    np.testing.assert_array_equal(first.points, near)
    embedding.draw(ax, first, classes=("cat", "dog"))
    assert drawn(ax)
    # of more features the two directions that vary most, for all epochs those of the last
    wide = np.pad(near * [4, 1], ((0, 0), (3, 0)))
    write(tmp_path / "records" / "embeddings-0003.npz", features=wide, labels=labels, ids=labels)
    (only,) = embedding.embeddings(tmp_path, (3,))
    np.testing.assert_allclose(np.abs(only.points), np.abs(near * [4, 1]), atol=1e-12)
    with pytest.raises(ValueError, match=r"epochs \[7\] were not recorded"):
        embedding.embeddings(tmp_path, (7,))
