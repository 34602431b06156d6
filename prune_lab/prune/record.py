"""What a pruning hook knows beside its technique: how to undo, and where else its parameter is."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

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
        tie: the places that are pruned together with this one (``prune_twins``); one list for all
            of them. None if it is not tied; empty if it was, but comes from a file.
        shown: the masked weights of this hook; None if it does not know them, because it has
            run in a compiled graph.
    """

    module: weakref.ref[nn.Module] | None = None
    order: tuple[str, ...] = ()
    before: EarlierMask | None = None
    tie: list[tuple[weakref.ref[nn.Module], str]] | None = None
    shown: Shown | None = None

    def begin(self, module: nn.Module, shown: Iterable[Tensor] = ()) -> None:
        """Note from now on what is shown in ``module``."""
        self.module, self.shown = weakref.ref(module), Shown(shown)

    def weights(self, name: str) -> list[Tensor]:
        """Return the masked weights that are known: those shown, and what the module has now."""
        module = None if self.module is None else self.module()
        now = None if module is None else module.__dict__.get(name)
        return [w for w in (now, *(self.shown or ())) if isinstance(w, Tensor)]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of a file what is known in this process alone; say that there was a tie."""
        module = None if self.module is None else self.module()
        shown = self.shown
        if shown is not None and module is not None:  # only what the module's own file has anyway
            shown = Shown(weight for weight in vars(module).values() if shown.is_in(module, weight))
        return {"order": self.order, "tie": None if self.tie is None else [], "shown": shown}

    def __deepcopy__(self, memo: dict[int, Any]) -> Record:
        """Copy the record; a tie of modules that are copied together holds for their copies."""
        original = None if self.module is None else self.module()
        copied = memo.get(id(original))
        here = None if copied is None else weakref.ref(copied)
        tie = None if self.tie is None else memo.setdefault(id(self.tie), [])
        if here is not None and tie is not None:
            tie += [(here, name) for place, name in self.tie or () if place() is original]
        return Record(here, self.order, self.before, tie)


class Shown:
    """The masked weights that a hook has shown, as long as somebody else holds them."""

    def __init__(self, weights: Iterable[Tensor] = ()) -> None:
        self._alive: dict[int, weakref.ref[Tensor]] = {}
        # What each module may have now: what each thread has shown there last, by identity.
        self._now: WeakKeyDictionary[nn.Module, dict[int, list[int]]] = WeakKeyDictionary()
        for weight in weights:
            self.add(weight)

    def __reduce__(self) -> tuple[type[Shown], tuple[list[Tensor]]]:
        return Shown, (list(self),)

    def add(self, weight: Tensor) -> None:
        """Note ``weight``."""
        alive, key = self._alive, id(weight)
        alive[key] = weakref.ref(weight, lambda _: alive.pop(key, None))

    def expect(self, module: nn.Module, *weights: object) -> None:
        """Note that ``module`` has one of ``weights`` from now on, as far as this thread knows."""
        self._now.setdefault(module, {})[threading.get_ident()] = [id(w) for w in weights]

    def is_in(self, module: nn.Module, weight: object) -> bool:
        """Tell whether ``weight`` is what ``module`` should have."""
        found = self._alive.get(id(weight))
        if found is None or found() is not weight:
            return False
        # A copy that has not run yet (copy.copy, deepcopy) has one of those shown elsewhere.
        now = self._now.get(module)
        return now is None or any(id(weight) in ids for ids in list(now.values()))

    def __iter__(self) -> Iterator[Tensor]:
        return (weight for ref in list(self._alive.values()) if (weight := ref()) is not None)


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


_BITS = tuple(1 << i for i in range(8))


def _packed(bits: Tensor) -> Tensor:
    eights = torch.nn.functional.pad(bits.reshape(-1), (0, -bits.numel() % 8)).view(-1, 8)
    return (eights * eights.new_tensor(_BITS, dtype=torch.uint8)).sum(1, dtype=torch.uint8)


def _unpacked(packed: Tensor, like: Tensor) -> Tensor:
    bits = packed[:, None] & packed.new_tensor(_BITS)
    return (bits != 0).view(-1)[: like.numel()].view(like.shape)
