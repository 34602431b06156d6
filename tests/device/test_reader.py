"""The five digit readers of the record: what their table says, measured again."""

from __future__ import annotations

import base64

import pytest
import torch

from prune_lab.course import trained_lenet
from prune_lab.data import load_digits
from prune_lab.device.packing import pack, unpack
from prune_lab.device.qr import QRCode, read
from prune_lab.device.recipe import WEIGHTS, digit_reader
from tests.benchmarks.device import BEGIN, END, PAGE, POINTS, SEEDS, accuracies, records, table
from tests.device.test_packing import same


@pytest.mark.parametrize("row", records(), ids=lambda row: f"seed {row['seed']}")
def test_a_recorded_payload_reads_digits_as_its_row_says(row) -> None:
    payload = base64.b64decode(row["payload"])
    reader, digits = unpack(payload), load_digits()
    found = accuracies(reader, digits)
    assert found["test_right"] == row["packed"]["test_right"]
    assert found["validation_right"] == row["packed"]["validation_right"]
    assert found["shifted"] == pytest.approx(row["packed"]["shifted"], abs=5e-4)
    assert (len(payload), QRCode(payload).version) == (row["bytes"], row["version"])
    assert pack(reader) == payload and read(QRCode(payload).image()) == payload
    assert (reader.mean, reader.deviation) == pytest.approx(digits.ink, rel=1e-6)
    assert len(payload) <= 1350
    assert (row["dense"]["test_right"] - found["test_right"]) / 3.6 <= POINTS


def test_all_seeds_are_recorded_and_the_page_shows_them() -> None:
    rows = records()
    assert [row["seed"] for row in rows] == list(SEEDS)
    shown = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    assert shown == table(rows)


def test_the_recipe_gives_a_network_that_packs_and_answers_the_same() -> None:
    digits = load_digits()
    dense = trained_lenet()
    before = [parameter.clone() for parameter in dense.parameters()]
    network = digit_reader(dense, digits, epochs=(2, 1))
    assert all(torch.equal(a, b) for a, b in zip(before, dense.parameters(), strict=True))
    weights = [op.tensors()["weight"] for op in network.operations if op.learnt]
    assert sum(int(weight.count_nonzero()) for weight in weights) <= WEIGHTS
    assert same(unpack(pack(network)), network)
    assert (network.mean, network.deviation) == pytest.approx(digits.ink, rel=1e-6)
