"""What a pruning hook knows beside its technique: how to undo, and where else its parameter is."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Place = tuple[nn.Module, str]  # where a parameter is: its module, and its unpruned name there


@dataclass(eq=False)
class Record:
    """The one note that a hook carries about the parameter that it prunes.

    Attributes:
        module: whose hook it is. Weak, or the two would keep each other.
        order: the names of the module's parameters, unpruned, before any of them was pruned.
        before: the mask before the last prune; None if there was none or it is not known.
        tie: the places that are pruned together with this one (``prune_twins``).
        shown: the masked weights of this hook; None if it does not know them, because it has
            run in a compiled graph.
    """

    module: weakref.ref[nn.Module] | None = None
    order: tuple[str, ...] = ()
    before: EarlierMask | None = None
    tie: Tie | None = None
    shown: Shown | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of a file what is known in this process alone; say that there was a tie."""
        module = self.module() if self.module is not None else None
        shown = self.shown
        if shown is not None and module is not None:  # only what the module's own file has anyway
            shown = Shown(weight for weight in vars(module).values() if weight in shown)
        return {"order": self.order, "tie": self.tie and Tie(), "shown": shown}

    def __deepcopy__(self, memo: dict[int, Any]) -> Record:
        """Copy the record; a tie of modules that are copied together holds for their copies."""
        module = self.module() if self.module is not None else None
        copied = memo.get(id(module))
        tie = copy.deepcopy(self.tie, memo)
        if self.tie is not None and tie is not None and copied is not None:
            tie.places += [(weakref.ref(copied), n) for m, n in self.tie.living() if m is module]
        return Record(copied and weakref.ref(copied), self.order, self.before, tie)

    def weights(self, name: str) -> list[Tensor]:
        """Return the masked weights that are known: those shown, and what the module has now."""
        known: list[object] = [] if self.shown is None else list(self.shown)
        module = self.module() if self.module is not None else None
        known.append(module.__dict__.get(name) if module is not None else None)
        return [weight for weight in known if isinstance(weight, Tensor)]


class Shown:
    """The masked weights that a hook has shown, as long as somebody holds them.

    >>> weight, other = torch.ones(2), torch.ones(2)
    >>> shown = Shown()
    >>> shown.add(weight)
    >>> weight in shown, other in shown
    (True, False)
    """

    def __init__(self, weights: Iterable[Tensor] = ()) -> None:
        self._alive: dict[int, weakref.ref[Tensor]] = {}
        for weight in weights:
            self.add(weight)

    def __reduce__(self) -> tuple[type[Shown], tuple[list[Tensor]]]:
        return Shown, (list(self),)

    def __contains__(self, tensor: object) -> bool:
        found = self._alive.get(id(tensor))
        return found is not None and found() is tensor

    def add(self, tensor: Tensor) -> None:
        """Note ``tensor``, without keeping it alive."""
        alive, key = self._alive, id(tensor)
        alive[key] = weakref.ref(tensor, lambda _: alive.pop(key, None))

    def __iter__(self) -> Iterator[Tensor]:
        return (tensor for ref in list(self._alive.values()) if (tensor := ref()) is not None)


class Tie:
    """The places that hold one Parameter and are pruned together."""

    def __init__(self) -> None:
        self.places: list[tuple[weakref.ref[nn.Module], str]] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Tie:
        """Start anew: each copied hook enters its own place."""
        return Tie()

    def living(self) -> list[Place]:
        """Return the places that still exist."""
        return [(module, name) for ref, name in self.places if (module := ref()) is not None]


class EarlierMask:
    """A mask of before, one bit per entry, given back as if it had stayed in the module.

    Only the last prune is remembered: memory must not grow with the number of rounds.

    >>> mask = torch.tensor([1.0, 0.0, 1.0])
    >>> EarlierMask(mask, torch.float32).restored(like=torch.zeros(3).half())
    tensor([1., 0., 1.], dtype=torch.float16)
    """

    def __init__(self, mask: Tensor, dtype_after: torch.dtype) -> None:
        self._dtype, self._dtype_after = mask.dtype, dtype_after
        binary = bool(((mask == 0) | (mask == 1)).all())
        self._is_packed = binary
        self._values = _packed(mask != 0) if binary else mask.detach()  # or a mask that scales

    def restored(self, like: Tensor) -> Tensor:
        """Return the mask, on the device of ``like``, the mask now in its place.

        Its dtype is what it was (importance scores may have changed it since), unless the
        module has been converted since: then it is what the module has become.
        """
        values = _unpacked(self._values, like.numel()) if self._is_packed else self._values
        dtype = self._dtype if like.dtype == self._dtype_after else like.dtype
        return values.view(like.shape).to(like.device, dtype, copy=True)


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
