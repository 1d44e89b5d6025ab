"""Shares of the rows in threads of their own say what one thread says, and leave nothing behind."""

import threading

import numpy as np
import pytest
import torch
from tests.metrics.synthetic import overconfident

from levelhead import metrics
from levelhead.metrics._side_by_side import LEAST, shares_of, side_by_side
from levelhead.metrics.given import check, check_dense


@pytest.fixture
def torch_threads():
    """Sets the caller's number of threads for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(("threads", "each"), [(3, 1), (7, 2)])
def test_the_shares_divide_the_threads_and_the_callers_number_stays(threads, each, torch_threads):
    torch_threads(threads)
    running = threading.active_count()
    seen = side_by_side(lambda share: (share, torch.get_num_threads(), threading.get_ident()), range(3))
    assert [(share, own) for share, own, _ in seen] == [(0, each), (1, each), (2, each)]
    assert len({ident for *_, ident in seen}) == 3
    assert torch.get_num_threads() == threads
    assert threading.active_count() == running
    later: list[int] = []
    other = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert later == [threads]


def test_the_first_failure_is_raised_once_all_are_done(torch_threads):
    torch_threads(2)
    done = []

    def work(share: int) -> None:
        if share < 2:
            raise ValueError(f"share {share}")
        done.append(share)

    with pytest.raises(ValueError, match="share 0"):
        side_by_side(work, range(3))
    assert done == [2]
    assert torch.get_num_threads() == 2


def test_few_scores_and_one_thread_are_one_share(torch_threads):
    torch_threads(2)
    assert shares_of(torch.zeros(2 * LEAST // 8 - 1, 8)) == 1
    assert shares_of(torch.zeros(2 * LEAST // 8, 8)) == 2
    torch_threads(1)
    assert shares_of(torch.zeros(2 * LEAST // 8, 8)) == 1


@pytest.mark.parametrize("images", [1, 2, 7])  # fewer images than shares are cut themselves
def test_shares_hold_every_pixel_once(images, torch_threads):
    torch_threads(2)
    pixels = 2 * LEAST // (4 * images) + 5
    scores = torch.arange(images * 4 * pixels, dtype=torch.float32).view(images, 4, pixels, 1)
    labels = torch.arange(images * pixels).remainder(4).view(images, pixels, 1)
    whole = check_dense(scores, None, labels)
    shares = whole.shares()
    assert len(shares) == 2
    assert all(share.part_of is whole for share in shares)
    assert sum(share.num_rows for share in shares) == images * pixels
    kept = torch.cat([share.scores.flatten() for share in shares])
    assert torch.equal(kept.sort().values, scores.flatten())
    assert shares[0].scores.data_ptr() == scores.data_ptr()  # views, not copies


@pytest.mark.parametrize("num_classes", [21, 300])
def test_the_number_of_threads_does_not_matter(num_classes, torch_threads):
    logits, labels = overconfident(2 * LEAST // num_classes + 100, num_classes)
    seen, samples, scores = {}, {}, {}
    for threads in (1, 2, 5):
        torch_threads(threads)
        acc = metrics.Calibration(num_classes)
        acc.update(logits=logits, labels=labels)
        seen[threads] = acc
        samples[threads] = metrics.aurc(logits=logits, labels=labels)
        scores[threads] = metrics.max_softmax(logits=logits)
    assert check(logits, None, labels).shares()[0].num_rows == -(-len(labels) // 2)
    for many in (2, 5):
        for name, value in seen[1]._state.items():
            if value.dtype == torch.int64:
                assert torch.equal(value, seen[many]._state[name]), name
            else:
                assert torch.allclose(value, seen[many]._state[name], rtol=1e-12, atol=0), name
        assert samples[1] == samples[many]
        assert np.array_equal(scores[1], scores[many])


def test_a_bad_row_of_a_later_share_is_named_by_its_place_in_all(torch_threads):
    torch_threads(2)
    rows = 2 * LEAST // 8
    logits, labels = torch.zeros(rows, 8), torch.zeros(rows, dtype=torch.int64)
    logits[rows - 3, 1] = logits[5, 1] = torch.nan
    acc = metrics.Calibration(8)
    for refused in (
        lambda: acc.update(logits=logits, labels=labels),
        lambda: metrics.aurc(logits=logits, labels=labels),
        lambda: metrics.max_softmax(logits=logits),
    ):
        with pytest.raises(ValueError, match=rf"2 of {rows} rows hold NaN, the first is row 5 "):
            refused()
    assert acc.num_examples == 0
    logits[5, 1] = 0
    with pytest.raises(ValueError, match=rf"1 of {rows} rows hold NaN, the first is row {rows - 3} "):
        acc.update(logits=logits, labels=labels)


def test_a_state_filled_in_inference_mode_can_be_filled_outside(torch_threads):
    torch_threads(2)
    rows = 2 * LEAST // 8
    logits, labels = overconfident(rows, 8)
    acc = metrics.Calibration(8)
    with torch.inference_mode():
        acc.update(logits=logits * 1, labels=labels * 1)
    acc.update(logits=logits[:10], labels=labels[:10])
    assert acc.num_examples == rows + 10
