"""What was measured of each way to make LeNet smaller, to choose from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

RECORD = Path(__file__).parent / "budget.json"  # written by python -m tests.benchmarks.budget


@dataclass(frozen=True)
class Candidate:
    """A model to choose.

    Attributes:
        name: what it is.
        recipe: how it was made; candidates of one recipe look alike in pictures.
        bytes: of its file.
        milliseconds: for one image.
        validation: its accuracy on the digits with which one chooses, 0 to 1.
        test: its accuracy on the digits that tell the result, 0 to 1.
    """

    name: str
    recipe: str
    bytes: int
    milliseconds: float
    validation: float
    test: float


def recorded() -> tuple[Candidate, ...]:
    """Return the models of the record, the dense one first.

    Bytes are the largest file of the five training seeds: a budget holds for all of them.
    Accuracies are their mean. Milliseconds are those of ONNX Runtime on one thread, a median.

    >>> dense, *smaller = recorded()
    >>> dense.name, min(candidate.bytes for candidate in smaller) < dense.bytes / 100
    ('LeNet', True)
    """
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    names = dict.fromkeys(trial["name"] for trial in record["trials"])
    return tuple(
        _candidate([trial for trial in record["trials"] if trial["name"] == name], record["times"])
        for name in names
    )


def _candidate(seeds: Sequence[dict[str, Any]], times: dict[str, Any]) -> Candidate:
    first = seeds[0]
    return Candidate(
        name=first["name"],
        recipe=first["recipe"],
        bytes=max(trial["file"] for trial in seeds),
        milliseconds=times[first["name"]]["onnx 1"],
        validation=fmean(trial["validation_right"] for trial in seeds) / 240,
        test=fmean(trial["test_right"] for trial in seeds) / 360,
    )
