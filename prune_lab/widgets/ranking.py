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
from prune_lab.prune.ranking import keep_largest

EVERY = 1 << 20  # entries
STEPS = 1000
PIECE = 1 << 20  # entries that are worked on at once: between two pieces work can be stopped
COARSE = 22  # bits of a magnitude that tell its step, unless a cut is among those that share them


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

    def runs(self) -> list[tuple[int, int]]:
        """Count the entries at each position."""
        return self._all().runs()

    def key(self) -> Hashable:
        """Return the scores' and the mask's hash."""
        return self.units, *map(_hash, (self._scores, self._before))

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


class Magnitudes(Ranking):
    """What has the smallest score goes first, of all the parameters together.

    Of equal ones the first goes first, as in :func:`prune_lab.prune.ranking.keep_largest`. Nothing
    is copied: who changes the scores, which may be the parameters themselves, ranks anew.

    Args:
        scores: by parameter name, floats; their magnitudes count.
        before: by parameter name, the mask of what is pruned already; None: nothing.
    """

    def __init__(self, scores: Mapping[str, Tensor], before: Mapping[str, Tensor | None]) -> None:
        self._scores = scores
        self._before = {name: before.get(name) for name in scores}
        left = {
            name: scores[name].numel() if mask is None else int((mask == 1).sum())
            for name, mask in self._before.items()
        }
        super().__init__(scores, sum(left.values()))

    def masks(self, count: int) -> dict[str, Tensor]:
        """Return the masks with the first ``count`` units gone: bool, True where kept."""
        left = [
            score if (mask := self._before[name]) is None else score[mask == 1]
            for name, score in self._scores.items()
        ]
        kept = keep_largest(left, count)
        masks = {}
        for name, before in self._before.items():
            mask = kept.pop(0) != 0
            if before is not None:  # what was scaled by some 0.5 neither goes nor is gone
                mask, part = before != 0, mask
                mask[before == 1] = part
            masks[name] = mask
        return masks

    def gone(self, name: str, count: int) -> int:
        """Return how many entries of a parameter are gone; of a single one that is known."""
        if len(self.names) > 1:
            return super().gone(name, count)
        before = self._before[name]
        return count + (0 if before is None else int((before == 0).sum()))

    def runs(self) -> list[tuple[int, int]]:
        """Return that each unit is one entry."""
        return [(self.units, 1)]

    def key(self) -> Hashable:
        """Return the hashes of the scores and of the masks."""
        return tuple((n, _hash(s), _hash(self._before[n])) for n, s in self._scores.items())

    def in_steps(self, counts: Sequence[int], name: str) -> Work:
        """Sort each piece for itself, and look for the cuts in all of them together."""
        shown = self._scores[name].numel()
        done, work = 0, 3 * self.entries + shown
        # One array for all: memory that is freed in small parts does not go back to the system.
        together = np.empty(self.units, dtype=next(self._bits(name))[1].dtype)
        sorted_pieces: list[np.ndarray] = []
        of: list[str] = []
        for one in self.names:
            for _, bits, before in self._bits(one):
                bits = bits if before is None else bits[before == 1]
                begin = sum(map(len, sorted_pieces))
                piece = together[begin : begin + len(bits)]
                piece[:] = bits
                piece.sort()
                sorted_pieces.append(piece)
                of.append(one)
                done += 3 * len(bits)
                yield done / work
        cuts = _cuts(sorted_pieces, np.array(counts[1:]))
        del sorted_pieces, together, piece
        yield done / work
        gone = {}
        for one, before in self._before.items():
            here = cuts.gone[[owner == one for owner in of]].sum(0)
            first = 0 if before is None else int((before == 0).sum())
            gone[one] = [first, *(first + here).tolist()]
        entries = torch.empty(self._scores[name].shape, dtype=torch.int16)
        told = _Teller(cuts, counts, cuts.equal[: of.index(name)].sum(0))
        for at, bits, before in self._bits(name):
            part = entries.view(-1)[at : at + len(bits)].numpy()
            if before is None:
                part[:] = told.steps(bits)
            else:
                part[:] = np.where(before == 0, 0, len(counts))
                part[before == 1] = told.steps(bits[before == 1])
            done += len(bits)
            yield done / work
        with np.errstate(invalid="ignore"):  # NaN is one of them, and stays NaN
            sizes = cuts.bits.view("f8" if cuts.bits.itemsize == 8 else "f4").astype(np.float64)
        return Steps(list(counts), gone, entries, np.concatenate([[np.nan], sizes]))

    def _bits(self, name: str) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
        """The magnitudes piece by piece, as bits, and what was pruned of them before."""
        before = self._before[name]
        masks = None if before is None else pieces(before)
        for at, part in pieces(self._scores[name]):
            bits = _bits_of(part.cpu())
            yield at, bits, None if masks is None else next(masks)[1].cpu().float().numpy()


class _Cuts(NamedTuple):
    """Between what goes at a step and what is left, in pieces that are ranked together.

    Attributes:
        bits: the largest magnitude that goes at each step, the first left out.
        below: how many magnitudes are smaller.
        equal: of each piece, how many are the same; (pieces, steps).
        gone: of each piece, how many are gone.
    """

    bits: np.ndarray
    below: np.ndarray
    equal: np.ndarray
    gone: np.ndarray


def _cuts(pieces: Sequence[np.ndarray], wanted: np.ndarray) -> _Cuts:
    """Find the cuts at so many that are gone, by halving the range in which each must lie."""
    low = np.zeros(len(wanted), dtype=pieces[0].dtype)
    high = np.full_like(low, max((piece[-1] for piece in pieces if len(piece)), default=0))
    while (low < high).any():
        middle = low + (high - low) // 2
        enough = sum(np.searchsorted(piece, middle, "right") for piece in pieces) >= wanted
        low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
    below = np.stack([np.searchsorted(piece, high, "left") for piece in pieces])
    equal = np.stack([np.searchsorted(piece, high, "right") for piece in pieces]) - below
    # Of those that are equal to the cut the first go, and the pieces are in order.
    to_go = wanted - below.sum(0) - (equal.cumsum(0) - equal)
    return _Cuts(high, below.sum(0), equal, below + to_go.clip(0, equal))


class _Teller:
    """Tells at which step each magnitude goes; the pieces of one parameter come in order.

    Args:
        cuts: as found.
        counts: how many are gone at each step, from 0 on.
        seen: how many that are equal to each cut come before the first piece.
    """

    def __init__(self, cuts: _Cuts, counts: Sequence[int], seen: np.ndarray) -> None:
        self._cuts, self._counts = cuts, np.array(counts)
        self._seen = seen.copy()
        last = int(cuts.bits[-1]) if len(cuts.bits) else 0
        self._shift = max(0, last.bit_length() - COARSE)
        # By their first bits, where no cut is among those that share them. -1: one is.
        first = np.arange((last >> self._shift) + 2, dtype=cuts.bits.dtype) << self._shift
        among = np.searchsorted(cuts.bits, first).astype(np.int16)
        self._coarse = np.where(among[:-1] == among[1:], among[:-1], np.int16(-1))

    def steps(self, bits: np.ndarray) -> np.ndarray:
        """Return the step at which each of these goes, int16."""
        coarse = bits >> self._shift
        found = self._coarse[np.minimum(coarse, len(self._coarse) - 1)]
        found[coarse >= len(self._coarse)] = len(self._cuts.bits)
        near = np.flatnonzero(found < 0)
        found[near] = self._near_a_cut(bits[near])
        return found + np.int16(1)

    def _near_a_cut(self, bits: np.ndarray) -> np.ndarray:
        cuts = self._cuts
        at = np.searchsorted(cuts.bits, bits).astype(np.int16)
        same = np.flatnonzero(cuts.bits[np.minimum(at, len(cuts.bits) - 1)] == bits)
        equal = at[same]
        # Where a cut falls among equal ones, each has its own place.
        order = np.argsort(equal, kind="stable")
        sizes = np.bincount(equal, minlength=len(cuts.bits))
        place = np.empty(len(same), dtype=np.int64)
        place[order] = np.arange(len(same)) - np.repeat(sizes.cumsum() - sizes, sizes)
        place += (cuts.below + self._seen)[equal]
        at[same] = np.searchsorted(self._counts[1:], place, "right")
        self._seen += sizes
        return at


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


def _bits_of(piece: Tensor) -> np.ndarray:
    """The magnitudes as whole numbers of the same order: NaN, which goes last, is one of them."""
    if piece.dtype == torch.float64 or not piece.is_floating_point():
        return piece.double().abs().view(torch.int64).clamp_(max=(0x7FF << 52) + 1).numpy()
    return piece.float().abs().view(torch.int32).clamp_(max=(0xFF << 23) + 1).numpy()


def _hash(tensor: Tensor | None) -> str:
    return "" if tensor is None else hash_of(tensor.detach().cpu())
