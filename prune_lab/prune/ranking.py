"""Which entries go first: one ranking gives the mask for every amount.

Entries are ranked by the magnitude of their score, smallest first; of equal scores the lowest
index goes first, so every machine and every rank of a distributed job prunes the same entries.
NaN counts as larger than everything and is the last to go.

Two questions are asked of a ranking, and each has its own fast answer:

* :func:`positions`: *when* does each entry go?  One stable sort.
* :func:`keep_largest`: which entries *stay* when the ``k`` smallest go?  No sort is needed for
  that, only the ``k``-th smallest magnitude, which :func:`_cut` finds by counting.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from .chunks import in_threads, pieces

# Below this, torch's own selection costs less than the counting passes.
_SMALL = 1 << 15
_DIGIT = 11  # bits found in one counting pass: 2048 counters
_INTEGER = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by element size in bytes


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
        contiguous masks, each with the shape and dtype of its scores. O(n) time; beside the
        masks, O(1) memory on the CPU unless many scores lie close together.

    >>> keep_largest([torch.tensor([0.3, -0.1]), torch.tensor([0.2, 0.1])], 2)
    [tensor([1., 0.]), tensor([1., 0.])]
    """
    size = sum(score.numel() for score in scores)
    if k in (0, size):
        return [torch.full(s.shape, float(k == 0), dtype=s.dtype, device=s.device) for s in scores]
    if len(scores) == 1 and (size <= _SMALL or not _countable(scores[0])):
        return [_keep_above_the_kth(scores[0], k)]
    if not all(_countable(score) for score in scores):
        together = _keep_above_the_kth(torch.cat([score.reshape(-1) for score in scores]), k)
        pieces = together.split([score.numel() for score in scores])
        return [piece.view(s.shape).clone() for piece, s in zip(pieces, scores, strict=True)]
    return _keep_by_counting(scores, k)


def _queue(scores: Tensor) -> Tensor:
    """Flat indices in the order in which entries go."""
    # Equal scores keep their order in a stable sort: the lowest index goes first.
    return scores.detach().abs().reshape(-1).sort(stable=True).indices


def _keep_above_the_kth(scores: Tensor, k: int) -> Tensor:
    magnitudes = scores.detach().abs()
    kept = magnitudes > magnitudes.flatten().kthvalue(k).values
    if int(kept.sum()) != scores.numel() - k:  # ties at the cut, or NaN
        kept = kept.new_ones(kept.numel()).index_fill_(0, _queue(scores)[:k], 0).view(kept.shape)
    return kept.to(scores.dtype, memory_format=torch.contiguous_format)


def _countable(scores: Tensor) -> bool:
    return scores.is_cpu and scores.is_floating_point() and scores.element_size() in _INTEGER


def _keep_by_counting(scores: Sequence[Tensor], k: int) -> list[Tensor]:
    masks = [torch.empty(score.shape, dtype=score.dtype) for score in scores]
    chunks = [chunk for score in scores for chunk in _chunks(score)]
    pairs = list(zip(chunks, (p for mask in masks for p in pieces(mask.view(-1))), strict=True))
    cut = _cut(chunks, k)

    def keep_above(share: Sequence[tuple[Tensor, Tensor]]) -> None:
        for chunk, mask in share:
            torch.gt(_keys(chunk), cut.key, out=mask)

    in_threads(keep_above, pairs)
    may_go = cut.to_go  # entries exactly at the cut that still have to go
    if may_go < cut.equal:
        for chunk, mask in pairs:
            at_cut = (_keys(chunk) == cut.key).nonzero().view(-1)
            mask[at_cut[may_go:]] = 1
            may_go = max(0, may_go - at_cut.numel())
    return masks


class _Cut(NamedTuple):
    """Where the ranking is cut: every smaller key goes."""

    key: int  # the k-th smallest magnitude, as an integer
    equal: int  # how many entries have exactly that magnitude
    to_go: int  # how many of these go


def _cut(chunks: Sequence[Tensor], k: int) -> _Cut:
    """Find the ``k``-th smallest magnitude exactly, without sorting.

    Without its sign, a float's bit pattern orders like an integer. So the answer is found digit
    by digit, as one looks up a word in a dictionary (radix selection; Knuth, TAOCP 3, 5.2.5):
    count how many keys have each leading digit, see in which bucket the ``k``-th falls, and look
    only into that bucket for the next digit.
    """
    n = equal = sum(chunk.numel() for chunk in chunks)
    known = 0  # the leading digits found so far; `equal` keys start with them
    unknown = 8 * chunks[0].element_size() - 1  # bits still to find
    while unknown:
        bucket = None if equal == n else (known, unknown)
        few = equal * 8 < n  # worth keeping, so that the next pass reads only these
        shift = max(0, unknown - _DIGIT)
        seen = in_threads(partial(_count_digit, bucket, shift, unknown - shift, few), chunks)
        if few:
            chunks = pieces(torch.cat([keys for _, kept in seen for keys in kept]))
        up_to = torch.stack([counts for counts, _ in seen]).sum(0).cumsum(0)
        digit = int(torch.searchsorted(up_to, k))
        before = int(up_to[digit - 1]) if digit else 0
        equal = int(up_to[digit]) - before
        k -= before
        known = known << (unknown - shift) | digit
        unknown = shift
    return _Cut(known, equal, k)


def _count_digit(
    bucket: tuple[int, int] | None, shift: int, width: int, keep: bool, chunks: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Count the keys by their digit of ``width`` bits at ``shift``.

    Args:
        bucket: look only at keys whose leading digits are these, followed by so many bits.
        keep: whether to return the keys that were looked at.
        chunks: bit patterns.
    """
    counts = torch.zeros(1 << width, dtype=torch.int64)
    kept = []
    for chunk in chunks:
        keys = _keys(chunk)
        if bucket is not None:
            leading, followed_by = bucket
            keys = keys[keys >> followed_by == leading]
        counts += torch.bincount((keys >> shift) & ((1 << width) - 1), minlength=1 << width)
        if keep:
            kept.append(keys)
    return counts, kept


def _chunks(scores: Tensor) -> Sequence[Tensor]:
    """Cut the bit patterns of ``scores`` into cache-sized views."""
    return pieces(scores.detach().reshape(-1).view(_INTEGER[scores.element_size()]))


def _keys(chunk: Tensor) -> Tensor:
    """Clear the sign bit: what is left orders like the magnitude."""
    return chunk & torch.iinfo(chunk.dtype).max
