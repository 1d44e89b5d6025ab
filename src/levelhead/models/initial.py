"""What is done to a network of somebody else's: weights drawn anew, dropout put before its classifier."""

from torch import nn


def redraw(model: nn.Module) -> None:
    """Draw every layer anew as PyTorch does by default, from the global generator."""
    for layer in model.modules():
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()


def drop_before(model: nn.Module, classifier: nn.Linear, dropout: float) -> None:
    """Put a dropout before the classifier, in place; at 0 it does nothing until somebody (MC-dropout) raises it."""
    for name, layer in model.named_modules():
        if layer is classifier:
            model.set_submodule(name, nn.Sequential(nn.Dropout(dropout), classifier))
            return
    raise ValueError(f"the classifier is no layer of {type(model).__name__}")
