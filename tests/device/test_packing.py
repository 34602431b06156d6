"""A packed network comes back to the last bit, or is refused in one sentence."""

from __future__ import annotations

import json
import math
import random
import re
import struct
import zlib
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prune_lab.device import packing
from prune_lab.device.coder import LARGEST, Chance, Decoder, Encoder, Numbers, learnt, plain
from prune_lab.device.grid import Rounded, on_grid, to_grid
from prune_lab.device.operations import (
    OPERATIONS,
    Add,
    AveragePool,
    Convolution,
    Flatten,
    Hardtanh,
    Linear,
    MaxPool,
    Network,
    ReLU,
)
from prune_lab.device.packing import VERSION, pack, unpack
from prune_lab.device.tracing import trace
from tests.device.networks import gridded, residual, tiny


def same(one: Network, other: Network) -> bool:
    """Whether two networks are alike to the last bit."""
    if (one.shapes, one.mean, one.deviation) != (other.shapes, other.mean, other.deviation):
        return False
    for a, b in zip(one.operations, other.operations, strict=True):
        if type(a) is not type(b) or a.inputs != b.inputs:
            return False
        if any(getattr(a, name) != getattr(b, name) for name in a.settings):
            return False
        ours, theirs = a.tensors(), b.tensors()
        if ours.keys() != theirs.keys():
            return False
        if not all(torch.equal(ours[name], theirs[name]) for name in ours):
            return False
    return True


def sealed(stream: bytes) -> bytes:
    """A payload whose checksum is right, whatever is in it."""
    body = bytes([VERSION]) + stream
    return body[:1] + struct.pack(">I", zlib.crc32(body)) + stream


def test_everything_on_the_list_comes_back_to_the_last_bit() -> None:
    model = residual()
    model.norm.reset_parameters()  # a fold that divides would leave the grid
    model.norm.eps = 0.0
    network = trace(gridded(model), torch.zeros(2, 1, 32, 32), 0.3, 0.7)
    found = unpack(pack(network))
    assert same(found, network)
    images = torch.randn(5, 1, 32, 32)
    assert torch.equal(found(images), network(images))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    levels=st.integers(1, 300),
    density=st.floats(0, 1),
    scale=st.sampled_from([1e-30, 1e-3, 1.0, 7.0, 1e30]),
    seed=st.integers(0, 10**6),
    bias=st.booleans(),
)
def test_any_matrix_on_a_grid_comes_back(rows, columns, levels, density, scale, seed, bias) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator) * scale
    weight *= torch.rand(rows, columns, generator=generator) < density
    weight = to_grid(weight, levels)
    linear = Linear(
        (0,), weight, to_grid(torch.randn(rows, generator=generator), 3) if bias else None
    )
    network = Network([linear], (columns,), 0.1, 3.0)
    assert same(unpack(pack(network)), network)


@settings(max_examples=100, deadline=None)
@given(
    bits=st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=300),
    chances=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    numbers=st.lists(st.integers(0, LARGEST), max_size=20),
)
def test_the_coder_gives_back_what_it_was_given(bits, chances, numbers) -> None:
    def run(coder, bits, numbers, five):
        learning, sizes = [Chance() for _ in range(3)], Numbers()
        found = [coder.bit(bit, chances[which]) for bit, which in bits]
        found += [learnt(coder, bit, learning[which]) for bit, which in bits]
        return found, [sizes.code(coder, n) for n in numbers], plain(coder, five, 3)

    encoder = Encoder()
    wanted = run(encoder, bits, numbers, 5)
    blank = [(None, which) for _bit, which in bits]
    decoder = Decoder(encoder.finish())
    assert run(decoder, blank, [None] * len(numbers), None) == wanted
    assert wanted[1:] == (numbers, 5)
    decoder.finish()


def test_likely_bits_cost_what_information_theory_says() -> None:
    generator = random.Random(0)
    encoder, chance = Encoder(), Chance()
    bits = [generator.random() < 0.05 for _ in range(20_000)]
    for bit in bits:
        learnt(encoder, bit, chance)
    share = sum(bits) / len(bits)
    bits_each = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    assert 1 < len(encoder.finish()) / (len(bits) * bits_each / 8) < 1.01


@pytest.mark.parametrize("number", [-0.0, 1.5])
def test_minus_zero_comes_back_as_zero(number: float) -> None:
    network = Network([Linear((0,), torch.tensor([[number, 1.0]]), None)], (2,))
    weight = unpack(pack(network)).operations[0].tensors()["weight"]
    assert weight.tolist() == [[abs(number), 1.0]] and not weight.signbit().any()


def test_a_tensor_that_is_on_no_grid_is_refused() -> None:
    for entries in ([[0.1, 0.2]], [[1.0, 65536.0]], [[float("nan"), 1.0]], [[float("inf"), 1.0]]):
        with pytest.raises(ValueError, match=r"grid|infinite or NaN"):
            pack(Network([Linear((0,), torch.tensor(entries), None)], (2,)))


def test_rounding_to_a_grid_finds_the_grid_that_is_there() -> None:
    weight = torch.randint(-4, 5, (40, 30), generator=torch.Generator().manual_seed(0)) * 0.375
    assert torch.equal(to_grid(weight, 4), weight)
    step, wholes = on_grid(weight)
    assert step == 0.375 and max(map(abs, wholes)) == 4
    with pytest.raises(ValueError, match="levels"):
        to_grid(weight, 0)


def test_a_rounded_weight_is_on_its_grid_passes_the_gradient_and_keeps_its_zeros() -> None:
    weight = torch.randn(20, 10, generator=torch.Generator().manual_seed(0))
    weight[weight.abs() < 0.5] = 0
    rounded = Rounded(weight, levels=3)
    moved = torch.nn.Parameter(weight + 0.2)
    result = rounded(moved)
    (result * torch.arange(200.0).reshape(20, 10)).sum().backward()
    assert set(on_grid(result.detach())[1]) <= set(range(-3, 4))
    assert torch.equal(result == 0, (weight == 0) | (result == 0)) and not result[weight == 0].any()
    wanted = torch.arange(200.0).reshape(20, 10) * (weight != 0)
    assert torch.equal(moved.grad, wanted)


# What is refused


def test_a_payload_of_another_version_is_refused() -> None:
    payload = pack(tiny())
    with pytest.raises(ValueError, match="version 1 is needed, this is version 2"):
        unpack(bytes([2]) + payload[1:])
    with pytest.raises(ValueError, match="this is empty"):
        unpack(b"")


def test_the_checksum_covers_the_version() -> None:
    payload = pack(tiny())
    assert payload[1:5] == struct.pack(">I", zlib.crc32(payload[:1] + payload[5:]))


def test_every_cut_and_every_altered_byte_is_refused() -> None:
    payload = pack(tiny())
    for end in range(len(payload)):
        with pytest.raises(ValueError, match=r"checksum|empty"):
            unpack(payload[:end])
    for place in range(len(payload)):
        for change in (1, 128, 255):
            altered = bytearray(payload)
            altered[place] ^= change
            with pytest.raises(ValueError, match=r"checksum|version"):
                unpack(bytes(altered))


def test_bytes_after_the_end_and_a_cut_stream_are_refused_with_the_right_checksum_too() -> None:
    stream = pack(tiny())[5:]
    with pytest.raises(ValueError, match="goes on after its end"):
        unpack(sealed(stream + bytes(4) + b"\x01"))
    for end in range(len(stream) - 4):
        with pytest.raises(ValueError):
            unpack(sealed(stream[:end]))
    with pytest.raises(ValueError, match="ends too early"):
        plain(Decoder(b"\xff"), None, 64)


def test_four_bytes_behind_the_end_are_read_as_zero_and_a_fifth_is_an_error() -> None:
    assert plain(Decoder(b""), None, 8) == 255  # eight bits of the four; a bit below half is a 1
    with pytest.raises(ValueError, match="ends too early"):
        plain(Decoder(b""), None, 9)


def test_no_payload_does_more_than_refuse_in_a_sentence() -> None:
    """10,000 payloads: random ones, mutated ones, each also with the right checksum."""
    generator = random.Random(0)
    streams = [pack(network)[5:] for network in (tiny(), Network([ReLU((0,))], (3,)))]
    read = 0
    for number in range(10_000):
        if number % 4 == 0:
            stream = generator.randbytes(generator.randrange(200))
        else:
            changed = bytearray(generator.choice(streams))
            for _ in range(generator.choice((1, 1, 1, 2, 5))):
                changed[generator.randrange(len(changed))] = generator.randrange(256)
            stream = bytes(changed[: generator.choice((None, None, generator.randrange(40)))])
        payload = sealed(stream) if number % 2 else bytes([VERSION]) + bytes(4) + stream
        try:
            network = unpack(payload)
        except ValueError as error:
            assert "\n" not in str(error) and len(str(error)) < 300
            continue
        read += 1
        assert network(torch.zeros(1, *network.shapes[0])).numel() > 0
        assert same(unpack(pack(network)), network)
    assert 0 < read < 5000


HUGE = torch.zeros(1, 1, 1, 1)


@pytest.mark.parametrize(
    ("operations", "shape", "sentence"),
    [
        ([Linear((0,), torch.zeros(2, 3), None)], (4,), "operation 1, Linear, cannot run"),
        ([Linear((0,), torch.zeros(2, 3), None)], (3, 3), "Linear, cannot read values of shape"),
        ([ReLU((2,))], (3,), "cannot read"),
        ([ReLU((-1,))], (3,), "cannot read"),
        ([ReLU((0,)), Flatten((0,)), Add((1, 2))], (2, 3), "cannot read values of shape"),
        ([MaxPool((0,), (2, 2), (0, 0))], (1, 8, 8), "MaxPool, cannot run"),
        ([MaxPool((0,), (2, 2), (2, 2), (5, 5))], (1, 8, 8), "MaxPool, cannot run"),
        ([AveragePool((0,), (9, 9), (1, 1))], (1, 8, 8), "AveragePool, cannot run"),
        ([Convolution((0,), HUGE, None, groups=(0, 0))], (1, 8, 8), "Convolution, cannot run"),
        ([Convolution((0,), HUGE, None, stride=(0, 1))], (1, 8, 8), "Convolution, cannot run"),
        ([Convolution((0,), HUGE, None, padding=(60000, 60000))], (1, 8, 8), "at most 1,048,576"),
        ([Convolution((0,), torch.zeros(1, 1, 5, 5), None)], (1, 4, 4), "Convolution, cannot run"),
        ([MaxPool((0,), (99, 99), (1, 1), (49, 49))], (1, 500, 500), "at most 1,073,741,824"),
        ([Linear((0,), torch.zeros(2, 3), torch.zeros(1))], (3,), "Linear, cannot run: a bias"),
        ([Linear((0,), torch.zeros(3), None)], (3,), "Linear, cannot run: a weight"),
        ([ReLU((n,)) for n in range(1001)], (3,), "at most 1,000 operations"),
        ([Linear((0,), torch.zeros(1025, 512), None)], (512,), "at most 524,288 weights"),
        ([ReLU((0,))], (1 << 20,), "at most 1,048,576 numbers"),
        ([ReLU((0,))], (), "one to three sizes"),
        ([ReLU((0,))], (0, 3), "one to three sizes"),
        ([], (3,), "at least one operation"),
    ],
)
def test_a_network_that_cannot_run_or_is_too_large_is_refused(operations, shape, sentence) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        Network(operations, shape)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "numbers", [(float("nan"), 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, float("inf"))]
)
def test_a_normalisation_that_is_none_is_refused(numbers: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="normalise nothing"):
        Network([ReLU((0,))], (3,), *numbers)


def test_a_hostile_payload_is_refused_when_it_is_read_and_not_when_it_runs(monkeypatch) -> None:
    """Written by a coder that does not check: what arrives is all that counts."""
    network = Network([Hardtanh((0,), (0, 6))], (3, 4, 4))
    object.__setattr__(network.operations[0], "inputs", (0,))
    network.operations = (MaxPool((0,), (2, 2), (0, 0)),)
    with pytest.raises(ValueError, match="MaxPool, cannot run"):
        unpack(pack(network))
    network.operations = (Convolution((0,), torch.zeros(1, 3, 1, 1), None, padding=(65534, 65534)),)
    with pytest.raises(ValueError, match="at most 1,048,576 numbers"):
        unpack(pack(network))
    network.operations = tuple(ReLU((0,)) for _ in range(2000))
    with pytest.raises(ValueError, match="at most 1,000 operations"):
        unpack(pack(network))
    network.operations = (Linear((0,), torch.zeros(60_000, 60), None),)
    with pytest.raises(ValueError, match="at most 524,288 weights"):
        unpack(pack(network))


@pytest.mark.parametrize(
    ("step", "whole"), [(math.inf, 1), (-math.inf, 0), (math.nan, 1), (3e38, 65_000)]
)
def test_a_weight_that_is_no_number_is_neither_written_nor_read(monkeypatch, step, whole) -> None:
    monkeypatch.setattr(packing, "on_grid", lambda tensor: (step, [whole] * tensor.numel()))
    network = Network([Linear((0,), torch.ones(1, 2), None)], (2,))
    with pytest.raises(ValueError, match="a weight is infinite or NaN"):
        unpack(pack(network))


# The test vectors, which other readers use too

PAGE = Path(__file__).parents[2] / "docs" / "device.md"
READER = Path(__file__).parent / "digit-reader.json"


def test_the_vector_of_the_page_is_what_it_says() -> None:
    vectors = re.findall(r"^    ((?:[0-9a-f]{2} ?)+)$", PAGE.read_text(), re.M)
    weight = torch.tensor([[0.5, 0.0, -1.5], [0.0, 0.0, 0.5]])
    network = Network([Linear((0,), weight, None)], (3,), 0.0, 1.0)
    (vector,) = map(bytes.fromhex, vectors)
    assert same(unpack(vector), network)
    assert pack(network) == vector


def test_the_pages_list_of_operations_is_the_programs() -> None:
    numbers = re.findall(r"^\| (\d+) \| ([a-z ]+)[^|]*\| ([^|]*)\|", PAGE.read_text(), re.M | re.I)
    assert [int(number) for number, _name, _settings in numbers] == list(range(len(OPERATIONS)))
    for kind, (_number, name, settings_) in zip(OPERATIONS, numbers, strict=True):
        assert kind.__name__.lower().startswith(name.split()[0][:3].lower())
        assert all(word in settings_ for word in kind.settings if word != "bounds")


def test_the_digit_readers_vector_gives_its_output() -> None:
    vector = json.loads(READER.read_text())
    network = unpack(bytes.fromhex(vector["payload"]))
    down, across = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    ink = ((7 * down + 13 * across) % 32) / 31
    output = network(((ink - network.mean) / network.deviation)[None, None])[0]
    assert torch.allclose(output, torch.tensor(vector["output"]), atol=1e-4)
