"""A mask in little memory: what an Apply has left, to know it again and to put it back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from prune_lab.widgets.parameters import Seen, seen_of

PIECE = 1 << 20  # entries that are packed at once; a whole number of bytes


class Kept:
    """What a mask keeps: a bit for each entry, or the mask where it holds more than ones and zeros.

    A copy of a large model's masks would be as large as the model.

    Attributes:
        seen: what the mask is in a model's state.
        gone: how many entries it prunes.

    >>> kept = Kept(torch.tensor([1.0, 0.0, 1.0]))
    >>> kept.gone, kept.is_of(torch.tensor([1, 0, 1])), kept.mask(torch.zeros(3).half()).tolist()
    (1, True, [1.0, 0.0, 1.0])
    """

    def __init__(self, mask: Tensor) -> None:
        self.seen: Seen = seen_of(mask)
        self._whole: Tensor | None = None
        bits, left = [], 0
        for piece in mask.reshape(-1).split(PIECE):
            kept = piece != 0
            if self._whole is None and not torch.equal(kept.to(piece.dtype), piece):
                self._whole = mask.detach().clone()
            there = kept.cpu().numpy()
            left += int(np.count_nonzero(there))
            bits.append(np.packbits(there))
        self.gone = mask.numel() - left
        self._bits = np.concatenate(bits) if self._whole is None and bits else np.empty(0, "u1")

    def is_of(self, mask: Tensor | None) -> bool:
        """Tell whether this is the mask, in whatever type it may be now."""
        if mask is None:
            return False
        if seen_of(mask) == self.seen:
            return True
        return str(tuple(mask.shape)) == self.seen[0] and torch.equal(mask, self.mask(mask))

    def mask(self, like: Tensor) -> Tensor:
        """Return the mask, of the shape, type and device of another tensor."""
        if self._whole is not None:
            return self._whole.to(like, copy=True)
        bits = np.unpackbits(self._bits, count=like.numel())
        return torch.from_numpy(bits).view(like.shape).to(like)
