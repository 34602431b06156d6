"""A model's weights in as few bytes as their zeros and their shared values allow, to the last bit.

A file of this kind holds numbers alone, as `torch.save` of a state dict does: who reads it has the
model's class. `prune_lab.device.packing` holds the whole network.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter

import numpy as np
import torch
from torch import Tensor, nn

from prune_lab.device.coder import LARGEST, Chance, Coder, Decoder, Encoder, Numbers, learnt, plain
from prune_lab.device.matrix import Matrix

_MARK = b"PLW\x01"  # what it is, and the version
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def compress(model: nn.Module) -> bytes:
    """Return all numbers of the model's state dict; `restore` puts them back, to the last bit.

    A tensor with few different values becomes a table of them, the most frequent first, and for
    each entry its place in the table; zero needs none. Places and zeros are entropy-coded: the more
    zeros, and the fewer values (`prune_lab.device.sharing`), the fewer bytes. (A -0.0 comes back as
    0.0.)

    Raises ValueError for a tensor of complex numbers, or one that is too large: 65,534 a side.

    >>> layer = nn.Linear(100, 100)
    >>> _ = nn.init.zeros_(layer.weight), nn.init.constant_(layer.bias, 0.5)
    >>> len(compress(layer))
    17
    """
    encoder = Encoder()
    form = _Format(encoder)
    for _name, tensor in _in_order(model):
        form.tensor(tensor, given=tensor)
    stream = encoder.finish()
    return _MARK + struct.pack(">I", zlib.crc32(stream)) + stream


def restore(payload: bytes, model: nn.Module) -> None:
    """Put the numbers into a model of the same shapes; they are those that `compress` was given.

    Raises ValueError for what is no such file, one that was cut or altered, and one of a model of
    other shapes; the model is then as it was.

    >>> import torch
    >>> one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> restore(compress(one), other)
    >>> torch.equal(one.weight, other.weight)
    True
    """
    payload = bytes(payload)
    if payload[:4] != _MARK:
        raise ValueError("this is no file of weights that compress has written")
    stream = payload[8:]
    if payload[4:8] != struct.pack(">I", zlib.crc32(stream)):
        raise ValueError("the file was cut or altered: its checksum does not fit")
    decoder = Decoder(stream)
    form = _Format(decoder)
    read = {name: form.tensor(tensor, given=None) for name, tensor in _in_order(model)}
    decoder.finish()
    model.load_state_dict(read)


def _in_order(model: nn.Module) -> list[tuple[str, Tensor]]:
    """The state dict by name: pruning, and its removal, change a model's own order."""
    return sorted(model.state_dict().items())


class _Format:
    """What follows what. Whatever is None is read; all else is written."""

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._sizes = Numbers()
        self._short = Chance()
        self._has_table = Chance()

    def tensor(self, like: Tensor, given: Tensor | None) -> Tensor:
        """Code a tensor of the shape and the type of `like`."""
        self._must_fit(tuple(like.shape), read=given is None)
        bits, numbers = 8 * like.element_size(), None if given is None else _numbers(given)
        # The lower half of a float that is a bfloat16 is 0.
        short = None if numbers is None else all(n % (1 << bits // 2) == 0 for n in numbers)
        low = bits // 2 if learnt(self._coder, short, self._short) else 0
        table = None if numbers is None else _table(numbers, bits - low)
        if learnt(self._coder, None if numbers is None else bool(table), self._has_table):
            return _tensor(self._by_table(like, bits, low, numbers, table), like)
        there = self._places(like, 1, None if numbers is None else [int(n != 0) for n in numbers])
        given_one = iter(() if numbers is None else filter(None, numbers))
        found = [place and self._number(next(given_one, None), bits, low) for place in there]
        return _tensor(found, like)

    def _must_fit(self, shape: tuple[int, ...], read: bool) -> None:
        wanted = [len(shape), *shape]
        found: list[int] = []
        for size in wanted:
            found.append(self._sizes.code(self._coder, None if read else size))
            if found[-1] != size:
                raise ValueError(f"the file is of another model: none has the shape {shape} here")

    def _by_table(
        self, like: Tensor, bits: int, low: int, numbers: list[int] | None, table: list[int] | None
    ) -> list[int]:
        size = self._sizes.code(self._coder, None if table is None else len(table))
        given: list[int] | list[None] = [None] * size if table is None else table
        values = [0, *(self._number(number, bits, low) for number in given)]
        places = {number: place for place, number in enumerate([0, *(table or ())])}
        wholes = None if numbers is None else [places[number] for number in numbers]
        return [values[place] for place in self._places(like, size, wholes)]

    def _number(self, number: int | None, bits: int, low: int) -> int:
        return plain(self._coder, None if number is None else number >> low, bits - low) << low

    def _places(self, like: Tensor, largest: int, wholes: list[int] | None) -> list[int]:
        rows = len(like) if like.dim() > 1 else 1
        found = Matrix(self._coder, rows, like.numel() // max(rows, 1)).code(wholes)
        if any(not 0 <= place <= largest for place in found):
            raise ValueError("the file names a value that its table lacks")
        return found


def _table(numbers: list[int], bits: int) -> list[int] | None:
    """The different numbers other than 0, most frequent first; None where that saves nothing."""
    counted = Counter(numbers)
    zeros = counted.pop(0, 0)
    entries, size = len(numbers) - zeros, len(counted)
    if size > LARGEST or size * bits + entries * size.bit_length() >= entries * bits:
        return None
    return [number for number, _times in counted.most_common()]


def _numbers(tensor: Tensor) -> list[int]:
    """The bits of each entry, as whole numbers from 0."""
    integers = _INTEGERS.get(tensor.element_size())
    if integers is None or tensor.is_complex():
        raise ValueError(f"a tensor of {tensor.dtype} cannot be written")
    flat = tensor.detach().cpu().flatten()
    flat = flat.where(flat != 0, torch.zeros_like(flat))  # a mask leaves -0.0 where it was negative
    array = flat.view(integers).numpy()
    return array.view(f"u{array.itemsize}").tolist()


def _tensor(numbers: list[int], like: Tensor) -> Tensor:
    array = np.array(numbers, dtype=f"u{like.element_size()}").view(f"i{like.element_size()}")
    integers = torch.from_numpy(array).to(_INTEGERS[like.element_size()])
    return integers.view(like.dtype).reshape(like.shape)
