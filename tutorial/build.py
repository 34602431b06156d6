"""Build notebooks/NN-*.ipynb from tutorial/NN-*.md: cut the solutions, run, store the outputs.

`python -m tutorial.build` builds every chapter, `python -m tutorial.build 03` those named so.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

SOURCES = Path(__file__).parent
NOTEBOOKS = SOURCES.parent / "notebooks"
# Tools ignore a tag that they do not know, in silence: no other tag may stand in a chapter.
TAGS = {"nbval-ignore-output", "raises-exception", "setup", "engine", "ours", "slide", "fragment"}
EXERCISES = {"type": {"predict", "write", "mend", "read"}, "difficulty": {1, 2, 3}}
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}

# A sum's last digit depends on how many threads share it and on the processor's vector width, a
# progress bar on the clock, and a panel that asks on what somebody guessed: whoever makes or
# compares stored outputs gives the kernel these.
STEADY = {
    "OMP_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "default",  # torch's own loops
    "ONEDNN_MAX_CPU_ISA": "SSE41",  # its convolutions
    "MKL_CBWR": "COMPATIBLE",  # its matrix products
    "TQDM_DISABLE": "1",
    "PRUNE_LAB_GUESSES": "",
}

# nbgrader's marks. What stands around them, `answer = ...` for instance, is the learner's start.
SOLUTION = re.compile(r"^ *### BEGIN SOLUTION\n.*?^ *### END SOLUTION\n?", re.M | re.S)


def sources(wanted: list[str] | None = None) -> list[Path]:
    """The chapters in reading order; with `wanted`, those whose names start so."""
    chapters = sorted(SOURCES.glob("[0-9][0-9]-*.md"))
    return [c for c in chapters if not wanted or c.name.startswith(tuple(wanted))]


def read(source: Path, *, solved: bool = False) -> NotebookNode:
    """One chapter as a notebook that was not run: the learner's copy, or with its solutions."""
    chapter = jupytext.read(source, fmt="md:myst")
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    for number, cell in enumerate(chapter.cells):
        cell.id = f"cell-{number:03}"  # jupytext draws random ones: no two builds would be equal
        if unknown := set(cell.metadata.get("tags", [])) - TAGS:
            raise ValueError(f"{source.name}: unknown tags {unknown}; known are {TAGS}")
        if cell.cell_type == "code" and not solved:
            cell.source = SOLUTION.sub("", cell.source).rstrip("\n")
        if "exercise" in cell.metadata:
            _announce(cell.metadata.exercise, above=notebook.cells[-1])
        notebook.cells.append(cell)
    _make_slides(notebook)
    return notebook


def _make_slides(notebook: NotebookNode) -> None:
    """Turn our tags into what nbconvert's slides read; an untagged cell is on none of them."""
    kinds = [{"slide", "fragment"} & set(c.metadata.get("tags", [])) for c in notebook.cells]
    if any(kinds):
        for cell, kind in zip(notebook.cells, kinds, strict=True):
            cell.metadata["slideshow"] = {"slide_type": kind.pop() if kind else "skip"}


def _announce(exercise: dict[str, Any], *, above: NotebookNode) -> None:
    """Write an exercise's type, difficulty and minutes under its heading."""
    for key, known in EXERCISES.items():
        if exercise.get(key) not in known:
            raise ValueError(f"an exercise's {key} is one of {known}, not {exercise.get(key)!r}")
    line = "*{type} · difficulty {difficulty} of 3 · {minutes} minutes*".format(**exercise)
    heading, text = above.source.split("\n", 1)
    if not heading.startswith("## Exercise "):
        raise ValueError(f"an exercise stands below its heading, not below {heading!r}")
    above.source = f"{heading}\n\n{line}\n{text}"


def execute(notebook: NotebookNode) -> NotebookNode:
    """Run all cells in a fresh kernel, in the folder where the learner runs them."""
    kernel = NotebookClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": NOTEBOOKS}},
        record_timing=False,
        coalesce_streams=True,
    )
    kernel.execute(env={**os.environ, **STEADY})
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for output in (o for c in notebook.cells for o in c.get("outputs", []) if "data" in o):
        # A widget's view without its kernel is an error message: keep its picture and its text.
        output.data.pop("application/vnd.jupyter.widget-view+json", None)
    return notebook


def main(wanted: list[str]) -> int:
    """Build the chapters; a chapter that fails keeps its old notebook and is named."""
    for source in sources(wanted):
        print(source.name, end=" ", flush=True)
        try:
            notebook = execute(read(source))
        except CellExecutionError as error:
            print(f"failed, its notebook stays as it was:\n{error}")
            return 1
        target = NOTEBOOKS / f"{source.stem}.ipynb"
        nbformat.write(notebook, target)
        print("->", target.relative_to(SOURCES.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
