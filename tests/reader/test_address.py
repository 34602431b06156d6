"""An address that is a page: what is in it, and what it refuses. Chromium opens it in
tests/browser/test_reader_page.py."""

from __future__ import annotations

import base64
import math
import re
import zlib

import pytest
import torch

import prune_lab.reader.address as reader
from prune_lab.device.operations import (
    Convolution,
    Flatten,
    GlobalAverage,
    Linear,
    MaxPool,
    Network,
    ReLU,
)
from prune_lab.device.packing import pack, unpack
from prune_lab.device.qr import read
from prune_lab.reader.address import MOST, address, address_code
from tests.benchmarks.device import records


def payloads() -> list[bytes]:
    return [base64.b64decode(row["payload"]) for row in records()]


def bytes_in(found: str) -> tuple[bytes, str]:
    """What a browser makes of an address: the payload, and the page's text."""
    letters, boot = re.fullmatch(r"data:text/html,<!--(.*?)--!?>(.*)", found).groups()
    number = 0
    for letter in letters:
        number = number * 89 + ord(letter) % 89
    data = number.to_bytes(3000, "little").rstrip(b"\0")[:-1]
    start = int(re.search(r"B\.slice\((\d+)\)", boot)[1])
    return data[:start], zlib.decompress(data[start:], -zlib.MAX_WBITS).decode()


@pytest.mark.parametrize("payload", payloads(), ids=lambda payload: f"{len(payload)} bytes")
def test_each_recorded_reader_fits_into_one_code(payload: bytes) -> None:
    found = address(unpack(payload))
    assert len(found) <= MOST and re.fullmatch(r"[!-~ ]+", found)
    assert not set("#%") & set(found.replace("%+89", ""))
    inside, page = bytes_in(found)
    assert inside == payload[5:]
    assert page.count("<script>") == page.count("</script>") == 1
    assert not re.search("http|fetch|import|src=|href=|url\\(", page)
    code = address_code(unpack(payload))
    assert (code.version, code.level) == (40, "L")
    assert read(code.image(3)).decode() == found


def small() -> Network:
    pool, flat = MaxPool((0,), (32, 32), (32, 32)), Flatten((1,))
    layer = Linear((2,), torch.arange(-4.0, 6)[:, None], torch.zeros(10))
    return Network([pool, flat, layer], (1, 32, 32))


def page_whose_letters_hold(text: str, payload: bytes) -> bytes:
    """Bytes that, behind the payload, are letters with this text among the first."""
    size, digits = 8 * len(payload), 5 * len(payload)
    for first in range(89**2):
        head = first
        for letter in text:
            head = head * 89 + ord(letter) % 89
        number = head * 89**digits
        number += (int.from_bytes(payload, "little") - number) % (
            1 << size
        )  # the payload is lowest
        data = number.to_bytes(-(-number.bit_length() // 8), "little")
        if data[-1] == 1:  # what stands above all bytes
            return data[len(payload) : -1]
    raise AssertionError


@pytest.mark.parametrize("text", ["-->", "--!>"])
def test_no_network_ends_the_comment_too_early(monkeypatch, text) -> None:
    """One address in three hundred would, and show a page of its own letters."""
    network = small()
    payload = pack(network)[5:]
    page = page_whose_letters_hold(text, payload)
    assert text in reader._letters(payload + page)
    monkeypatch.setattr(reader, "_page", lambda spaces: page + bytes(spaces))
    letters = re.fullmatch(r"data:text/html,<!--(.*)--><script>.*", address(network))[1]
    assert text not in letters and not letters.startswith((">", "->"))


def test_a_layer_without_a_bias_gets_one_of_zeros() -> None:
    layers = [Flatten((0,)), Linear((1,), torch.eye(10, 1024), None)]
    inside, _page = bytes_in(address(Network(layers, (1, 32, 32))))
    layers[1] = Linear((1,), torch.eye(10, 1024), torch.zeros(10))
    assert inside == pack(Network(layers, (1, 32, 32)))[5:]


SQUARE = torch.ones(1, 1, 3, 3)


@pytest.mark.parametrize(
    ("layers", "shape", "sentence"),
    [
        ([Convolution((0,), SQUARE, None, padding=(1, 1))], (1, 32, 32), "1, Convolution,"),
        ([Convolution((0,), SQUARE, None, stride=(2, 2))], (1, 32, 32), "1, Convolution,"),
        ([Convolution((0,), SQUARE[..., :2], None)], (1, 32, 32), "1, Convolution,"),
        ([ReLU((0,)), MaxPool((1,), (2, 2), (1, 1))], (1, 32, 32), "operation 2, MaxPool,"),
        ([MaxPool((0,), (2, 2), (2, 2), (1, 1))], (1, 32, 32), "operation 1, MaxPool,"),
        ([ReLU((0,)), ReLU((0,))], (1, 32, 32), "operation 2, ReLU,"),
        ([GlobalAverage((0,))], (1, 32, 32), "operation 1, GlobalAverage,"),
        ([ReLU((0,))], (1, 28, 28), r"the network reads \(1, 28, 28\)"),
        ([ReLU((0,)), Convolution((1,), SQUARE * math.pi, None)], (1, 32, 32), "on no grid"),
    ],
)  # fmt: skip
def test_what_the_program_does_not_know_is_refused(layers, shape, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        address(Network(layers, shape))


def test_a_network_that_is_too_large_is_told_how_small_it_may_be() -> None:
    numbers = torch.randint(-3, 4, (10, 1024), generator=torch.Generator().manual_seed(0)) * 1.0

    def network(inputs: int) -> Network:
        weight = numbers * (torch.arange(1024) < inputs)
        return Network([Flatten((0,)), Linear((1,), weight, None)], (1, 32, 32))

    with pytest.raises(ValueError, match="may be some") as refused:
        address(network(400))
    most = int(re.search(r"may be some ([\d,]+)$", str(refused.value))[1].replace(",", ""))
    sizes = {inputs: len(pack(network(inputs))) - 5 for inputs in range(60, 180, 20)}
    assert min(sizes.values()) < most - 10 < most + 10 < max(sizes.values())
    for inputs, size in sizes.items():
        if size < most - 10:
            assert len(address(network(inputs))) <= MOST
        elif size > most + 10:
            with pytest.raises(ValueError, match="may be some"):
                address(network(inputs))
