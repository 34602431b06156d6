"""The digit reader in a QR code, for five seeds: how many bytes, and what it still reads.

    python -m tests.benchmarks.device

trains what `results/device.json` lacks (delete the file to train all again; a seed takes some
minutes), and writes the table into docs/device.md. The payloads themselves are in the record:
tests/device/test_reader.py unpacks them and measures them again.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from torch import nn

from prune_lab.course import trained_lenet
from prune_lab.data import Digits, load_digits
from prune_lab.device.packing import pack, unpack
from prune_lab.device.qr import QRCode
from prune_lab.device.recipe import digit_reader
from prune_lab.measure import shifted_accuracy
from prune_lab.training import evaluate

RECORD = Path(__file__).parent / "results" / "device.json"
PAGE = Path(__file__).parents[2] / "docs" / "device.md"
BEGIN, END = "<!-- written by python -m tests.benchmarks.device -->\n", "<!-- end -->\n"
SEEDS = range(5)
GOAL, REACH = 1350, 1000  # bytes
POINTS = 1.0


def main() -> None:
    """Train the seeds that have no record yet, and write the table."""
    digits = load_digits()
    rows = records()
    for seed in SEEDS:
        if not any(row["seed"] == seed for row in rows):
            dense = trained_lenet(seed)
            payload = pack(digit_reader(dense, digits, seed))
            rows.append(record(seed, dense, payload, digits))
            rows.sort(key=lambda row: row["seed"])
            RECORD.write_text(json.dumps(rows, indent=1) + "\n")
            print(f"seed {seed}: {len(payload)} bytes", flush=True)
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + table(records()) + END + rest.split(END)[1])


def records() -> list[dict[str, Any]]:
    """Return what was measured so far, one row for each seed."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else []


def record(seed: int, dense: nn.Module, payload: bytes, digits: Digits) -> dict[str, Any]:
    """Measure a payload as who receives it would: unpacked."""
    reader = unpack(payload)
    weights = [operation.tensors()["weight"] for operation in reader.operations if operation.learnt]
    return {
        "seed": seed,
        "weights": sum(int(weight.count_nonzero()) for weight in weights),
        "work": reader.work,
        "bytes": len(payload),
        "version": QRCode(payload).version,
        "dense": accuracies(dense, digits),
        "packed": accuracies(reader, digits),
        "payload": base64.b64encode(payload).decode(),
    }


def accuracies(model: nn.Module, digits: Digits) -> dict[str, float]:
    """Validation and test digits read right, and the mean over the shifted test digits."""
    validation = evaluate(model, digits.validation_images, digits.validation_labels)
    test = evaluate(model, digits.test_images, digits.test_labels)
    return {
        "validation_right": round(validation * len(digits.validation_labels)),
        "test_right": round(test * len(digits.test_labels)),
        "shifted": round(shifted_accuracy(model, digits.test_images, digits.test_labels), 4),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the seeds as a Markdown table, with the goals below."""
    lines = [
        "| seed | weights | bytes | QR code | of 360 test digits, dense | packed "
        "| shifted, dense | packed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        dense, packed = row["dense"], row["packed"]
        lines.append(
            f"| {row['seed']} | {row['weights']} | {row['bytes']:,} | {row['version']}-M "
            f"| {dense['test_right']} ({dense['test_right'] / 3.6:.2f} %) "
            f"| {packed['test_right']} ({packed['test_right'] / 3.6:.2f} %) "
            f"| {dense['shifted']:.2%} | {packed['shifted']:.2%} |".replace("%", " %").replace(
                "  %", " %"
            )
        )
    lost = [(row["dense"]["test_right"] - row["packed"]["test_right"]) / 3.6 for row in rows]
    largest, most, mean = max(row["bytes"] for row in rows), max(lost), sum(lost) / len(lost)
    lines += [
        "",
        f"Most bytes: {largest:,}. Goal, {GOAL:,}: {_reached(largest, GOAL)}; "
        f"reach, {REACH:,}: {_reached(largest, REACH)}.",
        f"Points lost to the dense network: {most:.2f} at most, {mean:.2f} on average. "
        f"Goal, {POINTS:g} in each seed: {_reached(most, POINTS)}.",
        "",
    ]
    return "\n".join(lines)


def _reached(found: float, goal: float) -> str:
    return "reached" if found <= goal else "missed"


if __name__ == "__main__":
    main()
