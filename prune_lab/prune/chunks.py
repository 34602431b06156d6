"""Work on large tensors a piece at a time, on every core.

Several steps on a piece that fits in a core's cache cost little more than one: the memory is read
and written once, and nothing of the size of the whole tensor is allocated in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor

# On so few entries torch works in the calling thread, so it is free to be one of several here.
CHUNK = 1 << 15
_WORTH_THREADS = 32  # pieces; with fewer, starting threads takes longer than the work

T = TypeVar("T")


def pieces(flat: Tensor) -> Sequence[Tensor]:
    """Cut a one-dimensional tensor into views of at most ``CHUNK`` entries."""
    return flat.split(CHUNK)


def in_threads(work: Callable[[Sequence[Any]], T], items: Sequence[Any]) -> list[T]:
    """Return ``work`` of consecutive shares of ``items``, one share per thread that torch uses.

    Args:
        work: may write into the pieces that it is given.
        items: pieces, or tuples of corresponding pieces.

    >>> in_threads(lambda share: sum(int(x.sum()) for x in share), pieces(torch.ones(CHUNK + 1)))
    [32769]
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(items) < _WORTH_THREADS:
        return [work(items)]
    share = -(-len(items) // threads)
    inference = torch.is_inference_mode_enabled()  # a new thread would not know

    def work_on(start: int) -> T:
        with torch.inference_mode(inference), torch.no_grad():
            return work(items[start : start + share])

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work_on, range(0, len(items), share)))
