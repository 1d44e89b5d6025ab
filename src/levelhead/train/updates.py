"""How the examples of an epoch become updates, an update batches, and a batch the parts of the processes.

N examples, B a batch of all processes together, K batches an update, P processes.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Updates:
    """The epoch of one process.

    Every process sees the same order of the examples and takes every P-th of a batch, so together they see each example
    once. A last batch that leaves one of them fewer than two examples is left out, since batch norm cannot work on it.

    >>> import torch
    >>> order = torch.arange(11)
    >>> cut = Updates(examples=11, batch=4, accumulate=2)
    >>> [[(rows.tolist(), share) for rows, share in cut.batches(order, step)] for step in range(cut.number)]
    [[([0, 1, 2, 3], 0.5), ([4, 5, 6, 7], 0.5)], [([8, 9, 10], 1.0)]]
    """

    examples: int
    batch: int
    accumulate: int = 1
    drop_last: bool = False
    rank: int = 0
    processes: int = 1

    @property
    def used(self) -> int:
        """How many examples of the epoch's order are seen."""
        if self.drop_last:
            return self.examples - self.examples % (self.batch * self.accumulate)
        rest = self.examples % self.batch
        return self.examples - rest if rest < 2 * self.processes else self.examples

    @property
    def number(self) -> int:
        """Updates in the epoch."""
        return -(-self.used // (self.batch * self.accumulate))

    def batches(self, order: Tensor, step: int) -> list[tuple[Tensor, float]]:
        """This process's rows of the batches of one update, each with the weight of its mean loss.

        The weights are such that the mean over processes of the sums over batches is the mean over all examples of the
        update, whatever their sizes: what one large batch would give.
        A loss that weighs its labels (class weights, ignored pixels) divides by the weight within each of them.
        """
        size = self.batch * self.accumulate
        rows = order[: self.used][step * size :][:size]
        mine = [part[self.rank :: self.processes] for part in rows.split(self.batch)]
        return [(part, len(part) * self.processes / len(rows)) for part in mine]
