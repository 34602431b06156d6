"""Which entries go first: one ranking gives the mask for every amount.

Entries are ranked by the magnitude of their score, smallest first; of equal scores the lowest
index goes first, so every machine and every rank of a distributed job prunes the same entries.
NaN counts as larger than everything and is the last to go.

Two questions are asked of a ranking:

* :func:`positions`: *when* does each entry go?
* :func:`keep_largest`: which entries *stay* when the ``k`` smallest go?
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import large


def positions(scores: Tensor) -> Tensor:
    """Return the place of every entry in the queue to be pruned.

    Args:
        scores: any shape and dtype; only magnitudes count.

    Returns:
        int64 tensor of the same shape; 0 is the first to go. O(n log n) time.

    >>> positions(torch.tensor([0.3, -0.1, 0.2, 0.1]))
    tensor([3, 0, 2, 1])
    """
    queue = _queue(scores.detach().abs().reshape(-1))
    places = torch.empty_like(queue)
    places[queue] = torch.arange(queue.numel(), device=queue.device)
    return places.view_as(scores)


def keep_largest(scores: Sequence[Tensor], k: int) -> list[Tensor]:
    """Return one mask per tensor: 0 for the ``k`` smallest magnitudes of them all, else 1.

    Args:
        scores: tensors of one dtype on one device, ranked together as if they were one vector.
        k: how many entries go, 0 <= k <= their number.

    Returns:
        contiguous masks, each with the shape and dtype of its scores (complex: of magnitudes).
        O(n log n) time; of large tensors on the CPU O(n).

    >>> keep_largest([torch.tensor([0.3, -0.1]), torch.tensor([0.2, 0.1])], 2)
    [tensor([1., 0.]), tensor([1., 0.])]
    """
    size = sum(score.numel() for score in scores)
    if 0 < k < size and large.is_large(size):
        masks = large.keep_largest(scores, k)
        if masks is not None:
            return masks
    flat = [score.detach().abs().reshape(-1) for score in scores]
    magnitudes = flat[0] if len(flat) == 1 else torch.cat(flat)
    mask = torch.ones_like(magnitudes)
    if k:  # or there is no need to rank
        mask.index_fill_(0, _queue(magnitudes)[:k], 0)
    if len(scores) == 1:
        return [mask.view_as(scores[0])]
    # Cloned, or each mask would keep the memory of all of them alive.
    parts = mask.split([part.numel() for part in flat])
    return [part.clone().view_as(s) for part, s in zip(parts, scores, strict=True)]


def _queue(magnitudes: Tensor) -> Tensor:
    """Flat indices in the order in which entries go."""
    # Equal ones keep their order in a stable sort: the lowest index goes first.
    return magnitudes.sort(stable=True)[1]
