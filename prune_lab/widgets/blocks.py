"""A picture of many entries: blocks of them, and what is left of each at each step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from prune_lab.widgets.ranking import PIECE, Steps, pieces

MOST_ROWS, MOST_COLS = 220, 270  # of blocks: two pixels each fill the place that a picture has
BINS = 41  # of the histogram, as in histogram.js; there is one more for NaN and inf


class Grid(NamedTuple):
    """A matrix cut into blocks; those at the lower and the right edge may be smaller.

    Attributes:
        rows, cols: of the matrix, as the picture has it: all dimensions but the first are one.
        block_rows, block_cols: of a block.
    """

    rows: int
    cols: int
    block_rows: int
    block_cols: int

    @property
    def down(self) -> int:
        """How many blocks there are from top to bottom."""
        return -(-self.rows // self.block_rows)

    @property
    def across(self) -> int:
        """How many blocks there are from left to right."""
        return -(-self.cols // self.block_cols)

    def sizes(self) -> np.ndarray:
        """Return how many entries each block has, (down, across)."""
        high = np.diff([*range(0, self.rows, self.block_rows), self.rows])
        wide = np.diff([*range(0, self.cols, self.block_cols), self.cols])
        return np.outer(high, wide)


def grid_of(shape: Sequence[int]) -> Grid:
    """Return the blocks of a tensor: squares, unless little would be left of a narrow matrix.

    >>> grid_of((4096, 4096))
    Grid(rows=4096, cols=4096, block_rows=19, block_cols=19)
    >>> grid_of((50257, 768))
    Grid(rows=50257, cols=768, block_rows=229, block_cols=3)
    """
    rows, cols = (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, math.prod(shape))
    block_rows, block_cols = -(-rows // MOST_ROWS), -(-cols // MOST_COLS)
    side = max(block_rows, block_cols)
    if min(rows, cols) >= 8 * side:
        block_rows = block_cols = side
    return Grid(rows, cols, block_rows, block_cols)


def strongest(values: Tensor, grid: Grid) -> np.ndarray:
    """Return the value of the largest magnitude in each block, float32, (down, across)."""
    found = np.empty((grid.down, grid.across), dtype=np.float32)
    starts = np.arange(0, grid.cols, grid.block_cols)
    for i, rows in enumerate(_bands(grid)):
        band = values.reshape(grid.rows, grid.cols)[rows].float().cpu()
        high = np.maximum.reduceat(band.amax(0).numpy(), starts)
        low = np.minimum.reduceat(band.amin(0).numpy(), starts)
        found[i] = np.where(-low > high, low, high)
    return found


def kept(steps: Steps, wanted: Sequence[int], grid: Grid) -> Iterator[np.ndarray]:
    """Return how many entries of each block are left at some of the steps.

    Args:
        steps: of the whole ranking.
        wanted: counts that are among those of the steps.
        grid: how the parameter on show is cut.

    Returns:
        band by band, from top to bottom: uint32, (counts wanted, blocks across).
    """
    # The first of the wanted counts at which an entry is gone, by the step at which it goes.
    first = np.searchsorted([steps.counts.index(k) for k in wanted], range(len(steps.counts) + 1))
    kinds = len(wanted) + 1
    entries = steps.entries.reshape(grid.rows, grid.cols).numpy()
    wide = max(1, PIECE // grid.block_rows // grid.block_cols) * grid.block_cols
    sizes = grid.sizes()
    for i, rows in enumerate(_bands(grid)):
        gone = np.zeros((grid.across, kinds), dtype=np.int64)
        for left in range(0, grid.cols, wide):
            part = first[entries[rows, left : left + wide]]
            block = np.arange(part.shape[1]) // grid.block_cols
            at = slice(left // grid.block_cols, left // grid.block_cols + int(block[-1]) + 1)
            tally = np.bincount((part + block * kinds).ravel(), minlength=kinds * (block[-1] + 1))
            gone[at] = tally.reshape(-1, kinds)
        yield (sizes[i] - gone[:, :-1].cumsum(1).T).astype(np.uint32)


def tally(values: Tensor, steps: Steps, limit: float) -> Iterator[np.ndarray]:
    """Count the values in each bin of the histogram, and how many of them are gone at each step.

    Args:
        values: of the parameter on show.
        steps: of the ranking.
        limit: where the histogram ends, on both sides.

    Returns:
        for each piece of the values its part of the sum: int64, (steps + 1, BINS + 1): how many
        are gone at each step, and in the last row all of them.
    """
    kinds = len(steps.counts) + 1
    entries = steps.entries.reshape(-1).numpy()
    for at, piece in pieces(values):
        places = piece.float().cpu().numpy().astype(np.float64)
        places /= limit  # in this order, as in histogram.js: both must come to the same bin
        places += 1
        places *= 0.5
        places *= BINS
        np.floor(places, out=places)
        inside = (places >= 0) & (places <= BINS)
        bins = np.where(inside, np.minimum(places, BINS - 1), BINS).astype(np.int64)
        found = bins * kinds + entries[at : at + len(bins)]
        counted = np.bincount(found, minlength=kinds * (BINS + 1)).reshape(BINS + 1, kinds)
        yield counted.cumsum(1).T


def limit_of(values: Tensor) -> float:
    """Return the largest finite magnitude, of float32; of zeros it is 1."""
    largest = 0.0
    for _, piece in pieces(values):
        sizes = piece.float().abs()
        largest = max(largest, float(sizes.where(sizes.isfinite(), 0).max()))
    return largest or 1.0


def _bands(grid: Grid) -> Iterator[slice]:
    """The rows of one line of blocks after another."""
    for top in range(0, grid.rows, grid.block_rows):
        yield slice(top, top + grid.block_rows)
