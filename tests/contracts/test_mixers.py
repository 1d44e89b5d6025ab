"""What every mixer and every target rule keeps."""

import pytest
import torch

from levelhead.mixing import MIXERS, Alternate, Midpoint, cutmix_box
from levelhead.targets import RULES
from levelhead.types import Mix

ALL = {name: cls() if name != "alternate" else Alternate(Midpoint()) for name, cls in MIXERS.items()}
MIXING = {name: mixer for name, mixer in ALL.items() if mixer.share > 0}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(size):
    return torch.rand(size, 3, 9, 7, generator=generator(1))


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("name", ALL)
class TestEveryMixer:
    def test_draw_and_blend_leave_the_inputs_alone(self, name, size):
        mixer, inputs = ALL[name], images(size)
        before, state = inputs.clone(), torch.get_rng_state()
        for count in range(4):
            drawn = mixer.draw(inputs.shape, generator(count), given=None, count=count)
            if drawn.applied:
                view = mixer.blend(inputs, drawn)
                assert view.shape == inputs.shape
                assert view.dtype == inputs.dtype
                assert view.data_ptr() != inputs.data_ptr()
            assert sorted(drawn.mix.partner.tolist()) == list(range(size)), "a permutation"
            assert drawn.mix.lam.shape == (size,)
            assert drawn.mix.lam.dtype == torch.float64
            assert ((drawn.mix.lam >= 0) & (drawn.mix.lam <= 1)).all()
        assert torch.equal(inputs, before)
        assert torch.equal(torch.get_rng_state(), state)

    def test_the_same_generator_draws_the_same(self, name, size):
        one, two = (ALL[name].draw(images(size).shape, generator(7), given=None, count=1) for _ in range(2))
        assert torch.equal(one.mix.partner, two.mix.partner)
        assert torch.equal(one.mix.lam, two.mix.lam)
        assert one.box == two.box


@pytest.mark.parametrize("name", [name for name in MIXING if "midpoint" not in str(MIXING[name])])
def test_lam_one_and_zero_are_exact(name):
    inputs, partner = images(4), torch.tensor([1, 2, 3, 0])
    for lam, expected in ((1.0, inputs), (0.0, inputs[partner])):
        drawn = MIXING[name].draw(inputs.shape, generator(), given=Mix(partner, lam), count=0)
        view = MIXING[name].blend(inputs, drawn)
        if name == "cutmix" and lam == 0.0:  # the box may be clipped at the border: lam says how much was kept
            continue
        assert torch.equal(view, expected)
        assert (drawn.mix.lam == lam).all()


@pytest.mark.parametrize("seed", range(25))
def test_cutmix_lam_is_the_share_of_pixels_kept(seed):
    inputs = torch.zeros(2, 1, 9, 7)
    inputs[1] = 1
    drawn = MIXERS["cutmix"](prob=1.0).draw(inputs.shape, generator(seed), given=None, count=0)
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
        MIXERS["cutmix"]().draw(torch.Size([4, 3]), generator(), given=None, count=0)
    given = Mix(torch.tensor([1, 0]), torch.tensor([0.1, 0.2]))
    with pytest.raises(ValueError, match="one box a batch"):
        MIXERS["cutmix"]().draw(torch.Size([2, 3, 8, 8]), generator(), given=given, count=0)


@pytest.mark.parametrize("name", RULES)
class TestEveryRule:
    def targets(self):
        drawn = torch.rand(6, 4, dtype=torch.float64, generator=generator())
        return torch.cat([drawn / drawn.sum(1, keepdim=True), torch.eye(4, dtype=torch.float64)])

    def apply(self, name, targets):
        rule = RULES[name]()
        head = torch.randn(len(targets), rule.head_size(4), dtype=targets.dtype, generator=generator(2))
        return rule(targets, head if rule.head_size(4) else None)

    def test_rows_sum_to_one_and_inputs_stay(self, name):
        targets = self.targets()
        before = targets.clone()
        out = self.apply(name, targets)
        torch.testing.assert_close(out.sum(1), torch.ones(10, dtype=torch.float64))
        assert (out >= 0).all()
        assert torch.equal(targets, before)

    def test_smoothing_and_mixing_commute(self, name):
        # what a head learns depends on the input, not on the label: its uniform form stands for it
        rule = RULES[name](learned="uniform") if name == "learned_smooth" else RULES[name]()
        a, b = self.targets(), self.targets().flip(0)
        torch.testing.assert_close(rule(0.3 * a + 0.7 * b), 0.3 * rule(a) + 0.7 * rule(b))


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
