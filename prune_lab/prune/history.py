"""What :func:`undo` needs to know: which entries the last prune took, one bit each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .methods import BasePruningMethod

RECORD = "_before_last"  # the attribute of a hook that holds it


def remember(hook: BasePruningMethod, before: Tensor, orig: Tensor) -> None:
    """Note on ``hook`` the mask ``before`` its last prune: one bit per entry.

    Only the last prune is remembered: memory must not grow with the number of rounds.
    """
    binary = torch.equal(before != 0, before == 1)
    # Importance scores of another dtype than the parameter's leave their own to the mask.
    own_dtype = None if before.dtype == orig.dtype else before.dtype
    hook.__dict__[RECORD] = (_packed(before != 0) if binary else before, own_dtype)


def forget(hook: BasePruningMethod) -> None:
    """Drop the note: the mask has been replaced by other means than pruning."""
    hook.__dict__.pop(RECORD, None)


def recall(hook: BasePruningMethod, orig: Tensor) -> Tensor | None:
    """Return the mask before the last prune, shape of ``orig``; None if not known."""
    if RECORD not in hook.__dict__:
        return None
    record, own_dtype = hook.__dict__[RECORD]
    if record.dtype != torch.uint8:  # a mask that scales, kept as it was
        return record
    return _unpacked(record, orig.numel()).view(orig.shape).to(orig.device, own_dtype or orig.dtype)


def _packed(bits: Tensor) -> Tensor:
    """Pack n bools into n/8 bytes."""
    flat = bits.reshape(-1)
    padded = torch.nn.functional.pad(flat, (0, -flat.numel() % 8)).view(-1, 8)
    packed = torch.zeros(padded.shape[0], dtype=torch.uint8, device=bits.device)
    for i in range(8):
        packed |= padded[:, i].to(torch.uint8) << i
    return packed


def _unpacked(packed: Tensor, n: int) -> Tensor:
    shifts = torch.arange(8, dtype=torch.uint8, device=packed.device)
    return ((packed[:, None] >> shifts) & 1).view(-1)[:n].bool()
