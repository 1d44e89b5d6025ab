"""Noise with the statistics it should have, the same for everybody who asks with the same seed."""

import pytest
import torch

import levelhead as lh


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_gaussian_noise_has_the_training_mean_and_variance_by_channel():
    mean, std = torch.tensor([0.5, 0.2]).view(-1, 1, 1), torch.tensor([0.1, 0.3]).view(-1, 1, 1)
    pixels = lh.probes.gaussian_noise(500, (2, 8, 8), generator=generator()) * std + mean
    # 32,000 numbers a channel: the mean is within 4 sd / sqrt(n), the deviation within 4 sd / sqrt(2n)
    torch.testing.assert_close(pixels.mean((0, 2, 3)), mean.flatten(), atol=4 * 0.3 / 32_000**0.5, rtol=0)
    torch.testing.assert_close(pixels.std((0, 2, 3)), std.flatten(), atol=4 * 0.3 / 64_000**0.5, rtol=0)
    assert pixels.min() < 0  # not clipped


def test_uniform_noise_fills_the_pixels():
    mean, std = [0.5, 0.2], [0.1, 0.3]
    noise = lh.probes.uniform_noise(500, (2, 8, 8), generator=generator(), mean=mean, std=std)
    pixels = noise * torch.tensor(std).view(-1, 1, 1) + torch.tensor(mean).view(-1, 1, 1)
    assert pixels.min() == pytest.approx(0, abs=1e-3)
    assert pixels.max() == pytest.approx(1, abs=1e-3)
    assert pixels.mean() == pytest.approx(0.5, abs=0.005)
    assert pixels.var() == pytest.approx(1 / 12, abs=0.002)


def test_noise_comes_from_the_generator_alone():
    state = torch.get_rng_state()
    first, again = (lh.probes.gaussian_noise(5, (3,), generator=generator(7)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, lh.probes.gaussian_noise(5, (3,), generator=generator(8)))
    assert torch.equal(torch.get_rng_state(), state)


def test_wrong_statistics_are_refused():
    with pytest.raises(ValueError, match="each of the 3 channels"):
        lh.probes.uniform_noise(5, (3, 2, 2), generator=generator(), mean=[0.0, 0.0], std=1.0)
