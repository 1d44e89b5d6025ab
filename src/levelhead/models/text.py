"""Networks for texts: token ids in, an embedding layer first, so that mixing can happen at that layer.

``sentence_cnn`` is Kim's (2014), as the mixup calibration paper trained it: windows of 3, 4 and 5 words with 100 maps
each, ReLU, maximum over time, dropout 0.5, one linear layer whose rows are kept to a norm of at most 3 (362,106
parameters for six classes without the embedding of 300 numbers). ``gpcn`` is the global-pooling network of MbLS: three
convolutions of width 5 with 128 maps and two poolings between them, the global maximum, two linear layers (247,316
parameters for twenty classes without the embedding of 100 numbers). Id 0 is padding and its vector stays zero.

The norm is a method, ``constrain``, to be called after a step of the optimiser, as Kim's code does it, and no
parametrisation: that would change what is stored and how the gradient goes through the norm, and a hook before the
forward pass would write to weights which a second view of the same step still needs.
Deviation: weights start as PyTorch draws them, where Kim's code starts the linear layer at zero.
Shapes: B batch, L words of a text, C classes, V words of the vocabulary, D numbers of a word.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from levelhead.models.task import Task
from levelhead.models.vectors import Unknown, embedding_matrix


def sentence_cnn(
    task: Task,
    *,
    dims: int | None = None,
    maps: int = 100,
    dropout: float = 0.5,
    norm: float = 3.0,
    vectors: str | None = None,
    frozen: bool | None = None,
) -> nn.Module:
    """Kim's sentence CNN; vectors='FILE' are fine-tuned unless frozen=true, words it lacks are drawn at random."""
    words = task.vocabulary("sentence_cnn")
    embedding = _embedding("sentence_cnn", words, dims, 300, vectors, "uniform", frozen)
    return SentenceCnn(embedding, task.num_classes, maps, dropout, norm)


def gpcn(
    task: Task,
    *,
    dims: int | None = None,
    maps: int = 128,
    dropout: float = 0.0,
    vectors: str | None = None,
    frozen: bool | None = None,
) -> nn.Module:
    """MbLS's global-pooling CNN; vectors='FILE' stay as they are unless frozen=false, words it lacks are zero."""
    words = task.vocabulary("gpcn")
    frozen = frozen if vectors is None or frozen is not None else True
    return Gpcn(_embedding("gpcn", words, dims, 100, vectors, "zero", frozen), task.num_classes, maps, dropout)


class MaxNormLinear(nn.Linear):
    """A linear layer whose rows ``constrain`` scales back to a norm of at most ``norm``."""

    def __init__(self, in_features: int, out_features: int, norm: float) -> None:
        super().__init__(in_features, out_features)
        self.norm = norm

    @torch.no_grad()
    def constrain(self) -> None:
        """Call after a step of the optimiser."""
        self.weight.copy_(self.weight.renorm(2, 0, self.norm))


class SentenceCnn(nn.Module):
    """Embedding, parallel convolutions with a maximum over time, dropout, the classifier."""

    def __init__(self, embedding: nn.Embedding, num_classes: int, maps: int, dropout: float, norm: float) -> None:
        super().__init__()
        self.embedding = embedding
        # four words of padding on either side of every text, as in Kim's code, so a text may be of any length
        self.convolutions = nn.ModuleList(
            nn.Conv1d(embedding.embedding_dim, maps, window, padding=4) for window in (3, 4, 5)
        )
        self.dropout = nn.Dropout(dropout)
        self.linear = MaxNormLinear(3 * maps, num_classes, norm)

    def forward(self, inputs: Tensor) -> Tensor:
        """Token ids ``(B, L)`` to logits ``(B, C)``."""
        hidden = self.embedding(inputs).transpose(1, 2)
        pooled = [F.relu(convolution(hidden)).amax(2) for convolution in self.convolutions]
        return self.linear(self.dropout(torch.cat(pooled, 1)))


class Gpcn(nn.Module):
    """Embedding, three convolutions with pooling, the global maximum, a hidden layer, the classifier."""

    #: Each of the three convolutions and two poolings takes four places; this leaves one.
    LEAST = 21

    def __init__(self, embedding: nn.Embedding, num_classes: int, maps: int, dropout: float) -> None:
        super().__init__()
        self.embedding = embedding
        self.convolutions = nn.Sequential(
            nn.Conv1d(embedding.embedding_dim, maps, 5),
            nn.ReLU(),
            nn.MaxPool1d(5, stride=1),
            nn.Conv1d(maps, maps, 5),
            nn.ReLU(),
            nn.MaxPool1d(5, stride=1),
            nn.Conv1d(maps, maps, 5),
            nn.ReLU(),
        )
        self.hidden = nn.Linear(maps, maps)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(maps, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Token ids ``(B, L)`` to logits ``(B, C)``; a text of less than 21 words is padded in front."""
        hidden = self.embedding(inputs).transpose(1, 2)
        hidden = F.pad(hidden, (max(self.LEAST - hidden.shape[2], 0), 0))
        pooled = self.convolutions(hidden).amax(2)
        return self.linear(self.dropout(F.relu(self.hidden(pooled))))


def constrain(model: nn.Module) -> None:
    """Let every layer of a network keep its constraint, if it has one; to be called after a step of the optimiser."""
    for layer in model.modules():
        if isinstance(layer, MaxNormLinear):
            layer.constrain()


def _embedding(
    name: str,
    words: Sequence[str],
    dims: int | None,
    usual: int,
    vectors: str | None,
    unknown: Unknown,
    frozen: bool | None,
) -> nn.Embedding:
    """The embedding layer of a vocabulary: from a file of vectors, or drawn from U(-0.25, 0.25) (Kim's CNN-rand)."""
    if vectors is None:
        if frozen is not None:
            raise ValueError(f"{name}: frozen= has an effect only with vectors='FILE'")
        layer = nn.Embedding(len(words), dims or usual, padding_idx=0)
        with torch.no_grad():
            layer.weight[1:].uniform_(-0.25, 0.25)
        return layer
    matrix = embedding_matrix(words, vectors, unknown=unknown)
    if dims not in (None, matrix.shape[1]):
        raise ValueError(
            f"{name}: dims={dims}, but the vectors of {vectors} have {matrix.shape[1]} numbers; leave dims out"
        )
    return nn.Embedding.from_pretrained(matrix, freeze=bool(frozen), padding_idx=0)
