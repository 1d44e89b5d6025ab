"""The papers' own recipes by name, for `--recipe`: what each trained with, and where that is written.

Epochs and rates are the papers'; on two cores most of them take days. Anything given beside the name replaces its part.
Names end in the data they were written for; they work with any. Where a paper reports its best epoch on test (LogitMix,
Thulasidasan et al.) the last one is kept here: no epoch is ever selected on test.
"""

from dataclasses import dataclass
from typing import Any

from levelhead.data.facts import LOGITMIX_COLOURS, MBLS_COLOURS


@dataclass(frozen=True)
class Paper:
    """Arguments of a recipe, and their source."""

    source: str
    arguments: dict[str, Any]


def _sgd(epochs: int, batch: int, schedule: str, **others: Any) -> dict[str, Any]:
    return {"epochs": epochs, "batch": batch, "optimizer": "sgd", "momentum": 0.9, "schedule": schedule, **others}


_FACEBOOK = _sgd(400, 128, "steps(at=[100, 150], by=0.1)", lr=0.1, nesterov=False, weight_decay=1e-4, crop=4, flip=True)

PAPERS: dict[str, Paper] = {
    "pls": Paper("PLS, section 4.1: the settings of the mixup-cifar10 code, for 400 epochs", _FACEBOOK),
    "lamix": Paper("LaMix, section 5.1: as PLS", _FACEBOOK),
    "puzzlemix-cifar": Paper(
        "PuzzleMix, released code; LaMix, table 3",
        _sgd(600, 100, "steps(at=[350, 500], by=0.1)", lr=0.2, nesterov=True, weight_decay=1e-4, crop=2, flip=True),
    ),
    "puzzlemix-tiny-imagenet": Paper(
        "PuzzleMix, released code; LaMix, table 4",
        _sgd(600, 100, "steps(at=[300, 450], by=0.1)", lr=0.2, nesterov=True, weight_decay=1e-4, crop=4, flip=True),
    ),
    "logitmix-cifar": Paper(
        "LogitMix, section 4.1 and released code (Nesterov, weight decay 5e-4 where the text has 4e-5)",
        _sgd(200, 128, "steps(at=[60, 120, 160], by=0.2)", lr=0.1, nesterov=True, weight_decay=5e-4, crop=4, flip=True),
    ),
    "logitmix-tiny-imagenet": Paper(
        "LogitMix, section 4.1",
        _sgd(300, 200, "steps(at=[75, 150, 225], by=0.1)", lr=0.1, nesterov=True, weight_decay=1e-4, crop=4, flip=True),
    ),
    "logitmix-imagenet": Paper(
        "LogitMix, section 4.1 and released code (colours); its random windows belong to the data: imagenet has them, "
        "other image files take --resized-crop 0.08",
        _sgd(
            *(300, 256, "steps(at=[75, 150, 225], by=0.1)"),
            lr=0.1, nesterov=True, weight_decay=1e-4, flip=True,
            jitter=str(LOGITMIX_COLOURS),
        ),
    ),
    "logitmix-mobilenet": Paper(
        "LogitMix, released code: MobileNetV2 on sets like ImageNet, a cosine in every step",
        _sgd(150, 200, "cosine", lr=0.05, nesterov=True, weight_decay=4e-5, crop=4, flip=True),
    ),
    "mixup-calibration": Paper(
        "Thulasidasan et al. 2019, section 3; the rate is multiplied with 0.2, as in the authors' code of that year",
        _sgd(200, 128, "steps(at=[60, 120, 160], by=0.2)", lr=0.1, nesterov=True, weight_decay=5e-4, crop=4, flip=True),
    ),
    "mixup-calibration-imagenet": Paper(
        "Thulasidasan et al. 2019, section 3.2, and Goyal et al. 2017: 32 processors with 32 images each, a warm-up to "
        "0.1 per 256 images, until 93 % top-5; judged on val, where the paper has only test; Goyal's random windows "
        "belong to the data: imagenet has them, other image files take --resized-crop 0.08",
        _sgd(
            *(90, 1024, "steps(at=[30, 60, 80], by=0.1)"),
            lr=0.1, lr_per=256, warmup=5.0, nesterov=True, weight_decay=1e-4, flip=True,
            stop_at_accuracy=0.93, stop_top=5, stop_on="val",
        ),
    ),
    "manifold-mixup": Paper(
        "Verma et al. 2019, released code; Thulasidasan et al. 2019, table 3",
        _sgd(
            *(2000, 100, "steps(at=[0.25, 0.5, 0.75], by=0.1)"),
            lr=0.1, nesterov=True, weight_decay=1e-4, crop=2, flip=True,
        ),
    ),
    "mbls-cifar": Paper(
        "MbLS, section 4.1 and released code: the best epoch on val, whole batches only",
        _sgd(
            *(350, 128, "steps(at=[150, 250], by=0.1)"),
            lr=0.1, nesterov=False, weight_decay=5e-4, clip=2.0, crop=4, flip=True,
            drop_last=True, select="accuracy",
        ),
    ),
    "mbls-tiny-imagenet": Paper(
        "MbLS, section 4.1 and released code: the best epoch on val",
        _sgd(
            *(100, 64, "steps(at=[40, 60], by=0.1)"),
            lr=0.1, nesterov=False, weight_decay=5e-4, clip=2.0, crop=4, flip=True, select="accuracy",
        ),
    ),
    "mbls-cub": Paper(
        "MbLS, section 4.1: from ImageNet's weights (--pretrained); the last epoch, since the authors' val is their "
        "test; windows of 224 out of 256 belong to the data, cub-200-2011",
        _sgd(200, 16, "steps(at=[80, 160], by=0.1)", lr=0.1, nesterov=False, weight_decay=5e-4, flip=True),
    ),
    "mbls-voc": Paper(
        "MbLS, section 4.1 and released code: DeepLabV3; the last epoch, since the authors' val is their test; "
        "--image-size 640 gives windows of 512 as there, but asks about images of 640, not 480",
        _sgd(
            *(100, 8, "steps(at=[40, 80], by=0.1)"),
            lr=0.01, nesterov=False, weight_decay=5e-4, flip=True,
            jitter=str(MBLS_COLOURS),
        ),
    ),
    "mbls-20newsgroups": Paper(
        "MbLS, section 4.1 and released code: GPCN on fixed GloVe vectors, the best epoch on val",
        {
            "epochs": 100, "batch": 128, "optimizer": "adam", "lr": 1e-3, "weight_decay": 5e-4,
            "schedule": "steps(at=[50], by=0.1)", "select": "accuracy",
        },
    ),
    "kim": Paper(
        "Kim 2014: the best epoch on a tenth kept back; Thulasidasan et al. 2019, section 3.2",
        {
            "epochs": 25, "batch": 50, "optimizer": "adadelta", "lr": 1.0, "weight_decay": 0.0, "schedule": "constant",
            "select": "accuracy",
        },
    ),
}  # fmt: skip
