"""The engine against torch.nn.utils.prune: time and memory, both in one run.

    make bench

Each row is measured in fresh processes that hold nothing else: the two engines take turns, a
figure is the median of the rounds, and what counts is the ratio, because both sides had the same
machine at the same minute. In each round the work is done once before it is timed: a virtual
machine has to ask its host for memory that it has not used for some seconds, which can take longer
than the work. Peak memory is the process's highest resident size during the work above what it had
with the model in place. Results go to ``results/``: engine.json, and from it a
table (engine.md) and a picture (engine.png).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune as torch_prune
from tqdm import tqdm

from prune_lab import prune
from prune_lab.lenet import LeNet

RESULTS = Path(__file__).parent / "results"
ENGINES = {"torch": torch_prune, "ours": prune}
MILLION = 1_000_000

# A case is built once per process: it returns what to time, and how often per round.
Case = Callable[[Any], tuple[Callable[[], object], int]]


def l1_small(engine: Any) -> tuple[Callable[[], object], int]:
    """`l1_unstructured` then `remove`, LeNet's conv1 (150 weights)"""
    layer = nn.Conv2d(1, 6, 5)

    def work() -> None:
        engine.l1_unstructured(layer, "weight", amount=0.3)
        engine.remove(layer, "weight")

    return work, 100


def _one_layer(technique: str, n: int) -> Case:
    def case(engine: Any) -> tuple[Callable[[], object], int]:
        layer = nn.Linear(n // 1000, 1000, bias=False)
        start = layer.weight.detach().clone()

        def work() -> None:
            with torch.no_grad():
                layer.weight.copy_(start)  # or the second round would rank the first one's zeros
            begin = time.perf_counter()
            getattr(engine, technique)(layer, "weight", amount=0.3)
            engine.remove(layer, "weight")
            work.seconds = time.perf_counter() - begin  # type: ignore[attr-defined]

        return work, 1

    return case


def global_l1(engine: Any) -> tuple[Callable[[], object], int]:
    """`global_unstructured` L1, 4 layers of 25 M"""
    net = nn.Sequential(*(nn.Linear(5000, 5000, bias=False) for _ in range(4)))
    places = [(layer, "weight") for layer in net]
    start = net[0].weight.detach().clone()

    def work() -> None:
        with torch.no_grad():
            for layer in net:
                layer.weight.copy_(start)
        begin = time.perf_counter()
        engine.global_unstructured(places, engine.L1Unstructured, amount=0.3)
        work.seconds = time.perf_counter() - begin  # type: ignore[attr-defined]
        for layer in net:
            engine.remove(layer, "weight")

    return work, 1


def beside_an_optimizer(engine: Any) -> tuple[Callable[[], object], int]:
    """First prune of 20 small layers, a living optimizer beside them"""

    def work() -> None:
        net = nn.Sequential(*(nn.Linear(10, 10) for _ in range(20)))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        begin = time.perf_counter()
        for layer in net:
            engine.l1_unstructured(layer, "weight", amount=0.3)
        work.seconds = time.perf_counter() - begin  # type: ignore[attr-defined]
        del optimizer

    return work, 1


def encoder(engine: Any) -> tuple[Callable[[], object], int]:
    """`global_unstructured` L1 over every matrix of a 24-layer encoder, 100 M parameters"""
    layer = nn.TransformerEncoderLayer(592, 8, 4 * 592, batch_first=True)
    net = nn.TransformerEncoder(layer, 24, enable_nested_tensor=False)
    places = [
        (module, name)
        for module in net.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.dim() > 1
    ]
    start = [getattr(module, name).detach().clone() for module, name in places]

    def work() -> None:
        with torch.no_grad():
            for (module, name), values in zip(places, start, strict=True):
                getattr(module, name).copy_(values)
        begin = time.perf_counter()
        engine.global_unstructured(places, engine.L1Unstructured, amount=0.3)
        work.seconds = time.perf_counter() - begin  # type: ignore[attr-defined]
        for place in places:
            engine.remove(*place)

    return work, 1


def _forward(mode: str) -> Case:
    def case(engine: Any) -> tuple[Callable[[], object], int]:
        net = nn.Sequential(nn.Linear(4096, 4096), nn.Linear(4096, 4096)).eval()
        if mode != "dense":
            for layer in net:
                engine.l1_unstructured(layer, "weight", amount=0.5)
        x = torch.randn(1, 4096)

        def work() -> None:
            with torch.no_grad():
                if mode == "cached":
                    with prune.cached():
                        net(x)
                        begin = time.perf_counter()
                        for _ in range(5):
                            net(x)
                        work.seconds = (time.perf_counter() - begin) / 5  # type: ignore
                else:
                    begin = time.perf_counter()
                    for _ in range(5):
                        net(x)
                    work.seconds = (time.perf_counter() - begin) / 5  # type: ignore

        return work, 1

    return case


def training_step(engine: Any) -> tuple[Callable[[], object], int]:
    """one training step of LeNet, every weight pruned by half, batch 64"""
    torch.manual_seed(0)
    net = LeNet()
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            engine.l1_unstructured(module, "weight", amount=0.5)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x, y = torch.randn(64, 1, 32, 32), torch.randint(10, (64,))

    def work() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

    return work, 1


class Row(NamedTuple):
    """One line of the table: what either side runs, the ratios to reach, and how many rounds."""

    title: str
    torch: Case
    ours: Case
    goal: float
    rounds: int
    goal_cold: float | None = None


def _both(
    title: str, case: Case, goal: float, rounds: int = 7, goal_cold: float | None = None
) -> Row:
    return Row(title, case, case, goal, rounds, goal_cold)


LARGE = 25 * MILLION
MANY = 101  # rounds, where one is short: the machine's speed changes within seconds
ROWS = {
    "l1_small": _both("`l1_unstructured`, `remove`: conv1, 150 weights", l1_small, 1.05, MANY),
    "optimizer": _both(
        "first prune of 20 small layers beside a living optimizer", beside_an_optimizer, 1.2, MANY
    ),
    "l1_25M": _both(
        "`l1_unstructured`, `remove`: 25 M", _one_layer("l1_unstructured", LARGE), 1 / 5, 7, 0.25
    ),
    "random_25M": _both(
        "`random_unstructured`, `remove`: 25 M",
        _one_layer("random_unstructured", LARGE),
        1 / 4,
        7,
        0.25,
    ),
    "global_100M": _both("`global_unstructured` L1: 4 layers of 25 M", global_l1, 0.03, 5, 0.08),
    "encoder": _both(
        "the same over a 24-layer encoder of 100 M, 242 modules", encoder, 0.1, 5, 0.1
    ),
    "forward": _both(
        "forward without gradients: two Linear 4096, batch 1", _forward("plain"), 3 / 4, MANY
    ),
    "cached": Row(
        "the same inside `cached()`, against the dense model",
        _forward("dense"),
        _forward("cached"),
        1.05,
        MANY,
    ),
    "training": _both("training step of LeNet, all weights pruned", training_step, 1.03, 10 * MANY),
}
SIZES = [10_000, 100_000, MILLION, 10 * MILLION, 100 * MILLION]
CURVE = {f"curve_{n}": _both("", _one_layer("l1_unstructured", n), 1) for n in SIZES}


class Peak(threading.Thread):
    """Watch this process's resident memory until :meth:`stop`, which returns the growth."""

    def __init__(self) -> None:
        super().__init__()
        self._process = psutil.Process()
        self._base = self._highest = self._process.memory_info().rss
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._done.wait(0.005):
            self._highest = max(self._highest, self._process.memory_info().rss)

    def stop(self) -> int:
        self._done.set()
        self.join()
        return self._highest - self._base


def _serve(row: str, sides: tuple[str, ...], pipe: Any) -> None:
    """Run a round of the side that is asked for, in this process, until asked for none."""
    works = {}
    for side in sides:
        torch.manual_seed(0)
        works[side] = getattr((ROWS | CURVE)[row], side)(ENGINES[side])
    while side := pipe.recv():
        work, repeats = works[side]
        peak = Peak() if len(sides) == 1 else None  # the watcher would disturb microseconds
        work()
        grown = peak.stop() if peak else 0
        begin = time.perf_counter()
        for _ in range(repeats):
            work()
        seconds = getattr(work, "seconds", (time.perf_counter() - begin) / repeats)
        pipe.send((seconds, grown))


def measure(row: str) -> dict[str, dict[str, float]]:
    """Return median seconds and peak bytes of both sides, a warm-up round not counted."""
    rounds = (ROWS | CURVE)[row].rounds
    context = multiprocessing.get_context("spawn")
    # Where milliseconds count, one process: two may differ in speed by a third for as long as they
    # live, for reasons of the machine. Where memory counts, one for each, that holds nothing else.
    groups = [tuple(ENGINES)] if rounds >= MANY else [(side,) for side in ENGINES]
    pipes, processes = {}, []
    for sides in groups:
        ours, theirs = context.Pipe()
        pipes |= dict.fromkeys(sides, ours)
        processes.append(context.Process(target=_serve, args=(row, sides, theirs), daemon=True))
        processes[-1].start()
    seen: dict[str, list[tuple[float, int]]] = {side: [] for side in ENGINES}
    for number in range(rounds + 1):
        # Each side goes first as often as the other: what ran just before has left its traces.
        for side in list(pipes)[:: 1 if number % 2 else -1]:
            pipes[side].send(side)
            seen[side].append(pipes[side].recv())
    for pipe in set(pipes.values()):
        pipe.send(None)
    for process in processes:
        process.join()
    return {
        side: {
            "seconds": statistics.median(seconds for seconds, _ in values[1:]),
            # The first round is the one that starts without memory left over from another.
            "peak_bytes": values[0][1],
        }
        for side, values in seen.items()
    }


def _first_call(row: str, side: str, pipe: Any) -> None:
    torch.manual_seed(0)
    work, _ = getattr(ROWS[row], side)(ENGINES[side])
    begin = time.perf_counter()
    work()
    pipe.send(getattr(work, "seconds", time.perf_counter() - begin))


def cold(row: str, processes: int = 3) -> dict[str, float]:
    """Return the median seconds of the first call of a fresh process: what a user has."""
    context = multiprocessing.get_context("spawn")
    seen: dict[str, list[float]] = {side: [] for side in ENGINES}
    for number in range(processes):
        for side in list(ENGINES)[:: 1 if number % 2 else -1]:
            ours, theirs = context.Pipe()
            process = context.Process(target=_first_call, args=(row, side, theirs))
            process.start()
            seen[side].append(ours.recv())
            process.join()
    return {side: statistics.median(seconds) for side, seconds in seen.items()}


def copy_speed() -> float:
    """Return how many bytes per second this machine copies: the limit of all such work."""
    source = torch.ones(25 * MILLION)
    target = torch.empty_like(source).zero_()
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        target.copy_(source)
        times.append(time.perf_counter() - begin)
    return 2 * source.nbytes / statistics.median(times)


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description="Time the engine against torch.nn.utils.prune.")
    parser.add_argument("--only", help="one row, printed and not stored", choices=[*ROWS, *CURVE])
    arguments = parser.parse_args()
    # What the C library's allocator does with the end of its heap depends on chance and can double
    # the time of a training step, on either side. Blocks of up to 32 MB stay with the process.
    os.environ |= {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
    if arguments.only:
        found = {"warm": measure(arguments.only)}
        if arguments.only in ROWS:
            found["cold"] = cold(arguments.only)
        print(json.dumps(found, indent=2))
        return
    rows = {row: measure(row) for row in tqdm([*ROWS, *CURVE])}
    for row in tqdm(ROWS, desc="cold"):
        for side, seconds in cold(row).items():
            rows[row][side]["cold"] = seconds
    machine = {
        "cores": os.cpu_count(),
        "memory_GiB": round(psutil.virtual_memory().total / 2**30),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "copy_GB_per_s": round(copy_speed() / 1e9, 1),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "engine.json").write_text(
        json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n"
    )
    import report

    report.write(RESULTS)
    print((RESULTS / "engine.md").read_text())


if __name__ == "__main__":
    main()
