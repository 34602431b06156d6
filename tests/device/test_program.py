"""The program for a browser answers as torch does, and its decoder reads what Python packs."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.data import load_digits
from prune_lab.device.coder import Encoder, Numbers, plain
from prune_lab.device.exporting import _parcel, network_parcel
from prune_lab.device.operations import (
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
from prune_lab.device.packing import pack, unpack
from prune_lab.device.tracing import trace
from prune_lab.lenet import LeNet
from tests.benchmarks.device import records
from tests.device.in_node import in_node
from tests.device.networks import gridded, residual, tiny
from tests.device.test_packing import sealed

ANSWERS = """
const made = program(await networkIn(bytes(given.network)));
return given.images.map((image) => answer(made, image));
"""


PLAIN = """
const plain = (tensor) => tensor && { ...tensor, values: [...tensor.values] };
return given.map((text) => {
  const { operations, ...made } = unpack(bytes(text));
  const plainly = (operation) =>
    ({ ...operation, weight: plain(operation.weight), bias: plain(operation.bias) });
  return { ...made, operations: operations.map(plainly) };
});
"""


def parcel(packed: bytes) -> str:
    return base64.b64encode(packed).decode()


def answers(network: Network, images: torch.Tensor) -> torch.Tensor:
    given = {"network": parcel(network_parcel(network)), "images": images.flatten(1).tolist()}
    return torch.tensor(in_node(ANSWERS, given))


@pytest.fixture(scope="module")
def digits():
    return load_digits()


@pytest.fixture(scope="module")
def dense():
    return trained_lenet()


def pruned(model: LeNet, amount: float) -> LeNet:
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    prune.global_unstructured(
        [(layer, "weight") for layer in layers], prune.L1Unstructured, amount=amount
    )
    return model


@pytest.mark.parametrize("amount", [0.0, 0.5, 0.95, 0.99])
def test_lenet_answers_as_torch_does(digits, amount) -> None:
    model = pruned(trained_lenet(), amount)
    network = trace(model, digits.test_images[:2], *digits.ink)
    found = answers(network, digits.test_images)
    with torch.no_grad():
        wanted = model.eval()(digits.test_images)
    assert torch.allclose(found, wanted, rtol=1e-5, atol=2e-5)
    assert torch.equal(found.argmax(1), wanted.argmax(1))


def test_everything_on_the_list_answers_as_torch_does() -> None:
    model, images = residual(), torch.randn(9, 1, 32, 32)
    network = trace(model, images)
    kinds = {type(operation).__name__ for operation in network.operations}
    assert len(kinds) == 13  # all there are
    with torch.no_grad():
        assert torch.allclose(answers(network, images), model(images), rtol=1e-5, atol=1e-5)


OBLONG = [
    (Convolution((0,), torch.randn(6, 2, 3, 2), torch.randn(6), (2, 3), (1, 2), (2, 2)),
     (4, 9, 11)),
    (Convolution((0,), torch.randn(3, 2, 1, 4), None, (1, 2), (0, 1)), (2, 5, 7)),
    (MaxPool((0,), (3, 2), (2, 1), (1, 1)), (3, 8, 7)),
    (MaxPool((0,), (2, 4), (3, 3), (0, 2)), (1, 7, 9)),
    (AveragePool((0,), (2, 3), (1, 2)), (2, 6, 8)),
    (Hardtanh((0,), (1, 3)), (2, 5)),
    (Linear((0,), torch.randn(5, 7), torch.randn(5)), (7,)),
    (Flatten((0,)), (3, 4)),
    (Add((0, 0)), (11,)),
    (ReLU((0,)), (1, 2, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "shape"), OBLONG, ids=lambda part: type(part).__name__)
def test_oblong_windows_strides_borders_and_groups(operation, shape) -> None:
    network, images = Network([operation], shape), 3 * torch.randn(11, *shape)
    wanted = network(images).flatten(1)
    assert torch.allclose(answers(network, images), wanted, rtol=1e-5, atol=1e-5)


def test_the_decoder_reads_what_python_packs() -> None:
    model = residual()
    model.norm.reset_parameters()  # a fold that divides would leave the grid
    model.norm.eps = 0.0
    networks = [trace(gridded(model), torch.zeros(2, 1, 32, 32), 0.3, 0.7), tiny()]
    payloads = [pack(network) for network in networks]
    payloads += [base64.b64decode(row["payload"]) for row in records()]
    found = in_node(PLAIN, [base64.b64encode(payload).decode() for payload in payloads])
    for made, payload in zip(found, payloads, strict=True):
        network = unpack(payload)
        head = (tuple(made["shape"]), made["mean"], made["deviation"])
        assert head == (network.shapes[0], network.mean, network.deviation)
        for ours, theirs in zip(made["operations"], network.operations, strict=True):
            assert (ours["kind"], tuple(ours["inputs"])) == (type(theirs).__name__, theirs.inputs)
            assert all(tuple(ours[name]) == getattr(theirs, name) for name in theirs.settings)
            for name in theirs.learnt:
                tensor, read = getattr(theirs, name), ours[name]
                assert (read is None) is (tensor is None)
                if read:
                    assert torch.equal(torch.tensor(read["values"]).reshape(read["shape"]), tensor)


def test_the_vector_gives_the_output_that_is_written_beside_it() -> None:
    vector = json.loads((Path(__file__).parent / "digit-reader.json").read_text())
    y, x = np.mgrid[0:32, 0:32]
    ink = ((7 * y + 13 * x) % 32 / 31).flatten().tolist()
    found = in_node(
        "const network = unpack(bytes(given.payload));"
        "const normalised = (ink) => (ink - network.mean) / network.deviation;"
        "return answer(program(network), given.ink.map(normalised));",
        {"payload": base64.b64encode(bytes.fromhex(vector["payload"])).decode(), "ink": ink},
    )
    assert found == pytest.approx(vector["output"], rel=1e-5, abs=1e-5)


def test_a_hostile_payload_is_refused_where_python_refuses_it() -> None:
    """Whatever is in a stream, both say the same: a network, or one sentence."""
    random = np.random.default_rng(0)
    good = pack(tiny())[5:]
    streams = [good[:cut] for cut in range(0, len(good), 3)]
    streams += [good + b"\x01", b"", bytes(40), b"\xff" * 40]
    streams += [random.bytes(random.integers(1, 60)) for _ in range(300)]
    for _ in range(300):
        broken = bytearray(good)
        broken[random.integers(len(good))] ^= 1 << random.integers(8)
        streams.append(bytes(broken))
    payloads = [sealed(stream) for stream in streams]
    whole = pack(tiny())
    payloads += [b"", b"\x01", b"\x02" + whole[1:]]
    payloads += [whole[:i] + bytes([whole[i] ^ 4]) + whole[i + 1 :] for i in range(len(whole))]
    found = in_node(
        "return given.map((text) => { try { program(unpack(bytes(text))); return ''; } "
        "catch (error) { return error.message; } });",
        [base64.b64encode(payload).decode() for payload in payloads],
    )
    refused = [_refused(payload) for payload in payloads]
    assert [bool(sentence) for sentence in found] == refused
    assert 0 < refused.count(False) < len(payloads)  # some of the broken ones are networks, too
    assert all("\n" not in sentence and len(sentence) < 160 for sentence in found)


def test_a_tensor_that_would_fill_the_machine_is_refused_before_there_is_one() -> None:
    encoder, sizes = Encoder(), Numbers()

    def write(*numbers: int) -> None:
        for number in numbers:
            sizes.code(encoder, number)

    write(1, 3)  # the shape of an image
    plain(encoder, 0, 32)
    plain(encoder, 0x3F800000, 32)
    write(1, 1, 0, 2, 60_000, 60_000)  # one operation, linear, of the image; its weight's shape
    payload = sealed(encoder.finish() + bytes(8))
    with pytest.raises(ValueError, match="at most 524,288 weights"):
        unpack(payload)
    found = in_node(
        "try { unpack(bytes(given)); return ''; } catch (error) { return error.message; }",
        base64.b64encode(payload).decode(),
    )
    assert found == "a payload holds at most 524288 weights"


def _refused(payload: bytes) -> bool:
    try:
        unpack(payload)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        ({"operations": []}, "a network has at least one operation"),
        ({"deviation": 0}, "mean 0 and deviation 0 normalise nothing"),
        ({"shape": [0, 32, 32]}, "the shape of an image is one to three sizes"),
        ({"shape": [1, 2000, 2000]}, "a network for a device has at most 1048576 numbers"),
        ({"operations": [{"kind": "alert", "inputs": [0]}]}, "alert, cannot run: it is not on"),
        ({"operations": [{"kind": "ReLU", "inputs": [1]}]}, "ReLU, cannot run: it cannot read 1"),
        ({"operations": [{"kind": "ReLU", "inputs": []}]}, "ReLU, cannot run: it cannot read "),
        ({"operations": [{"kind": "Add", "inputs": [0]}]}, "Add, cannot run: it cannot read 0"),
        ({"operations": [{"kind": "ReLU", "inputs": [0]}] * 1001}, "at most 1000 operations"),
        ({"operations": [{"kind": "MaxPool", "inputs": [0], "size": [2, 2], "stride": [0, 2],
                          "padding": [0, 0]}]}, "a setting of 0"),
        ({"operations": [{"kind": "MaxPool", "inputs": [0], "size": [2, 2], "stride": [2, 2],
                          "padding": [0, 2]}]}, "wider than half its window"),
        ({"operations": [{"kind": "AveragePool", "inputs": [0], "size": [9, 9], "stride": [1, 1]}]},
         "it gives nothing"),
        ({"operations": [{"kind": "Linear", "inputs": [0], "weight": {"shape": [1, 1]}}]},
         "it cannot read 0"),
        ({"operations": [{"kind": "Convolution", "inputs": [0]}]}, "its tensors do not fit"),
        ({"operations": [{"kind": "Convolution", "inputs": [0],
                          "weight": {"shape": [1, 2, 1, 1]}}]}, "its tensors do not fit"),
        ({"operations": [{"kind": "Convolution", "inputs": [0],
                          "weight": {"shape": [9, 1, 1, 1]}}]},
         "a parcel ends too early"),
        ({"operations": [{"kind": "Convolution", "inputs": [0], "weight": {"shape": [1, 1, 1, 1]},
                          "bias": {"shape": [2]}}]},
         "its tensors do not fit"),
    ],
)  # fmt: skip
def test_a_hostile_parcel_is_refused_in_one_sentence(network, sentence) -> None:
    whole = {
        "shape": [1, 8, 8],
        "mean": 0,
        "deviation": 1,
        "operations": [{"kind": "ReLU", "inputs": [0]}],
    }
    found = in_node(
        "try { program(await networkIn(bytes(given))); return ''; }"
        "catch (error) { return error.message; }",
        parcel(_parcel(whole | network, [bytes(20)])),
    )
    assert sentence in found
