"""PuzzleMix against exhaustive search, against its specification written as loops, and on puzzles solved by hand."""

import itertools

import numpy as np
import pytest
import torch

from levelhead.mixing import MIXERS, PuzzleMix, Step
from levelhead.mixing._puzzle_cut import SOLVERS, cut, energy, swap
from levelhead.mixing._puzzle_terms import (
    Costs,
    Gaps,
    costs,
    horizontal_gaps,
    label_prior,
    shares,
    split,
    unit_range,
    vertical_gaps,
)
from levelhead.mixing._puzzle_transport import plan, rearrange, squared_distance
from levelhead.spec import parse
from levelhead.types import Mix


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=generator(seed))


def random_costs(size, rows, columns, labels, seed):
    """Whole costs of all scales, with ties and with pairs that do not matter."""
    rng = np.random.default_rng(seed)
    scale = int(rng.choice([2, 10, 1000]))
    return Costs(
        rng.integers(-scale, scale + 1, (size, rows, columns, labels)),
        rng.integers(0, scale // 2 + 1, (size, rows - 1, columns)),
        rng.integers(0, scale // 2 + 1, (size, rows, columns - 1)),
    )


def everything(rows, columns, labels):
    """Every labelling of a grid."""
    found = np.array(list(itertools.product(range(labels), repeat=rows * columns)), np.int64)
    return found.reshape(-1, rows, columns)


def energy_by_loops(labels, unary, down, right):
    """The energy of one labelling, cell by cell."""
    rows, columns = labels.shape
    total = 0
    for i, j in itertools.product(range(rows), range(columns)):
        total += unary[i, j, labels[i, j]]
        if i + 1 < rows:
            total += down[i, j] * (labels[i, j] - labels[i + 1, j]) ** 2
        if j + 1 < columns:
            total += right[i, j] * (labels[i, j] - labels[i, j + 1]) ** 2
    return total


def settled(mixer, inputs, saliency, given=None, seed=0):
    drawn = mixer.draw(Step(inputs.shape, given=given), generator(seed))
    return mixer.settle(inputs, drawn, saliency)


class TestTheCut:
    def test_the_energy_is_the_sum_over_cells_and_pairs(self):
        problem = random_costs(4, 3, 2, 3, 0)
        labels = np.random.default_rng(1).integers(0, 3, (4, 3, 2))
        by_loops = [energy_by_loops(each, *(term[i] for term in problem)) for i, each in enumerate(labels)]
        assert energy(labels, problem).tolist() == by_loops

    @pytest.mark.parametrize("shape", list(itertools.product((1, 2, 3), repeat=2)))
    @pytest.mark.parametrize("seed", range(3))
    def test_no_labelling_of_a_small_grid_is_cheaper(self, shape, seed):
        problem = random_costs(20, *shape, 3, seed)
        every = everything(*shape, 3)
        least = [energy(every, Costs(*(term[i : i + 1] for term in problem))).min() for i in range(20)]
        assert energy(cut(problem), problem).tolist() == least

    @pytest.mark.parametrize("labels", [2, 4, 5])
    def test_other_numbers_of_labels(self, labels):
        problem = random_costs(30, 2, 2, labels, 0)
        every = everything(2, 2, labels)
        least = [energy(every, Costs(*(term[i : i + 1] for term in problem))).min() for i in range(30)]
        assert energy(cut(problem), problem).tolist() == least

    def test_swapping_is_never_below_and_sometimes_above(self):
        above = 0
        for seed in range(20):
            problem = random_costs(25, 6, 6, 3, seed)
            exact, local = energy(cut(problem), problem), energy(swap(problem), problem)
            assert (local >= exact).all()
            above += (local > exact).sum()
        assert above > 0, "the local optimum was always the best: the comparison shows nothing"

    def test_what_swapping_finds_no_swap_improves(self):
        problem = random_costs(30, 2, 2, 3, 1)
        labels = swap(problem)
        reached = energy(labels, problem)
        for i, own in enumerate(labels):
            one = Costs(*(term[i : i + 1] for term in problem))
            for low, high in ((0, 1), (0, 2), (1, 2)):
                fixed = (own != low) & (own != high)
                others = [
                    x for x in everything(2, 2, 3) if (x == own)[fixed].all() and np.isin(x, [low, high])[~fixed].all()
                ]
                assert energy(np.array(others), one).min() == reached[i]

    def test_two_labels_need_one_swap(self):
        problem = random_costs(30, 4, 4, 2, 2)
        assert energy(swap(problem), problem).tolist() == energy(cut(problem), problem).tolist()

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_an_image_is_solved_as_if_alone(self, solver):
        problem = random_costs(8, 4, 4, 3, 3)
        together = energy(SOLVERS[solver](problem), problem)
        for i in range(8):
            alone = Costs(*(term[i : i + 1] for term in problem))
            assert energy(SOLVERS[solver](alone), alone)[0] == together[i]


class TestTheCosts:
    def gaps(self, *shape, seed=0):
        return Gaps(*torch.rand(4, *shape, dtype=torch.float64, generator=generator(seed)))

    def test_a_split_pair_costs_what_the_bilinear_form_costs(self):
        """On every two-label mask of a 3x3 grid, coefficients negative or not."""
        down, right = self.gaps(2, 3, seed=1), self.gaps(3, 2, seed=2)
        assert (split(down)[4] < 0).any()
        differences = []
        for mask in torch.from_numpy(everything(3, 3, 2)):
            bilinear = cut_form = 0.0
            for gaps, a, b in ((down, mask[:-1], mask[1:]), (right, mask[:, :-1], mask[:, 1:])):
                d00, d01, d10, d11 = gaps
                bilinear += (a * b * d11 + a * (1 - b) * d10 + (1 - a) * b * d01 + (1 - a) * (1 - b) * d00).sum()
                one_a, two_a, one_b, two_b, apart = split(gaps)
                ends = a * one_a + (1 - a) * two_a + b * one_b + (1 - b) * two_b
                cut_form += (ends + apart * (a - b) ** 2).sum()
            differences.append(cut_form - bilinear)
        constant = sum((gaps.d01 + gaps.d10).sum() / 2 for gaps in (down, right))
        torch.testing.assert_close(torch.stack(differences), constant.expand(512))

    def test_whole_costs_are_the_papers_energy(self):
        """All masks of a 3x3 grid with three labels: the integers over 1000 n^2 (m-1)^2 are the energy in the card."""
        n, lam, eta, smoothness, local = 3, 0.3, 0.2, 1.2, 0.5
        salient = shares(rand(2, 3, 3, seed=3), 1, 1)
        partner = torch.tensor([1, 0])
        down, right = self.gaps(2, 2, 3, seed=1), self.gaps(2, 3, 2, seed=2)
        prior = label_prior(torch.tensor([lam, lam]), 3)
        whole = costs(salient, partner, down, right, eta * prior, smoothness, local)
        beta = smoothness / (16 * n)
        every = everything(3, 3, 3)
        ours = energy(every, Costs(*(term[:1] for term in whole))) / (4 * 1000 * n**2)
        mask = 1 - torch.from_numpy(every) / 2  # image 1's part
        paper = (mask * salient[1] + (1 - mask) * salient[0]).sum((1, 2))
        paper += eta / n**2 * prior[0][torch.from_numpy(every)].sum((1, 2))
        for gaps, a, b in ((down, mask[:, :-1], mask[:, 1:]), (right, mask[:, :, :-1], mask[:, :, 1:])):
            one_a, two_a, one_b, two_b, apart = (each[0] for each in split(gaps))
            ends = a * one_a + (1 - a) * two_a + b * one_b + (1 - b) * two_b
            paper += (beta * local * ends + (beta * local * apart + beta) * (a - b) ** 2).sum((1, 2))
        # 9 cells and 12 pairs, each truncated by less than one unit
        assert np.abs(ours - paper.numpy()).max() < (9 + 12) / (1000 * n**2)

    def test_a_negative_weight_is_set_to_zero(self):
        down, right = self.gaps(2, 2, 3, seed=1), self.gaps(2, 3, 2, seed=2)
        arguments = shares(rand(2, 3, 3), 1, 1), torch.tensor([1, 0]), down, right, torch.zeros(2, 3).double(), 100.0
        apart = split(down)[4].numpy()
        strong = costs(*arguments, 5.0).down
        assert (5 * apart + 1 < 0).any()
        assert ((strong == 0) == (5 * apart + 1 < 1e-4)).all()
        assert (costs(*arguments, 1.0).down > 0).all(), "local of at most 1 never needs it"

    @pytest.mark.parametrize(("size", "n"), [((16, 8), 2), ((12, 12), 4), ((14, 10), 2)])
    def test_gaps_by_loops(self, size, n):
        images, partner = rand(3, 2, *size, seed=4), torch.tensor([2, 0, 1])
        block = size[0] // n, size[1] // n
        patch = tuple(max(d for d in (1, 2, 3, 4) if side % d == 0) for side in block)

        def seen(b, i, j):
            i, j = i * patch[0], j * patch[1]
            return images[b, :, i : i + patch[0], j : j + patch[1]].mean((1, 2))

        rows, columns = (side // p for side, p in zip(block, patch))
        down, right = vertical_gaps(images, partner, (n, n)), horizontal_gaps(images, partner, (n, n))
        for b, one, two in itertools.product(range(3), (0, 1), (0, 1)):
            first, second = (b if x else int(partner[b]) for x in (one, two))
            for i, j in itertools.product(range(n - 1), range(n)):
                vertical = [
                    (seen(first, (i + 1) * rows - 1, c) - seen(second, (i + 1) * rows, c)).abs().mean()
                    for c in range(j * columns, (j + 1) * columns)
                ]
                horizontal = [
                    (seen(first, r, (i + 1) * columns - 1) - seen(second, r, (i + 1) * columns)).abs().mean()
                    for r in range(j * rows, (j + 1) * rows)
                ]
                assert float(down[2 * one + two][b, i, j]) == pytest.approx(float(sum(vertical) / columns), abs=1e-6)
                assert float(right[2 * one + two][b, j, i]) == pytest.approx(float(sum(horizontal) / rows), abs=1e-6)

    def test_the_prior_by_hand(self):
        got = label_prior(torch.tensor([0.25]), 3)[0].exp()
        torch.testing.assert_close(1 / got, torch.tensor([0.0625, 0.375, 0.5625]).double(), atol=1e-7, rtol=0)

    def test_shares_of_saliency(self):
        saliency = torch.zeros(2, 4, 4)
        saliency[0, :2, 2:] = 3.0
        saliency[0, 2:, :2] = 1.0
        got = shares(saliency, 2, 2)
        assert got[0].tolist() == [[0, 0.75], [0.25, 0]]
        assert got[1].tolist() == [[0.25, 0.25], [0.25, 0.25]], "without saliency all blocks are alike"
        assert got.dtype == torch.float64

    def test_any_affine_normalisation_maps_to_the_same_range(self):
        images = rand(4, 3, 8, 8)
        shifted = images * torch.tensor([2.0, 5.0, 0.1])[:, None, None] - 3
        torch.testing.assert_close(unit_range(images), unit_range(shifted), atol=1e-4, rtol=0)
        assert unit_range(shifted).amin() == 0
        assert unit_range(shifted).amax() == 1
        assert (unit_range(torch.full((2, 3, 4, 4), 7.0)) == 0).all(), "one colour has no range"


def plan_by_loops(mask, salient, eps):
    """The specification of the transport, word for word, for one image: the 0/1 plan, as rounds of claims."""
    rows, columns = mask.shape
    cells = rows * columns
    far = eps * squared_distance(rows, columns).numpy()
    shown, salient = mask.flatten().numpy() > 0, salient.flatten().numpy()
    cost = np.array([[far[i, j] - salient[i] * np.float32(shown[j]) for j in range(cells)] for i in range(cells)])
    result = np.zeros((cells, cells), bool)
    for _ in range(max(rows, columns)):
        claims = {}
        for i in range(cells):
            claims.setdefault(int(np.argmin(cost[i])), []).append(i)
        result[:] = False
        for j, claimants in claims.items():
            winner = min(claimants, key=lambda i: (cost[i, j], i))
            result[winner, j] = True
            for i in claimants:
                cost[i, j] += i != winner
    return result


class TestTheTransport:
    def test_a_salient_block_takes_the_only_place_when_it_is_worth_the_way(self):
        mask = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
        salient = torch.tensor([[[0.7, 0.1], [0.1, 0.1]]])
        # block 0 pays eps 1 - 0.7 for the place, whose own block pays -0.1
        # in the second round block 1, which lost its place, takes the free one that is nearest
        assert plan(mask, salient, eps=0.55).tolist() == [[1, 0, 2, 3]]
        assert plan(mask, salient, eps=0.65).tolist() == [[0, 1, 2, 3]]

    def test_the_corner_is_twice_as_far(self):
        mask = torch.tensor([[[0.0, 0.0], [0.0, 0.5]]])
        salient = torch.tensor([[[0.7, 0.1], [0.1, 0.1]]])
        assert plan(mask, salient, eps=0.29).tolist() == [[0, 1, 2, 0]]
        assert plan(mask, salient, eps=0.31).tolist() == [[0, 1, 2, 3]]

    @pytest.mark.parametrize("shape", [(2, 2), (4, 4), (8, 8), (3, 5), (1, 4)])
    @pytest.mark.parametrize("eps", [0.8, 0.1])
    @pytest.mark.parametrize("seed", range(3))
    def test_like_the_specification_as_loops(self, shape, eps, seed):
        size = 6
        mask = (rand(size, *shape, seed=seed) * 3).floor() / 2
        salient = shares(rand(size, *shape, seed=100 + seed) ** (1 + 3 * seed), 1, 1)
        got = plan(mask, salient, eps=eps)
        moved = 0
        for b in range(size):
            expected = plan_by_loops(mask[b], salient[b].float(), eps)
            for j in range(mask[b].numel()):
                claimed = expected[:, j].nonzero()[0]
                if not len(claimed):
                    assert mask[b].flatten()[j] == 0, "a place in the mask is never empty"
                assert int(got[b, j]) == (claimed[0] if len(claimed) else j)
            moved += int((got[b] != torch.arange(got.shape[1])).sum())
        assert moved or eps > 0.1

    def test_no_block_is_shown_twice_in_a_mask(self):
        mask = (rand(20, 8, 8) > 0.6).float()
        got = plan(mask, shares(rand(20, 8, 8, seed=1) ** 8, 1, 1), eps=0.05)
        for shown, source in zip(mask.flatten(1) > 0, got):
            assert len(set(source[shown].tolist())) == int(shown.sum())

    def test_a_whole_image_stays_where_it_is(self):
        got = plan(torch.ones(3, 4, 4), shares(rand(3, 4, 4) ** 8, 1, 1), eps=0.01)
        assert torch.equal(got, torch.arange(16).expand(3, 16))

    def test_parts_of_a_batch_do_not_see_each_other(self):
        mask, salient = (rand(40, 16, 16) > 0.5).float(), shares(rand(40, 16, 16, seed=1) ** 4, 1, 1)
        together = plan(mask, salient, eps=0.8)  # more than fits at once
        assert torch.equal(together, torch.cat([plan(m[None], s[None], eps=0.8) for m, s in zip(mask, salient)]))

    def test_blocks_go_where_the_plan_says(self):
        image = torch.arange(24.0).reshape(1, 1, 4, 6)
        got = rearrange(image.expand(2, 2, 4, 6), torch.tensor([[3, 1, 2, 0], [0, 0, 0, 0]]), 2, 2)
        assert got[0, 1].tolist() == [
            [15, 16, 17, 3, 4, 5],
            [21, 22, 23, 9, 10, 11],
            [12, 13, 14, 0, 1, 2],
            [18, 19, 20, 6, 7, 8],
        ]
        assert torch.equal(got[1, 0], image[0, 0, :2, :3].repeat(2, 2))


class TestPuzzleMix:
    @pytest.mark.parametrize(
        "mixer", [PuzzleMix(), PuzzleMix(solver="swap"), PuzzleMix(transport=False), PuzzleMix(labels=4)]
    )
    @pytest.mark.parametrize("shape", [(1, 3, 32, 32), (5, 1, 16, 32), (4, 3, 32, 32)])
    def test_masks_ratios_and_what_stays(self, mixer, shape):
        inputs, saliency = rand(*shape) * 4 - 2, rand(shape[0], *shape[2:], seed=1) ** 6
        kept, state = (inputs.clone(), saliency.clone()), torch.get_rng_state()
        for seed in range(4):
            drawn = settled(mixer, inputs, saliency, seed=seed)
            view = mixer.blend(inputs, drawn)
            assert view.shape == inputs.shape
            assert view.dtype == inputs.dtype
            assert view.data_ptr() != inputs.data_ptr()
            puzzle = drawn.puzzle
            assert puzzle.mask.shape == (shape[0], *puzzle.cells)
            levels = torch.arange(mixer.labels) / (mixer.labels - 1)
            assert torch.isclose(puzzle.mask.unsqueeze(-1), levels, atol=1e-6).any(-1).all()
            assert drawn.mix.lam.dtype == torch.float64
            torch.testing.assert_close(drawn.mix.lam, puzzle.mask.double().mean((1, 2)))
            again = settled(mixer, inputs, saliency, seed=seed)
            assert torch.equal(mixer.blend(inputs, again), view)
        assert torch.equal(inputs, kept[0])
        assert torch.equal(saliency, kept[1])
        assert torch.equal(torch.get_rng_state(), state)

    def test_the_mask_shows_what_is_salient(self):
        """Image 0 is salient on its left, image 1 on its right: together left of 0 and right of 1, and the reverse."""
        saliency = torch.zeros(2, 32, 32)
        saliency[0, :, :16] = saliency[1, :, 16:] = 1.0
        inputs = rand(2, 3, 32, 32)
        for n in (2, 4, 8, 16):
            drawn = settled(PuzzleMix(blocks=[n]), inputs, saliency, Mix(torch.tensor([1, 0]), 0.5))
            left = (torch.arange(n) < n // 2).float().expand(n, n)
            assert torch.equal(drawn.puzzle.mask, torch.stack([left, 1 - left]))
            assert drawn.mix.lam.tolist() == [0.5, 0.5]
            view = PuzzleMix().blend(inputs, drawn)
            expected = torch.cat([inputs[0, :, :, :16], inputs[1, :, :, 16:]], -1)
            assert torch.equal(view[0], expected), "the salient blocks are where they show already"

    @pytest.mark.parametrize(("price", "shown"), [(0.55, 20.0), (0.65, 21.0)])
    def test_a_puzzle_by_hand(self, price, shown):
        """Four blocks: the partner shows in the second, where its own block or its better first one is put."""
        shares_of_saliency = torch.tensor([[[0.87, 0.1], [0.02, 0.01]], [[0.8, 0.2], [0.0, 0.0]]])
        blocks = torch.tensor([[[[10.0, 11.0], [12.0, 13.0]]], [[[20.0, 21.0], [22.0, 23.0]]]])
        saliency, inputs = (x.repeat_interleave(4, -1).repeat_interleave(4, -2) for x in (shares_of_saliency, blocks))
        # keeping the original costs .8 .2 0 0 by block, the partner .87 .1 .02 .01: the mask is 1 0 1 1.
        # The partner's first block is worth .8 - price in the place, its second .2: it moves for less than .6.
        mixer = PuzzleMix(blocks=[2], smoothness=0, prior=0, transport_size=0, transport_cost=price)
        drawn = settled(mixer, inputs, saliency, Mix(torch.tensor([1, 0]), 0.5))
        assert drawn.puzzle.mask[0].tolist() == [[1, 0], [1, 1]]
        assert float(drawn.mix.lam[0]) == 0.75
        assert mixer.blend(inputs, drawn)[0, 0, ::4, ::4].tolist() == [[10, shown], [12, 13]]

    def test_without_transport_the_ratio_is_the_share_kept(self):
        inputs = torch.zeros(2, 1, 32, 32)
        inputs[0] = 1
        drawn = settled(PuzzleMix(transport=False), inputs, rand(2, 32, 32) ** 4, Mix(torch.tensor([1, 0]), 0.5))
        view = PuzzleMix().blend(inputs, drawn)
        assert float(view[0].double().mean()) == float(drawn.mix.lam[0])
        assert 1 - float(view[1].double().mean()) == float(drawn.mix.lam[1])
        assert 0 < float(drawn.mix.lam[0]) < 1

    @pytest.mark.parametrize("lam", [0.0, 1.0])
    def test_lam_at_its_ends_leaves_one_image_whole(self, lam):
        inputs, partner = rand(4, 3, 16, 16), torch.tensor([1, 2, 3, 0])
        saliency = rand(4, 16, 16) ** 30  # so uneven that the prior alone would give in
        mixed = Mix(partner, torch.tensor([lam, lam, 0.5, 1 - lam]))
        drawn = settled(PuzzleMix(prior=0), inputs, saliency, mixed)
        view, expected = PuzzleMix().blend(inputs, drawn), inputs if lam else inputs[partner]
        assert torch.equal(view[:2], expected[:2])
        assert torch.equal(view[3], (inputs[partner] if lam else inputs)[3])
        assert drawn.mix.lam[[0, 1, 3]].tolist() == [lam, lam, 1 - lam]
        assert 0 < drawn.mix.lam[2] < 1

    def test_the_prior_follows_the_lam_of_every_example(self):
        inputs, saliency = rand(1, 1, 16, 16).repeat(50, 1, 1, 1), rand(50, 16, 16)
        lam = torch.linspace(0.02, 0.98, 50).double()
        drawn = settled(PuzzleMix(blocks=[8]), inputs, saliency, Mix(torch.arange(50).roll(1), lam))
        assert torch.corrcoef(torch.stack([lam, drawn.mix.lam]))[0, 1] > 0.9

    def test_the_law_of_the_draw(self):
        draws = [PuzzleMix().draw(Step(torch.Size([4, 3, 32, 32])), generator(seed)) for seed in range(400)]
        numbers = [drawn.puzzle.cells for drawn in draws]
        assert all(70 < numbers.count((n, n)) < 130 for n in (2, 4, 8, 16))
        lam = torch.stack([drawn.mix.lam[0] for drawn in draws])
        assert abs(float(lam.mean()) - 0.5) < 0.05
        assert abs(float(lam.var()) - 1 / 12) < 0.015
        assert all((drawn.mix.lam == drawn.mix.lam[0]).all() for drawn in draws), "one lam a batch"
        fixed = PuzzleMix(lam=0.5).draw(Step(torch.Size([4, 3, 32, 32])), generator())
        assert fixed.mix.lam.tolist() == [0.5] * 4

    def test_only_numbers_of_blocks_that_divide_the_image(self):
        found = {PuzzleMix().draw(Step(torch.Size([1, 1, 28, 28])), generator(seed)).puzzle.cells for seed in range(40)}
        assert found == {(2, 2), (4, 4)}
        with pytest.raises(ValueError, match=r"none of blocks=\[8, 16\] divides images of 28x28"):
            PuzzleMix(blocks=[8, 16]).draw(Step(torch.Size([1, 1, 28, 28])), generator())
        with pytest.raises(ValueError, match="use mixup"):
            PuzzleMix().draw(Step(torch.Size([4, 3])), generator())

    def test_the_grid_of_the_transport(self):
        def grid(shape, **arguments):
            return settled(PuzzleMix(**arguments), rand(2, 1, *shape), rand(2, *shape)).puzzle.grid

        assert grid((32, 32), blocks=[2]) == (8, 8)  # 4 pixels
        assert grid((32, 32), blocks=[16]) == (16, 16)  # blocks of 2 pixels are smaller
        assert grid((32, 32), blocks=[2], transport_size=0) == (2, 2)
        assert grid((16, 48), blocks=[2]) == (4, 12)
        assert grid((28, 28), blocks=[2]) == (2, 2)  # 4 does not divide 14

    def test_label_maps_follow_the_pixels(self):
        inputs, saliency = rand(3, 3, 32, 32), rand(3, 32, 32, seed=1) ** 6
        mixer = PuzzleMix(blocks=[4])
        drawn = settled(mixer, inputs, saliency, Mix(torch.tensor([1, 2, 0]), 0.5))
        # a map that names its pixels, blended like the images
        maps = torch.stack([torch.arange(1024.0).reshape(32, 32) + 1024 * i for i in range(3)]).unsqueeze(1)
        named = mixer.blend(maps.double(), drawn)[:, 0]
        mask = drawn.puzzle.mask.repeat_interleave(8, 1).repeat_interleave(8, 2)
        view, flat = mixer.blend(inputs, drawn), inputs.transpose(0, 1).flatten(1)
        whole = (mask == 0) | (mask == 1)
        assert whole.any()
        assert torch.equal(view.transpose(0, 1)[:, whole], flat[:, named[whole].long()])
        distributions = torch.softmax(rand(3, 5, 32, 32), 1)
        torch.testing.assert_close(mixer.blend(distributions, drawn).sum(1), torch.ones(3, 32, 32))

    def test_no_saliency_at_all_is_uniform(self):
        drawn = settled(PuzzleMix(), rand(2, 1, 16, 16), torch.zeros(2, 16, 16), Mix(torch.tensor([1, 0]), 0.9))
        assert drawn.mix.lam.tolist() == [1, 1], "nothing is lost by showing the likelier image"

    @pytest.mark.parametrize(
        ("saliency", "message"),
        [
            (None, "got none"),
            (torch.ones(2, 8, 8), r"of shape \(2, 16, 16\)"),
            (torch.full((2, 16, 16), float("nan")), "must be finite"),
            (torch.full((2, 16, 16), float("inf")), "must be finite"),
            (-torch.ones(2, 16, 16), "not negative"),
        ],
    )
    def test_a_saliency_that_cannot_be_one(self, saliency, message):
        with pytest.raises(ValueError, match=message):
            settled(PuzzleMix(), rand(2, 1, 16, 16), saliency)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
    def test_other_precisions(self, dtype):
        inputs, saliency = rand(2, 3, 16, 16).to(dtype), (rand(2, 16, 16) ** 4).to(dtype)
        drawn = settled(PuzzleMix(), inputs, saliency)
        assert PuzzleMix().blend(inputs, drawn).dtype == dtype

    def test_the_text_reads_back(self, monkeypatch):
        monkeypatch.setitem(MIXERS, "puzzlemix", PuzzleMix)
        assert str(PuzzleMix()) == (
            "puzzlemix(alpha=1, blocks=[2, 4, 8, 16], smoothness=1.2, local=0.5, prior=0.2, transport=true, "
            "transport_cost=0.8, transport_size=4, clean=0, labels=3)"
        )
        for text in (
            "puzzlemix",
            "puzzlemix(lam=0.5)",
            "puzzlemix(lam=none, blocks=[4], solver=swap, transport=false)",
        ):
            spec = parse(f"{text} | one_hot")
            assert isinstance(spec.mixing, PuzzleMix)
            assert parse(str(spec)) == spec
        for text in ("lam=0.5, alpha=2", "transport=false, transport_cost=1", "smoothness=0, local=1"):
            with pytest.raises(ValueError, match="no effect"):
                parse(f"puzzlemix({text}) | one_hot")


class TestSequences:
    """Embedded tokens ``(B, L, D)``: an image of one row."""

    @pytest.mark.parametrize("mixer", [PuzzleMix(), PuzzleMix(solver="swap"), PuzzleMix(labels=4)])
    @pytest.mark.parametrize("shape", [(1, 1, 3), (5, 3, 2), (4, 13, 5), (3, 64, 4)])
    def test_words_stay_where_they_are(self, mixer, shape):
        inputs, saliency = rand(*shape), rand(*shape[:2], seed=1) ** 6
        for seed in range(6):
            drawn = settled(mixer, inputs, saliency, seed=seed)
            rows, columns = drawn.puzzle.cells
            assert rows == 1
            assert columns <= max(mixer.blocks)
            width = -(-shape[1] // columns)
            mask = torch.stack([drawn.puzzle.mask[:, 0, place // width] for place in range(shape[1])], 1)
            other = inputs[drawn.mix.partner]
            expected = mask[..., None] * inputs + (1 - mask[..., None]) * other
            torch.testing.assert_close(mixer.blend(inputs, drawn), expected)
            torch.testing.assert_close(drawn.mix.lam, mask.double().mean(1), atol=1e-7, rtol=0)

    def test_as_many_blocks_as_were_asked_for_or_as_there_is_room(self):
        def columns(length, n):
            return PuzzleMix(blocks=[n]).draw(Step(torch.Size([2, length, 3])), generator()).puzzle.cells[1]

        # of 20 words in at most 16 blocks each has 2, so there are 10; of 5 in at most 4 there are 3, the last with one
        assert [columns(*case) for case in ((16, 4), (20, 16), (5, 4), (1, 16), (37, 8))] == [4, 10, 3, 1, 8]

    def test_a_sentence_by_hand(self):
        """Without prior or smoothness each block shows whose share is larger; the last block has one word."""
        saliency = torch.tensor([[6.0, 2.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 3.0, 4.0]])
        inputs = torch.arange(10.0).reshape(2, 5, 1)
        mixer = PuzzleMix(blocks=[4], smoothness=0, prior=0)
        drawn = settled(mixer, inputs, saliency, Mix(torch.tensor([1, 0]), 0.5))
        assert drawn.puzzle.mask[:, 0].tolist() == [[1, 0, 0], [0, 1, 1]]
        assert drawn.mix.lam.tolist() == [0.4, 0.6], "shares of the five words, not of the three blocks"
        assert mixer.blend(inputs, drawn)[..., 0].tolist() == [[0, 1, 7, 8, 9], [0, 1, 7, 8, 9]]

    def test_a_row_costs_what_a_straight_cut_through_an_image_costs(self):
        """The same halves as an image of equal rows and as one row: the same energy of every cut between columns."""
        n, smoothness, local = 4, 1.2, 0.5
        image = rand(2, 3, 1, n).expand(2, 3, n, n)
        partner = torch.tensor([1, 0])
        found = []
        for rows in (n, 1):
            part, cells = image[:, :, :rows], (rows, n)
            salient = shares(torch.ones(2, rows, n), 1, 1)
            gaps = vertical_gaps(part, partner, cells), horizontal_gaps(part, partner, cells)
            whole = costs(salient, partner, *gaps, torch.zeros(2, 3).double(), smoothness, local)
            labels = torch.tensor([0, 0, 2, 2]).expand(2, rows, n).numpy()
            flat = np.zeros_like(labels)
            found.append((energy(labels, whole) - energy(flat, whole)) / (rows * n))
        # whole numbers: a unit is 1/1000 of a cell's share, and the image has 4 n n of them cut off
        assert np.abs(found[0] - found[1]).max() < 4 * (n + 2)
        assert found[1].max() > 100

    def test_a_saliency_of_pixels_is_none_of_words(self):
        with pytest.raises(ValueError, match=r"of shape \(2, 6\)"):
            settled(PuzzleMix(), rand(2, 6, 3), rand(2, 6, 3))

    def test_padding_counts_for_neither(self):
        """Two words and four, the last two places are nobody's: one word of the first shows and three of the second."""
        inputs, saliency = rand(2, 6, 3) + 1, torch.tensor([[5.0, 0, 0, 0, 0, 0], [0, 1, 2, 2, 0, 0]])
        inputs[0, 2:] = inputs[1, 4:] = 0
        mixer = PuzzleMix(blocks=[6], smoothness=0, prior=0)
        drawn = settled(mixer, inputs, saliency, Mix(torch.tensor([1, 0]), 0.5))
        assert drawn.puzzle.mask[0, 0, :4].tolist() == [1, 0, 0, 0]
        assert drawn.mix.lam.tolist() == [0.25, 0.75]

    def test_two_empty_texts_have_a_label_too(self):
        """Words that a file of vectors lacks may be zeros, and so may all of a text."""
        inputs = rand(3, 6, 3)
        inputs[:2] = 0
        drawn = settled(PuzzleMix(), inputs, rand(3, 6), Mix(torch.tensor([1, 0, 2]), 0.5))
        assert torch.isfinite(drawn.mix.lam).all()
