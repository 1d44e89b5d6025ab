"""The table of networks: one line buys a network its arguments, its tests and its row in ``levelhead models``."""

from collections.abc import Callable
from functools import partial

from torch import nn

from levelhead.models.densenet import densenet121
from levelhead.models.lenet import lenet
from levelhead.models.mlp import mlp
from levelhead.models.mobilenet import mobilenet_v2
from levelhead.models.preact_resnet import preact_resnet, small
from levelhead.models.resnet import resnet, resnext50
from levelhead.models.shufflenet import shufflenet_v2
from levelhead.models.text import gpcn, sentence_cnn
from levelhead.models.unet import unet
from levelhead.models.vgg import vgg16
from levelhead.models.vit import vit
from levelhead.models.wide_resnet import wide_resnet

#: Every network by name. A builder takes a `Task`; its keyword arguments are the arguments a user may give.
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "small": small,
    "preact_resnet18": partial(preact_resnet, 18),
    "preact_resnet34": partial(preact_resnet, 34),
    "preact_resnet50": partial(preact_resnet, 50),
    "resnet18": partial(resnet, 18),
    "resnet34": partial(resnet, 34),
    "resnet50": partial(resnet, 50),
    "resnet101": partial(resnet, 101),
    "resnext50": resnext50,
    "vgg16": vgg16,
    "wrn28_10": partial(wide_resnet, 28, 10),
    "densenet121": densenet121,
    "mobilenet_v2": mobilenet_v2,
    "shufflenet_v2": shufflenet_v2,
    "lenet": lenet,
    "vit": vit,
    "mlp": mlp,
    "sentence_cnn": sentence_cnn,
    "gpcn": gpcn,
    "unet": unet,
}

#: The networks that read texts, or scenes (images that get logits for every pixel); the others read images, and ``mlp``
#: anything that is no text.
READS = {"sentence_cnn": "texts", "gpcn": "texts", "mlp": "vectors", "unet": "scenes"}
