"""The objective: a method put together around the user's model. The only place that takes a mean.

(The file is not called ``objective.py`` because ``levelhead.objective`` is the function.)
Shapes: B batch, C classes.
"""

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from levelhead.classifier import call_with_features, find_classifier, linear_head
from levelhead.eager import eager
from levelhead.losses import Consistency, one_hot
from levelhead.mixing import Drawn, lerp, unmixed
from levelhead.spec import Spec, parse
from levelhead.types import Mix, Output


class Objective(nn.Module):
    """A training objective that contains the user's model; call it with a batch, call ``backward`` on its loss.

    In training mode a call draws one step of the method. In eval mode it sees the clean view, draws nothing and counts
    nothing. ``model`` stays the user's own object with its keys, hooks and outputs; what a method learns beside it
    (``head``) belongs to the objective, so one ``parameters()`` and one ``state_dict()`` hold everything, the private
    generator and the step count included.
    """

    def __init__(
        self,
        spec: Spec,
        model: nn.Module,
        num_classes: int,
        classifier: str | nn.Module | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.model = model
        self.num_classes = num_classes
        self.generator = _private_generator() if generator is None else generator
        self.count = 0
        self.head: nn.Linear | None = None
        self._layer: tuple[nn.Linear, ...] = ()  # in a tuple, so that the layer is not registered twice
        size = spec.targets.head_size(num_classes)
        if size:
            layer = find_classifier(model, num_classes, classifier)
            self._layer = (layer,)
            self.head = linear_head(layer.in_features, size, layer.weight, self.generator)

    def forward(self, inputs: Tensor, labels: Tensor, mix: Mix | None = None) -> Output:
        """The loss of one batch, with its parts.

        ``inputs (B, ...)`` floating point, never changed; ``labels (B,)`` integers or ``(B, C)`` distributions.
        ``mix=`` forces a mixed step with this pairing in place of a draw. Raises ``ValueError`` for what does not fit.
        """
        originals, drawn, label_lam = self._prepare(inputs, labels, mix)
        views: dict[str, tuple[Tensor, Tensor]] = {}
        if self.spec.needs_clean or not drawn.applied:
            views["clean"] = inputs, originals
        if self.spec.needs_mixed and drawn.applied:
            mixed_labels = lerp(originals, Mix(drawn.mix.partner, label_lam))
            views["mixed"] = self.spec.mixing.blend(inputs, drawn), mixed_labels
        logits, features = self._run([view for view, _ in views.values()])
        targets = self._targets([labels for _, labels in views.values()], features)
        terms = self._terms(dict(zip(views, logits)), dict(zip(views, targets)), drawn.mix)
        loss = torch.stack(list(terms.values())).sum()
        return Output(loss, logits[0], targets[0], drawn.mix, {name: term.detach() for name, term in terms.items()})

    def get_extra_state(self) -> dict[str, Any]:
        """The generator and the count, so that a restored objective goes on with the same draws."""
        return {"generator": self.generator.get_state(), "count": self.count}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take up the generator and the count of a saved objective."""
        self.generator.set_state(state["generator"].cpu())
        self.count = int(state["count"])

    def extra_repr(self) -> str:
        """The sentence."""
        return str(self.spec)

    @eager()
    def _prepare(self, inputs: Tensor, labels: Tensor, given: Mix | None) -> tuple[Tensor, Drawn, Tensor]:
        """All that looks at values or moves the generator, in one place, so that the rest compiles as one graph."""
        return (self._distributions(inputs, labels), *self._draw(inputs, given))

    def _distributions(self, inputs: Tensor, labels: Tensor) -> Tensor:
        if not inputs.is_floating_point():
            raise ValueError(f"inputs must be floating point, not {inputs.dtype}; convert and normalise them first")
        if inputs.shape[0] == 0:
            raise ValueError(f"the batch is empty: inputs have shape {tuple(inputs.shape)}")
        dtype = torch.float64 if inputs.dtype == torch.float64 else torch.float32
        if labels.is_floating_point():
            if labels.shape != (inputs.shape[0], self.num_classes):
                raise ValueError(
                    f"label distributions must have shape {(inputs.shape[0], self.num_classes)}, "
                    f"not {tuple(labels.shape)}"
                )
            return labels.to(dtype)
        if labels.shape != inputs.shape[:1]:
            raise ValueError(f"labels must have shape ({inputs.shape[0]},), not {tuple(labels.shape)}")
        return one_hot(labels, self.num_classes, dtype)

    def _draw(self, inputs: Tensor, given: Mix | None) -> tuple[Drawn, Tensor]:
        """This step's pairing, on the inputs' device, and the weight of the original's label ``(B,)``."""
        size, mixer, rule = inputs.shape[0], self.spec.mixing, self.spec.targets
        if given is not None:
            given = _checked_mix(given, size)
        if given is None and not self.training:
            drawn = Drawn(unmixed(size), applied=False)
        else:
            drawn = mixer.draw(inputs.shape, self.generator, given=given, count=self.count)
            self.count += given is None
        assert isinstance(drawn.mix.lam, Tensor)
        lam = drawn.mix.lam
        if rule.lam == "uniform" and drawn.applied:
            # LaMix, eq. 4: the labels' own weight, one a batch; a given pairing's lam takes its place
            own = torch.rand(1, dtype=torch.float64, generator=self.generator) if given is None else given.lam
            lam = torch.as_tensor(own).expand(size)
        device = inputs.device
        moved = Mix(drawn.mix.partner.to(device), _to(drawn.mix.lam, device))
        return drawn._replace(mix=moved), _to(rule.label_lam(lam), device)

    def _run(self, views: list[Tensor]) -> tuple[list[Tensor], Tensor | None]:
        """Logits of every view from one forward pass over all of them, and the features where a head needs them."""
        batch = views[0] if len(views) == 1 else torch.cat(views)
        features = None
        if self.head is None:
            output = self.model(batch)
        else:
            output, features = call_with_features(self.model, self._layer[0], batch)
        if not isinstance(output, Tensor) or output.shape != (batch.shape[0], self.num_classes):
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"the model must give logits ({batch.shape[0]}, {self.num_classes}), but gave {shape}")
        return list(output.chunk(len(views))), features

    def _targets(self, labels: list[Tensor], features: Tensor | None) -> list[Tensor]:
        learned = (
            [None] * len(labels) if features is None or self.head is None else self.head(features).chunk(len(labels))
        )
        return [self.spec.targets(each, logits) for each, logits in zip(labels, learned)]

    def _terms(self, logits: dict[str, Tensor], targets: dict[str, Tensor], mix: Mix) -> dict[str, Tensor]:
        """The weighted summands of the loss. A lone view carries the whole weight of the loss."""
        loss = self.spec.loss
        weights = {"clean": loss.clean, "mixed": loss.mixed}
        if len(logits) == 1:
            weights = dict.fromkeys(logits, loss.clean if "clean" in logits and loss.clean else loss.mixed)
        terms: dict[str, Tensor] = {}
        for view, weight in weights.items():
            if view not in logits or weight == 0:
                continue
            suffix = f"_{view}" if self.spec.needs_clean and self.spec.needs_mixed else ""
            terms[loss.word + suffix] = weight * loss(logits[view], targets[view]).mean()
            for penalty in self.spec.penalties:
                if not isinstance(penalty, Consistency):
                    terms[penalty.word + suffix] = weight * penalty.weight * penalty(logits[view]).mean()
        if "clean" in logits and "mixed" in logits:
            for penalty in self.spec.penalties:
                if isinstance(penalty, Consistency):
                    terms[penalty.word] = penalty.weight * penalty(logits["clean"], logits["mixed"], mix).mean()
        return terms


def objective(
    method: str | Spec,
    model: nn.Module,
    *,
    num_classes: int,
    classifier: str | nn.Module | None = None,
    generator: torch.Generator | None = None,
) -> Objective:
    """Put a method around a model: ``objective(inputs, labels).loss`` replaces the loss line of a training loop.

    ``method`` is a name (``"pls"``), a name with arguments (``"mixup(alpha=0.2)"``), a sentence or a parsed spec.
    ``classifier`` names the model's last linear layer where a method learns on its input and cannot find it.
    ``generator`` is the source of all draws (a CPU generator); without it a private one is seeded from
    ``torch.initial_seed()`` and the process rank, and the global random state is only read.

    >>> import torch
    >>> o = objective("uls", torch.nn.Linear(3, 2), num_classes=2)
    >>> o(torch.zeros(4, 3), torch.tensor([0, 1, 0, 1])).loss.ndim
    0
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 2:
        raise ValueError(f"num_classes must be a whole number of at least 2, not {num_classes!r}")
    if generator is not None and generator.device.type != "cpu":
        raise ValueError(f"generator must live on the CPU (draws are moved to the inputs), not on {generator.device}")
    spec = method if isinstance(method, Spec) else parse(method)
    return Objective(spec, model, num_classes, classifier, generator)


def _private_generator() -> torch.Generator:
    rank = int(os.environ.get("RANK", "0"))
    return torch.Generator().manual_seed((torch.initial_seed() + rank * 0x9E3779B97F4A7C15) % 2**63)


def _checked_mix(mix: Mix, size: int) -> Mix:
    partner = torch.as_tensor(mix.partner)
    lam = torch.as_tensor(mix.lam, dtype=torch.float64)
    if partner.shape != (size,) or partner.is_floating_point():
        raise ValueError(
            f"mix.partner must be integers of shape ({size},), one partner an example, "
            f"not {partner.dtype} {tuple(partner.shape)}"
        )
    if lam.ndim > 1 or (lam.ndim == 1 and lam.shape != (size,)):
        raise ValueError(f"mix.lam must be a float or of shape ({size},), not {tuple(lam.shape)}")
    if int(partner.min()) < 0 or int(partner.max()) >= size:
        raise ValueError(f"mix.partner must point into the batch, 0..{size - 1}")
    if not bool(((lam >= 0) & (lam <= 1)).all()):
        raise ValueError("mix.lam must be in [0, 1]")
    return Mix(partner.long().cpu(), lam.expand(size).cpu())


def _to(lam: Tensor | float, device: torch.device) -> Tensor:
    assert isinstance(lam, Tensor)
    return lam.to(device, torch.float32 if device.type == "mps" else torch.float64)
