"""The smallest of many magnitudes go first: found without a position for each of them."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prune_lab.prune.ranking import keep_largest
from prune_lab.widgets.ranking import PIECE, Ranking, Steps, Work, hashed, pieces

LEADING = 16  # bits of a magnitude: few of those about a cut share them
COARSE = 22  # bits of a magnitude that tell its step, unless a cut is among those that share them


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

    def find(self, count: int) -> Generator[float, None, dict[str, Tensor]]:
        """Find the cut by the first bits of all magnitudes, then rank those that share them."""
        tally, done, room = np.zeros(1 << LEADING, dtype=np.int64), 0, self._room()
        shift = 8 * room.itemsize - 1 - LEADING
        for name in self.names:
            for _, bits, before in self._bits(name, room):
                first = (bits if before is None else bits[before == 1]) >> shift
                tally += np.bincount(first, minlength=len(tally))
                done += len(bits)
                yield 0.6 * done / self.entries
        cut = int(np.searchsorted(tally.cumsum(), count))
        near, done = _Near(count - int(tally[:cut].sum())), 0
        # Of the scores' type at once: bools beside it would take a quarter of the model.
        masks = {n: torch.empty(s.shape, dtype=s.dtype) for n, s in self._scores.items()}
        # The same memory for all pieces: what is kept of each would break up what they free.
        above, not_below = np.empty((2, PIECE), dtype=bool)
        for name in self.names:
            for at, bits, before in self._bits(name, room):
                kept, there = above[: len(bits)], not_below[: len(bits)]
                np.greater_equal(bits, (cut + 1) << shift, out=kept)
                np.greater_equal(bits, cut << shift, out=there)
                there ^= kept
                if before is not None:  # what was scaled by some 0.5 neither goes nor is gone
                    kept[before != 1] = before[before != 1] != 0
                    there &= before == 1
                part = masks[name].view(-1)[at : at + len(bits)]
                part.copy_(torch.from_numpy(kept))
                near.add(part, bits, np.flatnonzero(there))
                done += len(bits)
                yield 0.6 + 0.4 * done / self.entries
        near.tell()
        return {name: mask.to(self._scores[name].device) for name, mask in masks.items()}

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
        return tuple((n, hashed(s), hashed(self._before[n])) for n, s in self._scores.items())

    def in_steps(self, counts: Sequence[int], name: str) -> Work:
        """Sort each piece for itself, and look for the cuts in all of them together."""
        shown = self._scores[name].numel()
        done, work = 0, 3 * self.entries + shown
        # One array for all: memory that is freed in small parts does not go back to the system.
        room = self._room()
        together = np.empty(self.units, dtype=f"i{room.itemsize}")
        sorted_pieces: list[np.ndarray] = []
        of: list[str] = []
        for one in self.names:
            for _, bits, before in self._bits(one, room):
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
        for one, mask in self._before.items():
            here = cuts.gone[[owner == one for owner in of]].sum(0)
            first = 0 if mask is None else int((mask == 0).sum())
            gone[one] = [first, *(first + here).tolist()]
        entries = torch.empty(self._scores[name].shape, dtype=torch.int16)
        told = _Teller(cuts, counts, cuts.equal[: of.index(name)].sum(0))
        for at, bits, before in self._bits(name, room):
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

    def _room(self) -> Tensor:
        """Room for the magnitudes of a piece."""
        scores = self._scores[self.names[0]]
        exact = scores.dtype == torch.float64 or not scores.is_floating_point()
        return torch.empty(PIECE, dtype=torch.float64 if exact else torch.float32)

    def _bits(self, name: str, room: Tensor) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
        """The magnitudes piece by piece, as bits in ``room``, and what was pruned of them before.

        The next piece's bits take the place of this one's.
        """
        before = self._before[name]
        masks = None if before is None else pieces(before)
        for at, part in pieces(self._scores[name]):
            sizes = torch.abs(part.to("cpu", room.dtype), out=room[: len(part)])
            mask = None if masks is None else next(masks)[1].cpu().float().numpy()
            yield at, _bits_of(sizes), mask


class _Near:
    """Those magnitudes about the cut that share their first bits: they are ranked together.

    Args:
        to_go: how many of them go.
    """

    def __init__(self, to_go: int) -> None:
        self._to_go = to_go
        self._parts: list[tuple[Tensor, Tensor]] = []  # of a mask, and the places in it
        self._bits: list[np.ndarray] = []

    def add(self, mask: Tensor, bits: np.ndarray, places: np.ndarray) -> None:
        """Add those of a piece."""
        self._parts.append((mask, torch.from_numpy(places)))
        self._bits.append(bits[places])

    def tell(self) -> None:
        """Say in all the masks which of them are kept."""
        together = np.concatenate(self._bits)
        sizes = torch.from_numpy(together.view("f8" if together.itemsize == 8 else "f4"))
        (kept,) = keep_largest([sizes], self._to_go)
        shares = kept.split([len(places) for _, places in self._parts])
        for (mask, places), share in zip(self._parts, shares, strict=True):
            mask[places] = share.to(mask.dtype)


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


def _bits_of(sizes: Tensor) -> np.ndarray:
    """The same memory as whole numbers of the same order: NaN, which goes last, is one of them."""
    if sizes.dtype == torch.float64:
        return sizes.view(torch.int64).clamp_(max=(0x7FF << 52) + 1).numpy()
    return sizes.view(torch.int32).clamp_(max=(0xFF << 23) + 1).numpy()
