"""The named methods of the five papers: each is a sentence, kept here with where it comes from.

One literal table. A name's arguments are spliced into its sentence; what an argument may be is checked by the word it
lands in. ``usage`` is the name with its defaults, as the documentation shows it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from levelhead.member import show


@dataclass(frozen=True)
class Entry:
    """A named method: how it is written, what it means, who proposed it and with which equation."""

    usage: str
    expand: Callable[..., str]
    paper: str
    equation: str
    idea: str


def _call(word: str, **arguments: Any) -> str:
    """``word(name=value, ...)`` with the arguments that were given (those not ``None``)."""
    given = ", ".join(f"{name}={show(value)}" for name, value in arguments.items() if value is not None)
    return f"{word}({given})" if given else word


def _complement(weight: Any) -> Any:
    # 1 - 0.9 is 0.09999999999999998 in floating point; the sentence should say 0.1.
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
        raise ValueError(f"beta must be a number in [0, 1], not {show(weight)}")
    return round(1 - weight, 12)


def _one_of(name: str, value: Any, *options: Any) -> Any:
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(show, options))}, not {show(value)}")
    return value


def _pls(weight: Any = None, learned: Any = None, originals: Any = True, detach: Any = None) -> str:
    mixer = "alternate(midpoint)" if _one_of("originals", originals, True, False) else "midpoint"
    return f"{mixer} | {_call('learned_smooth', weight=weight, learned=learned, detach=detach)}"


def _lamix(beta: Any = 0.5, local: Any = "mixed", originals: Any = True) -> str:
    mixer = "alternate(midpoint)" if _one_of("originals", originals, True, False) else "midpoint"
    lam = "uniform" if _one_of("local", local, "mixed", "average") == "mixed" else None
    return f"{mixer} | {_call('learned_smooth', weight=_complement(beta), lam=lam)}"


def _logitmix(mixer: str, clean: int, mixed: int, similarity: Any) -> str:
    return (
        f"{mixer} | one_hot | cross_entropy(clean={clean}, mixed={mixed}) | {_call('logit_match', weight=similarity)}"
    )


_MIXUP = "Zhang et al. 2018; calibration: Thulasidasan et al. 2019"
_LOGITMIX = "LogitMix 2021"
_PLS = "PLS / Midpoint Regularization 2021"

METHODS: dict[str, Entry] = {
    "vanilla": Entry(
        "vanilla",
        lambda: "identity | one_hot",
        "the baseline",
        "L = CE(Y, p)",
        "plain training with cross-entropy",
    ),
    "uls": Entry(
        "uls(smoothing=0.1)",
        lambda smoothing=None: f"identity | {_call('smooth', smoothing=smoothing)}",
        "Szegedy et al. 2016",
        "q = (1 - s) Y + s / C",
        "uniform label smoothing over all classes",
    ),
    "erl": Entry(
        "erl(weight=0.1)",
        lambda weight=None: f"identity | one_hot | cross_entropy | {_call('negative_entropy', weight=weight)}",
        "Pereyra et al. 2017",
        "L = CE - weight H(p)",
        "reward the entropy of the prediction",
    ),
    "focal": Entry(
        "focal(gamma=3)",
        lambda gamma=None: f"identity | one_hot | {_call('focal', gamma=gamma)}",
        "Lin et al. 2017; calibration: Mukhoti et al. 2020",
        "L = -(1 - p_y)^gamma log p_y",
        "weigh down what is already classified well",
    ),
    "mbls": Entry(
        "mbls(m=10, weight=0.1)",
        lambda m=None, weight=None: f"identity | one_hot | cross_entropy | {_call('margin', m=m, weight=weight)}",
        "MbLS (Liu et al. 2022)",
        "L = CE + weight mean_k max(0, max_j z_j - z_k - m)",
        "penalise logit distances beyond a margin",
    ),
    "mixup": Entry(
        "mixup(alpha=0.4)",
        lambda alpha=None: f"{_call('mixup', alpha=alpha)} | one_hot",
        _MIXUP,
        "x' = lam x + (1 - lam) x_j, likewise Y",
        "train on convex combinations of pairs of inputs and of their labels",
    ),
    "mixup_features": Entry(
        "mixup_features(alpha=0.4)",
        lambda alpha=None: f"{_call('mixup', alpha=alpha)} | nearest",
        "Thulasidasan et al. 2019, figure 6",
        "x' mixed; label of the nearer end",
        "ablation: mix inputs, keep hard labels",
    ),
    "mixup_uls": Entry(
        "mixup_uls(alpha=0.4, smoothing=0.1)",
        lambda alpha=None, smoothing=None: f"{_call('mixup', alpha=alpha)} | {_call('smooth', smoothing=smoothing)}",
        "PLS, tables 1 and 2; LaMix, table 5",
        "q = (1 - s)(lam Y + (1 - lam) Y_j) + s / C",
        "mixup with label smoothing on top",
    ),
    "cutmix": Entry(
        "cutmix(alpha=1, prob=0.5)",
        lambda alpha=None, prob=None: f"{_call('cutmix', alpha=alpha, prob=prob)} | one_hot",
        "Yun et al. 2019",
        "a box of x_j pasted into x; lam = share of pixels kept",
        "paste a box of one image into another, mix the labels by area",
    ),
    "pls": Entry(
        "pls(weight=0.5, learned=distribution|coefficient|uniform|none, originals=true, detach=false)",
        _pls,
        _PLS,
        "x' = (x + x_j) / 2, q' = q / 2 + softmax(sigmoid(W_t S)) / 2 (eq. 6-14)",
        "average two inputs, learn how to smooth their label",
    ),
    "lamix": Entry(
        "lamix(beta=0.5, local=mixed|average, originals=true)",
        _lamix,
        "LaMix 2021",
        "x' = (x + x_j) / 2, q' = beta (lam Y + (1 - lam) Y_j) + (1 - beta) g, lam ~ U(0, 1) (eq. 4-11)",
        "average two inputs, mix their labels at random, learn the rest of the label",
    ),
    "cls_mix": Entry(
        "cls_mix(alpha=3)",
        lambda alpha=3: f"{_call('mixup', alpha=alpha)} | one_hot | cross_entropy(clean=1, mixed=1)",
        "LogitMix 2021, section 4.2",
        "L = L_cls + L_mix",
        "ablation: classification loss plus mixup loss, no matching",
    ),
    "logitmix_c": Entry(
        "logitmix_c(alpha=3, similarity=1)",
        lambda alpha=3, similarity=None: _logitmix(_call("mixup", alpha=alpha), 1, 0, similarity),
        _LOGITMIX,
        "L = L_cls + L_sim",
        "classification loss plus logit matching",
    ),
    "logitmix_m": Entry(
        "logitmix_m(alpha=3, similarity=1)",
        lambda alpha=3, similarity=None: _logitmix(_call("mixup", alpha=alpha), 0, 1, similarity),
        _LOGITMIX,
        "L = L_mix + L_sim",
        "mixup loss plus logit matching",
    ),
    "logitmix_cm": Entry(
        "logitmix_cm(alpha=3, similarity=1)",
        lambda alpha=3, similarity=None: _logitmix(_call("mixup", alpha=alpha), 1, 1, similarity),
        _LOGITMIX,
        "L = L_cls + L_mix + L_sim, L_sim = mean_k (lam z + (1 - lam) z_j - z')^2",
        "the logits of a mixture should be the mixture of the logits",
    ),
    "logitmix_cc": Entry(
        "logitmix_cc(alpha=1, prob=0.5, similarity=0.1)",
        lambda alpha=None, prob=None, similarity=0.1: _logitmix(
            _call("cutmix", alpha=alpha, prob=prob), 1, 1, similarity
        ),
        _LOGITMIX,
        "L = L_cls + L_mix + 0.1 L_sim, over CutMix; batches without a box: L_cls",
        "LogitMix over CutMix",
    ),
}
