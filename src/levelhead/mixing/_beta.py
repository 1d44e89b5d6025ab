"""The law of lam: Beta(alpha, alpha) from an explicit generator, right for every alpha.

``torch.distributions.Beta`` takes no generator and collapses to 1/2 for tiny alpha, and in float32 a Beta(0.2) draw
rounds to exactly 1 in about one of sixty cases. So: float64, and gammas compared in the log domain.
"""

import torch
from torch import Tensor


def beta(alpha: float, size: int, generator: torch.Generator) -> Tensor:
    """Draws ``(size,)`` float64 values from Beta(alpha, alpha); ``alpha=0`` gives exactly 1 (no mixing)."""
    if alpha == 0:
        return torch.ones(size, dtype=torch.float64)
    return torch.sigmoid(_log_gamma_draw(alpha, size, generator) - _log_gamma_draw(alpha, size, generator))


def _log_gamma_draw(alpha: float, size: int, generator: torch.Generator) -> Tensor:
    # Gamma(alpha) = Gamma(alpha + 1) * U^(1/alpha) (Marsaglia and Tsang 2000); the power underflows for small
    # alpha, its logarithm does not.
    boosted = torch._standard_gamma(torch.full((size,), alpha + 1.0, dtype=torch.float64), generator)
    uniform = torch.rand(size, dtype=torch.float64, generator=generator)
    # 1 - U is in (0, 1], so the logarithm is finite.
    return boosted.log() + torch.log1p(-uniform) / alpha


def dirichlet(alpha: float, size: int, k: int, generator: torch.Generator) -> Tensor:
    """Draws ``(size, k)`` float64 rows from Dirichlet(alpha, ..., alpha); ``alpha=0`` puts all on the first."""
    if alpha == 0:
        rows = torch.zeros(size, k, dtype=torch.float64)
        rows[:, 0] = 1
        return rows
    return torch.stack([_log_gamma_draw(alpha, size, generator) for _ in range(k)], 1).softmax(1)
