"""Large tensors: where their memory comes from, and working on them a piece at a time."""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

PIECE = 1 << 19  # entries; several steps on so many find them in the processor's cache
_LARGE = 1 << 22  # bytes; from here on, it matters how the system hands out memory
_C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None


def pieces(flat: Tensor) -> Sequence[Tensor]:
    """Cut a one-dimensional tensor into views of at most ``PIECE`` entries."""
    return flat.split(PIECE)


def empty_like(t: Tensor) -> Tensor:
    """Return a contiguous tensor like ``t``, its values not yet set.

    Fresh memory comes in pages of 4 KB, and the system stops the program at the first write to
    each of them: for a large tensor that takes several times as long as filling it. Linux has
    pages of 2 MB as well and gives them to who asks.

    >>> empty_like(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    fresh = torch.empty_like(t, memory_format=torch.contiguous_format)
    if _C_LIBRARY is not None and fresh.is_cpu and fresh.nbytes >= _LARGE:
        first = -(-fresh.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        size = fresh.data_ptr() + fresh.nbytes - first
        # Advice: where it cannot be taken, nothing happens.
        _C_LIBRARY.madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), mmap.MADV_HUGEPAGE)
    return fresh
