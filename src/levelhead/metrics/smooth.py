"""Smooth calibration error: a calibration error without bins (Blasiok and Nakkiran 2023).

The residual confidence - correct is smoothed over the confidence with a Gaussian that is reflected at 0 and 1; its
absolute integral at bandwidth s is smECE(s), which falls with s. The measure is the fixed point smECE(s) = s, so there
is nothing to choose. It is not an estimate of ECE and differs from it.

On [0, 1] the reflected Gaussian is the heat kernel with insulated ends, so smoothing multiplies the k-th cosine
coefficient by exp(-(pi k s)^2 / 2): one transform, whatever the number of examples.
"""

import math

import numpy as np

GRID = 4096  # twice as fine changes the result by less than 1e-6


def smooth_ece(confidence: np.ndarray, total: np.ndarray, correct: np.ndarray, count: np.ndarray) -> float:
    """The fixed point for groups (G,): mean confidence, its sum, right predictions, examples. NaN for no example."""
    n = int(count.sum())
    if n == 0:
        return math.nan
    spectrum = _cosine_spectrum(_on_grid(confidence, (total - correct) / n))
    low, high = 1e-6, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if _smoothed(spectrum, middle) > middle:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _on_grid(place: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Mass at places in [0, 1], shared between the two nearest centres of GRID cells."""
    position = np.clip(place * GRID - 0.5, 0, GRID - 1)
    left = np.minimum(position.astype(np.int64), GRID - 2)
    share = position - left
    return np.bincount(left, mass * (1 - share), GRID) + np.bincount(left + 1, mass * share, GRID)


def _cosine_spectrum(mass: np.ndarray) -> np.ndarray:
    return np.fft.rfft(np.concatenate([mass, mass[::-1]]))


def _smoothed(spectrum: np.ndarray, bandwidth: float) -> float:
    decay = np.exp(-0.5 * (math.pi * bandwidth * np.arange(len(spectrum))) ** 2)
    return float(np.abs(np.fft.irfft(spectrum * decay)[:GRID]).sum())
