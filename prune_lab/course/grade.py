"""Grade a folder of learners' notebooks into a table, without nbgrader.

Each notebook runs in a process of its own, in an empty folder, with limits on time and memory and,
on Linux, in namespaces of its own: no network, and no file outside its folder can be written. The
table is written anew after each notebook; started again, notebooks that are in it are left out.

A learner's code and the checks share one process. That keeps everybody's work safe from everybody
else's; it does not keep someone who is set on it from forging a verdict. Read what looks odd.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from prune_lab.course.start import CourseError, course_notebooks

CELL_SECONDS = 60.0  # that one cell may take
SECONDS = 300.0  # that one notebook may take
LARGEST = 50 << 20  # bytes of a notebook
FOLDER = 256 << 20  # bytes that a notebook may leave in its folder

_CHECK = re.compile(r"^checks\.(\w+)\(.*\)$", re.M)


class Exercise(NamedTuple):
    """One exercise of a chapter: its check's name, the line that asks it, its points."""

    name: str
    line: str
    points: int


class Row(NamedTuple):
    """One line of the table: a notebook, and its exercises by what their checks said."""

    notebook: str
    sha256: str
    chapter: str = ""
    points: str = "0"
    possible: str = "0"
    right: str = ""
    unanswered: str = ""
    wrong: str = ""
    note: str = ""


@functools.cache
def course_exercises() -> dict[str, list[Exercise]]:
    """The exercises of each chapter, from the notebooks that came with the package."""
    found = {}
    for path in course_notebooks():
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found[path.stem] = [
            Exercise(match[1], match[0], cell["metadata"]["exercise"]["difficulty"])
            for cell in cells
            if "exercise" in cell["metadata"] and (match := _CHECK.search("".join(cell["source"])))
        ]
    return found


def grade(folder: Path, table: Path) -> Iterator[Row]:
    """Grade every notebook under `folder` and write `table`; yield each row when it is written.

    Raises CourseError if there is nothing to grade or `table` is something else.
    """
    if not folder.is_dir():
        raise CourseError(f"{folder} is not a folder")
    paths = [p for p in sorted(folder.rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts]
    if not paths:
        raise CourseError(f"there is no notebook in {folder}")
    rows = _read_table(table)
    # All are read before the first one runs: none can change what is graded for another.
    submissions = [(_plain(p.relative_to(folder).as_posix()), *_read(p, folder)) for p in paths]
    for name, content, problem in submissions:
        sha256 = hashlib.sha256(content).hexdigest()
        if name in rows and rows[name].sha256 == sha256:
            continue
        row = Row(name, sha256, note=problem) if problem else _grade(name, sha256, content, folder)
        rows[name] = row
        _write_table(table, list(rows.values()))
        yield row


def _plain(name: str) -> str:
    """A file's name that no table can take for a formula, and no terminal for an order."""
    shown = "".join(c if c.isprintable() else "?" for c in name)
    return f"'{shown}" if shown[:1] in "=+-@" else shown


def _read(path: Path, folder: Path) -> tuple[bytes, str]:
    try:
        if (
            path.is_symlink()
            or not path.is_file()
            or folder.resolve() not in path.resolve().parents
        ):
            return b"", "not a plain file"
        if path.stat().st_size > LARGEST:
            return b"", f"larger than {LARGEST >> 20} MB"
        return path.read_bytes(), ""
    except OSError as error:
        return b"", f"cannot be read: {error.strerror}"


def _read_table(table: Path) -> dict[str, Row]:
    if not table.exists():
        return {}
    try:
        lines = list(csv.reader(io.StringIO(table.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError, csv.Error):
        lines = []
    if not lines or tuple(lines[0]) != Row._fields:
        raise CourseError(f"{table} is no table of grades: give another name, or move it away")
    return {line[0]: Row(*line) for line in lines[1:] if len(line) == len(Row._fields)}


def _write_table(table: Path, rows: list[Row]) -> None:
    beside = table.with_name(f".{table.name}.part")
    try:
        with beside.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([Row._fields, *sorted(rows)])
        beside.replace(table)
    except OSError as error:
        raise CourseError(f"cannot write {table}: {error.strerror}") from None


def _grade(name: str, sha256: str, content: bytes, folder: Path) -> Row:
    try:
        cells = [
            "".join(cell["source"])
            for cell in json.loads(content)["cells"]
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Row(name, sha256, note="not a notebook")
    asked = set(_CHECK.findall("\n".join(cells)))
    known = course_exercises()
    chapter = max(known, key=lambda c: len(asked & {e.name for e in known[c]}), default="")
    if not chapter or not asked & {exercise.name for exercise in known[chapter]}:
        return Row(name, sha256, note="no exercise of the course is in it")
    exercises = known[chapter]
    states, note = _run(_with_checks(cells, chapter, exercises), folder)
    by_state: dict[str, list[Exercise]] = {"right": [], "unanswered": [], "wrong": []}
    for exercise in exercises:
        by_state[states.get(exercise.name, "unanswered")].append(exercise)
    named = {state: " ".join(e.name for e in found) for state, found in by_state.items()}
    return Row(
        name,
        sha256,
        chapter,
        points=str(sum(exercise.points for exercise in by_state["right"])),
        possible=str(sum(exercise.points for exercise in exercises)),
        right=named["right"],
        unanswered=named["unanswered"],
        wrong=named["wrong"],
        note=note,
    )


def _with_checks(cells: list[str], chapter: str, exercises: list[Exercise]) -> list[dict[str, str]]:
    """The learner's cells, and behind each exercise the course's own question to its check."""
    waiting = {exercise.name: exercise for exercise in exercises}
    module = f"prune_lab.course.checks.chapter_{chapter[:2]}"
    jobs: list[dict[str, str]] = []

    def ask(exercise: Exercise) -> None:
        line = exercise.line.replace("checks.", "_checks.", 1)
        code = f"import {module} as _checks\n_verdict = {line}"
        jobs.append({"code": code, "exercise": exercise.name})

    for cell in cells:
        jobs.append({"code": cell})
        for name in _CHECK.findall(cell):
            if name in waiting:
                ask(waiting.pop(name))
    for exercise in waiting.values():  # a check that was deleted is asked at the end
        ask(exercise)
    return jobs


def _run(cells: list[dict[str, str]], folder: Path) -> tuple[dict[str, str], str]:
    """Run the cells in a process of their own; the verdicts so far, and what went wrong."""
    token = secrets.token_hex(16)
    job: dict[str, Any] = {"token": token, "seconds": CELL_SECONDS, "cells": cells}
    place = Path(tempfile.mkdtemp(prefix="prune-lab-grade-"))
    process = subprocess.Popen(
        [*_sandbox(place, folder), sys.executable, "-m", "prune_lab.course.submission"],
        cwd=place,
        env=_environment(place),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    said = io.BytesIO()
    try:
        note = _wait(process, json.dumps(job).encode(), said, place)
    finally:
        _end(process)
        shutil.rmtree(place, ignore_errors=True)
    lines = [line.split(" ") for line in said.getvalue().decode("utf-8", "replace").splitlines()]
    states = {line[1]: line[2] for line in lines if len(line) == 3 and line[0] == token}
    if not note and len(states) < sum("exercise" in cell for cell in cells):
        note = "Python ended before the last exercise"
    return states, note


def _wait(process: subprocess.Popen[bytes], job: bytes, said: Any, place: Path) -> str:
    assert process.stdin and process.stdout
    reader = threading.Thread(target=shutil.copyfileobj, args=(process.stdout, said), daemon=True)
    reader.start()
    try:
        process.stdin.write(job)
        process.stdin.close()
    except OSError:
        pass
    note, deadline = "", time.monotonic() + SECONDS
    while process.poll() is None and not note:
        if time.monotonic() > deadline:
            note = f"stopped after {SECONDS:g} seconds"
        elif _size(place) > FOLDER:
            note = f"stopped after it had written {FOLDER >> 20} MB"
        time.sleep(0.1)
    _end(process)
    reader.join(10)
    return note


def _size(place: Path) -> int:
    total = 0
    for path in place.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:
            continue
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started and did not hide in a session of its own."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _environment(place: Path) -> dict[str, str]:
    """A small environment: no secrets of the instructor's, and caches in the empty folder."""
    kept = ("PATH", "SYSTEMROOT", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TEMP", "TMP")
    homes = dict.fromkeys(
        ("HOME", "USERPROFILE", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR"), str(place)
    )
    settings = {"MPLBACKEND": "agg", "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    return {name: os.environ[name] for name in kept if name in os.environ} | homes | settings


# Without root: namespaces of its own for users, mounts, network and processes. Everything is
# read-only but one folder in memory, and all processes end with the first.
_SCRIPT = """
mount -o remount,bind,ro / && mount --bind "$2" "$2" && mount -o remount,bind,ro "$2" &&
mount -t tmpfs -o size=256m tmpfs "$1" && cd "$1" && shift 2 && exec "$@"
"""
_UNSHARE = ["unshare", "-rmnp", "--fork", "--kill-child"]


def _sandbox(place: Path, folder: Path) -> list[str]:
    if not isolated():
        return []
    return [*_UNSHARE, "sh", "-c", _SCRIPT, "sh", str(place), str(folder.resolve())]


@functools.cache
def isolated() -> bool:
    """Whether this system keeps a submission from the network and from all other files."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        tried = [*_UNSHARE, "sh", "-c", _SCRIPT, "sh", a, b, "true"]
        return subprocess.run(tried, capture_output=True).returncode == 0
