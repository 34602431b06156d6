"""A page, a program and a network in one address, and the address in one QR code."""

from __future__ import annotations

import itertools
import math
import re
import zlib
from dataclasses import replace
from pathlib import Path

import torch

from prune_lab.device.operations import (
    Convolution,
    Flatten,
    Linear,
    MaxPool,
    Network,
    Operation,
    ReLU,
)
from prune_lab.device.packing import pack
from prune_lab.device.qr import QRCode

MOST = 2953  # bytes in a QR code, version 40-L
_PAGE = Path(__file__).parent / "static" / "tiny.html"
_ASIDE = re.compile(r"<!--.*?-->\n|^//[^\n]*\n", re.MULTILINE | re.DOTALL)
_HEAD = 5  # of a payload: version and checksum, which a QR code has of its own

# Bytes as letters of an address: a digit of base 89 is the letter whose ASCII number leaves it.
# So every letter from "!" to "~" may stand but "#", "%" and three more, which nobody misses.
_BASE = 89
_ALLOWED = [letter for letter in map(chr, range(126, 32, -1)) if letter not in "#%"]
_LETTERS = {ord(letter) % _BASE: letter for letter in _ALLOWED}

_ENDS = re.compile("^-?>|--!?>")  # a comment, too early

# What the address does first: the digits in the comment become bytes, B; the page lies behind the
# payload. ("%+89", because "%89" in an address is one byte.)
_BOOT = (
    "<script>n=0n;for(x of document.firstChild.data)n=n*89n+BigInt(x.charCodeAt()%+89);"
    "for(B=[];n>1n;n>>=8n)B.push(Number(n&255n));"
    "new Response(new Blob([new Uint8Array(B.slice({start}))]).stream().pipeThrough("
    "new DecompressionStream('deflate-raw'))).text().then(t=>document.write(t))</script>"
)


def address(network: Network) -> str:
    """Return an address that *is* a page: draw a digit, and the network in the address reads it.

    No server is asked, and none could be: the address begins with ``data:`` and holds everything.
    Paste it into a browser's address line. (A browser follows no link to such an address, and the
    camera of many a telephone shows it as text.) It needs a browser of 2023 or later.

    Args:
        network: its weights on a grid (`prune_lab.device.recipe.digit_reader` makes one). It reads
            (1, 32, 32) through convolutions and max-pooling over squares, without a border, linear
            layers, ReLU and flatten, one after the other.

    Returns:
        At most 2,953 letters, all of them ASCII; `address_code` draws them.

    Raises ValueError for another network, and for one that is too large.

    >>> import torch
    >>> from prune_lab.device.operations import Flatten, Linear
    >>> layer = Linear((1,), torch.eye(10, 1024), None)
    >>> address(Network([Flatten((0,)), layer], shape=(1, 32, 32)))[:19]
    'data:text/html,<!--'
    """
    _must_be_simple(network)
    payload = pack(_with_biases(network))[_HEAD:]
    boot = _BOOT.replace("{start}", str(len(payload)))
    tried = (_letters(payload + _page(spaces)) for spaces in itertools.count())
    letters = next(letters for letters in tried if not _ENDS.search(letters))
    found = f"data:text/html,<!--{letters}-->{boot}"
    if len(found) > MOST:
        raise ValueError(
            f"the address has {len(found):,} letters, a QR code holds {MOST:,}: "
            f"the network is {len(payload):,} bytes and may be some "
            f"{len(payload) - math.ceil((len(found) - MOST) * math.log2(_BASE) / 8):,}"
        )
    return found


def address_code(network: Network) -> QRCode:
    """Return the QR code, version 40-L at most, that holds the network's `address`.

    Raises what `address` raises; ImportError if segno is not installed.
    """
    return QRCode(address(network).encode(), "L")


def _with_biases(network: Network) -> Network:
    """The same network; a layer without a bias has one of zeros, as the page's program expects."""
    operations = [
        replace(operation, bias=torch.zeros(len(operation.weight)))
        if isinstance(operation, Convolution | Linear) and operation.bias is None
        else operation
        for operation in network.operations
    ]
    return Network(operations, network.shapes[0], network.mean, network.deviation)


def _page(spaces: int) -> bytes:
    """The page, its program and so many spaces, as short as deflate makes them."""
    text = _ASIDE.sub("", _PAGE.read_text(encoding="utf-8")).strip()
    text = text.replace("<script>\n", "<script>").replace("\n</script>", "</script>")
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL + 1)
    return squeezer.compress(text.replace("\n", ";").encode() + b" " * spaces) + squeezer.flush()


def _letters(data: bytes) -> str:
    """The bytes as one number, the first the lowest, and a 1 above; the highest digit first."""
    number, letters = int.from_bytes(data + b"\x01", "little"), ""
    while number:
        number, digit = divmod(number, _BASE)
        letters = _LETTERS[digit] + letters
    return letters


def _must_be_simple(network: Network) -> None:
    if network.shapes[0] != (1, 32, 32):
        raise ValueError(f"the page draws (1, 32, 32), and the network reads {network.shapes[0]}")
    for number, operation in enumerate(network.operations):
        if operation.inputs != (number,) or not _is_simple(operation):
            raise ValueError(
                f"operation {number + 1}, {type(operation).__name__}, is more than the page's "
                "program knows: squares without a border, and each reads the one before"
            )


def _is_simple(operation: Operation) -> bool:
    if isinstance(operation, Convolution):
        settings = (operation.stride, operation.padding, operation.groups)
        height, width = operation.weight.shape[2:]
        return height == width and settings == ((1, 1), (0, 0), (1, 1))
    if isinstance(operation, MaxPool):
        return len({*operation.size, *operation.stride}) == 1 and operation.padding == (0, 0)
    return isinstance(operation, Linear | Flatten | ReLU)
