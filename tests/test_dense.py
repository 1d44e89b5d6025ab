"""Dense prediction: logits (B, C, H, W), labels (B, H, W); every method against itself pixel by pixel."""

import pytest
import torch
from torch import nn

import levelhead as lh

C, B, SIDE = 4, 6, 8
NAMES = sorted(lh.methods())
PARTNER = torch.tensor([1, 0, 3, 2, 5, 4])


def net(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.Tanh(), nn.Conv2d(5, C, 1)).double()


def batch():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(B, 2, SIDE, SIDE, dtype=torch.float64, generator=generator)
    return images, torch.randint(C, (B, SIDE, SIDE), generator=generator)


def make(method, **kwargs):
    return lh.objective(method, net(), num_classes=C, generator=torch.Generator().manual_seed(3), **kwargs)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_trains_on_maps(name):
    objective = make(name)
    inputs, labels = batch()
    for _ in range(3):
        out = objective(inputs, labels)
        out.loss.backward()
        assert torch.isfinite(out.loss)
        assert out.logits.shape == out.targets.shape == (B, C, SIDE, SIDE)
        torch.testing.assert_close(out.targets.sum(1), torch.ones(B, SIDE, SIDE, dtype=torch.float64))
    assert all(p.grad is not None for p in objective.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_ignored_pixels_count_nowhere(name):
    """A network that works on every pixel alone: pixels left out are as good as pixels ignored."""
    inputs, labels = batch()
    ignored = torch.rand(labels[:1].shape, generator=torch.Generator().manual_seed(1)) < 0.3
    ignored = ignored.expand_as(labels)  # the same pixels of every image, so that the rest makes a batch
    model = nn.Sequential(nn.Conv2d(2, 5, 1), nn.Tanh(), nn.Conv2d(5, C, 1)).double()
    objective = lh.objective(name, model, num_classes=C, ignore_index=255).eval()
    given = objective(inputs, labels.where(~ignored, torch.tensor(255))).loss
    kept = ~ignored[0]
    rest = objective(inputs[:, :, kept][..., None], labels[:, kept][..., None]).loss
    torch.testing.assert_close(given, rest)
    slopes = [torch.autograd.grad(loss, model[0].weight)[0] for loss in (given, rest)]
    torch.testing.assert_close(*slopes)


def test_a_pixel_counts_only_where_everything_mixed_into_it_does():
    inputs, labels = batch()
    labels[0, :4] = 255  # the partner of 1 is 0
    objective = make("mixup", ignore_index=255)
    out = objective(inputs, labels, mix=lh.Mix(PARTNER, 0.3))
    z = net()(0.3 * inputs + 0.7 * inputs[PARTNER])
    y = nn.functional.one_hot(labels.where(labels != 255, torch.tensor(0)), C).permute(0, 3, 1, 2).double()
    q = 0.3 * y + 0.7 * y[PARTNER]
    valid = (labels != 255) & (labels[PARTNER] != 255)
    expected = -(q * z.log_softmax(1)).sum(1)[valid].mean()
    torch.testing.assert_close(out.loss, expected, rtol=1e-12, atol=1e-12)


def test_nothing_to_learn_from_is_zero_and_not_nan():
    inputs, labels = batch()
    out = make("logitmix_cm", ignore_index=255)(inputs, torch.full_like(labels, 255))
    out.loss.backward()
    assert float(out.loss.detach()) == 0


def test_cutmix_pastes_label_maps_with_the_images():
    inputs, labels = batch()
    out = make("cutmix(prob=1)")(inputs, labels, mix=lh.Mix(PARTNER, 0.6))
    hard = out.targets.argmax(1)
    assert (out.targets.amax(1) == 1).all(), "a pixel has the label of the image it comes from"
    pasted = (hard != labels).any(0)
    assert ((hard == labels) | (hard == labels[PARTNER])).all()
    rows, columns = pasted.any(1).nonzero(), pasted.any(0).nonzero()
    area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
    assert 1 - float(area) / SIDE**2 == pytest.approx(float(out.mix.lam[0]), abs=1e-9)


def test_logit_match_over_cutmix_pastes_the_clean_logits():
    inputs, labels = batch()
    objective = make("logitmix_cc(prob=1, similarity=1)")
    out = objective(inputs, labels, mix=lh.Mix(PARTNER, 0.6))
    # the same box again
    fresh = make("cutmix(prob=1)")
    box = fresh.spec.mixing.draw(
        lh.mixing.Step(inputs.shape, given=lh.Mix(PARTNER, 0.6)), torch.Generator().manual_seed(3)
    ).box
    top, left, bottom, right = box
    mixed, clean = inputs.clone(), net()(inputs)
    mixed[:, :, top:bottom, left:right] = inputs[PARTNER, :, top:bottom, left:right]
    mixture = clean.clone()
    mixture[:, :, top:bottom, left:right] = clean[PARTNER, :, top:bottom, left:right]
    assert out.parts["logit_match"] == pytest.approx(float((mixture - net()(mixed)).square().mean().detach()), rel=1e-9)


def test_the_second_head_is_a_convolution_like_the_classifier():
    objective = make("pls")
    assert isinstance(objective.head, nn.Conv2d)
    assert objective.head.weight.shape == objective.model[2].weight.shape
    out = objective(*batch(), mix=lh.Mix(PARTNER, 0.5))
    features = objective.model[:2]((batch()[0] + batch()[0][PARTNER]) / 2)
    learned = torch.sigmoid(objective.head(features)).softmax(1)
    torch.testing.assert_close(out.learned, learned.detach())


def test_a_head_below_an_enlargement_is_enlarged():
    model = nn.Sequential(nn.Conv2d(2, 5, 3, stride=2, padding=1), nn.Conv2d(5, C, 1), nn.Upsample(scale_factor=2))
    objective = lh.objective("lamix", model.double(), num_classes=C)
    out = objective(*batch(), mix=lh.Mix(PARTNER, 0.5))
    torch.testing.assert_close(out.targets.sum(1), torch.ones(B, SIDE, SIDE, dtype=torch.float64))


def test_a_head_below_padding_is_cut_like_the_logits():
    """Not squeezed: what the head says of a pixel belongs to that pixel."""

    class Padding(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = nn.Sequential(nn.Conv2d(2, 5, 1), nn.Conv2d(5, C, 1))

        def forward(self, inputs):
            height, width = inputs.shape[2:]
            below, beside = (new - old for new, old in zip(self.padded(height, width), (height, width)))
            return self.network(nn.functional.pad(inputs, (0, beside, 0, below)))[:, :, :height, :width]

        @staticmethod
        def padded(height, width):
            return height + -height % 32, width + -width % 32

    model = Padding().double()
    objective = lh.objective("pls", model, num_classes=C)
    out = objective(*batch(), mix=lh.Mix(PARTNER, 0.5))
    mixed = (batch()[0] + batch()[0][PARTNER]) / 2
    learned = torch.sigmoid(objective.head(model.network[0](mixed))).softmax(1)
    torch.testing.assert_close(out.learned, learned.detach())


def test_a_pooled_convolutional_classifier_gets_a_pooled_head():
    model = nn.Sequential(nn.Conv2d(2, C, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    objective = lh.objective("pls", model, num_classes=C)
    out = objective(batch()[0], torch.arange(B) % C, mix=lh.Mix(PARTNER, 0.5))
    assert out.targets.shape == (B, C)
    assert torch.isfinite(out.loss)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, y: (x, y[:, :4]), r"must give logits \(6, 4, 4, 8\), but gave \(6, 4, 8, 8\)"),
        (lambda x, y: (x, y.where(y > 0, torch.tensor(255))), r"labels must be in 0\.\.3"),
    ],
)
def test_maps_that_do_not_fit(change, said):
    with pytest.raises(ValueError, match=said):
        make("vanilla")(*change(*batch()))


def test_ignored_examples_of_a_plain_classifier():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2 * SIDE * SIDE, C)).double()
    inputs, _ = batch()
    labels = torch.tensor([0, 1, -100, 2, -100, 3])
    out = lh.objective("vanilla", model, num_classes=C)(inputs, labels)
    torch.testing.assert_close(out.loss, nn.functional.cross_entropy(model(inputs), labels))


@pytest.mark.parametrize("method", ["cutmix(prob=1)", "logitmix_cc(prob=1)", "puzzlemix"])
def test_coarser_label_maps_cannot_be_cut_like_the_images(method):
    model = nn.Conv2d(2, C, 3, stride=2, padding=1).double()
    inputs, labels = batch()
    objective = lh.objective(method, model, num_classes=C)
    with pytest.raises(ValueError, match=r"height and width \(8, 8\), not \(4, 4\)"):
        objective(inputs, labels[:, ::2, ::2], mix=lh.Mix(PARTNER, 0.5))
    lh.objective("mixup", model, num_classes=C)(inputs, labels[:, ::2, ::2])
