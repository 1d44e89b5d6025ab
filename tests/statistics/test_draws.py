"""The draws against their laws. Seeds are fixed; bounds are those of the tests at a level no honest draw would miss."""

import numpy as np
import pytest
import torch
from scipy import stats

from levelhead.mixing import Alternate, CutMix, ManifoldMixup, Midpoint, Mixup, Step
from levelhead.mixing._beta import beta, dirichlet

LEVEL = 1e-4  # one false alarm in ten thousand seeds; the seed is fixed, so it is right for ever or wrong for ever


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2, 0.4, 1.0, 3.0, 8.0])
def test_lam_follows_beta(alpha):
    lam = beta(alpha, 20_000, torch.Generator().manual_seed(0)).numpy()
    law = stats.beta(alpha, alpha)
    # not beyond 1e-12 of the ends: Beta(.05) has eight hundredths of its mass above the last float64 below one
    points = np.linspace(law.cdf(1e-12), law.cdf(1 - 1e-12), 500)[1:-1]
    found = np.searchsorted(np.sort(lam), law.ppf(points), side="right") / len(lam)
    assert np.abs(found - points).max() < np.sqrt(-np.log(LEVEL / 2) / 2 / len(lam))  # Kolmogorov-Smirnov


def test_tiny_alpha_gives_both_ends_and_not_the_middle():
    lam = beta(0.001, 4000, torch.Generator().manual_seed(0))
    assert torch.isfinite(lam).all()
    assert ((lam > 0.01) & (lam < 0.99)).double().mean() < 0.02
    assert lam.mean() == pytest.approx(0.5, abs=5 * 0.5 / 4000**0.5)


def test_large_alpha_gathers_at_one_half():
    lam = beta(100.0, 4000, torch.Generator().manual_seed(0))
    assert lam.std() == pytest.approx(stats.beta(100, 100).std(), rel=0.1)


def test_alpha_zero_does_not_mix():
    assert (beta(0.0, 5, torch.Generator()) == 1).all()


def test_lam_is_rarely_rounded_to_one():
    lam = beta(0.2, 100_000, torch.Generator().manual_seed(0))
    # in float32 a sixtieth of the draws would be; in float64 P(1 - lam < 2^-53) is about 1e-3.6
    assert (lam == 1).double().mean() < 2e-3


def test_one_lam_a_batch_or_one_an_example():
    shape = torch.Size([1000, 2])
    batch = Mixup(1.0).draw(Step(shape), torch.Generator().manual_seed(0)).mix.lam
    each = Mixup(1.0, "sample").draw(Step(shape), torch.Generator().manual_seed(0)).mix.lam
    assert len(set(batch.tolist())) == 1
    assert stats.kstest(each.numpy(), "uniform").pvalue > LEVEL


def test_partner_is_a_uniform_permutation():
    generator, counts = torch.Generator().manual_seed(0), torch.zeros(5, 5)
    for _ in range(5000):
        partner = Mixup().draw(Step(torch.Size([5, 1])), generator).mix.partner
        counts[torch.arange(5), partner] += 1
    assert stats.chisquare(counts.flatten().numpy(), ddof=8).pvalue > LEVEL  # rows and columns are fixed


def test_cutmix_mixes_with_its_probability_and_centres_are_uniform():
    generator, mixer = torch.Generator().manual_seed(0), CutMix(alpha=1.0, prob=0.3)
    drawn = [mixer.draw(Step(torch.Size([2, 1, 32, 32])), generator) for _ in range(4000)]
    applied = [d for d in drawn if d.applied]
    assert stats.binomtest(len(applied), 4000, 0.3).pvalue > LEVEL
    # boxes that no border clipped say where their centre was; small ones are hardly ever clipped
    small = [d.box for d in applied if 0 < d.box[2] - d.box[0] <= 6 and d.box[0] > 0 and d.box[2] < 32]
    rows = torch.tensor([(box[0] + box[2]) // 2 for box in small])
    inside = rows[(rows >= 4) & (rows < 28)]
    counts = torch.bincount(inside - 4, minlength=24)
    assert stats.chisquare(counts.numpy()).pvalue > LEVEL


@pytest.mark.parametrize(("alpha", "k"), [(0.05, 3), (0.4, 3), (1.0, 5), (8.0, 4)])
def test_weights_of_many_follow_dirichlet(alpha, k):
    rows = dirichlet(alpha, 20_000, k, torch.Generator().manual_seed(0))
    torch.testing.assert_close(rows.sum(1), torch.ones(20_000, dtype=torch.float64))
    law = stats.beta(alpha, (k - 1) * alpha)  # every weight's own law
    for column in rows.T.numpy():
        points = np.linspace(law.cdf(1e-12), law.cdf(1 - 1e-12), 300)[1:-1]
        found = np.searchsorted(np.sort(column), law.ppf(points), side="right") / len(column)
        assert np.abs(found - points).max() < np.sqrt(-np.log(LEVEL / 2) / 2 / len(column))


def test_dirichlet_zero_does_not_mix():
    assert dirichlet(0.0, 2, 3, torch.Generator()).tolist() == [[1, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize(("alpha", "mixer"), [(0.05, Mixup), (0.4, Mixup), (8.0, Mixup), (2.0, ManifoldMixup)])
def test_the_lam_of_a_step_follows_beta(alpha, mixer):
    generator, step = torch.Generator().manual_seed(0), Step(torch.Size([2, 3]), places=3)
    lam = np.array([float(mixer(alpha).draw(step, generator).mix.lam[0]) for _ in range(4000)])
    law = stats.beta(alpha, alpha)
    points = np.linspace(law.cdf(1e-12), law.cdf(1 - 1e-12), 200)[1:-1]
    found = np.searchsorted(np.sort(lam), law.ppf(points), side="right") / len(lam)
    assert np.abs(found - points).max() < np.sqrt(-np.log(LEVEL / 2) / 2 / len(lam))


def test_manifold_mixup_draws_its_layer_uniformly():
    generator, step = torch.Generator().manual_seed(0), Step(torch.Size([2, 3]), places=4)
    places = [ManifoldMixup().draw(step, generator).place for _ in range(4000)]
    assert stats.chisquare(np.bincount(places, minlength=4)).pvalue > LEVEL


def test_a_coin_alternates_half_of_the_steps():
    generator, mixer = torch.Generator().manual_seed(0), Alternate(Midpoint(), mode="coin")
    mixed = sum(mixer.draw(Step(torch.Size([2, 3]), turn), generator).applied for turn in range(4000))
    assert stats.binomtest(mixed, 4000, 0.5).pvalue > LEVEL
