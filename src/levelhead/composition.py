"""The objective: a method put together around the user's model. The only place that takes a mean.

(The file is not called ``objective.py`` because ``levelhead.objective`` is the function.)
Shapes: B batch, C classes, P partners; (H, W) where labels are given pixel by pixel.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from levelhead.batch import Inputs, concatenated, content, joined, present, with_content
from levelhead.classifier import Classifier, find_classifier, fit_head, second_head
from levelhead.eager import eager
from levelhead.losses import Consistency, cross_entropy, full_precision, one_hot
from levelhead.mixing import Drawn, Step, lerp, unmixed
from levelhead.network import (
    Features,
    Rewrite,
    Visit,
    call,
    dropping,
    evaluating,
    find_logits,
    is_stochastic,
    own_dropout,
    read_logits,
)
from levelhead.places import INPUT, find_embedding, find_places
from levelhead.saliency import saliency
from levelhead.spec import Spec, parse
from levelhead.types import Mix, Output


class _View(NamedTuple):
    """What goes through the network: inputs, mixed labels ``(B, C, ...)``, where to blend.

    ``weight (B, ...)`` is how much each label counts in the means: which of them at all, or by their classes.
    """

    inputs: Inputs
    labels: Tensor
    weight: Tensor | None
    place: str | None = None


class _Seen(NamedTuple):
    """What came out: the logits of every pass, and the features where a head needs them."""

    logits: tuple[Tensor, ...]
    features: Tensor | None


class Objective(nn.Module):
    """A training objective that contains the user's model; call it with a batch, call ``backward`` on its loss.

    In training mode a call draws one step of the method. In eval mode it sees the clean view, draws nothing and counts
    nothing. ``model`` stays the user's own object with its keys, hooks and outputs; what a method learns beside it
    (``head``) belongs to the objective, so one ``parameters()`` and one ``state_dict()`` hold everything, the private
    generator and the step count included.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        spec: Spec,
        model: nn.Module,
        num_classes: int,
        classifier: str | nn.Module | None = None,
        generator: torch.Generator | None = None,
        ignore_index: int = -100,
        shared_draws: bool = False,
        class_weights: Tensor | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        weights = None if class_weights is None else _checked_weights(class_weights, num_classes)
        # of the recipe, not of what is learned: no part of the state
        self.register_buffer("class_weights", weights, persistent=False)
        self.spec = spec
        self.model = model
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.generator = _private_generator(shared_draws) if generator is None else generator
        self.count = 0
        self.epoch = 0
        self.head: Classifier | None = None
        size = spec.targets.head_size(num_classes)
        self._drops_features = spec.predict.dropout > 0 and not own_dropout(model)
        reads = size or self._drops_features
        # in a tuple, so that the layer is not registered twice
        self._layer: tuple[Classifier, ...] = (find_classifier(model, num_classes, classifier),) if reads else ()
        #: Whether the layer was named, or was seen to give the logits.
        self._trusted = classifier is not None
        for layer in self._layer[: bool(size)]:
            self.head = second_head(layer, size, getattr(spec.targets, "bias", True), self.generator)
        if self.head is not None and getattr(spec.targets, "detach", False):
            self.head.requires_grad_(False)  # it gets no gradient, and no process should wait for one
        if spec.loss.repeats > 1 and not spec.predict.dropout and not is_stochastic(model):
            raise ValueError(
                f"{spec.loss} compares stochastic passes, but {type(model).__name__} has neither dropout nor "
                "stochastic depth; write '@ predict(dropout=0.5)' behind the sentence"
            )
        mixer = spec.mixing.core
        mixer.ready()
        self._places = find_places(model, getattr(mixer, "layers", ())) if mixer.hidden else (INPUT,)

    def forward(self, inputs: Inputs, labels: Tensor, mix: Mix | None = None) -> Output:
        """The loss of one batch, with its parts.

        ``inputs (B, ...)`` floating point, or token ids, which are mixed at the model's embedding; or a dictionary that
        the model takes by name. ``labels`` are integers ``(B,)`` or ``(B, H, W)``, of which ``ignore_index`` counts
        nowhere, or distributions ``(B, C)`` or ``(B, C, H, W)``. Neither is changed. ``mix=`` forces a mixed step with
        this pairing in place of a draw. Raises ``ValueError`` for what does not fit.
        """
        targets, valid = self._distributions(inputs, labels)
        drawn, label_mix = self._draw(inputs, mix)
        terms: dict[str, Tensor] = {}
        if drawn.applied and self.spec.mixing.core.needs_saliency:
            drawn, terms = self._salient(inputs, targets, valid, drawn)
            if self.spec.targets.lam == "mix":
                label_mix = Mix(drawn.mix.partner, self.spec.targets.label_lam(_lam(drawn)))
        views: dict[str, _View] = {}
        if self.spec.needs_clean or not drawn.applied:
            views["clean"] = _View(inputs, targets, self._weight(targets, valid))
        if self.spec.needs_mixed and drawn.applied:
            views["mixed"] = self._mixed(inputs, targets, valid, drawn, label_mix)
        seen = self._run(views, drawn)
        learned = {name: self._learned(seen[name].features, view.labels) for name, view in views.items()}
        wanted = {name: self.spec.targets(view.labels, learned[name]) for name, view in views.items()}
        terms |= self._terms(views, seen, wanted, drawn)
        loss = torch.stack(list(terms.values())).sum()
        first = next(iter(views))
        return Output(
            loss,
            seen[first].logits[0],
            wanted[first],
            drawn.mix,
            {name: term.detach() for name, term in terms.items()},
            self._said(learned[first]),
        )

    def predict(self, inputs: Inputs) -> Tensor:
        """Logits ``(B, C, ...)`` as the method predicts: of one clean pass, or of the mean probability of many.

        With ``@ predict(samples=S)`` the result is the logarithm of the mean of S softmax outputs with dropout on; the
        masks come from the seed of the objective's generator, so equal calls give equal results. Everything but the
        dropout layers is in eval mode, gradients are off, and all is as before afterwards.
        """
        plan = self.spec.predict
        with torch.no_grad(), evaluating(self.model), ExitStack() as stack:
            if plan.samples == 1:
                return self._logits_of(call(self.model, inputs))
            device = content(inputs).device
            stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
            seed = self.generator.initial_seed()
            torch.manual_seed(seed)
            generator = torch.Generator().manual_seed(seed)
            sampled = []
            for _ in range(plan.samples):
                with ExitStack() as masks:
                    for visit in self._dropping(generator):
                        masks.enter_context(visit)
                    logits = self._logits_of(call(self.model, inputs))
                sampled.append(full_precision(logits).log_softmax(1))
        return torch.stack(sampled).logsumexp(0) - torch.tensor(float(plan.samples)).log()

    def set_epoch(self, epoch: int) -> None:
        """Tell how many epochs are over, for penalties whose weight grows by the epoch."""
        self.epoch = int(epoch)

    def get_extra_state(self) -> dict[str, Any]:
        """The generator, the count and the epoch, so that a restored objective goes on with the same draws."""
        return {"generator": self.generator.get_state(), "count": self.count, "epoch": self.epoch}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Take up the generator, the count and the epoch of a saved objective."""
        self.generator.set_state(state["generator"].cpu())
        self.count = int(state["count"])
        self.epoch = int(state["epoch"])

    def extra_repr(self) -> str:
        """The sentence."""
        return str(self.spec)

    # ---- before the network: all that looks at values or moves the generator, left alone by the compiler

    @eager()
    def _distributions(self, inputs: Inputs, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Labels as distributions, and which of them count (``None`` where all do)."""
        main = content(inputs)
        size = main.shape[0]
        dtype = torch.float64 if main.dtype == torch.float64 else torch.float32
        if labels.is_floating_point():
            if labels.ndim < 2 or labels.shape[:2] != (size, self.num_classes):
                raise ValueError(
                    f"label distributions must have shape {(size, self.num_classes)}, not {tuple(labels.shape)}"
                )
            targets = labels.to(dtype)
            # asking a GPU would wait for it
            if targets.device.type == "cpu" and not _are_distributions(targets):
                raise ValueError(
                    "labels of floating point are distributions over the classes, not negative and with sums of 1, but "
                    f"they run from {float(targets.min()):g} to {float(targets.max()):g} with sums from "
                    f"{float(targets.sum(1).min()):g} to {float(targets.sum(1).max()):g}"
                )
            return targets, None
        if labels.ndim == 0 or labels.shape[0] != size:
            raise ValueError(f"labels must have shape ({size},), not {tuple(labels.shape)}")
        labels = labels.long()  # in eight bits -100 and 156 are the same
        valid = labels != self.ignore_index
        # asking a GPU whether all count would wait for it; there the mask is always kept
        if labels.device.type == "cpu" and bool(valid.all()):
            return one_hot(labels, self.num_classes, dtype), None
        return one_hot(labels.where(valid, 0), self.num_classes, dtype), valid

    @eager()
    def _draw(self, inputs: Inputs, given: Mix | None) -> tuple[Drawn, Mix]:
        """This step's plan, on the inputs' device, and the pairing of the labels."""
        main = content(inputs)
        size, mixer, rule = main.shape[0], self.spec.mixing, self.spec.targets
        if given is not None:
            given = _checked_mix(given, size, mixer.partners)
        if given is None and not self.training:
            drawn = Drawn(unmixed(size, mixer.partners), applied=False)
        else:
            step = Step(self._blended_shape(main), self.count, given, len(self._places))
            drawn = mixer.draw(step, self.generator)
            self.count += given is None
        lam = drawn.mix.lam
        assert isinstance(lam, Tensor)
        if rule.lam == "uniform" and drawn.applied:
            lam = self._own_lam(lam) if given is None else torch.as_tensor(given.lam).expand(lam.shape)
        device = main.device
        partner = drawn.mix.partner.to(device)
        return drawn._replace(mix=Mix(partner, _to(_lam(drawn), device))), Mix(
            partner, _to(rule.label_lam(lam), device)
        )

    def _own_lam(self, like: Tensor) -> Tensor:
        """LaMix, eq. 4: the labels' own weight, uniform, one a batch or one an example; for many, on the simplex."""
        drawn = like.shape[0] if self.spec.targets.per == "sample" else 1
        if like.ndim == 1:
            return torch.rand(drawn, dtype=torch.float64, generator=self.generator).expand(like.shape)
        uniform = torch.rand(drawn, like.shape[1], dtype=torch.float64, generator=self.generator)
        spacings = -torch.log1p(-uniform)
        return (spacings / spacings.sum(1, keepdim=True)).expand(like.shape)

    def _blended_shape(self, main: Tensor) -> torch.Size:
        """The shape of what will be blended: the inputs, or their embedding."""
        if main.is_floating_point() or self.spec.mixing.share == 0:
            return main.shape
        _, embedding = find_embedding(self.model)
        return torch.Size((*main.shape, embedding.embedding_dim))

    @eager()
    def _salient(
        self, inputs: Inputs, targets: Tensor, valid: Tensor | None, drawn: Drawn
    ) -> tuple[Drawn, dict[str, Tensor]]:
        """The plan with PuzzleMix's cut, and the clean loss whose gradient made it where that is kept."""
        mixer = self.spec.mixing.core
        main = content(inputs)
        clean = float(getattr(mixer, "clean", 0.0))

        def loss(output: Any) -> Tensor:
            return _mean(cross_entropy(self._logits_of(output, targets.shape[2:]), targets), weight)

        def at_inputs() -> tuple[Tensor, Tensor]:
            images = main.detach().requires_grad_()
            return loss(call(self.model, with_content(inputs, images))), images

        def at_embedding() -> tuple[Tensor, Tensor]:
            vectors: list[Tensor] = []

            def watch(hidden: Tensor) -> Tensor:
                # a frozen embedding has no gradient of its own
                vectors.append(hidden if hidden.requires_grad else hidden.detach().requires_grad_())
                return vectors[-1]

            name, embedding = find_embedding(self.model)
            rewrite = Rewrite(embedding, name, watch, main.shape[0])
            with rewrite:
                value = loss(call(self.model, inputs))
                rewrite.check()
                rewrite.last_as_long_as(value)
            return value, vectors[0]

        weight = self._weight(targets, valid)
        look = at_inputs if main.is_floating_point() else at_embedding
        seen, found, kept = saliency(self.model, look, weight=2 * clean / self.num_classes)
        if seen.ndim == 3 and (there := present(inputs)) is not None:
            seen = seen * there.unsqueeze(2)
        settled = self.spec.mixing.settle(seen, drawn, found)
        mix = Mix(settled.mix.partner.to(main.device), _to(_lam(settled), main.device))
        return settled._replace(mix=mix), {} if kept is None else {"clean_cross_entropy": kept}

    # ---- the network

    def _mixed(self, inputs: Inputs, targets: Tensor, valid: Tensor | None, drawn: Drawn, label_mix: Mix) -> _View:
        """The mixed view: its inputs, or the layer to blend at, and its labels."""
        place = self._places[drawn.place]
        main = content(inputs)
        if place == INPUT and not main.is_floating_point():
            place = find_embedding(self.model)[0]
        if targets.ndim == 4 and self.spec.mixing.core.spatial and targets.shape[2:] != main.shape[2:]:
            raise ValueError(
                f"{self.spec.mixing} cuts images, and labels and logits in the same places, so they need the images' "
                f"height and width {tuple(main.shape[2:])}, not {tuple(targets.shape[2:])}; enlarge them, or use mixup"
            )
        mixed = joined(inputs, drawn.mix)
        if place == INPUT:
            mixed = with_content(mixed, self.spec.mixing.blend(main, drawn))
        labels = self._blend_maps(targets, drawn, label_mix)
        if valid is not None:
            # a label counts where everything that was mixed into it does
            valid = self._blend_maps(valid[:, None].to(targets.dtype), drawn, label_mix)[:, 0] > 1 - 1e-6
        return _View(mixed, labels, self._weight(labels, valid), None if place == INPUT else place)

    def _weight(self, labels: Tensor, valid: Tensor | None) -> Tensor | None:
        """How much each label counts, ``(B, ...)``: ``sum_c w_c t_c`` of the labels as mixed, before they are smoothed.

        With hard labels the mean that it leads to is that of ``torch.nn.CrossEntropyLoss(weight=w)``.
        """
        if self.class_weights is None:
            return valid
        by_class = self.class_weights.to(labels.dtype).view(-1, *[1] * (labels.ndim - 2))
        weight = (labels * by_class).sum(1)
        return weight if valid is None else weight * valid

    def _blend_maps(self, maps: Tensor, drawn: Drawn, mix: Mix) -> Tensor:
        """Labels or logits mixed like the inputs: by weight, or pixel by pixel where that is how inputs were mixed."""
        if maps.ndim == 4 and self.spec.mixing.core.spatial and not self.spec.targets.own_weights:
            return self.spec.mixing.blend(maps, drawn)
        return lerp(maps, mix)

    def _run(self, views: dict[str, _View], drawn: Drawn) -> dict[str, _Seen]:
        """All views through the network: together in one forward pass, or one after the other."""
        if self.spec.separate and len(views) > 1:
            return {name: self._pass({name: view}, drawn)[name] for name, view in views.items()}
        return self._pass(views, drawn)

    def _pass(self, views: dict[str, _View], drawn: Drawn) -> dict[str, _Seen]:
        """One forward pass over the rows of all views, repeated where the loss compares passes."""
        repeats = self.spec.loss.repeats if self.training else 1
        batch = concatenated([view.inputs for view in views.values()] * repeats)
        rows, size = content(batch).shape[0], next(iter(views.values())).labels.shape[0]
        features = Features(self._layer[0]) if self.head is not None else None
        places = [view.place for view in views.values()] * repeats
        place = next((place for place in places if place is not None), None)
        rewrite = None
        visits: list[Visit] = []
        with ExitStack() as stack:
            if self.training and self.spec.predict.dropout:
                visits += self._dropping(self.generator)
            if place is not None:
                rewrite = self._rewrite(place, [each is not None for each in places], rows, size, drawn)
                visits.append(rewrite)
            for visit in visits:
                stack.enter_context(visit)
            output = call(self.model, batch, () if features is None else (features.hook,))
            trailing = next(iter(views.values())).labels.shape[2:]
            together = read_logits(output, rows, self.num_classes, trailing)
            if rewrite is not None:
                rewrite.check()
            for visit in visits:
                visit.last_as_long_as(together)
        logits = together.split(size)
        read = None if features is None else self._features(features.read(rows), together).split(size)
        return {
            name: _Seen(logits[at :: len(views)], None if read is None else read[at]) for at, name in enumerate(views)
        }

    def _dropping(self, generator: torch.Generator) -> list[Visit]:
        """The dropout of one pass."""
        layer = self._layer[0] if self._drops_features else None
        return dropping(self.model, layer, self.spec.predict.dropout, generator)

    @eager()
    def _features(self, features: Tensor, logits: Tensor) -> Tensor:
        """The features, once it is known that the second head can learn on them.

        Raises ``ValueError`` where the layer that was found does not give the logits.
        """
        if not self._trusted:
            given = self._layer[0](features.detach())
            # what is pooled may have gone through more than the mean; then it is taken at its word
            if given.shape == logits.shape and not torch.allclose(given, logits.detach(), rtol=0.05, atol=1e-3):
                raise ValueError(
                    f"the last layer with {self.num_classes} outputs, {self._layer[0]}, does not give the model's "
                    "logits, so a second head beside it would learn on the wrong features; name the classifier layer "
                    "with classifier='...'"
                )
            self._trusted = True
        return features

    def _rewrite(self, place: str, blended: list[bool], rows: int, size: int, drawn: Drawn) -> Rewrite:
        """Blend the rows of the mixed views where they come out of a layer."""

        mixer = self.spec.mixing  # not self: a hook may outlive the objective

        def change(hidden: Tensor) -> Tensor:
            parts = hidden.split(size)
            return torch.cat([mixer.blend(part, drawn) if mix else part for part, mix in zip(parts, blended)])

        return Rewrite(self.model.get_submodule(place), place, change, rows)

    def _logits_of(self, output: Any, trailing: tuple[int, ...] | None = None) -> Tensor:
        """The logits in an output whose rows and pixels nobody knows beforehand."""
        found = find_logits(output)
        return read_logits(output, found.shape[0], self.num_classes, found.shape[2:] if trailing is None else trailing)

    # ---- behind it

    def _learned(self, features: Tensor | None, like: Tensor) -> Tensor | None:
        if features is None or self.head is None:
            return None
        return fit_head(self.head(features), like.shape, self.model)

    def _said(self, head_logits: Tensor | None) -> Tensor | None:
        learn = getattr(self.spec.targets, "learn", None)
        return None if head_logits is None or learn is None else learn(head_logits.detach())

    def _terms(
        self, views: dict[str, _View], seen: dict[str, _Seen], targets: dict[str, Tensor], drawn: Drawn
    ) -> dict[str, Tensor]:
        """The weighted summands of the loss. A lone view carries the whole weight of the loss."""
        loss = self.spec.loss
        weights = {"clean": loss.clean, "mixed": loss.mixed}
        if len(views) == 1:
            weights = dict.fromkeys(views, loss.clean if "clean" in views and loss.clean else loss.mixed)
        terms: dict[str, Tensor] = {}
        for name, weight in weights.items():
            if name not in views or weight == 0:
                continue
            suffix = f"_{name}" if self.spec.needs_clean and self.spec.needs_mixed else ""
            passes, weighing = seen[name].logits, views[name].weight
            value = loss(passes if len(passes) > 1 else passes[0], targets[name])  # type: ignore[arg-type]
            terms[loss.word + suffix] = weight * _mean(value, weighing)
            for penalty in self.spec.penalties:
                if not isinstance(penalty, Consistency):
                    mean = torch.stack([_mean(penalty(logits), weighing) for logits in passes]).mean()
                    terms[penalty.word + suffix] = weight * penalty.weight_at(self.epoch) * mean
        if "clean" in views and "mixed" in views:
            for penalty in self.spec.penalties:
                if isinstance(penalty, Consistency):
                    pairs = zip(seen["clean"].logits, seen["mixed"].logits)
                    values = [penalty(self._mixture(clean, drawn), mixed) for clean, mixed in pairs]
                    mean = torch.stack([_mean(value, views["mixed"].weight) for value in values]).mean()
                    terms[penalty.word] = penalty.weight_at(self.epoch) * mean
        return terms

    def _mixture(self, logits: Tensor, drawn: Drawn) -> Tensor:
        """The mixture of the clean logits: in the weights of the inputs, not of labels that have their own."""
        logits = full_precision(logits)
        if logits.ndim == 4 and self.spec.mixing.core.spatial:
            return self.spec.mixing.blend(logits, drawn)
        return lerp(logits, drawn.mix)


def objective(
    method: str | Spec,
    model: nn.Module,
    *,
    num_classes: int,
    classifier: str | nn.Module | None = None,
    generator: torch.Generator | None = None,
    ignore_index: int = -100,
    shared_draws: bool = False,
    class_weights: Tensor | Sequence[float] | None = None,
) -> Objective:
    """Put a method around a model: ``objective(inputs, labels).loss`` replaces the loss line of a training loop.

    ``method`` is a name (``"pls"``), a name with arguments (``"mixup(alpha=0.2)"``), a sentence or a parsed spec.
    ``classifier`` names the model's last layer where a method learns on its input and cannot find it. ``generator``
    is the source of all draws (a CPU generator); without it a private one is seeded from ``torch.initial_seed()`` and
    the process rank, and the global random state is only read. ``shared_draws=True`` leaves the rank out: every
    process of a distributed run draws the same lam. Labels equal to ``ignore_index`` count nowhere. ``class_weights
    (C,)``, above zero, weigh each example by the classes of its label, mixed ones by their shares, in every mean of the
    loss and its penalties; only their ratios count, as in ``torch.nn.CrossEntropyLoss(weight=)``.

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
    if generator is not None and shared_draws:
        raise ValueError("shared_draws chooses how the private generator is seeded; with generator= it has no effect")
    spec = method if isinstance(method, Spec) else parse(method)
    return Objective(spec, model, num_classes, classifier, generator, ignore_index, shared_draws, class_weights)


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """The weighted mean over everything that counts; zero, with zero gradient, where nothing does."""
    if weight is None:
        return values.mean()
    total = weight.sum()
    return (values.where(weight > 0, 0) * weight).sum() / total.where(total > 0, 1)


def _checked_weights(weights: Tensor | Sequence[float], num_classes: int) -> Tensor:
    found = torch.as_tensor(weights, dtype=torch.float32)
    if found.shape != (num_classes,) or not bool((found > 0).all() and found.isfinite().all()):
        raise ValueError(
            f"class_weights must be {num_classes} numbers above 0, one a class, not {tuple(found.shape)} "
            f"{found.flatten()[:8].tolist()}"
        )
    return found


def _are_distributions(targets: Tensor) -> bool:
    return bool((targets >= 0).all() and ((targets.sum(1) - 1).abs() <= 1e-3).all())


def _private_generator(shared: bool) -> torch.Generator:
    rank = 0 if shared else _rank()
    return torch.Generator().manual_seed((torch.initial_seed() + rank * 0x9E3779B97F4A7C15) % 2**63)


def _rank() -> int:
    """This process's number: of a group that was joined, else what a launcher says."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank()
    return int(os.environ.get("RANK", "0"))


def _checked_mix(mix: Mix, size: int, partners: int) -> Mix:
    partner = torch.as_tensor(mix.partner)
    lam = torch.as_tensor(mix.lam, dtype=torch.float64)
    shape = (size,) if partners == 1 else (size, partners)
    if partner.shape != shape or partner.is_floating_point():
        raise ValueError(
            f"mix.partner must be integers of shape {shape}, the partners of every example, "
            f"not {partner.dtype} {tuple(partner.shape)}"
        )
    if partners > 1:
        if lam.shape != (size, 1 + partners) or not torch.allclose(lam.sum(1), lam.new_ones(size)):
            raise ValueError(
                f"mix.lam must have shape ({size}, {1 + partners}) with rows that sum to one: the weight of the "
                f"original, then of each partner; not {tuple(lam.shape)}"
            )
    elif lam.ndim > 1 or (lam.ndim == 1 and lam.shape != (size,)):
        raise ValueError(f"mix.lam must be a float or of shape ({size},), not {tuple(lam.shape)}")
    if int(partner.min()) < 0 or int(partner.max()) >= size:
        raise ValueError(f"mix.partner must point into the batch, 0..{size - 1}")
    if not bool(((lam >= 0) & (lam <= 1)).all()):
        raise ValueError("mix.lam must be in [0, 1]")
    return Mix(partner.long().cpu(), (lam if partners > 1 else lam.expand(size)).cpu())


def _lam(drawn: Drawn) -> Tensor:
    """The weights of a plan, which are a tensor once drawn."""
    assert isinstance(drawn.mix.lam, Tensor)
    return drawn.mix.lam


def _to(lam: Tensor, device: torch.device) -> Tensor:
    return lam.to(device, torch.float32 if device.type == "mps" else torch.float64)
