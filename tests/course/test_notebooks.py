"""The learner's notebooks against the text they are built from.

That the stored outputs are still what the code prints is nbval's work: `make notebooks-test`.
"""

from __future__ import annotations

import base64
import copy
import importlib
import io
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import nbformat
import pytest
from matplotlib.image import imread
from nbformat import NotebookNode

from prune_lab.course import signing
from tutorial import build
from tutorial.panels import STATE, VIEW, keep_panels

CHAPTERS = build.sources()
CHECK = re.compile(r"^checks\.\w+\(", re.M)
every_chapter = pytest.mark.parametrize("source", CHAPTERS, ids=lambda source: source.stem)


def stored(source: Path) -> NotebookNode:
    """The notebook that a learner opens for this chapter."""
    return nbformat.read(build.NOTEBOOKS / f"{source.stem}.ipynb", as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def printed(cell: NotebookNode) -> str:
    """All text that a cell left: streams and the plain form of its results."""
    return "".join(
        o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs
    )


def verdicts(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The cell of each exercise, by the call that asks its check."""
    cells = (cell for cell in code_cells(notebook) if CHECK.search(cell.source))
    return {CHECK.search(cell.source).group(): cell for cell in cells}


def test_every_chapter_has_its_notebook_and_no_other_is_there() -> None:
    assert CHAPTERS
    built = sorted(build.NOTEBOOKS.glob("*.ipynb"))
    assert [n.stem for n in built] == [source.stem for source in CHAPTERS]


@every_chapter
def test_the_notebook_is_what_its_text_gives(source: Path) -> None:
    def written(notebook: NotebookNode) -> list[tuple[object, ...]]:
        return [(c.id, c.cell_type, c.source, c.metadata) for c in notebook.cells]

    assert written(stored(source)) == written(build.read(source)), "run: make notebooks"


@every_chapter
def test_no_solution_reaches_the_learner(source: Path) -> None:
    assert "SOLUTION" not in str(stored(source).cells)
    assert "### BEGIN SOLUTION" in source.read_text()


@every_chapter
def test_every_cell_was_run_in_order_and_none_failed(source: Path) -> None:
    cells = code_cells(stored(source))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == ("raises-exception" in tags(cell)), cell.source
        assert all(output.get("name") != "stderr" for output in cell.outputs), cell.source


@every_chapter
def test_few_outputs_are_left_uncompared(source: Path) -> None:
    cells = code_cells(stored(source))
    assert sum("nbval-ignore-output" in tags(cell) for cell in cells) <= 2
    assert "NBVAL_" not in "".join(cell.source for cell in cells)  # nbval's marks in comments


@every_chapter
def test_pictures_lie_on_the_pages_own_ground(source: Path) -> None:
    """Else each is a white sheet in a dark theme."""
    pictures = [
        (output.data["image/png"], output.metadata)
        for cell in code_cells(stored(source))
        for output in cell.outputs
        if "image/png" in output.get("data", {})
        and not output.data["text/plain"].startswith("QRCode(")  # a reader wants white round it
    ]
    assert pictures
    for picture, metadata in pictures:
        pixels = imread(io.BytesIO(base64.b64decode(picture)))
        assert pixels[[0, 0, -1, -1], [0, -1, 0, -1], 3].tolist() == [0, 0, 0, 0]
        assert "needs_background" not in metadata


@every_chapter
def test_the_checks_wait_calmly_for_the_learner(source: Path) -> None:
    asked = verdicts(stored(source))
    mended = {call for call, cell in asked.items() if cell.metadata.exercise["type"] == "mend"}
    assert asked
    for call, cell in asked.items():
        assert len(cell.outputs) == 1, "one line, and no second output for the verdict"
        waits = ("Not answered yet: ", "Not quite: ")[: 1 + (call in mended)]
        assert printed(cell).startswith(waits) and printed(cell).count("\n") == 1


def test_a_changed_digit_in_a_stored_output_fails(tmp_path: Path) -> None:
    source = min(CHAPTERS, key=lambda source: source.stat().st_size)
    notebook = stored(source)
    compared = [c for c in code_cells(notebook) if "nbval-ignore-output" not in tags(c)]
    output = next(o for c in compared for o in c.outputs if re.search(r"\d", o.get("text", "")))
    output.text = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), output.text, count=1)
    nbformat.write(notebook, tmp_path / "changed.ipynb")

    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "--color=no"]
    command += [f"--rootdir={tmp_path}", str(tmp_path)]
    result = subprocess.run(
        command, env={**os.environ, **build.STEADY}, capture_output=True, text=True
    )
    assert result.returncode == 1, result.stdout
    assert "Cell outputs differ" in result.stdout
    assert re.search(r"\b1 failed, \d+ passed", result.stdout), result.stdout


@every_chapter
def test_its_panels_are_stored_with_the_scripts_that_the_package_has(source: Path) -> None:
    notebook = stored(source)
    outputs = [o.data for cell in code_cells(notebook) for o in cell.outputs if "data" in o]
    views = [data[VIEW]["model_id"] for data in outputs if VIEW in data]
    state = notebook.metadata.widgets[STATE].state
    assert views and set(views) <= set(state)
    assert list(state) == sorted(state) and all(name.startswith("panel-") for name in state)
    for name in views:
        panel = state[name].state
        module, _, kind = panel["_anywidget_id"].rpartition(".")
        today = getattr(importlib.import_module(module), kind)
        kept = (panel["_esm"], panel["_css"])
        assert kept == (str(today._esm), str(today._css)), "run: make notebooks"
        assert panel["layout"].removeprefix("IPY_MODEL_") in state


def test_two_builds_name_the_panels_alike() -> None:
    notebook = stored(CHAPTERS[2])
    again = copy.deepcopy(notebook)
    names = {name: uuid.uuid4().hex for name in again.metadata.widgets[STATE].state}
    text = json.dumps(again)
    for name, drawn in sorted(names.items(), reverse=True):  # panel-12 before panel-1
        text = text.replace(f'"{name}"', f'"{drawn}"').replace(
            f'"IPY_MODEL_{name}"', f'"IPY_MODEL_{drawn}"'
        )
    again = nbformat.from_dict(json.loads(text))
    left = {"model_name": "LayoutModel", "state": {}}  # of a widget that no output shows
    again.metadata.widgets[STATE].state[uuid.uuid4().hex] = nbformat.from_dict(left)
    assert again != notebook
    keep_panels(again)
    assert again == notebook


def test_the_course_knows_its_notebooks_as_they_were_built() -> None:
    built = {path.name: signing.hash_of(path) for path in build.NOTEBOOKS.glob("*.ipynb")}
    assert signing.hashes() == built, "run: make notebooks"
