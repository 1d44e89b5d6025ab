"""Shares of the examples worked on at once, each in a thread of its own.

Torch splits every single operation over its threads and waits for the slowest. On blocks that stay in the cache the
waiting costs as much as the work, ten times as much where another program computes too, and what NumPy does in between
uses one thread only. A share of the rows a thread, worked from start to end, waits once. Both libraries let go of the
interpreter's lock while they compute. Where there are more threads than shares, each share has its part of them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Barrier
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
R = TypeVar("R")

LEAST = 1 << 18  # scores in a share: below, starting a thread (0.1 ms) is not worth it
MOST = 2  # shares: each has working memory of its own, about 20 MB, and all are to stay below 64


def shares_of(scores: Tensor) -> int:
    """Into how many shares to cut `scores`: as many as torch may use threads here, one for few scores or on a GPU."""
    if scores.device.type != "cpu":
        return 1
    return max(1, min(torch.get_num_threads(), MOST, scores.numel() // LEAST))


def side_by_side(work: Callable[[T], R], shares: Sequence[T]) -> list[R]:
    """`work` of each of `shares`, in order; in threads if there are several. Raises what the first to fail raised.

    The caller's number of torch threads stays; the shares divide it. No thread outlives the call.
    """
    if len(shares) == 1:
        return [work(shares[0])]
    threads = torch.get_num_threads()
    begun = Barrier(len(shares) + 1)

    def alone(share: T) -> R:
        torch.get_num_threads()  # the first call in a thread takes over the number that threads begin with
        # in this thread, and any that begins before the caller's number is set again
        torch.set_num_threads(max(1, threads // len(shares)))
        begun.wait()
        return work(share)

    with ThreadPoolExecutor(len(shares)) as pool:
        try:
            futures = [pool.submit(copy_context().run, alone, share) for share in shares]
            begun.wait()
        except BaseException:
            begun.abort()
            raise
        finally:
            torch.set_num_threads(threads)
        return [future.result() for future in futures]
