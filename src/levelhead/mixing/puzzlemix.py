"""PuzzleMix: every block shows what is salient, and salient blocks move to where they show (Kim, Choo and Song 2020).

    x' = M T1(x) + (1 - M) T2(x_partner),   label weight of the original: the mean of M

An image is cut into n by n blocks. The mask M in {0, 1/2, 1} of the blocks minimises (eq. 4 and 6 of the paper)

    sum_i (1 - M_i) s_i + M_i s'_i  +  sum_ij w_ij (M_i - M_j)^2  +  eta/n^2 sum_i -log Binomial(M_i; lam)

where s and s' are the images' shares of saliency, so that hiding what is salient costs; w_ij is smoothness/(16 n) plus
``local`` times how well the borders of neighbouring blocks fit; lam ~ Beta(alpha, alpha). Then each image's blocks are
transported into its mask where the saliency gained is worth the way. The mixer asks for a saliency, the size of the
loss's gradient at each pixel of the unmixed batch: one pass more.

Defaults from the authors' code for CIFAR-100: alpha 1, n uniform over 2, 4, 8, 16, smoothness 1.2, local 0.5, prior
(eta) 0.2, transport in blocks of 4 pixels at cost 0.8, three labels, saliency in eval mode without keeping its gradient
(clean 0; their Tiny-ImageNet runs keep it in train mode with clean 1, never switched off, and transport whole blocks:
transport_size 0). ``lam`` fixes lam, as LaMix does with 0.5.

Composes with dense label maps, which are blended with the same masks. Needs images whose sides some n divides. A given
pairing may have a lam for every example; a lam of exactly 0 or 1 leaves partner or original whole.

Sequences ``(B, L, D)``, the embedded tokens of a text, are an image of one row (the authors have images only): at most
n blocks of ceil(L/n) tokens beside each other, the last of them maybe shorter, and one cut between two blocks costs
what a straight cut through an image does. Nothing is transported: in a text places carry meaning. Places where both
texts have vectors of zeros, which is how padding looks, count for neither in the label. An input of three axes is taken
for a sequence, so signals ``(B, C, L)`` must be turned, or mixed by mixup.

Deviations from the released code. The cut is exact where theirs swaps labels until nothing improves; ``solver=swap`` is
theirs, written anew. Negative pairwise weights are set to zero (with images in [0, 1] there are none while local is at
most 1). Borders are compared after mapping each channel of the batch to [0, 1] by its own minimum and maximum, since a
mixer does not know how the images were normalised. Without any gradient saliency is uniform. Sizes that theirs cannot
do: patches for the borders are the largest divisor of the block's side up to 4 pixels; a transport_size that does not
divide the block's sides, or is not smaller, means whole blocks; on a grid that is not square the longer side counts.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from levelhead.errors import need
from levelhead.member import choice, flag, number, whole, wholes
from levelhead.mixing._beta import beta
from levelhead.mixing._puzzle_cut import SOLVERS
from levelhead.mixing._puzzle_terms import costs, horizontal_gaps, label_prior, shares, unit_range, vertical_gaps
from levelhead.mixing._puzzle_transport import plan, rearrange
from levelhead.mixing.mixer import Drawn, Mixer, Puzzle, Step, given_lam, shuffle
from levelhead.types import Mix


@dataclass(frozen=True)
class PuzzleMix(Mixer):
    """Show the more salient image in every block; the label weighs the original by the mean of its mask."""

    word: ClassVar[str] = "puzzlemix"
    needs_saliency: ClassVar[bool] = True
    spatial: ClassVar[bool] = True
    lam: float | None = number(None, low=0, high=1)
    alpha: float = number(1.0, low=0)
    blocks: tuple[int, ...] = wholes(2, 4, 8, 16, low=2)
    smoothness: float = number(1.2, low=0)
    local: float = number(0.5, low=0)
    prior: float = number(0.2, low=0)
    transport: bool = flag(True)
    transport_cost: float = number(0.8, low=0, open_low=True)
    transport_size: int = whole(4, low=0)
    clean: float = number(0.0, low=0)
    labels: int = whole(3, low=2, high=9)
    solver: str = choice("exact", "swap")

    def moot(self) -> set[str]:
        """A fixed lam has no law, no transport no price, and ``local`` is a part of the smoothness."""
        moot = {"alpha"} if self.lam is not None else set()
        if not self.transport:
            moot |= {"transport_cost", "transport_size"}
        return moot | ({"local"} if self.smoothness == 0 else set())

    def unsaid(self) -> set[str]:
        """A lam that is drawn, and the exact solver, are what the bare word means."""
        unsaid = {"lam"} if self.lam is None else set()
        return self.moot() | unsaid | ({"solver"} if self.solver == "exact" else set())

    def ready(self) -> None:
        """The graph cut is a package of its own, under another licence."""
        need("maxflow", "puzzlemix", "the graph cut of puzzlemix")

    def draw(self, step: Step, generator: torch.Generator) -> Drawn:
        """Partner, lam and the number of blocks; the mask waits for the batch's saliency."""
        grids, size = self._grids(step.shape), step.shape[0]
        if step.given is not None:
            mix = Mix(step.given.partner, given_lam(step.given, size))
        else:
            partner = shuffle(size, generator)
            lam = beta(self.alpha, 1, generator) if self.lam is None else torch.tensor([self.lam], dtype=torch.float64)
            mix = Mix(partner, lam.expand(size))
        return Drawn(mix, puzzle=Puzzle(grids[int(torch.randint(len(grids), (), generator=generator))]))

    def settle(self, inputs: Tensor, drawn: Drawn, saliency: Tensor | None = None) -> Drawn:
        """Masks and moves from the size of the gradient at each pixel or token; lam becomes mean M.

        ``inputs (B, C, H, W)`` with ``saliency (B, H, W)``, or ``(B, L, D)``, zero where padded, with ``(B, L)``.

        Raises ``ValueError`` for a saliency that is missing, of another shape, negative or not finite.
        """
        puzzle, partner, lam = drawn.puzzle, drawn.mix.partner, drawn.mix.lam
        assert puzzle is not None
        assert isinstance(lam, Tensor)
        saliency = _checked(saliency, inputs)
        text = inputs.ndim == 3
        counts = torch.ones(1, 1, inputs.shape[-1])
        if text:
            counts = (inputs != 0).any(2).cpu()
            counts = (counts | counts[partner.cpu()]).double().unsqueeze(1)
            counts = torch.where(counts.any(2, keepdim=True), counts, 1.0)  # two empty texts: all places alike
            inputs, saliency = inputs.mT.unsqueeze(2), saliency.unsqueeze(1)
        height, width = (-(-side // cells) for side, cells in zip(inputs.shape[2:], puzzle.cells))
        images, pairs = _filled(unit_range(inputs), width, "replicate"), partner.to(inputs.device)
        terms = costs(
            shares(_filled(saliency, width, "constant"), height, width),
            partner,
            vertical_gaps(images, pairs, puzzle.cells),
            horizontal_gaps(images, pairs, puzzle.cells),
            self.prior * label_prior(lam.cpu(), self.labels),
            self.smoothness,
            self.local,
        )
        mask = 1 - torch.from_numpy(SOLVERS[self.solver](terms)).float() / (self.labels - 1)
        # the prior alone only makes the other image dear; a lam of 0 or 1 is a word of the caller's
        end = lam.cpu().float()[:, None, None]
        mask = torch.where((end == 0) | (end == 1), end, mask)
        puzzle = puzzle._replace(mask=mask.to(inputs.device))
        if self.transport and not text:
            puzzle = self._moved(puzzle, mask, partner.cpu(), saliency)
        shown = _enlarge(mask, 1, width)[:, :, : inputs.shape[3]].double()
        ratio = ((shown * counts).mean((1, 2)) / counts.mean((1, 2))).to(lam.device, lam.dtype)
        return drawn._replace(mix=Mix(partner, ratio), puzzle=puzzle)

    def blend(self, inputs: Tensor, drawn: Drawn) -> Tensor:
        """The puzzle of any maps ``(B, K, H, W)`` of the images' height and width, or of sequences ``(B, L, D)``."""
        puzzle, partner = drawn.puzzle, drawn.mix.partner.to(inputs.device)
        assert puzzle is not None, "draw before blend"
        assert puzzle.mask is not None, "settle before blend"
        original, other = inputs, inputs[partner]
        if puzzle.moves is not None:
            original, other = (rearrange(x, move, *puzzle.grid) for x, move in zip((original, other), puzzle.moves))
        sides = (1, inputs.shape[1]) if inputs.ndim == 3 else inputs.shape[2:]
        mask = _enlarge(puzzle.mask, *(-(-side // cells) for side, cells in zip(sides, puzzle.cells)))
        mask = mask[:, 0, : sides[1], None] if inputs.ndim == 3 else mask.unsqueeze(1)
        return torch.lerp(other, original, mask.to(inputs))

    def _grids(self, shape: torch.Size) -> list[tuple[int, int]]:
        """The grids of blocks, ``(rows, columns)``, that inputs of a shape can have."""
        if len(shape) == 3:
            return [(1, -(-shape[1] // -(-shape[1] // n))) for n in self.blocks]
        if len(shape) != 4:
            raise ValueError(
                "puzzlemix cuts images (B, C, H, W) or embedded sequences (B, L, D) into blocks, but the inputs have "
                f"shape {tuple(shape)}; use mixup"
            )
        height, width = shape[2:]
        fitting = [(n, n) for n in self.blocks if height % n == 0 and width % n == 0]
        if not fitting:
            raise ValueError(
                f"puzzlemix: none of blocks={list(self.blocks)} divides images of {height}x{width}; "
                "resize them, or give blocks= that divide both sides"
            )
        return fitting

    def _moved(self, puzzle: Puzzle, mask: Tensor, partner: Tensor, saliency: Tensor) -> Puzzle:
        height, width = (side // cells for side, cells in zip(saliency.shape[1:], puzzle.cells))
        size = self.transport_size
        if 0 < size < min(height, width) and height % size == 0 and width % size == 0:
            height = width = size
        salient = shares(saliency, height, width)
        grid = (salient.shape[1], salient.shape[2])
        places = _enlarge(mask, *(side // cells for side, cells in zip(grid, puzzle.cells)))
        # one call for both: the originals, then the partners
        moves = plan(torch.cat([places, 1 - places]), torch.cat([salient, salient[partner]]), self.transport_cost)
        first, second = moves.to(puzzle.mask.device if puzzle.mask is not None else moves.device).chunk(2)
        return puzzle._replace(grid=grid, moves=(first, second))


def _enlarge(mask: Tensor, height: int, width: int) -> Tensor:
    """``mask (B, R, S)`` with every cell made ``height`` by ``width`` of itself."""
    return mask.repeat_interleave(height, 1).repeat_interleave(width, 2)


def _filled(values: Tensor, width: int, how: str) -> Tensor:
    """Maps ``(B, ..., 1, L)`` made longer, to whole blocks of ``width``: by zeros, or by their last place."""
    missing = -values.shape[-1] % width
    return pad(values, (0, missing, 0, 0), how) if missing else values


def _checked(saliency: Tensor | None, inputs: Tensor) -> Tensor:
    wanted = inputs.shape[:2] if inputs.ndim == 3 else (inputs.shape[0], *inputs.shape[2:])
    if saliency is None or saliency.shape != wanted:
        came = "none" if saliency is None else str(tuple(saliency.shape))
        raise ValueError(
            f"puzzlemix needs a saliency of shape {tuple(wanted)}, the size of the gradient, but got {came}"
        )
    if not bool((saliency >= 0).all() and torch.isfinite(saliency).all()):
        raise ValueError(
            "puzzlemix: the saliency must be finite and not negative; did the loss or the weights diverge?"
        )
    return saliency.detach()
