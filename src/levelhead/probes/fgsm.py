"""One step against the gradient's sign (Goodfellow et al. 2015), in pixel space whatever the normalisation.

    x' = clamp(x + eps sign(d CE(f(x), y) / dx), 0, 1),   x in pixel space

Defaults: eps = 8/255, the true label, untargeted, one step (LogitMix, table S1). The step goes up the log-odds against
the label, ``logsumexp of the other logits - logit of the label``: cross-entropy's gradient is that times
``1 - p_y > 0``, so the signs are the same, but where confidence rounds to one cross-entropy's is zero, and a saturated
network would pass for a robust one. B batch, C classes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from levelhead.data import Dataset
from levelhead.member import number
from levelhead.network import call, evaluating, find_logits
from levelhead.predictions import Predictions
from levelhead.probes.probe import Probe, Subject
from levelhead.probes.statistics import in_pixels, per_channel


def fgsm(model: nn.Module, inputs: Tensor, labels: Any, *, eps: float = 8 / 255, mean: Any, std: Any) -> Tensor:
    """Inputs moved by ``eps`` a pixel to where the model is likelier to be wrong; normalised like the given ones.

    ``inputs (B, C, ...)``: floating point, normalised as ``(pixels - mean) / std`` with pixels in [0, 1]. ``labels``
    (B,): the true classes, integers. ``eps`` in [0, 1]: the largest change of a pixel. ``mean`` and ``std``: a number,
    or one a channel. The result is clamped to pixels in [0, 1] and is detached, of the inputs' dtype and device.

    The model is asked once, in eval mode; its modes, parameters, their gradients and the given inputs stay as they
    were, and an example's result does not depend on its batch. Top-1 and top-5 under attack follow from predictions on
    the result. Raises ``ValueError`` for wrong shapes, labels, ``eps``, ``mean`` or ``std``, and for a model whose
    logits have no finite gradient.

    >>> model = nn.Linear(2, 2, bias=False)
    >>> _ = nn.init.eye_(model.weight)
    >>> fgsm(model, torch.tensor([[0.9, 0.05]]), [0], eps=0.1, mean=0.0, std=1.0)
    tensor([[0.8000, 0.1500]])
    """
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 <= eps <= 1:
        raise ValueError(f"eps= is the largest change of a pixel in [0, 1], such as 8/255, not {eps!r}")
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point() or inputs.ndim < 2:
        came = f"{inputs.dtype} of shape {tuple(inputs.shape)}" if isinstance(inputs, Tensor) else type(inputs).__name__
        raise ValueError(f"fgsm needs inputs (B, C, ...) of floating point, which have a gradient; got {came}")
    mean, std = per_channel(mean, std, inputs)
    if len(inputs) == 0:
        return inputs.detach().clone()
    slope = _slope(model, inputs, labels)
    return in_pixels(inputs.detach() + slope.sign() * (eps / std), mean, std)


def _slope(model: nn.Module, inputs: Tensor, labels: Any) -> Tensor:
    """The gradient of the summed log-odds against the labels: summed, so that no example's depends on another's."""
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model):
        leaf = inputs.detach().clone().requires_grad_()
        logits = find_logits(call(model, leaf))
        chosen = _labels(labels, logits, len(inputs)).view(-1, 1)
        wide = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        others = wide.scatter(1, chosen, -math.inf).logsumexp(1)
        (slope,) = torch.autograd.grad((others - wide.gather(1, chosen)[:, 0]).sum(), leaf, allow_unused=True)
    if slope is None:
        raise ValueError("the model's logits do not depend on its inputs by a gradient, so there is no direction")
    bad = ~slope.flatten(1).isfinite().all(1)
    if bool(bad.any()):
        raise ValueError(
            f"the gradient of {int(bad.sum())} of {len(inputs)} inputs is not finite, the first at index "
            f"{int(bad.int().argmax())}; look for NaN in them, or use a higher precision"
        )
    return slope


def _labels(labels: Any, logits: Tensor, rows: int) -> Tensor:
    found = torch.as_tensor(labels, device=logits.device)
    if logits.ndim != 2 or len(logits) != rows:
        raise ValueError(f"the model must give logits ({rows}, C), but gave {tuple(logits.shape)}")
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool or found.shape != (rows,):
        raise ValueError(f"labels must be ({rows},) integers, got {found.dtype} of shape {tuple(found.shape)}")
    bad = (found < 0) | (found >= logits.shape[1])
    if bool(bad.any()):
        first = int(bad.int().argmax())
        raise ValueError(f"labels must lie in [0, {logits.shape[1]}), got {int(found[first])} at index {first}")
    return found.long()


@dataclass(frozen=True)
class Fgsm(Probe):
    """The test split under attack."""

    word: ClassVar[str] = "fgsm"
    eps: float = number(8 / 255, low=0, high=1)

    @property
    def name(self) -> str:
        """``fgsm`` with the usual eps, else with eps in 255ths where it is so many."""
        steps = 255 * self.eps
        said = f"{round(steps)}/255" if round(steps) > 0 and abs(steps - round(steps)) < 1e-6 else f"{self.eps:g}"
        return self.word if self == type(self)() else f"{self.word}(eps={said})"

    def suits(self, data: Dataset) -> None:
        """Vectors have no pixels."""
        if data.kind != "image":
            raise ValueError(f"fgsm changes pixels, but {data.name} holds vectors; gaussian_noise works on them")

    def predictions(self, subject: Subject) -> Predictions:
        """What the model says of the attacked test split."""
        mean, std = subject.statistics

        def attacked() -> Iterator[Tensor]:
            for inputs, labels in subject.batches():
                with subject.precision():
                    moved = fgsm(subject.model, inputs, labels, eps=self.eps, mean=mean, std=std)
                yield moved

        return subject.asked(attacked(), like_test=True)
