"""From the wheel to the first notebook, and from nbgrader's release to its grades.

`make grade-test` builds the wheel and installs it, with nbgrader, into .venv-grade.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import nbformat
import pytest

from prune_lab.course.release import release
from tests.course.served import address_printed_by, page_at
from tutorial import build

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv-grade" / "bin"
CHAPTER = "02-inspect-a-module"

pytestmark = pytest.mark.skipif(not BIN.exists(), reason="make grade-test installs the wheel")


def environment(home: Path) -> dict[str, str]:
    """A user's environment, in which .venv-grade comes first (nbgrader calls alembic by name)."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JUPYTER"))}
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        clean.pop(name, None)
    return clean | build.STEADY | {"PATH": f"{BIN}{os.pathsep}{clean['PATH']}", "HOME": str(home)}


def run(folder: Path, *command: str) -> str:
    ran = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_wheel_brings_the_course_and_looks_well(tmp_path: Path) -> None:
    assert "Everything is in place" in run(tmp_path, "prune-lab", "doctor")
    run(tmp_path, "prune-lab", "start", "mine")
    chapters = [f"{source.stem}.ipynb" for source in build.sources()]
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == chapters
    said = run(tmp_path, "prune-lab", "start", "mine")
    assert said.count("as it is") == len(chapters) and "new " not in said
    code = "import prune_lab; from prune_lab.course import trained_lenet as t; t(4)"
    place = run(tmp_path, "python", "-c", f"{code}; print(prune_lab.__file__)")
    assert ".venv-grade" in place


def test_the_lab_opens_the_learners_copy(tmp_path: Path) -> None:
    run(tmp_path, "prune-lab", "start", "mine")
    command = [str(BIN / "prune-lab"), "lab"]
    with address_printed_by(command, tmp_path / "mine", environment(tmp_path)) as address:
        assert "/lab/tree/01-create-a-model.ipynb?token=" in address
        token = address.rsplit("token=")[1]
        root = address.split("/lab/")[0]
        listed = page_at(f"{root}/api/contents?token={token}")
        assert f"{CHAPTER}.ipynb" in {entry["name"] for entry in json.loads(listed)["content"]}


def test_a_started_notebook_runs(tmp_path: Path) -> None:
    run(tmp_path, "prune-lab", "start", ".")
    run(tmp_path, "jupyter", "execute", "--inplace", f"{CHAPTER}.ipynb")
    notebook = nbformat.read(tmp_path / f"{CHAPTER}.ipynb", as_version=4)
    assert "Not answered yet" in str(notebook.cells)


def test_release_says_that_it_needs_a_clone(tmp_path: Path) -> None:
    ran = subprocess.run(
        [str(BIN / "prune-lab"), "release", "--to", "plain", "out"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.startswith("release needs the chapters' sources")


def solve(notebook: nbformat.NotebookNode, solved: nbformat.NotebookNode, count: int) -> None:
    """Answer the first `count` exercises as the solved chapter does."""
    answers = {c.metadata.nbgrader.grade_id: c.source for c in solved.cells if marked(c)}
    waiting = [c for c in notebook.cells if marked(c) and c.metadata.nbgrader.solution]
    for cell in waiting[:count]:
        cell.source = answers[cell.metadata.nbgrader.grade_id]


def marked(cell: nbformat.NotebookNode) -> bool:
    return "nbgrader" in cell.metadata


def test_nbgrader_gives_all_the_share_and_nothing(tmp_path: Path) -> None:
    release("nbgrader", tmp_path)
    run(tmp_path, "nbgrader", "generate_assignment", CHAPTER)
    name = f"{CHAPTER}/{CHAPTER}.ipynb"
    given = (tmp_path / "release" / name).read_text()
    assert "SOLUTION" not in given and 'register_buffer(\\"weight_mask\\"' not in given
    solved = nbformat.read(tmp_path / "source" / name, as_version=4)
    points = [
        c.metadata.nbgrader.points for c in solved.cells if marked(c) and c.metadata.nbgrader.grade
    ]
    for learner, count in (("all", len(points)), ("some", 2), ("none", 0)):
        notebook = nbformat.read(tmp_path / "release" / name, as_version=4)
        solve(notebook, solved, count)
        target = tmp_path / "submitted" / learner / name
        target.parent.mkdir(parents=True)
        nbformat.write(notebook, target)
    run(tmp_path, "nbgrader", "autograde", CHAPTER, "--create")
    run(tmp_path, "nbgrader", "export")
    lines = (tmp_path / "grades.csv").read_text().splitlines()
    rows = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    scores = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in rows}
    full = float(sum(points))
    assert scores == {
        "all": (full, full),
        "some": (float(sum(points[:2])), full),
        "none": (0.0, full),
    }
