"""What a pruning hook knows beside its technique: how to undo, and where else its parameter is."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

Place = tuple[nn.Module, str]  # where a parameter is: its module, and its unpruned name there


@dataclass(eq=False)
class Record:
    """The one note that a hook carries about the parameter that it prunes.

    Attributes:
        order: the names of the module's parameters, unpruned, before any of them was pruned.
        before: the mask before the last prune; None if there was none or it is not known.
        tie: the places that are pruned together with this one (``prune_twins``); one list for all
            of them. None if it is not tied; empty if it was, but comes from a file.
        modules: those in which the hook has shown a weight: its own, and shallow copies of it.
    """

    order: tuple[str, ...] = ()
    before: EarlierMask | None = None
    tie: list[tuple[weakref.ref[nn.Module], str]] | None = None
    modules: WeakSet[nn.Module] = field(default_factory=WeakSet)  # weak, or they would be kept

    def __reduce__(self) -> tuple[type[Record], tuple[Any, ...]]:
        """Leave out of a file what is known in this process alone; say that there was a tie."""
        return Record, (self.order, None, None if self.tie is None else [])

    def __deepcopy__(self, memo: dict[int, Any]) -> Record:
        """Copy the record; a tie of modules that are copied together holds for their copies."""
        copied = Record(self.order, self.before)
        if self.tie is not None:
            copied.tie = memo.setdefault(id(self.tie), [])
            for place, name in self.tie:  # those whose turn is now, or was
                copy_of_place = memo.get(id(place()))
                here = None if copy_of_place is None else (weakref.ref(copy_of_place), name)
                if here is not None and here not in copied.tie:
                    copied.tie.append(here)
        return copied


class EarlierMask:
    """The mask before the last prune, one bit per entry.

    Only one is remembered, or memory would grow with the number of rounds.

    >>> mask = torch.tensor([1.0, 0.0, 1.0])
    >>> EarlierMask(mask, after=mask).restored(now=torch.zeros(3).half())
    tensor([1., 0., 1.], dtype=torch.float16)
    """

    def __init__(self, mask: Tensor, after: Tensor) -> None:
        bits = mask != 0
        # A mask that scales does not fit into bits, nor does one without values (meta).
        self._is_packed = not is_without_values(mask) and torch.equal(bits.to(mask.dtype), mask)
        self._values = _packed(bits) if self._is_packed else mask.detach()
        self._was, self._became = (mask.dtype, mask.device), (after.dtype, after.device)

    def restored(self, now: Tensor) -> Tensor:
        """Return the mask; ``now`` is the one that has its place.

        It gets the dtype and the device that it had, unless the module has been converted or
        moved since: then those that the module has now.
        """
        values = _unpacked(self._values, now) if self._is_packed else self._values
        dtype = self._was[0] if now.dtype == self._became[0] else now.dtype
        device = self._was[1] if now.device == self._became[1] else now.device
        return values.to(device, dtype, copy=True)


def is_without_values(t: Tensor) -> bool:
    """Tell whether a tensor has a shape alone: on the meta device, or fake."""
    return t.is_meta or isinstance(t, torch._subclasses.FakeTensor)


_BITS = torch.tensor([1 << i for i in range(8)], dtype=torch.uint8, device="cpu")


def _packed(bits: Tensor) -> Tensor:
    eights = torch.nn.functional.pad(bits.reshape(-1), (0, -bits.numel() % 8)).view(-1, 8)
    return (eights * _BITS.to(bits.device)).sum(1, dtype=torch.uint8)


def _unpacked(packed: Tensor, like: Tensor) -> Tensor:
    bits = packed[:, None] & _BITS.to(packed.device)
    return (bits != 0).view(-1)[: like.numel()].view(like.shape)
