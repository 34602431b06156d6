"""Whole numbers in rows and columns, coded by what each row and column has shown so far."""

from __future__ import annotations

from prune_lab.device.coder import Chance, Coder, Numbers, learnt

_TRUST = 16.0  # how many entries the density of the whole matrix is worth, beside a row's own


class Matrix:
    """Whole numbers in rows and columns, most of them zero.

    How likely an entry is not zero is told by its row, its column and the whole matrix: a row with
    many entries so far goes on like that. With odds ``p / (1 - p)`` that is
    ``odds(row) * odds(column) / odds(matrix)``, as if row and column knew nothing of each other.

    >>> from prune_lab.device.coder import Decoder, Encoder
    >>> encoder = Encoder()
    >>> _ = Matrix(encoder, rows=2, columns=3).code([0, 0, 5, 0, -1, 0])
    >>> Matrix(Decoder(encoder.finish()), rows=2, columns=3).code(None)
    [0, 0, 5, 0, -1, 0]
    """

    def __init__(self, coder: Coder, rows: int, columns: int) -> None:
        self._coder = coder
        self._rows = [Chance() for _ in range(rows)]
        self._columns = [Chance() for _ in range(columns)]
        self._all = Chance()
        self._negative = Chance()
        self._sizes = Numbers()

    def code(self, wholes: list[int] | None) -> list[int]:
        """Write the numbers, row by row, or read them."""
        found: list[int] = []
        for row in self._rows:
            for column in self._columns:
                given = None if wholes is None else wholes[len(found)]
                found.append(self._entry(given, row, column))
        return found

    def _entry(self, given: int | None, row: Chance, column: Chance) -> int:
        density = self._all.of_one
        odds = _odds(row, density) * _odds(column, density) * (1 - density) / density
        there = self._coder.bit(None if given is None else given != 0, odds / (1 + odds))
        for chance in (row, column, self._all):
            chance.learn(there)
        if not there:
            return 0
        negative = learnt(self._coder, None if given is None else given < 0, self._negative)
        size = self._sizes.code(self._coder, None if given is None else abs(given) - 1) + 1
        return -size if negative else size


def _odds(chance: Chance, density: float) -> float:
    """The odds of a row or column: the matrix's density counts as `_TRUST` entries of it."""
    zeros = chance.seen - chance.ones
    return (chance.ones + _TRUST * density) / (zeros + _TRUST * (1 - density))
