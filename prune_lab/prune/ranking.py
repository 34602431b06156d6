"""Which entries go first: one ranking gives the mask for every amount.

Entries are ranked by the magnitude of their score, smallest first; of equal scores the lowest
index goes first, so every machine and every rank of a distributed job prunes the same entries.
NaN counts as larger than everything and is the last to go.

Two questions are asked of a ranking, and each has its own fast answer:

* :func:`positions`: *when* does each entry go?  One stable sort.
* :func:`keep_largest`: which entries *stay* when the ``k`` smallest go?  No sort is needed for
  that, only the ``k``-th smallest magnitude; of a large tensor, :func:`_keep_outside_a_bracket`
  looks closely only at the few entries near it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .memory import empty_like, pieces

# Up to here, torch's own selection takes less time than several passes.
_SMALL = 1 << 15
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


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
    if size > _SMALL and all(score.is_cpu and score.dtype in _FLOATS for score in scores):
        masks = [empty_like(score) for score in scores]
        if _keep_outside_a_bracket(_parts(scores), _parts(masks), k):
            return masks
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
    flat = magnitudes.view(-1)
    cut = flat.kthvalue(k).values
    mask = torch.gt(magnitudes, cut, out=torch.empty_like(magnitudes))
    if int(mask.count_nonzero()) != mask.numel() - k:  # ties at the cut, or NaN
        flat_mask = mask.view(-1)
        if not _cut_at([flat], [flat_mask], cut, k):  # the cut is NaN
            flat_mask.fill_(1).index_fill_(0, _queue(flat)[:k], 0)
    return mask


def _cut_at(parts: Sequence[Tensor], masks: Sequence[Tensor], cut: Tensor | float, k: int) -> bool:
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


def _keep_above(cut: Tensor | float, magnitudes: Tensor, mask: Tensor) -> None:
    """Fill the mask: 0 for magnitudes up to ``cut``, else 1, NaN included."""
    torch.le(magnitudes, cut, out=mask)
    mask.eq_(0)  # turned round: nothing is above or below a NaN


def _keep_outside_a_bracket(parts: Sequence[Tensor], masks: Sequence[Tensor], k: int) -> bool:
    """Fill ``masks``: 0 for the ``k`` smallest magnitudes of all the parts, else 1.

    As in Floyd and Rivest's SELECT (1975), the ranks in a random sample bracket the k-th smallest
    magnitude closely. One pass over the parts decides about all entries outside the bracket and
    collects the few inside, which are then ranked among themselves. That pass also counts, and
    the count proves the bracket right: the sample decides how long this takes, never what comes
    out.

    Args:
        parts: one-dimensional, ranked as if they were one vector.
        masks: of the same sizes.
        k: 1 is the smallest.

    Returns:
        False if the count disproves it; the masks are then worthless.
    """
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
        kept += int(mask.float().sum())  # exact: a float counts further than to PIECE
        # Ones and zeros, but not as bools, to which torch is slow to compare.
        torch.lt(magnitudes, high, out=between).mul_(mask)
        places.append(between.nonzero().view(-1))
        inside.append(magnitudes[places[-1]])

    to_go = k - (_size(parts) - kept)  # of those inside; all up to `low` go
    if not 0 < to_go <= _size(inside):
        # Where many are equal, as in a layer full of zeros, an end of the bracket may be it.
        return _cut_at(parts, masks, low if to_go <= 0 else high, k)
    of_inside = _keep_above_the_kth(torch.cat(inside), to_go)
    shares = of_inside.split([place.numel() for place in places])
    for mask, place, share in zip(masks, places, shares, strict=True):
        mask[place] = share
    return True


def _sample(parts: Sequence[Tensor]) -> Tensor:
    """Return about n^(2/3) of the magnitudes; torch's global generator is left alone."""
    generator = torch.Generator().manual_seed(0)
    distance = _size(parts) ** (1 / 3)
    drawn = []
    for part in parts:
        share = math.ceil(part.numel() / distance)
        drawn.append(part[torch.randint(part.numel(), (share,), generator=generator)])
    return torch.cat(drawn).abs()


def _nth(sample: Tensor, rank: float) -> float:
    """Return the sample's value of that rank, or one beyond all others if there is none."""
    if rank < 1:
        return -1.0
    if rank > sample.numel():
        return math.inf
    return float(sample.kthvalue(int(rank)).values)


def _parts(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [part for tensor in tensors for part in pieces(tensor.detach().reshape(-1))]


def _size(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)
