"""What every word of a sentence keeps, as tests to inherit for a mixer, target rule, loss or penalty of your own.

    from levelhead.testing import LossContract

    class TestMine(LossContract):
        member = MyLoss(strength=2)

pytest finds the class and runs the whole contract on ``member``; our own words are tested by the same classes.
B batch, C classes.
"""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from levelhead.losses import Consistency, Loss, Penalty
from levelhead.member import Member
from levelhead.mixing import Drawn, Mixer, Step
from levelhead.spec import parse
from levelhead.targets import Rule
from levelhead.types import Mix

C = 5
_SENTENCES = {
    Mixer: "{} | one_hot",
    Rule: "mixup | {}",
    Loss: "mixup | one_hot | {}",
    Penalty: "mixup | one_hot | cross_entropy | {}",
    Consistency: "mixup | one_hot | cross_entropy | {}",
}


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _normal(*shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return scale * torch.randn(*shape, dtype=dtype, generator=_generator(seed))


class _Contract:
    member: Member

    def test_its_text_reads_back(self) -> None:
        """A sentence with the word parses to the same member, and prints the same."""
        base = next(base for base in _SENTENCES if isinstance(self.member, base))
        text = _SENTENCES[base].format(self.member)
        spec = parse(text)
        slots = (spec.mixing, spec.targets, spec.loss, *spec.penalties)
        assert self.member in slots
        assert str(parse(str(spec))) == str(spec)


class MixerContract(_Contract):
    """Inputs stay; pairings are permutations; weights in [0, 1]; draws come from the generator alone."""

    member: Mixer

    def images(self, size: int) -> Tensor:
        """Inputs that the mixer takes, ``(B, 3, 8, 8)``; override for other things, such as sequences ``(B, L, D)``."""
        return torch.rand(size, 3, 8, 8, generator=_generator(1))

    def step(self, inputs: Tensor, seed: int, turn: int = 1, given: Mix | None = None) -> Drawn:
        """One step's plan, settled."""
        drawn = self.member.draw(Step(inputs.shape, turn, given, places=3), _generator(seed))
        if not drawn.applied:
            return drawn
        places = inputs.shape[:2] if inputs.ndim == 3 else (len(inputs), *inputs.shape[2:])
        saliency = torch.rand(places, generator=_generator(2)) if self.member.core.needs_saliency else None
        return self.member.settle(inputs, drawn, saliency)

    @pytest.mark.parametrize("size", [1, 2, 5, 8])
    def test_inputs_stay_and_the_plan_is_sound(self, size: int) -> None:
        """Any batch size from one; nothing is written into the inputs; partners are permutations."""
        inputs = self.images(size)
        before, state = inputs.clone(), torch.get_rng_state()
        for seed in range(4):
            drawn = self.step(inputs, seed, turn=seed)
            lam, partner = torch.as_tensor(drawn.mix.lam), drawn.mix.partner.view(size, -1)
            for column in partner.T:
                assert sorted(column.tolist()) == list(range(size))
            assert lam.dtype == torch.float64
            assert lam.shape == ((size,) if partner.shape[1] == 1 else (size, 1 + partner.shape[1]))
            assert ((lam >= 0) & (lam <= 1)).all()
            if drawn.applied:
                view = self.member.blend(inputs, drawn)
                assert view.shape == inputs.shape
                assert view.dtype == inputs.dtype
                assert view.data_ptr() != inputs.data_ptr()
        assert torch.equal(inputs, before)
        assert torch.equal(torch.get_rng_state(), state)

    def test_the_generator_decides(self) -> None:
        """The same generator draws the same step, another one another."""
        inputs = self.images(8)
        one, two = self.step(inputs, 7), self.step(inputs, 7)
        assert torch.equal(one.mix.partner, two.mix.partner)
        assert torch.equal(torch.as_tensor(one.mix.lam), torch.as_tensor(two.mix.lam))
        assert (one.applied, one.box, one.place) == (two.applied, two.box, two.place)
        if self.member.share:
            partners = [self.step(inputs, seed).mix.partner for seed in range(12)]
            assert any(not torch.equal(partners[0], other) for other in partners)

    @pytest.mark.parametrize("lam", [0.0, 1.0])
    def test_all_of_one_is_that_one_exactly(self, lam: float) -> None:
        """Where the weights that come out say all original or all partner, the view is that image, bit for bit."""
        if self.member.share == 0 or self.member.partners > 1:
            return  # nothing is mixed, or more than two are
        inputs, partner = self.images(4), torch.tensor([1, 2, 3, 0])
        drawn = self.step(inputs, 0, given=Mix(partner, lam))
        if not bool((torch.as_tensor(drawn.mix.lam) == lam).all()):
            return  # this mixer's weights are not those that are given
        assert torch.equal(self.member.blend(inputs, drawn), inputs if lam else inputs[partner])

    def test_the_gradient_passes_through(self) -> None:
        """Hidden states are mixed too, so the blend must be differentiable, with weights that sum to one."""
        if self.member.share == 0:
            return  # nothing is mixed
        inputs = self.images(4)
        given = Mix(torch.tensor([1, 2, 3, 0]), 0.5) if self.member.partners == 1 else None
        drawn = self.step(inputs, 0, given=given)
        leaf = inputs.double().requires_grad_()
        self.member.blend(leaf, drawn).sum().backward()
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()
        assert leaf.grad.abs().sum() > 0


class RuleContract(_Contract):
    """Rows sum to one, in and out; inputs stay; smoothing and mixing commute; dense targets too."""

    member: Rule

    def apply(self, targets: Tensor) -> Tensor:
        """The rule with what a head might say."""
        size = self.member.head_size(targets.shape[1])
        head = _normal(len(targets), size, *targets.shape[2:], seed=2) if size else None
        return self.member(targets, head)

    def targets(self) -> Tensor:
        """Soft rows, then hard ones."""
        soft = torch.rand(6, C, dtype=torch.float64, generator=_generator())
        return torch.cat([soft / soft.sum(1, keepdim=True), torch.eye(C, dtype=torch.float64)])

    def test_rows_sum_to_one_and_inputs_stay(self) -> None:
        """A distribution in, a distribution out."""
        targets = self.targets()
        before = targets.clone()
        out = self.apply(targets)
        torch.testing.assert_close(out.sum(1), torch.ones(len(targets), dtype=torch.float64))
        assert (out >= 0).all()
        assert torch.equal(targets, before)

    def test_linear_in_the_targets(self) -> None:
        """So that smoothing a mixture is mixing the smoothed."""
        a, b = self.targets(), self.targets().flip(0)
        torch.testing.assert_close(self.apply(0.3 * a + 0.7 * b), 0.3 * self.apply(a) + 0.7 * self.apply(b))

    def test_dense_equals_pixel_by_pixel(self) -> None:
        """Trailing axes (H, W) are pixels."""
        size = self.member.head_size(C)
        targets = torch.rand(2, C, 3, 4, dtype=torch.float64, generator=_generator()).softmax(1)
        head = _normal(2, size, 3, 4) if size else None

        def flat(maps: Tensor) -> Tensor:
            return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])

        dense = self.member(targets, head)
        torch.testing.assert_close(flat(dense), self.member(flat(targets), None if head is None else flat(head)))

    def test_weights_of_labels_stay_weights(self) -> None:
        """Whatever a rule makes of the drawn weights lies in [0, 1], and sums to one for many partners."""
        lam = torch.rand(9, dtype=torch.float64, generator=_generator())
        own = self.member.label_lam(lam)
        assert own.shape == lam.shape
        assert ((own >= 0) & (own <= 1)).all()
        many = torch.rand(9, 3, dtype=torch.float64, generator=_generator()).softmax(1)
        torch.testing.assert_close(self.member.label_lam(many).sum(1), torch.ones(9, dtype=torch.float64))


class _OnLogits(_Contract):
    """What losses and penalties share: a number an example, a right gradient, finite everywhere."""

    def call(self, logits: Tensor) -> Tensor:
        """The member as a function of logits alone."""
        raise NotImplementedError

    def test_one_number_an_example_never_a_mean(self) -> None:
        """Reducing is the objective's business: every row's number is its own."""
        whole = self.call(_normal(3, C))
        assert whole.shape == (3,)
        changed = _normal(3, C)
        changed[0] += torch.arange(C)
        torch.testing.assert_close(self.call(changed)[1:], whole[1:])

    def test_inputs_stay(self) -> None:
        """Nothing is written into the logits."""
        logits = _normal(3, C)
        self.call(logits)
        assert torch.equal(logits, _normal(3, C))

    def test_the_gradient_is_right(self) -> None:
        """Against finite differences, in float64."""
        assert torch.autograd.gradcheck(self.call, (_normal(3, C, scale=3.0).requires_grad_(),))

    def test_finite_at_ten_thousand(self) -> None:
        """Value and gradient, for logits of size 1e4 in float32."""
        logits = (1e4 * _normal(3, C, dtype=torch.float32).sign()).requires_grad_()
        value = self.call(logits)
        value.sum().backward()
        assert torch.isfinite(value).all()
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()

    def test_half_precision_is_widened(self) -> None:
        """bfloat16 has two digits; the result has float32's."""
        assert self.call(_normal(3, C, dtype=torch.bfloat16)).dtype == torch.float32

    def test_dense_equals_pixel_by_pixel(self) -> None:
        """Trailing axes (H, W) are pixels."""
        maps = _normal(3, C, 2, 4, seed=1)
        dense = self.call(maps)
        assert dense.shape == (3, 2, 4)
        for row in range(2):
            for column in range(4):
                torch.testing.assert_close(dense[:, row, column], self.call(maps[:, :, row, column]))


class LossContract(_OnLogits):
    """A loss: per example, soft targets everywhere, linear in the target."""

    member: Loss

    def targets(self, like: Tensor) -> Tensor:
        """Half and half, hard, and even targets."""
        rows = torch.tensor([[0.5, 0.5, 0, 0, 0], [0, 0, 1, 0, 0], [0.2] * 5], dtype=like.dtype)
        return rows.view(3, C, *[1] * (like.ndim - 2)).expand(like.shape)

    def call(self, logits: Tensor) -> Tensor:
        """With fixed targets."""
        return self.member(logits, self.targets(logits))

    def test_linear_in_the_target(self) -> None:
        """The loss of a mixture of targets is the mixture of the losses."""
        logits = _normal(3, C)
        a, b = (F.one_hot(torch.tensor(labels), C).double() for labels in ([0, 1, 2], [3, 3, 3]))
        mixed = 0.3 * self.member(logits, a) + 0.7 * self.member(logits, b)
        torch.testing.assert_close(self.member(logits, 0.3 * a + 0.7 * b), mixed)

    def test_a_class_ruled_out_that_nobody_asks_for(self) -> None:
        """A logit of minus infinity with no target mass leaves value and gradient finite."""
        logits = _normal(3, C)
        logits[:, 4] = -torch.inf
        logits.requires_grad_()
        value = self.member(logits, F.one_hot(torch.tensor([0, 1, 2]), C).double())
        value.sum().backward()
        assert torch.isfinite(value).all()
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()

    def test_the_better_prediction_costs_less(self) -> None:
        """More logit for the target class of a hard label, less loss."""
        hard = F.one_hot(torch.tensor([0, 1, 2]), C).double()
        logits = _normal(3, C)
        assert (self.member(logits + hard, hard) < self.member(logits, hard)).all()


class PenaltyContract(_OnLogits):
    """A penalty: per example, from logits, or from the mixture of the clean logits and the mixed ones."""

    member: Penalty | Consistency

    def call(self, logits: Tensor) -> Tensor:
        """A consistency is given a fixed mixture."""
        if isinstance(self.member, Consistency):
            fixed = _normal(3, C, seed=5).to(logits.dtype)
            return self.member(fixed.view(3, C, *[1] * (logits.ndim - 2)).expand(logits.shape), logits)
        return self.member(logits)

    def test_the_weight_is_never_negative(self) -> None:
        """At any epoch."""
        assert all(self.member.weight_at(epoch) >= 0 for epoch in range(0, 300, 7))
