"""A study of a trial that is quick, leaves a trace of each call, and can be held up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TRIALS = '''
"""What the tests' studies run. Each call leaves a line in `calls`."""
import os, random, time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def power(seed: int, base: float, exponent: int = 2, name: str = "plain", flag: bool = False):
    with (HERE / "calls").open("a") as calls:
        calls.write(f"{seed} {base} {exponent} {os.getpid()}\\n")
    while (HERE / f"hold-{seed}-{base:g}").exists():
        time.sleep(0.02)
    if name == "fails":
        raise RuntimeError("no luck")
    lots = {"draw": random.random(), "lot": float(np.random.random())}
    return {"power": base**exponent + seed, **lots, "pid": os.getpid()}


def check_power(base, exponent, **others):
    if base < 0:
        raise ValueError(f"base must be 0 or more, but got {base}")


def no_seed(base):
    return {}


def any_setting(seed, **settings):
    return settings


def of_a_set(seed):
    return {"set": {1, 2}}


def dies(seed):
    os._exit(9)


number = 3
'''


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a module of trials; its name is of this folder alone."""
    name = f"trials_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(TRIALS)
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop(name, None)


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    """Write a study; MODULE stands for the module of trials."""
    module = next(folder.glob("trials_*.py")).stem

    def write(text: str, name: str = "study.toml") -> Path:
        path = folder / name
        path.write_text(text.replace("MODULE", module))
        return path

    return write


class Call(NamedTuple):
    """What a trial leaves in `calls` when it begins."""

    seed: int
    base: float
    process: int


@pytest.fixture
def calls(folder: Path) -> Callable[[], list[Call]]:
    """Read the calls so far."""

    def read() -> list[Call]:
        path = folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [Call(int(s), float(b), int(p)) for s, b, _exponent, p in map(str.split, lines)]

    return read
