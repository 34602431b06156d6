"""Smaller and faster, measured: what each way to shrink LeNet costs and saves, for five seeds.

    python -m tests.benchmarks.budget

trains what `prune_lab/device/budget.json` lacks (delete the file to train all again; a quarter of
an hour on a quiet machine), times all models anew, side by side, and writes the tables into
docs/device.md. Run it where nothing else runs. The panel BudgetExplorer shows the same record.
"""

from __future__ import annotations

import base64
import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.data import Digits, load_digits
from prune_lab.device.candidates import RECORD
from prune_lab.device.onnx_runtime import Engine, export
from prune_lab.device.packing import unpack
from prune_lab.device.sharing import share_weights
from prune_lab.device.shrinking import keep_channels
from prune_lab.device.weights_file import compress
from prune_lab.experiments.importance import weights_of
from prune_lab.experiments.recipes import gradual
from prune_lab.measure import latency, size
from prune_lab.training import fit
from tests.benchmarks.device import PAGE, POINTS, SEEDS, accuracies
from tests.benchmarks.device import records as readers

BEGIN, END = "<!-- written by python -m tests.benchmarks.budget -->\n", "<!-- end of budget -->\n"
WHOLE = (6, 16, 120, 84)
SMALL = (2, 6, 45, 31)
VALUES = 16  # of shared weights
QR = "QR code"
MASKED = "99 % zeros, masked"
ROUNDS = 100
MACS, BATCH, ONE, FILE = 1 / 5, 2.0, 1.3, 1 / 100  # the goals


@dataclass(frozen=True)
class Plan:
    """A way to make a model smaller: cut to so many channels, prune, share values."""

    recipe: str
    name: str
    form: str  # of its file: see `prune_lab.measure.Size`, or what `compress` writes
    channels: tuple[int, ...] = WHOLE
    sparsity: float = 0.0
    values: int | None = None
    epochs: int = 0

    def make(self, seed: int, digits: Digits) -> nn.Module:
        """Make the model from the dense one of this seed; the training images alone are seen."""
        model: nn.Module = keep_channels(trained_lenet(seed), self.channels)
        if self.sparsity:
            gradual(model, digits, self.sparsity, self.epochs, seed)
            for module, name in weights_of(model):
                prune.remove(module, name)
        elif self.epochs:
            fit(model, digits, self.epochs, seed)
        return model if self.values is None else share_weights(model, self.values)


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _written(channels: tuple[int, ...]) -> str:
    return "-".join(map(str, channels))


def _together(channels: tuple[int, ...], sparsity: float) -> Plan:
    name = f"{_written(channels)} channels, {_percent(sparsity)} zeros, {VALUES} values"
    return Plan("all together", name, "coded", channels, sparsity, VALUES, epochs=40)


PLANS = [
    Plan("dense", "LeNet", "plain"),
    *(
        Plan("zeros", f"{_percent(sparsity)} zeros", "zipped", WHOLE, sparsity, epochs=30)
        for sparsity in (0.9, 0.98)
    ),
    *(
        Plan("channels", f"{_written(channels)} channels", "plain", channels, epochs=24)
        for channels in ((4, 10, 80, 56), SMALL, (2, 4, 24, 16))
    ),
    _together((4, 10, 80, 56), 0.9),
    _together((4, 10, 80, 56), 0.93),
    _together(SMALL, 0.8),
    _together(SMALL, 0.9),
]


def main() -> None:
    """Train what has no record yet, time everything, and write the tables."""
    trials = record()["trials"] if RECORD.exists() else []
    digits = load_digits()
    done = {(trial["name"], trial["seed"]) for trial in trials}
    for seed in SEEDS:
        for plan in PLANS:
            if (plan.name, seed) not in done:
                trials.append(trial_of(plan, seed, digits))
                _write(trials, {})
                print(json.dumps(trials[-1]), flush=True)
    _write(trials, times(digits))
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + tables(record()) + END + rest.split(END)[1])


def record() -> dict[str, Any]:
    """Return what was measured so far: a row for each model and seed, and the times."""
    return json.loads(RECORD.read_text())


def _write(trials: list[dict[str, Any]], took: dict[str, dict[str, float]]) -> None:
    rows = [
        {**trial, "file": trial[plan.form]}
        for plan in PLANS
        for trial in sorted(trials, key=lambda trial: trial["seed"])
        if trial["name"] == plan.name
    ]
    lines = ",\n  ".join(map(json.dumps, [*rows, *map(reader_trial, readers())]))
    RECORD.write_text(f'{{"trials": [\n  {lines}\n ],\n "times": {json.dumps(took)}\n}}\n')


def trial_of(plan: Plan, seed: int, digits: Digits) -> dict[str, Any]:
    """Make a model and measure it."""
    model = plan.make(seed, digits)
    found = size(model, digits.test_images[:1])
    files = {"plain": found.plain, "zipped": found.zipped, "sparse": found.sparse}
    if plan.sparsity:
        files["coded"] = len(compress(model))
    return {
        "recipe": plan.recipe,
        "name": plan.name,
        "seed": seed,
        **accuracies(model, digits),
        "kept": found.kept,
        "macs": found.macs,
        **files,
    }


def reader_trial(row: dict[str, Any]) -> dict[str, Any]:
    """A reader of results/device.json, which was made by another command, as a trial."""
    return {
        "recipe": QR,
        "name": QR,
        "seed": row["seed"],
        **row["packed"],
        "kept": row["weights"],
        "macs": row["work"],
        "file": row["bytes"],
    }


def models() -> Iterator[tuple[str, nn.Module]]:
    """What is timed: for the times its shapes count, not its numbers."""
    for plan in PLANS:
        yield plan.name, keep_channels(trained_lenet(), plan.channels)
    yield QR, unpack(base64.b64decode(readers()[0]["payload"]))


def times(digits: Digits) -> dict[str, dict[str, float]]:
    """Milliseconds of all models side by side: in torch and in ONNX Runtime, for 1 image and 64."""
    one, batch = digits.test_images[:1], digits.test_images[:64]
    runs: dict[str, dict[str, Callable[[], object]]] = {"torch 1": {}, "torch 64": {}}
    runs |= {"onnx 1": {}, "onnx 64": {}}
    masked = trained_lenet()
    for layer in masked.children():
        prune.l1_unstructured(layer, "weight", 0.99)
    for name, model in [*models(), (MASKED, masked)]:
        model.eval()
        engine = Engine(export(model, one))
        for images, number in ((one, 1), (batch, 64)):
            runs[f"torch {number}"][name] = partial(model, images)
            runs[f"onnx {number}"][name] = partial(engine, images)
    found: dict[str, dict[str, float]] = {}
    for what, each in runs.items():
        for name, took in latency(each, ROUNDS).items():
            found.setdefault(name, {})[what] = round(took.median, 4)
    return found


# The tables


def tables(found: dict[str, Any]) -> str:
    """Return all models as a Markdown table, their times as another, and the goals below."""
    names = list(dict.fromkeys(trial["name"] for trial in found["trials"]))
    by_name = {name: [t for t in found["trials"] if t["name"] == name] for name in names}
    dense = by_name["LeNet"]
    lines = [
        "| | weights | multiplications | bytes | of the dense file "
        "| test digits, five seeds | points lost, mean | most | shifted |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(name, rows, dense) for name, rows in by_name.items()),
        "",
        f"Times, in milliseconds for 1 image and for 64, medians of {ROUNDS} rounds in one run, "
        "the models taking turns, on one thread; in brackets how many times faster than LeNet.",
        "",
        "| | torch, 1 | torch, 64 | ONNX Runtime, 1 | ONNX Runtime, 64 |",
        "|---|---|---|---|---|",
        *(_times_row(name, found["times"]) for name in [*names, MASKED]),
        "",
        *_goals(by_name, found["times"]),
        "",
    ]
    return "\n".join(lines)


def _row(name: str, rows: list[dict[str, Any]], dense: list[dict[str, Any]]) -> str:
    file, whole = max(row["file"] for row in rows), dense[0]["file"]
    right, lost = [row["test_right"] for row in rows], points_lost(rows, dense)
    mean = statistics.fmean
    return (
        f"| {name} | {mean(row['kept'] for row in rows):,.0f} | {rows[0]['macs']:,} | {file:,} "
        f"| 1/{whole / file:.0f} | {' '.join(map(str, right))} of 360 | {mean(lost):.2f} "
        f"| {max(lost):.2f} | {mean(row['shifted'] for row in rows):.1%} |".replace("% |", " % |")
    )


def points_lost(rows: list[dict[str, Any]], dense: list[dict[str, Any]]) -> list[float]:
    """Points of test accuracy that each seed's model has lost to the dense one of that seed."""
    pairs = zip(rows, dense, strict=True)
    return [(before["test_right"] - row["test_right"]) / 3.6 for row, before in pairs]


def _times_row(name: str, took: dict[str, dict[str, float]]) -> str:
    cells = [
        f"{milliseconds:.3f} ({took['LeNet'][what] / milliseconds:.2f})"
        for what, milliseconds in sorted(took[name].items(), reverse=True, key=_torch_first)
    ]
    return f"| {name} | {' | '.join(cells)} |"


def _torch_first(item: tuple[str, float]) -> tuple[bool, int]:
    engine, number = item[0].split()
    return engine == "torch", -int(number)


def _goals(
    by_name: dict[str, list[dict[str, Any]]], took: dict[str, dict[str, float]]
) -> Iterator[str]:
    """Each goal, with the models that the validation digits choose for it: all that are equal."""
    dense = by_name["LeNet"]
    for cost, share, what in (
        ("macs", MACS, "1/5 of the multiplications"),
        ("file", FILE, "1/100 of the file"),
    ):
        yield f"At most {what}, the most accurate on validation digits, and the most points that a "
        yield f"seed loses. Goal, {POINTS:g} in each seed:"
        yield ""
        for name in _chosen(by_name, cost, share):
            most = max(points_lost(by_name[name], dense))
            yield f"* {name}: {most:.2f}, {'reached' if most <= POINTS else 'missed'}."
        yield ""
    few = _chosen(by_name, "macs", MACS)[0]
    for what, engine, goal in (
        ("torch 64", "torch, 64 images", BATCH),
        ("onnx 1", "ONNX Runtime, 1 image", ONE),
    ):
        ratio = took["LeNet"][what] / took[few][what]
        yield (
            f"{few} in {engine}: {ratio:.2f} times as fast as LeNet. "
            f"Goal, {goal:g}: {'reached' if ratio >= goal else 'missed'}.  "
        )


def _chosen(by_name: dict[str, list[dict[str, Any]]], cost: str, share: float) -> list[str]:
    """The names of the most accurate models that cost at most this share of the dense one."""
    right = {
        name: sum(row["validation_right"] for row in rows)
        for name, rows in by_name.items()
        if max(row[cost] for row in rows) <= share * by_name["LeNet"][0][cost]
    }
    return [name for name, number in right.items() if number == max(right.values())]


if __name__ == "__main__":
    main()
