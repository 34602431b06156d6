"""Work beside the kernel ends with it."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from prune_lab.widgets.background import Background
from prune_lab.widgets.dialogue import one_at_a_time

WORK = """
import itertools, torch
from prune_lab.widgets.background import Background

def steps():
    for _ in itertools.count():
        yield torch.rand(1500, 1500) @ torch.rand(1500, 1500)

work = Background()
work.start(steps(), print)
work.{end}({seconds})
"""


@pytest.mark.parametrize("end", ["cancel()", "wait(0.1)"])
def test_python_ends_in_peace_while_there_is_work(end):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            WORK.replace("{end}({seconds})", end).replace("print", "lambda _: None"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_reported_takes_its_turn_and_who_waits_lets_it_in():
    found, done = [], threading.Event()

    def steps():
        yield "first"
        done.set()
        yield "second"

    work = Background()
    with one_at_a_time:
        work.start(steps(), found.append)
        assert not done.wait(0.2) and found == []  # what holds the panels is not disturbed
        work.wait(60)
        assert found == ["first", "second"] and not work.running


def test_a_report_that_waits_for_its_own_work_goes_on():
    work, found = Background(), []
    work.start(iter("ab"), lambda letter: (work.wait(60), found.append(letter)))
    work.wait(60)
    assert found == ["a", "b"]
