"""What every mixer and every target rule keeps: a new member is tested by its line in the table."""

import pytest
import torch

from levelhead.mixing import MIXERS, Alternate, Midpoint, Mixup, Step, cutmix_box
from levelhead.targets import RULES
from levelhead.testing import MixerContract, RuleContract
from levelhead.types import Mix


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


#: Further settings of members, beside every member's defaults.
MORE = [
    Mixup(per="sample"),
    Mixup(k=3, alpha=1),
    Mixup(k=4, per="sample"),
    Midpoint(k=3),
    MIXERS["cutmix"](prob=1),
    MIXERS["manifold_mixup"](layers=["input", "layer1"]),
    Alternate(Mixup(), mode="coin"),
    Alternate(Midpoint(k=3), mode="batch"),
    RULES["smooth"](0.3, "others"),
    RULES["one_hot"](lam="uniform", per="sample"),
    RULES["learned_smooth"](learned="coefficient"),
    RULES["learned_smooth"](learned="coefficient", halved=True, bias=False),
    RULES["learned_smooth"](learned="uniform", weight=0.2),
    RULES["learned_smooth"](learned="none"),
    RULES["learned_smooth"](detach=True),
]


class SequenceContract(MixerContract):
    """The same for the embedded tokens of texts."""

    def images(self, size):
        """Seven tokens of five numbers."""
        return torch.rand(size, 7, 5, generator=generator(1))


for member in [
    *(cls() if name != "alternate" else Alternate(Midpoint()) for name, cls in MIXERS.items()),
    *(cls() for cls in RULES.values()),
    *MORE,
]:
    bases = {"": RuleContract} if member.word in RULES else {"": MixerContract, " of sequences": SequenceContract}
    for what, base in bases.items():
        name = f"Test {member}{what}"
        globals()[name] = type(name, (base,), {"member": member, "__test__": True})


@pytest.mark.parametrize("seed", range(25))
def test_cutmix_lam_is_the_share_of_pixels_kept(seed):
    inputs = torch.zeros(2, 1, 9, 7)
    inputs[1] = 1
    drawn = MIXERS["cutmix"](prob=1.0).draw(Step(inputs.shape), generator(seed))
    drawn = drawn._replace(mix=Mix(torch.tensor([1, 0]), drawn.mix.lam))
    view = MIXERS["cutmix"]().blend(inputs, drawn)
    assert 1 - view[0].double().mean() == pytest.approx(float(drawn.mix.lam[0]), abs=1e-12)
    assert view[1].double().mean() == pytest.approx(float(drawn.mix.lam[1]), abs=1e-12)


@pytest.mark.parametrize(
    ("size", "lam", "center", "box", "kept"),
    [
        ((8, 8), 0.75, (4, 4), (2, 2, 6, 6), 0.75),
        ((8, 8), 0.75, (0, 0), (0, 0, 2, 2), 1 - 4 / 64),  # clipped at a corner
        ((8, 8), 1.0, (3, 3), (3, 3, 3, 3), 1.0),  # an empty box
        ((8, 8), 0.0, (4, 4), (0, 0, 8, 8), 0.0),
        ((10, 6), 0.5, (5, 3), (2, 1, 8, 5), 1 - 24 / 60),  # int(7.07)//2 = 3, int(4.24)//2 = 2
    ],
)
def test_cutmix_box_by_hand(size, lam, center, box, kept):
    got, corrected = cutmix_box(*size, lam, center)
    assert got == box
    assert corrected == pytest.approx(kept, abs=1e-12)


@pytest.mark.parametrize("arguments", [(0, 8, 0.5, (0, 0)), (8, 8, 1.5, (0, 0)), (8, 8, 0.5, (8, 0))])
def test_cutmix_box_out_of_range(arguments):
    with pytest.raises(ValueError, match=r"must be|needs"):
        cutmix_box(*arguments)


def test_cutmix_wants_images_and_one_lam():
    with pytest.raises(ValueError, match="cutmix pastes boxes into images"):
        MIXERS["cutmix"]().draw(Step(torch.Size([4, 3])), generator())
    given = Mix(torch.tensor([1, 0]), torch.tensor([0.1, 0.2]))
    with pytest.raises(ValueError, match="one box a batch"):
        MIXERS["cutmix"]().draw(Step(torch.Size([2, 3, 8, 8]), given=given), generator())


def test_the_two_conventions_of_smoothing_agree_at_converted_strength():
    smooth = RULES["smooth"]
    one_hot = torch.eye(5, dtype=torch.float64)
    # s_all = s_others C / (C - 1)
    torch.testing.assert_close(smooth(0.1 * 5 / 4)(one_hot), smooth(0.1, "others")(one_hot))
    assert smooth(0.1)(one_hot)[0, 0] == pytest.approx(0.92)
    assert smooth(0.1, "others")(one_hot)[0, 0] == pytest.approx(0.9)


def test_nearest_gives_a_tie_to_the_original():
    rounded = RULES["nearest"]().label_lam(torch.tensor([0.0, 0.49, 0.5, 1.0]))
    assert rounded.tolist() == [0, 0, 1, 1]


def test_nearest_of_many_goes_to_the_heaviest_and_ties_to_the_earlier():
    rounded = RULES["nearest"]().label_lam(torch.tensor([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]]))
    assert rounded.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_midpoint_of_three_by_hand():
    inputs = torch.tensor([[0.0], [3.0], [9.0]])
    partner = torch.tensor([[1, 2], [2, 0], [0, 1]])
    drawn = Midpoint(k=3).draw(Step(inputs.shape, given=Mix(partner, torch.full((3, 3), 1 / 3))), generator())
    torch.testing.assert_close(Midpoint(k=3).blend(inputs, drawn), torch.full((3, 1), 4.0))


def test_cutmix_of_a_sequence_is_a_span():
    inputs = torch.zeros(2, 10, 4)
    inputs[1] = 1
    drawn = MIXERS["cutmix"](prob=1).draw(Step(inputs.shape, given=Mix(torch.tensor([1, 0]), 0.6)), generator(3))
    view = MIXERS["cutmix"]().blend(inputs, drawn)
    assert 1 - view[0].double().mean() == pytest.approx(float(drawn.mix.lam[0]), abs=1e-12)
    assert (view[0].mean(1) * 2 - 1).abs().min() == 1, "whole places, never parts of a vector"


def test_cutmix_keeps_the_drawn_lam_where_that_is_asked_for():
    given = Mix(torch.tensor([1, 0]), 0.37)
    drawn = MIXERS["cutmix"](exact_area=False).draw(Step(torch.Size([2, 3, 9, 7]), given=given), generator())
    assert drawn.mix.lam.tolist() == [0.37, 0.37]


@pytest.mark.parametrize(("mode", "expected"), [("step", [False, True] * 3), ("batch", [False, True] * 3)])
def test_alternate_takes_turns(mode, expected):
    mixer = Alternate(Midpoint(), mode=mode)
    applied = [mixer.draw(Step(torch.Size([4, 3]), turn), generator()).applied for turn in range(6)]
    assert applied == expected
    assert mixer.updates == (2 if mode == "batch" else 1)
