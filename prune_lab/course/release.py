"""Give the course out: learners' notebooks, nbgrader's assignments, or the worked chapters."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from prune_lab.course.start import CourseError

# nbgrader's own settings for what is written here, each found by running it.
_CONFIG = """\
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "prune_lab"
c.ClearSolutions.code_stub = {"python": ""}  # the chapters bring their own place to write
c.ExecutePreprocessor.timeout = 300  # seconds a cell; its default of 30 is short on busy machines
"""


def release(form: str, out: Path) -> list[Path]:
    """Write the chapters into `out` as "plain", "nbgrader" or "solved"; name the files.

    "plain" are learners' notebooks. "nbgrader" is a course folder: `source/` with the solutions,
    from which `nbgrader generate_assignment` makes what learners get. "solved" is the teacher's.

    Raises CourseError outside of a clone, or if a file is there already.
    """
    build = _builder()
    files: dict[Path, Any] = {}
    for source in build.sources():
        notebook = build.read(source, solved=form != "plain")
        name = f"{source.stem}.ipynb"
        if form == "nbgrader":
            for_nbgrader(notebook, source.name[:2])
            files[out / "source" / source.stem / name] = notebook
        else:
            files[out / name] = notebook
    config = out / "nbgrader_config.py"
    taken = [path for path in [*files, *[config] * (form == "nbgrader")] if path.exists()]
    if taken:
        raise CourseError(f"{taken[0]} is there already: give an empty folder")
    import nbformat

    try:
        for path, notebook in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, path)
        if form == "nbgrader":
            config.write_text(_CONFIG, encoding="utf-8")
    except OSError as error:
        raise CourseError(f"cannot write to {out}: {error.strerror}") from None
    return [*files]


def _builder() -> Any:
    root = Path(__file__).parents[2]
    if not (root / "tutorial" / "build.py").exists():
        raise CourseError(
            "release needs the chapters' sources: run it inside a clone of PruneLab, "
            "installed there with pip install -e '.[test]'"
        )
    sys.path.insert(0, str(root))
    try:
        return importlib.import_module("tutorial.build")
    except ImportError as error:
        raise CourseError(
            f"release needs {error.name}: run pip install -e '.[test]' in the clone"
        ) from None
    finally:
        sys.path.remove(str(root))


def for_nbgrader(notebook: Any, chapter: str) -> None:
    """Split each exercise into the cell that is solved and the locked one that is graded."""
    import nbformat

    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if "exercise" not in cell.metadata:
            continue
        answer, check = cell.source.rstrip("\n").rsplit("\n", 1)
        name = check[len("checks.") : check.index("(")]
        cell.source = answer.rstrip("\n")
        cell.metadata["nbgrader"] = _mark(f"answer-{chapter}-{name}", solution=True)
        graded = nbformat.v4.new_code_cell(f"{check}.must_be_right()", id=f"{cell.id}-check")
        graded.metadata["nbgrader"] = _mark(f"check-{chapter}-{name}", grade=True, locked=True)
        graded.metadata["nbgrader"]["points"] = cell.metadata.exercise["difficulty"]
        # A wrong answer raises; "run all" goes on to the next exercise all the same.
        graded.metadata["tags"] = ["raises-exception"]
        cells.append(graded)
    notebook.cells = cells


def _mark(
    grade_id: str, *, solution: bool = False, grade: bool = False, locked: bool = False
) -> dict[str, Any]:
    return {
        "schema_version": 3,
        "grade_id": grade_id,
        "solution": solution,
        "grade": grade,
        "locked": locked,
        "task": False,
    }
