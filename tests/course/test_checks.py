"""The checks behind the exercises: right answers pass, and wrong ones hear what went wrong.

The answers are in answers/, a file for each chapter; here they all go through the same mill.
"""

from __future__ import annotations

import importlib
import inspect
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prune_lab.course import judging
from prune_lab.course.judging import Verdict
from tests.course.cases import Case
from tutorial import build

ROOT = Path(__file__).parents[2]


def modules(folder: str) -> dict[str, Any]:
    """The modules chapter_NN of a folder, by chapter."""
    found = sorted((ROOT / folder).glob("chapter_*.py"))
    dotted = folder.replace("/", ".")
    return {f.stem: importlib.import_module(f"{dotted}.{f.stem}") for f in found}


CHECKS = {
    f"{chapter}.{name}": check
    for chapter, module in modules("prune_lab/course/checks").items()
    for name, check in vars(module).items()
    if inspect.isfunction(check) and check.__module__ == module.__name__
    if not name.startswith("_")
}
CASES: dict[str, Case] = {}
for chapter, module in modules("tests/course/answers").items():
    for number, case in enumerate(module.CASES):
        CASES[f"{chapter}.{case.check.__name__}-{number}-{case.state}"] = case


def ask(
    capsys: pytest.CaptureFixture[str], check: Callable[..., Verdict], *answers: Any
) -> Verdict:
    """Ask a check: it says one line, which is its verdict's."""
    verdict = check(*answers)
    said = capsys.readouterr()
    assert said.out == verdict.line + "\n" and said.err == ""
    assert "?." not in said.out and "\n" not in verdict.line
    return verdict


@pytest.mark.parametrize("name", CASES)
def test_an_answer_hears_what_it_should(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    monkeypatch.setattr(judging, "SECONDS", 2.0 if "never ends" in case.says else 60.0)
    state = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    before = [judging._state(a) for a in case.answers if isinstance(a, torch.nn.Module)]
    verdict = ask(capsys, case.check, *case.answers)
    assert (verdict.state, bool(verdict)) == (case.state, case.state == "right"), verdict.line
    assert case.says in verdict.line
    assert verdict.exercise == case.check.__name__
    assert torch.equal(torch.get_rng_state(), state[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == state[1:]
    assert [judging._state(a) for a in case.answers if isinstance(a, torch.nn.Module)] == before


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_tried_with_six_wrong_answers_and_a_right_one(name: str) -> None:
    tried = Counter(case.state for case in CASES.values() if case.check is CHECKS[name])
    assert tried["wrong"] >= 6 and tried["right"] >= 1, tried


@pytest.mark.parametrize("name", CHECKS)
def test_an_untouched_cell_is_not_an_answer(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    answers = [...] * len(inspect.signature(CHECKS[name]).parameters)
    assert ask(capsys, CHECKS[name], *answers).state == "unanswered"


class Hostile:
    """Raises wherever one looks."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(f"no {name}\nfor \033[31myou")


NONSENSE = [None, "forty", True, [], {}, float("nan"), torch.ones(2), np.ones(3), 10**400, 1j]
NONSENSE += [print, int, torch.nn.ReLU, torch.nn.ReLU(), Hostile(), "\033[2J\n\n", "x" * 10_000]


@pytest.mark.parametrize("name", CHECKS)
def test_nonsense_is_never_right_and_never_a_traceback(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check = CHECKS[name]
    for nonsense in NONSENSE:
        answers = [nonsense] * len(inspect.signature(check).parameters)
        verdict = ask(capsys, check, *answers)
        assert verdict.state != "right", nonsense
        assert verdict.line.isprintable() and len(verdict.line) < 280
    assert "this check looks at" in ask(capsys, check).line
    assert "this check looks at" in ask(capsys, check, *range(9)).line


def test_the_chapters_and_the_checks_name_the_same_exercises() -> None:
    for source in build.sources():
        chapter = f"chapter_{source.name[:2]}"
        text = source.read_text()
        asked = {f"{chapter}.{name}" for name in re.findall(r"^checks\.(\w+)\(", text, re.M)}
        assert asked == {name for name in CHECKS if name.startswith(chapter)}
        assert f"from prune_lab.course.checks import {chapter} as checks\n" in text
