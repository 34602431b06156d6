"""Which entries go first: one ranking gives the mask for every amount.

Entries are ranked by the magnitude of their score, smallest first; of equal scores the lowest
index goes first, so every machine and every rank of a distributed job prunes the same entries.
NaN counts as larger than everything and is the last to go.

Two questions are asked of a ranking, and each has its own fast answer:

* :func:`positions`: *when* does each entry go?  One stable sort.
* :func:`keep_largest`: which entries *stay* when the ``k`` smallest go?  No sort is needed for
  that, only the ``k``-th smallest magnitude, which :func:`_cut` finds by sampling and
  counting.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from .memory import empty_like, pieces

# Up to here, torch's own selection takes less time than several passes.
_SMALL = 1 << 15
# A float's bit pattern without its sign is an integer that orders like the magnitude: its key.
# For each dtype, that of the integer, and the lowest of the many bit patterns that mean NaN.
_KEYS = {
    torch.float16: (torch.int16, 0x7C01),
    torch.bfloat16: (torch.int16, 0x7F81),
    torch.float32: (torch.int32, 0x7F800001),
    torch.float64: (torch.int64, 0x7FF0000000000001),
}


def positions(scores: Tensor) -> Tensor:
    """Return the place of every entry in the queue to be pruned.

    Args:
        scores: any shape and real dtype; only magnitudes count.

    Returns:
        int64 tensor of the same shape; 0 is the first to go. O(n log n) time.

    >>> positions(torch.tensor([0.3, -0.1, 0.2, 0.1]))
    tensor([3, 0, 2, 1])
    """
    queue = _queue(scores)
    places = torch.empty_like(queue)
    places[queue] = torch.arange(queue.numel(), device=queue.device)
    return places.view(scores.shape)


def keep_largest(scores: Sequence[Tensor], k: int) -> list[Tensor]:
    """Return one mask per tensor: 0 for the ``k`` smallest magnitudes of them all, else 1.

    Args:
        scores: tensors of one dtype on one device, ranked together as if they were one vector.
        k: how many entries go, 0 <= k <= their number.

    Returns:
        contiguous masks, each with the shape and dtype of its scores (complex: of magnitudes).
        O(n) time; beside the masks, O(n^(2/3)) memory on the CPU.

    >>> keep_largest([torch.tensor([0.3, -0.1]), torch.tensor([0.2, 0.1])], 2)
    [tensor([1., 0.]), tensor([1., 0.])]
    """
    size = _size(scores)
    if k in (0, size):
        return [torch.full(s.shape, float(k == 0), dtype=s.dtype, device=s.device) for s in scores]
    if size > _SMALL and all(score.is_cpu and score.dtype in _KEYS for score in scores):
        return _keep_above_the_cut(scores, k)
    if len(scores) == 1:
        return [_keep_above_the_kth(scores[0], k)]
    together = _keep_above_the_kth(torch.cat([score.reshape(-1) for score in scores]), k)
    shares = together.split([score.numel() for score in scores])
    # Cloned, or each mask would keep the memory of all of them alive.
    return [share.view(s.shape).clone() for share, s in zip(shares, scores, strict=True)]


def _queue(scores: Tensor) -> Tensor:
    """Flat indices in the order in which entries go."""
    # Equal scores keep their order in a stable sort: the lowest index goes first.
    return scores.detach().abs().reshape(-1).sort(stable=True).indices


def _keep_above_the_kth(scores: Tensor, k: int) -> Tensor:
    """Keep what is larger than the ``k``-th smallest, as torch finds it."""
    magnitudes = scores.detach().abs().contiguous()
    mask = torch.empty_like(magnitudes)
    torch.gt(magnitudes, magnitudes.view(-1).kthvalue(k).values, out=mask)
    if int(mask.sum(dtype=torch.int64)) != mask.numel() - k:  # ties at the cut, or NaN
        mask.fill_(1).view(-1).index_fill_(0, _queue(scores)[:k], 0)
    return mask


def _keep_above_the_cut(scores: Sequence[Tensor], k: int) -> list[Tensor]:
    """Keep what is larger than the ``k``-th smallest, in little memory beside the masks."""
    masks = [empty_like(score) for score in scores]
    parts = [part for score in scores for part in pieces(score.detach().reshape(-1))]
    mask_parts = (part for mask in masks for part in pieces(mask.view(-1)))
    cut, at_cut = _cut(parts, k)
    for part, mask, (equal, going) in zip(parts, mask_parts, at_cut, strict=True):
        keys = _keys(part)
        torch.gt(keys, cut, out=mask)
        if going < equal:
            mask[(keys == cut).nonzero().view(-1)[going:]] = 1
    return masks


# For each part, how many of its keys equal the cut, and how many of these go.
_AtCut: TypeAlias = list[tuple[int, int]]


def _cut(parts: Sequence[Tensor], k: int) -> tuple[int, _AtCut]:
    """Find the key of the ``k``-th smallest magnitude exactly, without sorting.

    As in Floyd and Rivest's SELECT (1975), the ranks in a random sample bracket the answer
    closely. One pass counts the keys up to the bracket and collects the few inside it. The count
    then proves that the answer is there, or else the bracket is widened.

    Args:
        parts: one-dimensional, ranked as if they were one vector.
        k: 1 is the smallest.
    """
    sample = _sample(parts)
    rank = k * sample.numel() / _size(parts)
    margin = 3 * math.sqrt(sample.numel())  # six standard deviations of a rank in the sample
    while True:
        low, high = _nth(sample, rank - margin), _nth(sample, rank + margin)
        up_to_low, inside = _look_between(parts, low, high)
        if up_to_low < k <= up_to_low + _size(inside):
            together = torch.cat(inside)
            cut = int(together.kthvalue(k - up_to_low).values)
            fewer = up_to_low + int((together < cut).sum())
            return cut, _who_goes(inside, cut, k - fewer)
        # Where many keys are equal, an end of the bracket may be the answer.
        cut = low if k <= up_to_low else high
        fewer = sum(int((_keys(part) < cut).sum()) for part in parts)
        at_cut = _who_goes(map(_keys, parts), cut, k - fewer)
        if fewer < k <= fewer + sum(equal for equal, _ in at_cut):
            return cut, at_cut
        margin *= 8


def _sample(parts: Sequence[Tensor]) -> Tensor:
    """Return the keys of about n^(2/3) entries; torch's global generator is left alone."""
    generator = torch.Generator().manual_seed(0)
    distance = _size(parts) ** (1 / 3)
    drawn = []
    for part in parts:
        share = math.ceil(part.numel() / distance)
        drawn.append(part[torch.randint(part.numel(), (share,), generator=generator)])
    return _keys(torch.cat(drawn))


def _nth(sample: Tensor, rank: float) -> int:
    """Return the sample's value of that rank, or one beyond all keys if there is none."""
    if rank < 1:
        return -1
    if rank > sample.numel():
        return torch.iinfo(sample.dtype).max
    return int(sample.kthvalue(int(rank)).values)


def _look_between(parts: Sequence[Tensor], low: int, high: int) -> tuple[int, list[Tensor]]:
    """Count the keys up to ``low``, and return those of each part between ``low`` and ``high``."""
    up_to_low = _size(parts)
    inside = []
    for part in parts:
        keys = _keys(part)
        # Ones and zeros, but not as bools, to which torch is slow to compare.
        above_low = torch.gt(keys, low, out=torch.empty_like(keys))
        up_to_low -= int(above_low.sum(dtype=torch.int32))
        between = torch.lt(keys, high, out=torch.empty_like(keys)).bitwise_and_(above_low)
        inside.append(keys[between.nonzero().view(-1)])
    return up_to_low, inside


def _who_goes(keys_of_parts: Iterable[Tensor], cut: int, to_go: int) -> _AtCut:
    """Let ``to_go`` of the keys that equal ``cut`` go, the first ones first."""
    at_cut = []
    for keys in keys_of_parts:
        equal = int((keys == cut).sum())
        going = min(equal, to_go)
        to_go -= going
        at_cut.append((equal, going))
    return at_cut


def _keys(part: Tensor) -> Tensor:
    """Return integers that order as the magnitudes do; NaN is one key, the largest."""
    integer, nan = _KEYS[part.dtype]
    return (part.view(integer) & torch.iinfo(integer).max).clamp_(max=nan)


def _size(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)
