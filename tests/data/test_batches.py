"""Batches: what is gathered is right, augmentation is the naive loop's, and nothing else moves."""

import time

import numpy as np
import pytest
import torch

from levelhead.data import Augment, Batches, Split
from levelhead.data.batches import crop, normalise


def batches_of(inputs: np.ndarray) -> Batches:
    return Batches(Split(inputs, np.arange(len(inputs)) % 3, np.arange(len(inputs))))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (50, 3, 6, 7), dtype=np.uint8)


MEAN = np.array([0.1, 0.5, 0.9], dtype=np.float32)
STD = np.array([0.2, 0.3, 0.4], dtype=np.float32)


def test_images_stay_uint8_where_they_lie_and_share_memory(images):
    batches = batches_of(images)
    assert batches.inputs.dtype == torch.uint8
    assert batches.labels.dtype == torch.int64
    assert batches.inputs.data_ptr() == images.ctypes.data
    assert len(batches) == 50


def test_permutation_is_one_of_all_and_the_generators():
    batches = batches_of(np.zeros((100, 2), np.float32))
    order = batches.permutation(generator(1))
    assert order.dtype == torch.int64
    assert sorted(order.tolist()) == list(range(100))
    assert torch.equal(order, batches.permutation(generator(1)))
    assert not torch.equal(order, batches.permutation(generator(2)))


def test_normalised_in_pixel_units(images):
    inputs, labels = batches_of(images).take(torch.tensor([4, 0, 4]), mean=MEAN, std=STD)
    expected = (images[[4, 0, 4]] / 255 - MEAN[:, None, None]) / STD[:, None, None]
    assert inputs.dtype == torch.float32
    assert inputs.is_contiguous()
    assert labels.tolist() == [1, 0, 1]
    np.testing.assert_allclose(inputs.numpy(), expected, atol=2e-6)


def test_images_of_floating_point_are_taken_as_they_are(images):
    as_floats = (images / 255).astype(np.float32)
    rows = torch.arange(50)
    exact = batches_of(images).take(rows, mean=MEAN, std=STD)[0]
    torch.testing.assert_close(batches_of(as_floats).take(rows, mean=MEAN, std=STD)[0], exact, atol=2e-6, rtol=0)


def test_vectors_are_standardised_by_feature_and_never_augmented():
    vectors = np.array([[1.0, 10.0], [3.0, 30.0]], dtype=np.float32)
    inputs, _ = batches_of(vectors).take(
        torch.tensor([1]),
        mean=torch.tensor([1.0, 20.0]),
        std=torch.tensor([2.0, 5.0]),
        augment=Augment(2, True),
        train=True,
    )
    assert inputs.tolist() == [[1.0, 2.0]]


def test_crop_is_the_window_of_the_padded_image(images):
    padding, height, width = 2, 6, 7
    rng = np.random.default_rng(1)
    row, column = (torch.from_numpy(rng.random(50).astype(np.float32)) for _ in range(2))
    cropped = crop(torch.from_numpy(images), padding, row, column).numpy()
    for index, image in enumerate(images):
        padded = np.zeros((3, height + 2 * padding, width + 2 * padding), np.uint8)
        padded[:, padding:-padding, padding:-padding] = image
        top, left = int(row[index] * 5), int(column[index] * 5)
        assert np.array_equal(cropped[index], padded[:, top : top + height, left : left + width])


def test_crop_reaches_every_place_and_none_beyond(images):
    edge = torch.tensor([0.0, 1 - 2**-24] * 25)  # the largest float32 below 1
    cropped = crop(torch.from_numpy(images), 4, edge, edge)
    assert (cropped[0, :, :4, :] == 0).all()  # the window starts in the padding
    assert (cropped[1, :, -4:, :] == 0).all()
    assert torch.equal(cropped[1, :, :2, :3], torch.from_numpy(images)[1, :, 4:, 4:])


def test_crops_and_flips_come_as_often_as_they_should():
    # one bright pixel in the middle shows where the window was, a dim one left of it whether it was mirrored
    image = np.zeros((1, 1, 9, 9), np.uint8)
    image[0, 0, 4, 4], image[0, 0, 4, 3] = 200, 100
    num = 9_000
    batches = batches_of(np.repeat(image, num, axis=0))
    inputs, _ = batches.take(
        torch.arange(num),
        mean=[0.0],
        std=[1.0],
        augment=Augment(crop=1, flip=True),
        generator=generator(),
        train=True,
    )
    bright = (inputs > 0.5).nonzero()
    dim = ((inputs > 0.2) & (inputs < 0.5)).nonzero()
    rows = np.bincount(bright[:, 2].numpy(), minlength=9)[3:6]
    assert rows.sum() == num
    # five standard deviations of a share of 9,000 draws
    assert np.abs(rows / num - 1 / 3).max() < 5 * np.sqrt(2 / 9 / num)
    mirrored = (dim[:, 3] > bright[:, 3]).float().mean().item()
    assert abs(mirrored - 0.5) < 5 * 0.5 / np.sqrt(num)


def test_the_same_generator_gives_the_same_batch(images):
    batches, rows = batches_of(images), torch.arange(50)

    def take(seed):
        return batches.take(rows, mean=MEAN, std=STD, augment=Augment(2, True), generator=generator(seed), train=True)[
            0
        ]

    assert torch.equal(take(3), take(3))
    assert not torch.equal(take(3), take(4))


@pytest.mark.parametrize("augment", [Augment(), Augment(2), Augment(0, True), Augment(3, True)])
def test_every_setting_draws_as_many_numbers(images, augment):
    draws = generator(5)
    batches_of(images).take(torch.arange(10), mean=MEAN, std=STD, augment=augment, generator=draws, train=True)
    reference = generator(5)
    torch.rand(30, generator=reference)
    assert torch.equal(torch.rand(4, generator=draws), torch.rand(4, generator=reference))


def test_flip_draws_do_not_change_with_the_crop(images):
    batches, rows = batches_of(images), torch.arange(50)

    def take(augment):
        return batches.take(rows, mean=MEAN, std=STD, augment=augment, generator=generator(), train=True)[0]

    plain, flipped, both = take(Augment()), take(Augment(flip=True)), take(Augment(crop=2, flip=True))
    mirrored = torch.tensor([not torch.equal(a, b) for a, b in zip(plain, flipped)])
    cropped = take(Augment(crop=2))
    assert 0 < mirrored.sum() < 50
    assert torch.equal(both[mirrored], cropped[mirrored].flip(-1))
    assert torch.equal(both[~mirrored], cropped[~mirrored])


def test_evaluation_draws_nothing(images):
    draws = generator(5)
    before = draws.get_state()
    plain = batches_of(images).take(
        torch.arange(10), mean=MEAN, std=STD, augment=Augment(2, True), generator=draws, train=False
    )[0]
    assert torch.equal(draws.get_state(), before)
    assert torch.equal(plain, batches_of(images).take(torch.arange(10), mean=MEAN, std=STD)[0])


def test_neither_stored_data_nor_global_random_state_move(images):
    batches, kept = batches_of(images), images.copy()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    inputs, labels = batches.take(
        torch.arange(50), mean=MEAN, std=STD, augment=Augment(2, True), generator=generator(), train=True
    )
    inputs.zero_()
    labels.zero_()
    plain, _ = batches.take(torch.arange(50), mean=MEAN, std=STD)
    plain.zero_()
    assert np.array_equal(images, kept)
    assert batches.labels.tolist() == (np.arange(50) % 3).tolist()
    assert torch.equal(torch.get_rng_state(), before)


def test_vectors_with_mean_0_and_std_1_are_still_copies():
    vectors = np.ones((3, 2), np.float32)
    inputs = normalise(torch.from_numpy(vectors), np.zeros(2), np.ones(2))
    inputs.zero_()
    assert (vectors == 1).all()


def test_training_on_images_needs_a_generator(images):
    with pytest.raises(ValueError, match="take\\(train=True\\) needs generator="):
        batches_of(images).take(torch.arange(2), mean=MEAN, std=STD, train=True)


@pytest.mark.parametrize(
    ("crop", "flip", "sentence"), [(-1, False, "got -1"), (1.5, False, "got 1.5"), (0, 1, "got 1")]
)
def test_augment_refuses_what_is_no_padding_and_no_switch(crop, flip, sentence):
    with pytest.raises(ValueError, match=sentence):
        Augment(crop=crop, flip=flip)


def test_a_batch_costs_little():
    images = np.zeros((4000, 1, 28, 28), np.uint8)
    batches, draws = batches_of(images), generator()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = []
        for _ in range(30):
            start = time.perf_counter()
            batches.take(
                torch.arange(128),
                mean=[0.5],
                std=[0.5],
                augment=Augment(2, True),
                generator=draws,
                train=True,
            )
            seconds.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    # measured: 0.7 ms; the best of 30, so that a busy machine does not fail it
    assert min(seconds) < 3e-3


@pytest.mark.parametrize("padding", [1, 2, 3, 4, 8, 16, 100])
def test_no_draw_reaches_beyond_the_last_window(padding):
    play = 2 * padding + 1
    largest = torch.tensor(1 - 2**-24)
    assert largest < 1
    assert int(largest * play) == play - 1
