"""An adaptive binary range coder: each yes or no costs as much as it was unexpected.

A **range coder** narrows an interval with each bit it codes: the likelier the bit, the less the
interval shrinks, and the fewer bytes it takes to name a point inside. How likely a bit is, both
sides learn from the bits that came before: each `Chance` counts what it has seen. Nothing but whole
numbers, and +, -, *, / of doubles, so that a decoder in another language takes the same decisions.

Source: G. Martin, Range encoding, 1979; the estimate is R. Krichevsky's and V. Trofimov's, The
performance of universal encoding, IEEE Transactions on Information Theory 27(2), 1981.
"""

from __future__ import annotations

from typing import Protocol

_SCALE = 1 << 15  # a chance is a whole number of 1/32768
_LOW = 1 << 24  # below it the interval is widened by a byte


class Chance:
    """How likely the next bit is a 1, learnt from the bits before.

    >>> chance = Chance()
    >>> chance.of_one
    0.5
    >>> for bit in (True, True, True):
    ...     chance.learn(bit)
    >>> chance.of_one
    0.875
    """

    def __init__(self) -> None:
        self.ones = 0
        self.seen = 0

    @property
    def of_one(self) -> float:
        """The estimate, above 0 and below 1: half a 1 and half a 0 were there before the first."""
        return (self.ones + 0.5) / (self.seen + 1)

    def learn(self, bit: bool) -> None:
        """Count one more bit."""
        self.ones += bit
        self.seen += 1


LARGEST = (1 << 16) - 2  # of the numbers that `Numbers` codes


class Coder(Protocol):
    """What `Encoder` and `Decoder` have in common, so that a format is written down once.

    A format is a function that is given a coder and what it knows: the encoder takes the bit, the
    decoder ignores what it is given (there is nothing) and returns the bit it reads.
    """

    def bit(self, bit: bool | None, chance: float) -> bool:
        """Code one bit that is a 1 with this chance, and return it."""
        ...


def _scaled(chance: float) -> int:
    return min(max(int(chance * _SCALE), 1), _SCALE - 1)


class Encoder:
    """Turn bits into bytes.

    What the decoder must do is in `Decoder`, which is the simpler half: an encoder may have to
    carry into bytes that it has written.

    >>> encoder, chance = Encoder(), Chance()
    >>> for bit in [True] * 100 + [False] + [True] * 100:
    ...     _ = learnt(encoder, bit, chance)
    >>> len(encoder.finish())  # for 201 bits
    2
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._low = 0
        self._range = 1 << 32

    def bit(self, bit: bool | None, chance: float) -> bool:
        """Write one bit that is a 1 with this chance, and return it."""
        part = (self._range // _SCALE) * _scaled(chance)
        if bit:
            self._range = part
        else:
            self._low += part
            self._range -= part
        while self._range < _LOW:
            self._shift()
            self._range <<= 8
        return bool(bit)

    def _shift(self) -> None:
        """Write the highest byte of the interval's lower end, with its carry if it has one."""
        if self._low >> 32:
            place = len(self._bytes) - 1
            while self._bytes[place] == 255:
                self._bytes[place] = 0
                place -= 1
            self._bytes[place] += 1
        self._bytes.append(self._low >> 24 & 255)
        self._low = self._low << 8 & 0xFFFFFFFF

    def finish(self) -> bytes:
        """Return all bytes: as few as name a point of the interval, when zeros follow."""
        end = self._low + self._range
        missing = next(m for m in (32, 24, 16, 8, 0) if -(-self._low >> m) << m < end)
        self._low = -(-self._low >> missing) << missing  # as many low bits as can be zeros
        for _ in range(4):
            self._shift()
        return bytes(self._bytes[: len(self._bytes) - missing // 8])


class Decoder:
    """Read the bits back.

    Raises ValueError as soon as it needs more bytes than an encoder can have left out.

    >>> encoder, chance = Encoder(), Chance()
    >>> for bit in (True, False, True):
    ...     _ = learnt(encoder, bit, chance)
    >>> decoder, chance = Decoder(encoder.finish()), Chance()
    >>> [learnt(decoder, None, chance) for _ in range(3)]
    [True, False, True]
    """

    def __init__(self, payload: bytes) -> None:
        self._bytes = payload
        self._place = 0
        self._range = 1 << 32
        self._ahead = 0  # how far the point lies above the interval's lower end
        for _ in range(4):
            self._pull()

    def _pull(self) -> None:
        if self._place >= len(self._bytes) + 4:
            raise ValueError("the payload ends too early")
        byte = self._bytes[self._place] if self._place < len(self._bytes) else 0
        self._place += 1
        self._ahead = self._ahead << 8 | byte

    def finish(self) -> None:
        """Raise ValueError if not all bytes were needed."""
        if self._place < len(self._bytes):
            raise ValueError("the payload goes on after its end")

    def bit(self, bit: bool | None, chance: float) -> bool:
        """Read one bit that is a 1 with this chance."""
        part = (self._range // _SCALE) * _scaled(chance)
        found = self._ahead < part
        if found:
            self._range = part
        else:
            self._ahead -= part
            self._range -= part
        while self._range < _LOW:
            self._pull()
            self._range <<= 8
        return found


def learnt(coder: Coder, bit: bool | None, chance: Chance) -> bool:
    """Code a bit by what this chance has seen, and let it learn the bit."""
    found = coder.bit(bit, chance.of_one)
    chance.learn(found)
    return found


def plain(coder: Coder, value: int | None, bits: int) -> int:
    """Code a number of so many bits, each as likely 0 as 1: nothing is expected of it."""
    found = 0
    for place in reversed(range(bits)):
        bit = None if value is None else bool(value >> place & 1)
        found = found << 1 | coder.bit(bit, 0.5)
    return found


class Numbers:
    """Whole numbers from 0 to 65,534, the small ones cheap, each learnt from those before.

    First how many binary digits ``number + 1`` has below its highest, as so many 1s and a 0; then
    these digits, the high ones first (P. Elias, Universal codeword sets, 1975). Each of the 1s and
    the 0 learns by how many came before it; a digit learns by the digits before it where these,
    the highest included, are a number below 16, else it is as likely 0 as 1.

    >>> encoder, numbers = Encoder(), Numbers()
    >>> for number in (0, 3, 1000):
    ...     _ = numbers.code(encoder, number)
    >>> decoder, numbers = Decoder(encoder.finish()), Numbers()
    >>> [numbers.code(decoder, None) for _ in range(3)]
    [0, 3, 1000]
    """

    def __init__(self) -> None:
        self._longer = [Chance() for _ in range(16)]
        self._digits = [Chance() for _ in range(16)]

    def code(self, coder: Coder, number: int | None) -> int:
        """Write the number, or read it.

        Raises ValueError if it is larger.
        """
        length = 0 if number is None else (number + 1).bit_length() - 1
        digits = 0
        while learnt(coder, None if number is None else digits < length, self._longer[digits]):
            digits += 1
            if digits > 15:
                raise ValueError(f"a number is larger than a payload holds: {LARGEST:,}")
        found = 1
        for place in reversed(range(digits)):
            bit = None if number is None else bool(number + 1 >> place & 1)
            if found < len(self._digits):
                found = found << 1 | learnt(coder, bit, self._digits[found])
            else:
                found = found << 1 | coder.bit(bit, 0.5)
        return found - 1
