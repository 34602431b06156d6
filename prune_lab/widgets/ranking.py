"""When each entry goes: a ranking has the mask for every amount, and how much goes at each step.

Of up to ``EVERY`` entries each has its position. Of more, a ranking is known at ``STEPS`` steps of
the amount, which are found piece by piece, beside the kernel. Masks and steps are exact either way:
between two steps nothing is shown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from prune_lab.inspection import hash_of
from prune_lab.prune.amounts import count

EVERY = 1 << 20  # entries
STEPS = 1000
PIECE = 1 << 20  # entries that are worked on at once: between two pieces work can be stopped


class Steps(NamedTuple):
    """How a ranking goes on from step to step.

    Attributes:
        counts: how many units are gone at each step, from 0 to all.
        gone: by parameter name, how many of its entries are gone at each step, those from before
            included.
        entries: int16, of the shape of the parameter on show, the step at which each entry goes:
            0 is gone from before, and one more than the last step never goes.
        sizes: float64, the largest magnitude that is gone at each step; NaN where none is told.
    """

    counts: list[int]
    gone: dict[str, list[int]]
    entries: Tensor
    sizes: np.ndarray


T = TypeVar("T")
Work = Generator[float, None, Steps]  # yields how much of it is done, 0 to 1


def are_many(entries: int) -> bool:
    """Tell whether so many entries are ranked and drawn by steps."""
    return entries > EVERY


class Ranking(ABC):
    """When each entry goes, for every parameter that the technique looks at.

    Attributes:
        names: of the parameters.
        entries: how many all of them have.
        units: how many units there are, so that at ``count == units`` all that can go is gone.
    """

    def __init__(self, tensors: Mapping[str, Tensor], units: int) -> None:
        self.names = list(tensors)
        self.entries = sum(tensor.numel() for tensor in tensors.values())
        self.units = units

    @abstractmethod
    def masks(self, count: int) -> dict[str, Tensor]:
        """Return the masks with the first ``count`` units gone: bool, True where kept."""

    @abstractmethod
    def runs(self) -> list[tuple[int, int]]:
        """Return how many entries go with each unit, as runs: how many units, entries in each."""

    @abstractmethod
    def key(self) -> Hashable:
        """Return what is equal for two rankings that rank alike."""

    @abstractmethod
    def in_steps(self, counts: Sequence[int], name: str) -> Work:
        """Find, piece by piece, what goes at each of these counts.

        Args:
            counts: rising, from 0 to all units.
            name: of the parameter whose entries are told one by one.
        """

    def find(self, count: int) -> Generator[float, None, dict[str, Tensor]]:
        """Find the masks of :meth:`masks` piece by piece, of any type: 1 kept, 0 pruned."""
        yield 0.0
        return self.masks(count)

    def gone(self, name: str, count: int) -> int:
        """Return how many entries of a parameter are gone with the first ``count`` units."""
        return int((~self.masks(count)[name]).sum())

    @property
    def by_steps(self) -> bool:
        """Whether there are too many entries to know the position of each."""
        return are_many(self.entries)

    def counts(self, steps: int) -> list[int]:
        """Return the counts at so many equal steps of the amount, or all counts if these are fewer.

        >>> Positions({"weight": torch.arange(9)}, 9).counts(2)
        [0, 4, 9]
        """
        if self.units <= steps:
            return list(range(self.units + 1))
        return [count(step / steps, self.units) for step in range(steps + 1)]


class Positions(Ranking):
    """Each entry has its position, or that of its channel.

    Args:
        orders: by parameter name, whole numbers of the parameter's shape: 0 goes first, -1 is gone.
        units: how many positions there are.
    """

    def __init__(self, orders: Mapping[str, Tensor], units: int) -> None:
        super().__init__(orders, units)
        self.orders = orders

    def masks(self, count: int) -> dict[str, Tensor]:
        """Return the masks with the first ``count`` units gone: bool, True where kept."""
        return {name: order >= count for name, order in self.orders.items()}

    def runs(self) -> list[tuple[int, int]]:
        """Count the entries at each position; of several parameters together."""
        tally = torch.zeros(self.units, dtype=torch.int64)
        for order in self.orders.values():
            tally += order[order >= 0].flatten().cpu().bincount(minlength=self.units)[: self.units]
        return [(len(list(run)), size) for size, run in groupby(tally.tolist())]

    def key(self) -> Hashable:
        """Return the orders' hashes."""
        return tuple((name, hash_of(order.cpu())) for name, order in self.orders.items())

    def in_steps(self, counts: Sequence[int], name: str) -> Work:
        """Look up each entry's position among the counts."""
        positions = torch.arange(-1, self.units + 1)
        step_of = torch.bucketize(positions, torch.tensor(counts), right=True).to(torch.int16)
        shown = torch.empty(self.orders[name].shape, dtype=torch.int16)
        gone, done = {}, 0
        for one, order in self.orders.items():
            tally = np.zeros(len(counts) + 1, dtype=np.int64)
            for at, part in pieces(order):
                steps = step_of[part.cpu().clamp(max=self.units).to(torch.int64) + 1]
                tally += np.bincount(steps.numpy(), minlength=len(tally))
                if one == name:
                    shown.view(-1)[at : at + len(steps)] = steps
                done += len(steps)
                yield done / self.entries
            gone[one] = tally[:-1].cumsum().tolist()
        return Steps(list(counts), gone, shown, np.full(len(counts), np.nan))


class Grouped(Ranking):
    """Each entry has its position among its neighbours, which takes long to find: on demand, once.

    Args:
        name: of the parameter.
        scores: its scores; the first dimension can be cut without parting neighbours.
        before: the mask of what is pruned already; None: nothing.
        order: returns the positions of scores under a mask, as :class:`Positions` has them.
        units: how many positions there are.
    """

    def __init__(
        self,
        name: str,
        scores: Tensor,
        before: Tensor | None,
        order: Callable[[Tensor, Tensor | None], Tensor],
        units: int,
    ) -> None:
        super().__init__({name: scores}, units)
        self._scores, self._before, self._order = scores, before, order
        self._found: Positions | None = None

    def masks(self, count: int) -> dict[str, Tensor]:
        """Return the masks with the first ``count`` units gone: bool, True where kept."""
        return self._all().masks(count)

    def find(self, count: int) -> Generator[float, None, dict[str, Tensor]]:
        """Find the positions piece by piece."""
        yield from self._find()
        return self.masks(count)

    def runs(self) -> list[tuple[int, int]]:
        """Count the entries at each position."""
        return self._all().runs()

    def key(self) -> Hashable:
        """Return the scores' and the mask's hash."""
        return self.units, *map(hashed, (self._scores, self._before))

    def in_steps(self, counts: Sequence[int], name: str) -> Work:
        """Find the positions, and look them up among the counts."""
        yield from scaled(self._find(), 0, 0.9)
        return (yield from scaled(self._all().in_steps(counts, name), 0.9, 1))

    def _all(self) -> Positions:
        for _ in self._find():
            pass
        assert self._found is not None
        return self._found

    def _find(self) -> Generator[float, None, None]:
        if self._found is not None:
            return
        order = torch.empty(self._scores.shape, dtype=torch.int8)
        rows = max(1, PIECE * len(order) // self.entries)
        for at in range(0, len(order), rows):
            part = slice(at, at + rows)
            before = None if self._before is None else self._before[part]
            order[part] = self._order(self._scores[part], before)
            yield min(1.0, (at + rows) / len(order))
        self._found = Positions({self.names[0]: order}, self.units)


def scaled(work: Generator[float, None, T], begin: float, end: float) -> Generator[float, None, T]:
    """Do work that is a part of something: it yields how much of that is done."""
    while True:
        try:
            yield begin + (end - begin) * next(work)
        except StopIteration as stop:
            return stop.value


def pieces(tensor: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Cut a tensor into vectors of at most ``PIECE`` entries, and say where each begins."""
    at = 0
    rows = PIECE * len(tensor) // max(1, tensor.numel()) if tensor.dim() > 1 else PIECE
    for part in tensor.split(max(1, rows)) if tensor.dim() else [tensor]:
        for piece in part.reshape(-1).split(PIECE):
            yield at, piece
            at += len(piece)


def hashed(tensor: Tensor | None) -> str:
    """Return a hash of a tensor's values; of None it is empty."""
    return "" if tensor is None else hash_of(tensor.detach().cpu())
