"""Seeded scores with a known answer: labels drawn from softmax(z), scores 1.8 z, so the model is overconfident."""

import numpy as np
import torch


def overconfident(n: int, num_classes: int, scale: float = 1.8, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Float32 logits (n, C) and labels; the best temperature is `scale`, up to sampling noise."""
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(n, num_classes, generator=g, dtype=torch.float64)
    z[torch.arange(n), torch.randint(num_classes, (n,), generator=g)] += 4
    labels = torch.multinomial(z.softmax(1), 1, generator=g).flatten()
    return (z * scale).float(), labels


def two_columns(confidence: object) -> np.ndarray:
    """Binary probabilities whose first column is `confidence`."""
    p = np.asarray(confidence, dtype=np.float64)
    return np.stack([p, 1 - p], axis=1)


def plain_ece(probs: np.ndarray, labels: np.ndarray, n_bins: int = 15) -> float:
    """ECE in the most literal way: float64, a loop over bins (lo, hi], zero in the first."""
    confidence, correct = probs.max(1), probs.argmax(1) == labels
    error = 0.0
    for m in range(n_bins):
        inside = (confidence > m / n_bins) & (confidence <= (m + 1) / n_bins)
        inside |= (confidence == 0) & (m == 0)
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return float(error)
