"""A network in as few bytes as its zeros and its grid allow, and back: the same answers.

docs/device.md says the format in words, with a test vector. It is written down once, as functions
that a coder goes through: the encoder writes what they are given, the decoder fills it in.
"""

from __future__ import annotations

import math
import struct
import zlib

import torch
from torch import Tensor

from prune_lab.device.coder import Coder, Decoder, Encoder, Numbers, plain
from prune_lab.device.grid import on_grid
from prune_lab.device.matrix import Matrix
from prune_lab.device.operations import (
    MOST_WEIGHTS,
    OPERATIONS,
    Network,
    Operation,
    Pair,
)

VERSION = 1


def pack(network: Network) -> bytes:
    """Return the network as bytes; `unpack` gives it back, with the same weights to the last bit.

    Every tensor must lie on a **grid**: each entry a whole number times one step, which fits into
    a bfloat16 (`to_grid` makes it so). Zeros cost least, and so do small whole numbers. (A -0.0
    comes back as 0.0.)

    Raises ValueError for a tensor that is on no grid, or of more than four dimensions.

    >>> from prune_lab.device.operations import Linear
    >>> weight = torch.tensor([[0.5, 0.0, -1.5], [0.0, 0.0, 0.5]])
    >>> payload = pack(Network([Linear((0,), weight, None)], shape=(3,)))
    >>> len(payload), torch.equal(unpack(payload).operations[0].weight, weight)
    (21, True)
    """
    encoder = Encoder()
    _Format(encoder).network(network)
    stream = encoder.finish()
    return bytes([VERSION]) + _checksum(stream) + stream


def unpack(payload: bytes) -> Network:
    """Return the network that `pack` was given.

    Raises ValueError for a payload of another version, one that was cut or altered, and one whose
    network could not run or is too large for a device (`Network` says what that is).
    """
    payload = bytes(payload)
    if payload[:1] != bytes([VERSION]):
        found = f"version {payload[0]}" if payload else "empty"
        raise ValueError(f"a payload of version {VERSION} is needed, this is {found}")
    if payload[1:5] != _checksum(payload[5:]):
        raise ValueError("the payload was cut or altered: its checksum does not fit")
    decoder = Decoder(payload[5:])
    network = _Format(decoder).network(None)
    decoder.finish()
    return network


def _checksum(stream: bytes) -> bytes:
    """Four bytes, CRC-32 of the version and the stream."""
    return struct.pack(">I", zlib.crc32(bytes([VERSION]) + stream))


class _Format:
    """The format: what follows what. Whatever is None is read; all else is written."""

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._sizes = Numbers()
        self._room = MOST_WEIGHTS

    def network(self, network: Network | None) -> Network:
        shape = self._shape(network.shapes[0] if network else None)
        mean = self._float(network.mean if network else None, 32)
        deviation = self._float(network.deviation if network else None, 32)
        given = network.operations if network else ()
        number = self._size(len(given) if network else None)
        operations = [self._operation(given[i] if network else None, i) for i in range(number)]
        return Network(operations, shape, mean, deviation)

    def _operation(self, given: Operation | None, last: int) -> Operation:
        which = self._size(None if given is None else OPERATIONS.index(type(given)))
        if which >= len(OPERATIONS):
            raise ValueError(f"operation {which} is not known to version {VERSION}")
        kind = OPERATIONS[which]
        back = [
            self._size(None if given is None else last - given.inputs[i]) for i in range(kind.takes)
        ]
        settings = {
            name: self._pair(None if given is None else getattr(given, name))
            for name in kind.settings
        }
        learnt = {
            name: self._tensor(None if given is None else getattr(given, name), given is None)
            for name in kind.learnt
        }
        if any(learnt[name] is None for name in kind.learnt[:-1]):
            raise ValueError(f"a {kind.__name__} without {kind.learnt[0]}")
        return kind(tuple(last - steps for steps in back), **settings, **learnt)

    def _size(self, size: int | None) -> int:
        return self._sizes.code(self._coder, size)

    def _pair(self, pair: Pair | None) -> Pair:
        return self._size(pair[0] if pair else None), self._size(pair[1] if pair else None)

    def _shape(self, shape: tuple[int, ...] | None) -> tuple[int, ...]:
        number = self._size(None if shape is None else len(shape))
        if number > 4:
            raise ValueError(f"a payload holds tensors of up to 4 dimensions, not {number}")
        return tuple(self._size(None if shape is None else shape[i]) for i in range(number))

    def _float(self, number: float | None, bits: int) -> float:
        """Code the upper bits of a float32: 32 are all of it, 16 a bfloat16."""
        upper = None if number is None else _bits(number) >> 32 - bits
        return _number(plain(self._coder, upper, bits) << 32 - bits)

    def _tensor(self, tensor: Tensor | None, read: bool) -> Tensor | None:
        """Code a tensor of one to four dimensions, or that there is none (no dimension)."""
        shape = self._shape(None if read else () if tensor is None else tuple(tensor.shape))
        if not shape:
            return None
        self._room -= math.prod(shape)
        if self._room < 0:
            raise ValueError(f"a payload holds at most {MOST_WEIGHTS:,} weights")
        step, wholes = (None, None) if tensor is None else on_grid(tensor)
        step = self._float(step, 16)
        rows = shape[0] if len(shape) > 1 else 1
        wholes = Matrix(self._coder, rows, math.prod(shape) // max(rows, 1)).code(wholes)
        found = (torch.tensor(wholes, dtype=torch.float32) * step).reshape(shape)
        if not found.isfinite().all():
            raise ValueError("a weight is infinite or NaN")
        return found


def _bits(number: float) -> int:
    return struct.unpack(">I", struct.pack(">f", number))[0]


def _number(bits: int) -> float:
    return struct.unpack(">f", struct.pack(">I", bits))[0]
