"""Work beside the kernel ends with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
