"""The measures a comparison reports: what they are called on the page and which way is better."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A measure's name in the files, its title, whether less is better (None: neither), a line of explanation.

    `scale` is 100 for what is shown in per cent.
    """

    key: str
    title: str
    lower_is_better: bool | None
    meaning: str
    scale: int = 1

    def within(self, value: float | None) -> float | None:
        """A bound as it is shown: a normal interval of a few seeds may leave what a measure can be, its bounds not."""
        if value is None or self.key == "gap":
            return value
        return min(max(value, 0.0), 100.0) if self.scale == 100 else max(value, 0.0)


MEASURES: tuple[Measure, ...] = (
    Measure("nll", "NLL", True, "negative log-likelihood in nats, a proper score: wrong and unsure both cost"),
    Measure("ece", "ECE", True, "expected calibration error: mean distance between confidence and accuracy, by bins"),
    Measure("gap", "gap", None, "mean confidence less accuracy: above zero over-confident, below under-confident"),
    Measure("accuracy", "accuracy", False, "share of right answers; scaling does not change it", scale=100),
    Measure("brier", "Brier", True, "squared distance between probabilities and the answer, a proper score, 0 to 2"),
    Measure("oe", "OE", True, "over-confidence error: like ECE, counting only bins that are too sure"),
    Measure("mce", "MCE", True, "the largest distance of any bin; noisy where bins hold few examples"),
    Measure("adaptive_ece", "adaptive ECE", True, "ECE with bins that hold equally many examples"),
    Measure("classwise_ece", "class-wise ECE", True, "ECE of every class's probability, averaged over classes"),
)

#: What a segmentation is measured by beside them.
MIOU = Measure("miou", "mIoU", False, "intersection over union, mean over classes; of all pixels of test", scale=100)

BY_KEY = {measure.key: measure for measure in MEASURES}

_OTHERS = {
    "top5": "top-5 accuracy",
    "debiased_ece": "debiased ECE",
    "smooth_ece": "smooth ECE",
    "ace": "ACE",
    "rmsce": "RMS calibration error",
    "aurc": "AURC",
    "augrc": "AUGRC",
    "nll_calibration": "NLL: calibration",
    "nll_refinement": "NLL: refinement",
    "nll_others": "NLL: other classes",
    "brier_calibration": "Brier: calibration",
    "brier_refinement": "Brier: refinement",
    "brier_within": "Brier: within bins",
}
_MEANINGS = {
    "nll_calibration": "what the best rising relabelling of the confidence would mend",
    "nll_refinement": "what it would leave of telling right from wrong predictions",
    "nll_others": "the choice among the classes that were not predicted, which no relabelling touches",
    "brier_calibration": "squared distance of probability and frequency, by bins of each class's probability",
    "brier_refinement": "spread of the answers within those bins",
    "aurc": "error rate of what is answered, averaged over coverage; lower is better",
    "augrc": "how often an answer is given and wrong, over all coverages: half the error if confidence says nothing",
    "brier_within": "what differs within bins, of either sign; small",
}


def meaning(key: str) -> str:
    """A line of explanation, where there is one."""
    return BY_KEY[key].meaning if key in BY_KEY else _MEANINGS.get(key, "")


def title(key: str) -> str:
    """What a measure is called where people read it."""
    return BY_KEY[key].title if key in BY_KEY else _OTHERS.get(key, key.replace("_", " "))
