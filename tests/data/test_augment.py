"""Windows smaller than the image and random colours: by hand, beside torchvision, and moving nothing else."""

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as reference

from levelhead.data import Augment, Batches, Split, load
from levelhead.data.batches import centred, crop
from levelhead.data.jitter import Jitter, jittered, parse_jitter

from .layouts import write_voc
from .named_sets import cub

BLACK, WHITE = np.zeros(3, np.float32), np.ones(3, np.float32)
ROWS = torch.arange(30)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batches(inputs: np.ndarray, labels: np.ndarray | None = None, centre=None) -> Batches:
    labels = np.arange(len(inputs)) % 3 if labels is None else labels
    return Batches(Split(inputs, labels, np.arange(len(inputs))), centre=centre)


def colourful(num: int = 30, height: int = 12, width: int = 10) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num, 3, height, width), dtype=np.uint8)


def taken(split: Batches, augment: Augment, seed: int = 1, train: bool = True):
    return split.take(ROWS, mean=BLACK, std=WHITE, augment=augment, generator=generator(seed), train=train)


# ---- windows


@pytest.mark.parametrize(("height", "width", "padding"), [(12, 10, 0), (12, 10, 3), (5, 20, 0), (5, 20, 2)])
def test_windows_are_the_naive_loops(height, width, padding):
    images, size = torch.from_numpy(colourful(400, height, width)), 8
    row, column = torch.rand(2, 400, generator=generator(3))
    found = crop(images, padding, row, column, fill=7, size=size)
    tall, wide = (max(side + 2 * padding, size) for side in (height, width))
    tops, lefts = set(), set()
    for image, window, down, right in zip(images, found, row, column):
        canvas = torch.full((3, tall, wide), 7, dtype=torch.uint8)
        canvas[:, padding : padding + height, padding : padding + width] = image
        top, left = int(down * (tall - size + 1)), int(right * (wide - size + 1))
        tops.add(top)
        lefts.add(left)
        assert torch.equal(window, canvas[:, top : top + size, left : left + size])
    assert (tops, lefts) == (set(range(tall - size + 1)), set(range(wide - size + 1)))


def test_image_and_mask_go_through_the_same_window_and_colours_leave_the_mask_alone():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 100, (30, 6, 20), dtype=np.uint8)
    split = batches(np.repeat(labels[:, None] + 100, 3, 1), labels)
    images, masks = taken(split, Augment(size=9, flip=True))
    assert masks.shape == (30, 9, 9)
    shown = (images[:, 0] * 255).round().long()
    assert torch.equal(masks, torch.where(shown == 0, 255, shown - 100))
    assert ((shown == 0).flatten(1).sum(1) == 27).all()  # three rows more than the image has
    coloured, again = taken(split, Augment(size=9, flip=True, jitter=Jitter(brightness=0.5, hue=0.3)))
    assert torch.equal(again, masks)
    assert not torch.equal(coloured, images)


def test_the_centre_is_asked_about_and_nothing_is_drawn_for_it():
    images = colourful()
    split = batches(images, centre=(8, 6))
    asked, _ = taken(split, Augment(size=6, jitter=Jitter(contrast=1)), train=False)
    np.testing.assert_allclose(asked.numpy(), images[:, :, 2:10, 2:8] / 255, atol=1e-6)
    assert np.array_equal(centred(images, (5, 5)), images[:, :, 3:8, 2:7])


def test_no_setting_moves_what_is_drawn_later():
    split, ends = batches(colourful()), []
    for augment in (
        Augment(),
        Augment(size=5),
        Augment(jitter=Jitter(hue=0.1)),
        Augment(2, True, None, 7, Jitter(0.4)),
    ):
        draws = generator(5)
        split.take(ROWS, mean=BLACK, std=WHITE, augment=augment, generator=draws, train=True)
        ends.append(torch.rand(1, generator=draws).item())
    assert len(set(ends)) == 1


def test_a_data_set_is_cut_and_says_what_a_network_is_shown(tmp_path):
    cub(tmp_path / "CUB_200_2011")
    data = load("cub-200-2011", data_dir=tmp_path, image_size=32, cal_size=3)
    assert data.augment == Augment(flip=True, size=28)
    assert (data.shape, data.cut(28).shape, data.cut(28).whole, data.cut(28).cut(0).shape) == (
        (3, 32, 32),
        (3, 28, 28),
        (3, 32, 32),
        (3, 32, 32),
    )
    with pytest.raises(ValueError, match=r"crop_size=33 is larger than the images of cub-200-2011, .* 32x32"):
        data.cut(33)


def test_scenes_of_voc_are_cut_as_in_the_paper_and_asked_about_whole(tmp_path):
    write_voc(tmp_path)
    for size, window in ((640, 512), (40, 32)):
        data = load("voc", data_dir=tmp_path, image_size=size, cal_size=2)
        assert (data.augment.size, data.augment.flip, data.augment.crop) == (window, True, 0)
        assert str(data.augment.jitter) == "brightness=0.3, contrast=0.3, saturation=0.12, hue=0.11, prob=0.5"
        assert data.cut(window).shape == (3, size, size)
    with pytest.raises(ValueError, match="crop_size=41 is larger"):
        data.cut(41)


# ---- colours


def amounts(jitter: Jitter, num: int, seed: int = 4) -> torch.Tensor:
    """What is drawn for each kind: `(5, B)` of brightness, contrast, saturation, hue; zero where the coin says no."""
    draws = generator(seed)
    coins = torch.rand(5, num, generator=draws) < jitter.prob
    strengths = torch.tensor([jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue])
    return coins[:4] * (2 * torch.rand(4, num, generator=draws) - 1) * strengths[:, None]


@pytest.mark.parametrize(
    "jitter",
    [
        Jitter(brightness=0.4),
        Jitter(contrast=0.8),
        Jitter(saturation=1.0),
        Jitter(hue=0.5),
        Jitter(brightness=0.3, contrast=0.3, saturation=0.2, hue=0.11, prob=0.5),
    ],
    ids=str,
)
def test_colours_are_torchvisions(jitter):
    images = torch.from_numpy(colourful()) / 255
    found = jittered(images, jitter, generator(4))
    for image, one, (brightness, contrast, saturation, hue) in zip(images, found, amounts(jitter, 30).T.tolist()):
        wanted = reference.adjust_brightness(image, 1 + brightness)
        wanted = reference.adjust_contrast(wanted, 1 + contrast)
        wanted = reference.adjust_saturation(wanted, 1 + saturation)
        wanted = reference.adjust_hue(wanted, hue)
        # its grey has .2989, .587, .114, ours .299
        torch.testing.assert_close(one, wanted, atol=1e-3, rtol=0)


def test_lighting_adds_one_colour_to_an_image_with_the_deviations_of_imagenet():
    images = torch.full((20_000, 3, 1, 1), 0.5)
    shift = (jittered(images, Jitter(lighting=0.1), generator()) - 0.5).view(-1, 3).double()
    values, directions = np.linalg.eigh(np.cov(shift.T.numpy()))
    np.testing.assert_allclose(np.sqrt(values[::-1]), [0.02175, 0.00188, 0.00045], rtol=0.04)
    np.testing.assert_allclose(np.abs(directions[:, -1]), [0.5675, 0.5808, 0.5836], atol=0.01)
    assert (jittered(torch.rand(2, 3, 4, 4), Jitter(lighting=0.1), generator()) >= 0).all()


def test_bytes_and_fractions_alike_and_every_image_in_its_own_way():
    images, jitter = torch.from_numpy(colourful()), Jitter(0.4, 0.4, 0.4, 0.1)
    found = jittered(images, jitter, generator())
    torch.testing.assert_close(jittered(images / 255, jitter, generator()), found)
    assert found.min() >= 0
    assert found.max() <= 1
    same = jittered(images[:1].expand(30, -1, -1, -1), jitter, generator())
    assert len({tuple(each.flatten().tolist()) for each in same}) == 30
    seldom = jittered(images, Jitter(brightness=0.5, prob=0.2), generator())
    changed = (seldom != images / 255).flatten(1).any(1).float().mean()
    assert 0.02 < changed < 0.5


def test_images_without_colours_take_brightness_and_contrast():
    grey = torch.rand(4, 1, 5, 5)
    found = jittered(grey, Jitter(brightness=0.5, contrast=0.5), generator())
    assert found.shape == grey.shape
    assert not torch.equal(found, grey)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("none", "none"),
        ("0", "none"),
        ("0.4", "brightness=0.4, contrast=0.4, saturation=0.4"),
        ("hue=0.1, brightness=0.3", "brightness=0.3, hue=0.1"),
        ("jitter(hue=0.1, prob=0.5)", "hue=0.1, prob=0.5"),
    ],
)
def test_amounts_are_read_and_printed_in_one_way(text, said):
    assert str(parse_jitter(text)) == said
    assert parse_jitter(said) == parse_jitter(text)


@pytest.mark.parametrize(
    "text", ["1.5", "hue=0.6", "colour=1", "brightness", "prob=0.5", "brightness=0", "", "0.4, hue=0.1"]
)
def test_amounts_that_make_no_sense_are_refused(text):
    with pytest.raises(ValueError, match=r"jitter|changes no colour|stands for three"):
        parse_jitter(text)
