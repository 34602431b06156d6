"""Fast paths for large tensors, which change the time and nothing else: a learner may skip them.

Each is a second way to compute what a few plain lines elsewhere compute: :func:`masked` for
``masking.masked``, :func:`keep_largest` for ``ranking.keep_largest``. Three things make them fast:

* working piece by piece, so that several steps find the entries in the processor's cache;
* asking the system for memory in large pages;
* finding the ``k`` smallest by counting, without a sort.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

FROM = 1 << 13  # entries: from here on, moving the data costs more than Python does
GRAPH_FROM = 1 << 20  # with a graph, which calls Python once more on the way back
_PIECE = 1 << 19  # entries
_HUGE = 1 << 22  # bytes; from here on, it matters how the system hands out memory
_C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None
_ZERO = torch.zeros((), device="cpu")
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def is_large(entries: int, has_graph: bool = False) -> bool:
    """Tell whether a tensor of so many entries is worth a fast path."""
    return entries >= (GRAPH_FROM if has_graph else FROM)


def empty_like(t: Tensor) -> Tensor:
    """Return a contiguous tensor like ``t``, its values not yet set.

    Fresh memory comes in pages of 4 KB, and the system stops the program at the first write to
    each of them: for a large tensor that takes several times as long as filling it. Linux has
    pages of 2 MB as well and gives them to who asks.

    >>> empty_like(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    fresh = torch.empty_like(t, memory_format=torch.contiguous_format)
    in_memory = type(fresh) is Tensor and fresh.is_cpu  # a FakeTensor has no memory
    if _C_LIBRARY is not None and in_memory and fresh.nbytes >= _HUGE:
        first = -(-fresh.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        size = fresh.data_ptr() + fresh.nbytes - first
        # Advice: where it cannot be taken, nothing happens.
        _C_LIBRARY.madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), mmap.MADV_HUGEPAGE)
    return fresh


def masked(orig: Tensor, mask: Tensor) -> Tensor:
    """Return ``orig`` under ``mask`` in one pass over memory, without a graph.

    Args:
        orig, mask: of one shape and floating dtype, contiguous, on the CPU.
    """
    out = empty_like(orig)
    for parts in zip(*(_pieces(t.detach()) for t in (out, orig, mask)), strict=True):
        out_part, orig_part, mask_part = parts
        torch.addcmul(_ZERO, orig_part, mask_part, out=out_part)
        if not math.isfinite(out_part.sum()):  # an inf or NaN somewhere; rarely true
            out_part.masked_fill_(mask_part == 0, 0)
    return out


class Masked(torch.autograd.Function):
    """:func:`masked` as a step in a graph, which behaves as a product's does."""

    @staticmethod
    def forward(ctx: Any, orig: Tensor, mask: Tensor) -> Tensor:
        """Mask, and save what backward needs."""
        ctx.save_for_backward(mask)
        return masked(orig, mask)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Let the gradient through where the mask does."""
        (mask,) = ctx.saved_tensors
        return grad * mask.to(grad.dtype), None


def keep_largest(scores: Sequence[Tensor], k: int) -> list[Tensor] | None:
    """Return the masks of ``ranking.keep_largest``, or None if this way does not lead to them.

    As in Floyd and Rivest's SELECT (1975), the ranks in a random sample bracket the k-th smallest
    magnitude closely. One pass over the scores decides about all entries outside the bracket and
    collects the few inside, which are then ranked among themselves. That pass also counts, and
    the count proves the bracket right: the sample decides how long this takes, never what comes
    out.

    Args:
        scores: real tensors on the CPU, ranked as if they were one vector.
        k: 1 is the smallest, 0 < k < their number.
    """
    if not all(type(s) in (Tensor, torch.nn.Parameter) and s.is_cpu for s in scores):
        return None
    if not all(score.dtype in _FLOATS for score in scores):
        return None
    masks = [empty_like(score.detach()) for score in scores]
    found = _keep_outside_a_bracket(_parts(scores), _parts(masks), k)
    return masks if found else None


def _keep_outside_a_bracket(parts: Sequence[Tensor], masks: Sequence[Tensor], k: int) -> bool:
    """Fill ``masks``; False if the count disproves the bracket, and they are worthless."""
    sample = _sample(parts)
    rank = k * sample.numel() / _size(parts)
    margin = 3 * math.sqrt(sample.numel())  # six standard deviations of a rank in the sample
    low, high = _nth(sample, rank - margin), _nth(sample, rank + margin)

    kept, places, inside = 0, [], []
    # The same memory for all parts: what is kept of each would break up the memory they free.
    buffers = parts[0].new_empty(2, max(part.numel() for part in parts))
    for part, mask in zip(parts, masks, strict=True):
        magnitudes, between = buffers[:, : part.numel()]
        torch.abs(part, out=magnitudes)
        _keep_above(low, magnitudes, mask)
        kept += int(mask.float().sum())  # exact: a float counts further than to _PIECE
        # Ones and zeros, but not as bools, to which torch is slow to compare.
        torch.lt(magnitudes, high, out=between).mul_(mask)
        places.append(between.bool().nonzero().view(-1))
        inside.append(magnitudes[places[-1]])

    to_go = k - (_size(parts) - kept)  # of those inside; all up to `low` go
    if not 0 < to_go <= _size(inside):
        # Where many are equal, as in a layer full of zeros, an end of the bracket may be it.
        return _cut_at(parts, masks, low if to_go <= 0 else high, k)
    together = torch.cat(inside)
    of_inside = torch.empty_like(together)
    _cut_at([together], [of_inside], float(together.kthvalue(to_go).values), to_go)
    shares = of_inside.split([place.numel() for place in places])
    for mask, place, share in zip(masks, places, shares, strict=True):
        mask[place] = share
    return True


def _cut_at(parts: Sequence[Tensor], masks: Sequence[Tensor], cut: float, k: int) -> bool:
    """Fill the masks if ``cut`` is the ``k``-th smallest magnitude, which is the answer."""
    kept, equal = 0, []
    for part, mask in zip(parts, masks, strict=True):
        magnitudes = part.abs()
        _keep_above(cut, magnitudes, mask)
        kept += int(mask.sum(dtype=torch.int64))
        equal.append(int((magnitudes == cut).sum()))
    to_go = k - (_size(parts) - kept - sum(equal))  # of those that equal the cut
    if not 0 < to_go <= sum(equal):
        return False
    for part, mask, equal_there in zip(parts, masks, equal, strict=True):
        going = min(to_go, equal_there)  # the first ones
        to_go -= going
        if going < equal_there:
            mask[(part.abs() == cut).nonzero().view(-1)[going:]] = 1
    return True


def _keep_above(cut: float, magnitudes: Tensor, mask: Tensor) -> None:
    """Fill the mask: 0 for magnitudes up to ``cut``, else 1, NaN included."""
    torch.le(magnitudes, cut, out=mask)
    mask.eq_(0)  # turned round: nothing is above or below a NaN


def _sample(parts: Sequence[Tensor]) -> Tensor:
    """Return about n^(2/3) of the magnitudes; torch's global generator is left alone."""
    generator = torch.Generator("cpu").manual_seed(0)
    distance = _size(parts) ** (1 / 3)
    drawn = []
    for part in parts:
        share = math.ceil(part.numel() / distance)
        places = torch.randint(part.numel(), (share,), generator=generator, device="cpu")
        drawn.append(part[places])
    return torch.cat(drawn).abs()


def _nth(sample: Tensor, rank: float) -> float:
    """Return the sample's value of that rank, or one beyond all others if there is none."""
    if rank < 1:
        return -1.0
    if rank > sample.numel():
        return math.inf
    return float(sample.kthvalue(int(rank)).values)


def _parts(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [p for t in tensors for p in _pieces(t.detach()) if p.numel()]


def _pieces(t: Tensor) -> Sequence[Tensor]:
    """Cut a tensor into one-dimensional views of at most ``_PIECE`` entries."""
    return t.reshape(-1).split(_PIECE)


def _size(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)
