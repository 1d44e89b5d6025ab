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
    """A named method: how it is written, what it means, who proposed it and with which equation.

    ``usage`` is the name with its usual arguments at their defaults, ``switches`` the further ones. ``defaults`` says
    where the default values come from, ``deviations`` where we depart from the paper or from its released code.
    """

    usage: str
    expand: Callable[..., str]
    paper: str
    equation: str
    idea: str
    defaults: str
    deviations: str = "none"
    switches: str = "none"


def _call(word: str, **arguments: Any) -> str:
    """``word(name=value, ...)`` with the arguments that were given (those not ``None``)."""
    given = ", ".join(f"{name}={show(value)}" for name, value in arguments.items() if value is not None)
    return f"{word}({given})" if given else word


def _complement(name: str, weight: Any) -> Any:
    # 1 - 0.9 is 0.09999999999999998 in floating point; the sentence should say 0.1.
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
        raise ValueError(f"{name} must be a number in [0, 1], not {show(weight)}")
    return round(1 - weight, 12)


def _one_of(name: str, value: Any, *options: Any) -> Any:
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(show, options))}, not {show(value)}")
    return value


def _alternating(mixer: str, originals: Any, alternation: Any) -> str:
    if _one_of("originals", originals, True, False):
        mode = None if alternation is None else _one_of("alternation", alternation, "step", "batch", "coin")
        return f"alternate({mixer}, mode={mode})" if mode else f"alternate({mixer})"
    if alternation is not None:
        raise ValueError("alternation has no effect without originals; leave it out")
    return mixer


def _pls(
    weight: Any = None,
    learned: Any = None,
    originals: Any = True,
    detach: Any = None,
    weight_on: Any = "learned",
    alternation: Any = None,
    halved: Any = None,
    bias: Any = None,
    k: Any = None,
) -> str:
    if _one_of("weight_on", weight_on, "learned", "label") == "label":
        weight = _complement("weight", 0.5 if weight is None else weight)
    rule = _call("learned_smooth", weight=weight, learned=learned, detach=detach, bias=bias, halved=halved)
    return f"{_alternating(_call('midpoint', k=k), originals, alternation)} | {rule}"


def _lamix(
    beta: Any = 0.5,
    local: Any = "mixed",
    originals: Any = True,
    detach: Any = None,
    per: Any = None,
    alternation: Any = None,
    bias: Any = None,
) -> str:
    lam = "uniform" if _one_of("local", local, "mixed", "average") == "mixed" else None
    rule = _call("learned_smooth", weight=_complement("beta", beta), lam=lam, per=per, detach=detach, bias=bias)
    return f"{_alternating('midpoint', originals, alternation)} | {rule}"


def _lamix_puzzle(
    label: Any = "random", originals: Any = True, loss: Any = "bce", alternation: Any = None, per: Any = None
) -> str:
    lam = "uniform" if _one_of("label", label, "random", "mask") == "random" else None
    mixer = _alternating("puzzlemix(lam=0.5)", originals, alternation)
    return f"{mixer} | {_call('one_hot', lam=lam, per=per)} | {_hard_loss(loss)}"


def _hard_loss(loss: Any) -> Any:
    return _one_of("loss", loss, "cross_entropy", "bce")


def _logitmix(mixer: str, clean: int, mixed: int, similarity: Any, norm: Any, detach: Any, batch_norm: Any) -> str:
    match = _call("logit_match", weight=similarity, norm=norm, detach=detach, batch_norm=batch_norm)
    return f"{mixer} | one_hot | cross_entropy(clean={clean}, mixed={mixed}) | {match}"


def _over_mixup(clean: int, mixed: int) -> Callable[..., str]:
    def expand(
        alpha: Any = 3, similarity: Any = None, norm: Any = None, detach: Any = None, batch_norm: Any = None
    ) -> str:
        return _logitmix(_call("mixup", alpha=alpha), clean, mixed, similarity, norm, detach, batch_norm)

    return expand


def _over_cutmix(
    alpha: Any = None,
    prob: Any = None,
    similarity: Any = 0.1,
    exact_area: Any = None,
    norm: Any = None,
    detach: Any = None,
    batch_norm: Any = None,
) -> str:
    mixer = _call("cutmix", alpha=alpha, prob=prob, exact_area=exact_area)
    return _logitmix(mixer, 1, 1, similarity, norm, detach, batch_norm)


def _mbls(
    m: Any = None, weight: Any = None, growth: Any = None, by: Any = None, every: Any = None, cap: Any = None
) -> str:
    penalty = _call("margin", m=m, weight=weight, growth=growth, by=by, every=every, cap=cap)
    return f"identity | one_hot | cross_entropy | {penalty}"


def _puzzlemix(
    alpha: Any = None,
    lam: Any = None,
    blocks: Any = None,
    smoothness: Any = None,
    local: Any = None,
    prior: Any = None,
    transport: Any = None,
    transport_cost: Any = None,
    transport_size: Any = None,
    clean: Any = None,
    labels: Any = None,
    solver: Any = None,
    loss: Any = "bce",
) -> str:
    mixer = _call(
        "puzzlemix",
        alpha=alpha,
        lam=lam,
        blocks=blocks,
        smoothness=smoothness,
        local=local,
        prior=prior,
        transport=transport,
        transport_cost=transport_cost,
        transport_size=transport_size,
        clean=clean,
        labels=labels,
        solver=solver,
    )
    return f"{mixer} | one_hot | {_hard_loss(loss)}"


_MIXUP = "Zhang et al. 2018; calibration: Thulasidasan et al. 2019"
_LOGITMIX = "LogitMix 2021"
_LOGITMIX_DEFAULTS = "alpha 3, weights 1 (paper); mean over classes, nothing detached, joint batch norm (released code)"
_LOGITMIX_SWITCHES = "norm=mean|sum|euclid; detach=none|target|mixed; batch_norm=joint|separate"
_PLS = "PLS / Midpoint Regularization 2021"


METHODS: dict[str, Entry] = {
    "vanilla": Entry(
        "vanilla",
        lambda: "identity | one_hot",
        "the baseline",
        "L = CE(Y, p)",
        "plain training with cross-entropy",
        "none to choose",
    ),
    "uls": Entry(
        "uls(smoothing=0.1, over=all|others)",
        lambda smoothing=None, over=None: f"identity | {_call('smooth', smoothing=smoothing, over=over)}",
        "Szegedy et al. 2016",
        "q = (1 - s) Y + s / C",
        "uniform label smoothing over all classes",
        "smoothing 0.1 over all classes: PLS, LaMix, torch; MbLS compares with 0.05, Thulasidasan et al. smooth over "
        "the others",
    ),
    "erl": Entry(
        "erl(weight=0.1, over=sum|mean)",
        lambda weight=None, over=None: (
            f"identity | one_hot | cross_entropy | {_call('negative_entropy', weight=weight, over=over)}"
        ),
        "Pereyra et al. 2017",
        "L = CE - weight H(p)",
        "reward the entropy of the prediction",
        "weight 0.1, entropy summed over classes: Thulasidasan et al. 2019; over=mean is what MbLS's code has",
    ),
    "focal": Entry(
        "focal(gamma=3)",
        lambda gamma=None: f"identity | one_hot | {_call('focal', gamma=gamma)}",
        "Lin et al. 2017; calibration: Mukhoti et al. 2020",
        "L = -(1 - p_y)^gamma log p_y",
        "weigh down what is already classified well",
        "gamma 3: Mukhoti et al. 2020, MbLS",
        "mean over the batch; the released calibration code sums, with gradients clipped",
    ),
    "flsd": Entry(
        "flsd(low=5, high=3, threshold=0.2)",
        lambda low=None, high=None, threshold=None: (
            f"identity | one_hot | {_call('focal_sd', low=low, high=high, threshold=threshold)}"
        ),
        "Mukhoti et al. 2020",
        "L = -(1 - p_y)^g log p_y, g = 5 where p_y < 0.2, else 3; no gradient through the choice",
        "focal loss with a larger gamma for targets that are still improbable",
        "FLSD-53, the authors' recommendation, which MbLS compares with",
        "mean over the batch; the released code sums, with gradients clipped",
    ),
    "mbls": Entry(
        "mbls(m=10, weight=0.1)",
        _mbls,
        "MbLS (Liu et al. 2022)",
        "L = CE + weight mean_k max(0, max_j z_j - z_k - m)",
        "penalise logit distances beyond a margin",
        "m 10, weight 0.1: released code for Tiny-ImageNet; m 6 for CIFAR-like sets",
        "at a tie for the maximum all of the tied logits share its gradient",
        "growth=none|add|multiply with by, every (epochs) and cap: the released code's weight schedules",
    ),
    "mixup": Entry(
        "mixup(alpha=0.4, per=batch|sample, k=2)",
        lambda alpha=None, per=None, k=None: f"{_call('mixup', alpha=alpha, per=per, k=k)} | one_hot",
        _MIXUP,
        "x' = lam x + (1 - lam) x_j, likewise Y; lam ~ Beta(alpha, alpha)",
        "train on convex combinations of pairs of inputs and of their labels",
        "alpha 0.4, one lam a batch: Thulasidasan et al. 2019, LogitMix's baseline; PLS and LaMix compare with alpha 1",
    ),
    "mixup_features": Entry(
        "mixup_features(alpha=0.4)",
        lambda alpha=None: f"{_call('mixup', alpha=alpha)} | nearest",
        "Thulasidasan et al. 2019, figure 6",
        "x' mixed; label of the nearer end",
        "ablation: mix inputs, keep hard labels",
        "alpha as in mixup; a tie goes to the original",
    ),
    "mixup_uls": Entry(
        "mixup_uls(alpha=0.4, smoothing=0.1)",
        lambda alpha=None, smoothing=None: f"{_call('mixup', alpha=alpha)} | {_call('smooth', smoothing=smoothing)}",
        "PLS, tables 1 and 2; LaMix, table 5",
        "q = (1 - s)(lam Y + (1 - lam) Y_j) + s / C",
        "mixup with label smoothing on top",
        "alpha as in mixup (the papers: 1), smoothing 0.1",
    ),
    "manifold_mixup": Entry(
        "manifold_mixup(alpha=2, loss=cross_entropy|bce)",
        lambda alpha=None, layers=None, loss="cross_entropy": (
            f"{_call('manifold_mixup', alpha=alpha, layers=layers)} | one_hot | {_hard_loss(loss)}"
        ),
        "Verma et al. 2019",
        "h' = lam h + (1 - lam) h_j at a layer drawn every step; labels likewise",
        "mixup of hidden states",
        "alpha 2 (authors, CIFAR); input and the stages at a quarter and half of the depth, the first two of four",
        "cross-entropy, as the calibration paper compares; the authors' code has loss=bce",
        "layers=[input, NAME, ...]: modules at whose output to mix",
    ),
    "cutmix": Entry(
        "cutmix(alpha=1, prob=0.5, exact_area=true)",
        lambda alpha=None, prob=None, exact_area=None: (
            f"{_call('cutmix', alpha=alpha, prob=prob, exact_area=exact_area)} | one_hot"
        ),
        "Yun et al. 2019",
        "a box of x_j pasted into x; lam = share of pixels kept",
        "paste a box of one image into another, mix the labels by area",
        "alpha 1, prob 0.5: authors, CIFAR (1 for ImageNet-like sets)",
        "the inputs are not overwritten",
    ),
    "pls": Entry(
        "pls(weight=0.5, learned=distribution|coefficient|uniform|none, originals=true, detach=false)",
        _pls,
        _PLS,
        "x' = (x + x_j) / 2, q' = q / 2 + softmax(sigmoid(W_t S)) / 2 (eq. 6-14)",
        "average two inputs, learn how to smooth their label",
        "weight 0.5, learned distribution, originals and midpoints in turn (paper); gradients flow through the target: "
        "eq. 14 has no stop, and a detached head would not learn",
        "no code was released",
        "weight_on=learned|label; alternation=step|batch|coin; bias=true|false (of the second head); halved=true with "
        "learned=coefficient; k: how many inputs are averaged",
    ),
    "lamix": Entry(
        "lamix(beta=0.5, local=mixed|average, originals=true)",
        _lamix,
        "LaMix 2021",
        "x' = (x + x_j) / 2, q' = beta (lam Y + (1 - lam) Y_j) + (1 - beta) g, lam ~ U(0, 1) (eq. 4-11)",
        "average two inputs, mix their labels at random, learn the rest of the label",
        "beta 0.5, one lam a batch for the labels alone (paper); otherwise as pls",
        "no code was released; local=average is the caption of figure 1, which the equations contradict",
        "detach=false|true; per=batch|sample (the labels' lam); alternation=step|batch|coin; bias=true|false",
    ),
    "lamix_puzzle": Entry(
        "lamix_puzzle(label=random|mask, originals=true, loss=bce|cross_entropy)",
        _lamix_puzzle,
        "LaMix 2021, tables 3 and 4",
        "x' = PuzzleMix at lam 1/2, q' = lam Y + (1 - lam) Y_j, lam ~ U(0, 1); beta = 1, so nothing is learned",
        "LaMix's random label mixing over PuzzleMix images",
        "random label lam (eq. 2, 8, 10 literally); bce as PuzzleMix's settings, which the tables keep",
        "no code was released; alternation with originals is not stated for these tables and on",
        "alternation=step|batch|coin; per=batch|sample (the labels' lam)",
    ),
    "puzzlemix": Entry(
        "puzzlemix(alpha=1, lam=none, clean=0, loss=bce|cross_entropy)",
        _puzzlemix,
        "Kim et al. 2020",
        "x' = M T(x) + (1 - M) T'(x_j) with mask and transports that keep what is salient; lam = mean of M, per image",
        "cut and move two images so that both keep what matters",
        "the authors' for CIFAR: alpha 1, blocks 2 to 16, smoothness 1.2, prior 0.2, transport; bce on the softmax",
        "the cut is exact where theirs is a local search (solver=swap is theirs); negative pairwise weights are set to "
        "zero; pixels are scaled by the batch's own range; texts are cut into blocks of words, which stay put; needs "
        "the extra puzzlemix (PyMaxflow)",
        switches="blocks=[2, 4, 8, 16]; smoothness; local; prior; transport=true|false; transport_cost; transport_size "
        "(0: whole blocks, their Tiny-ImageNet setting, with clean=1); labels; solver=exact|swap",
    ),
    "cls_mix": Entry(
        "cls_mix(alpha=3)",
        lambda alpha=3: f"{_call('mixup', alpha=alpha)} | one_hot | cross_entropy(clean=1, mixed=1)",
        "LogitMix 2021, section 4.2",
        "L = L_cls + L_mix",
        "ablation: classification loss plus mixup loss, no matching",
        "alpha 3, as logitmix_cm",
    ),
    "logitmix_c": Entry(
        "logitmix_c(alpha=3, similarity=1)",
        _over_mixup(1, 0),
        _LOGITMIX,
        "L = L_cls + L_sim",
        "classification loss plus logit matching",
        _LOGITMIX_DEFAULTS,
        switches=_LOGITMIX_SWITCHES,
    ),
    "logitmix_m": Entry(
        "logitmix_m(alpha=3, similarity=1)",
        _over_mixup(0, 1),
        _LOGITMIX,
        "L = L_mix + L_sim",
        "mixup loss plus logit matching",
        _LOGITMIX_DEFAULTS,
        switches=_LOGITMIX_SWITCHES,
    ),
    "logitmix_cm": Entry(
        "logitmix_cm(alpha=3, similarity=1)",
        _over_mixup(1, 1),
        _LOGITMIX,
        "L = L_cls + L_mix + L_sim, L_sim = mean_k (lam z + (1 - lam) z_j - z')^2",
        "the logits of a mixture should be the mixture of the logits",
        _LOGITMIX_DEFAULTS,
        switches=_LOGITMIX_SWITCHES,
    ),
    "logitmix_cc": Entry(
        "logitmix_cc(alpha=1, prob=0.5, similarity=0.1)",
        _over_cutmix,
        _LOGITMIX,
        "L = L_cls + L_mix + 0.1 L_sim, over CutMix; batches without a box: L_cls",
        "LogitMix over CutMix",
        "similarity 0.1 (released code; the paper has 1), prob 0.5 (authors of CutMix, CIFAR)",
        "the released code overwrites the originals and keeps the drawn lam; here they stay and lam is the kept area",
        f"exact_area=true|false; {_LOGITMIX_SWITCHES}",
    ),
    "vwci": Entry(
        "vwci(passes=5, dropout=0.5)",
        lambda passes=None, dropout=0.5: (
            f"identity | one_hot | {_call('vwci', passes=passes)} | none @ {_call('predict', dropout=dropout)}"
        ),
        "Seo et al. 2019, as LogitMix's table 3 quotes it; experimental",
        "L = (1 - a) mean_j CE(Y, p_j) + a mean_j CE(u, p_j), a = 1 - mean_j sum_k sqrt(pbar_k p_jk)",
        "smooth a label by how much stochastic passes over its example disagree",
        "5 passes; dropout 0.5 in the model's dropout layers, or on its features where it has none",
        "no code was released and the normalisation of a is unverified; one plain pass to predict",
    ),
    "mc_dropout": Entry(
        "mc_dropout(p=0.3, samples=10)",
        lambda p=0.3, samples=10: (
            f"identity | one_hot | cross_entropy | none @ {_call('predict', dropout=p, samples=samples)}"
        ),
        "Gal and Ghahramani 2016; calibration: Thulasidasan et al. 2019",
        "p = mean_s softmax(f(x; mask_s))",
        "train with dropout, predict with the mean of many passes with dropout on",
        "p 0.3, 10 samples: Thulasidasan et al. 2019",
        "a model without dropout layers gets dropout on its penultimate features",
    ),
}
