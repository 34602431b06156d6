"""Run one learner's notebook in a process of its own: `python -m prune_lab.course.submission`.

A job comes in on standard input, a line goes out for each verdict. `grade` starts this, and ends
it; nothing that a learner's code does here reaches further than this process and its folder.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from functools import partial
from typing import Any

MEMORY = 4 << 30  # bytes that a learner's code may allocate
FILE = 64 << 20  # bytes of a file that it writes


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; there the time alone is limited
        return
    for what, most in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_FSIZE, FILE)):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def main() -> None:
    """Run the cells of the job and report the verdicts of those that ask a check."""
    job: dict[str, Any] = json.load(sys.stdin)
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # nobody answers, and nobody reads what is printed
        os.dup2(nothing, stream)
    _limit()

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    from prune_lab.course.judging import Verdict
    from prune_lab.course.time_limit import TimeUp, within

    shell = InteractiveShell.instance()
    for cell in job["cells"]:
        with capture_output():
            shell.user_ns.pop("_verdict", None)
            with suppress(TimeUp):
                within(job["seconds"], partial(shell.run_cell, cell["code"]))
        if exercise := cell.get("exercise"):
            verdict = shell.user_ns.get("_verdict")
            state = verdict.state if type(verdict) is Verdict else "unanswered"
            report.write(f"{job['token']} {exercise} {state}\n")
            report.flush()


if __name__ == "__main__":
    main()
