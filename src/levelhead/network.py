"""One forward pass of the user's model, watched and changed by hooks that live no longer than they must.

So hidden states can be read (the features that a second head learns on) and blended (manifold mixup, embedded tokens)
in any model, and the model is what it was afterwards. Shapes: B rows of the batch, C classes.
"""

import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from levelhead.batch import Inputs
from levelhead.eager import eager


class Hook(NamedTuple):
    """Something to do at a layer with its arguments, before it runs."""

    layer: nn.Module
    act: Callable[..., Any]


@eager(recursive=False)
def call(model: nn.Module, inputs: Inputs, hooks: Sequence[Hook] = ()) -> Any:
    """``model(inputs)``, or ``model(**inputs)`` for a dictionary, with hooks that are gone when this returns."""
    handles = [hook.layer.register_forward_pre_hook(hook.act) for hook in hooks]
    try:
        return model(**inputs) if isinstance(inputs, Mapping) else model(inputs)
    finally:
        for handle in handles:
            handle.remove()


def find_logits(output: Any) -> Tensor:
    """The logits in what a model gave: a tensor, a tuple whose first tensor they are, a dictionary or a Hugging Face
    output with ``logits`` (or torchvision's ``out``)."""
    found = output
    if isinstance(output, Mapping):
        found = next((output[name] for name in ("logits", "out") if name in output), None)
    elif hasattr(output, "logits"):
        found = output.logits
    elif isinstance(output, tuple | list):
        found = next((each for each in output if isinstance(each, Tensor)), None)
    if not isinstance(found, Tensor) or found.ndim < 2:
        came = tuple(found.shape) if isinstance(found, Tensor) else type(output).__name__
        if isinstance(output, Mapping) and found is None:
            came = f"a dictionary with {', '.join(map(str, output))}"
        raise ValueError(
            f"the model must give logits (B, C), or something that holds them as 'logits', but gave {came}"
        )
    return found


def read_logits(output: Any, rows: int, num_classes: int, trailing: Sequence[int] = ()) -> Tensor:
    """The logits of an output, which must have the shape ``(rows, num_classes, *trailing)``."""
    found, wanted = find_logits(output), (rows, num_classes, *trailing)
    if found.shape != wanted:
        raise ValueError(f"the model must give logits {wanted}, but gave {tuple(found.shape)}")
    return found


class Features:
    """Reads what goes into a layer during one pass."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer, self.seen = layer, list[Tensor]()
        self.expects_gradient, self.reached = torch.is_grad_enabled(), True

    @property
    def hook(self) -> Hook:
        """The hook that reads."""
        return Hook(self.layer, self._see)

    def _see(self, _: nn.Module, args: tuple[Tensor, ...]) -> None:
        self.seen.extend(args[:1])
        self.reached = torch.is_grad_enabled()

    def read(self, rows: int) -> Tensor:
        """The features ``(B, m)``, or ``(B, m, H, W)`` before a convolution."""
        wanted = 2 if isinstance(self.layer, nn.Linear) else 4
        if self.expects_gradient and not self.reached:
            raise ValueError(
                "the classifier layer lies inside a reentrant checkpoint, where no gradient reaches its features; "
                "leave it outside the checkpoint, or use checkpoint(..., use_reentrant=False)"
            )
        if len(self.seen) == 1 and self.seen[0].ndim == 3:
            raise ValueError(
                f"the classifier layer sees features {tuple(self.seen[0].shape)}, one vector a token, and the model "
                "picks one of its logits; a second head learns on one vector an example: use a method without one"
            )
        if len(self.seen) != 1 or self.seen[0].ndim != wanted or self.seen[0].shape[0] != rows:
            came = ", ".join(str(tuple(features.shape)) for features in self.seen) or "nothing"
            shape = f"({rows}, m)" if wanted == 2 else f"({rows}, m, H, W)"
            raise ValueError(
                f"the classifier layer should see features {shape} once in a forward pass, but saw {came}; "
                "name the right layer with classifier='...'"
            )
        return self.seen[0]


class Visit:
    """What is done at one layer in one pass of ours, and again when a checkpoint computes that pass anew.

    Its hooks go when the pass is over; where the layer lies inside a checkpoint they stay until the gradient has come
    by, or until nobody can ask for it any more.
    """

    def __init__(self, layer: nn.Module, name: str) -> None:
        self.layer, self.name = layer, name
        self.within, self.lasting, self.passed_by = True, False, False
        self.handles: list[Any] = []

    def __enter__(self) -> "Visit":
        """The pass begins."""
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        """The pass is over."""
        self.within = False
        if failure or not self.lasting or not torch.is_grad_enabled():
            self.remove()

    def remove(self) -> None:
        """Leave the layer as it was."""
        for handle in self.handles:
            handle.remove()

    def last_as_long_as(self, logits: Tensor) -> None:
        """Let a hook that is still needed go with the graph of ``logits``, if no gradient comes by before."""
        if self.lasting and logits.requires_grad:
            token = _Token()
            weakref.finalize(token, self.remove)
            logits.register_hook(lambda _, token=token: None)  # the graph holds the token, and nobody else
        elif self.lasting:
            self.remove()

    def ours(self) -> bool:
        """Whether the layer now runs for our pass, and not for somebody else's.

        Raises ``ValueError`` where two passes wait to be computed anew: nothing tells them apart.
        """
        frames = _checkpoint_frames()
        if self.within:
            self.lasting |= bool(frames)
            return True
        if not frames & {"backward", "unpack_hook"}:
            self.passed_by |= self.layer.training
            return False
        if self.passed_by:
            raise ValueError(
                f"the layer {self.name!r} lies inside a checkpoint, and the model was called again before this "
                "backward; call backward after each pass, or train without gradient checkpointing"
            )
        return True

    def until_gradient(self, *tensors: Any) -> None:
        """The hooks are needed until the gradient is behind what we did: at our input, or else at our output."""
        reached = next((each for each in tensors if isinstance(each, Tensor) and each.requires_grad), None)
        if self.lasting and reached is not None:
            reached.register_hook(lambda _: self.remove())


class Rewrite(Visit):
    """Changes what comes out of a layer."""

    def __init__(self, layer: nn.Module, name: str, change: Callable[[Tensor], Tensor], rows: int) -> None:
        super().__init__(layer, name)
        self.change, self.rows, self.seen = change, rows, 0
        self.handles.append(layer.register_forward_hook(eager()(self._act)))

    def check(self) -> None:
        """Refuse a layer that the pass did not visit exactly once."""
        if self.seen != 1:
            raise ValueError(
                f"the layer {self.name!r} ran {self.seen} times in a forward pass; hidden states are mixed at layers "
                "that run once: name others with manifold_mixup(layers=[...])"
            )

    def _act(self, _: nn.Module, __: Any, output: Any) -> Any:
        if not self.ours():
            return None
        first, *rest = output if isinstance(output, tuple) else (output,)
        if not isinstance(first, Tensor) or first.shape[:1] != (self.rows,):
            came = tuple(first.shape) if isinstance(first, Tensor) else type(first).__name__
            raise ValueError(
                f"the layer {self.name!r} gives {came}, but mixing needs a tensor with {self.rows} rows, one an "
                "example; name another with manifold_mixup(layers=[...])"
            )
        changed = self.change(first)
        self.seen += self.within
        self.until_gradient(first, changed)
        return (changed, *rest) if isinstance(output, tuple) else changed


class Drop(Visit):
    """Runs one of the model's dropout layers at a rate of ours, or at its own; it draws from the global generator."""

    def __init__(self, layer: Any, rate: float | None) -> None:
        super().__init__(layer, type(layer).__name__)
        self.rate = rate
        self.before: tuple[float, bool] | None = None
        self.handles.append(layer.register_forward_pre_hook(eager()(self._set)))
        self.handles.append(layer.register_forward_hook(eager()(self._restore), always_call=True))

    def _set(self, layer: Any, _: Any) -> None:
        if self.ours():
            self.before = layer.p, layer.training
            layer.p, layer.training = layer.p if self.rate is None else self.rate, True

    def _restore(self, layer: Any, args: tuple[Any, ...], output: Any) -> None:
        if self.before is not None:
            layer.p, layer.training = self.before
            self.before = None
            self.until_gradient(*args, output)


class DropFeatures(Visit):
    """Drops some of what goes into a layer; the same ones where the pass is computed anew."""

    def __init__(self, layer: nn.Module, rate: float, generator: torch.Generator) -> None:
        super().__init__(layer, type(layer).__name__)
        self.rate, self.generator = rate, generator
        self.kept: Tensor | None = None
        self.handles.append(layer.register_forward_pre_hook(eager()(self._drop)))

    def _drop(self, _: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not self.ours():
            return None
        if self.kept is None:
            self.kept = torch.rand(args[0].shape, generator=self.generator) >= self.rate
        dropped = args[0] * self.kept.to(args[0].device, args[0].dtype) / (1 - self.rate)
        self.until_gradient(args[0], dropped)
        return (dropped, *args[1:])


class _Token:
    """Something that can be seen to go."""


def _checkpoint_frames() -> set[str]:
    """The functions of ``torch.utils.checkpoint`` that we are called from; it will run, or runs, the same layers again.

    The stack is the only place that tells: there is no public way to ask.
    """
    found, frame = set(), sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == "torch.utils.checkpoint":
            found.add(frame.f_code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    return found


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside, and every module's own mode again afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def dropping(model: nn.Module, layer: nn.Module | None, rate: float | None, generator: torch.Generator) -> list[Visit]:
    """Dropout at ``rate`` in one pass: in the model's own dropout layers, or on what goes into ``layer``.

    With ``rate=None`` every dropout layer of the model keeps its own. The model's layers draw from the global
    generator, as they always do; the other draws come from ``generator``.
    """
    if layer is not None:
        assert rate is not None
        return [DropFeatures(layer, rate, generator)]
    return [Drop(each, rate) for each in own_dropout(model)]


def own_dropout(model: nn.Module) -> list[Any]:
    """The model's dropout layers that drop something."""
    return [each for each in model.modules() if isinstance(each, nn.modules.dropout._DropoutNd) and each.p > 0]


def is_stochastic(model: nn.Module) -> bool:
    """Whether two passes in training mode can differ: dropout, or stochastic depth as torchvision and timm call it."""
    depth = ("StochasticDepth", "DropPath")
    return bool(own_dropout(model)) or any(type(each).__name__ in depth for each in model.modules())
