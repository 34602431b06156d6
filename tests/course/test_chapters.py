"""The chapters as they are written: tutorial/README.md's rules, and cells that run in any order.

Here cells run in this process, without a kernel; what they print is nbval's to compare.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot
import pytest
import torch
from ipywidgets import Widget
from nbformat import NotebookNode

import prune_lab.data
import prune_lab.device.recipe  # before `bench` replaces what it imports
import prune_lab.experiments.tickets
import prune_lab.training
from prune_lab.data import Digits, load_digits
from tutorial import build

CHAPTERS = build.sources()
every_chapter = pytest.mark.parametrize("source", CHAPTERS, ids=lambda source: source.stem)
HEADING = re.compile(r"^## (.+)$", re.M)
CHECK = re.compile(r"^checks\.(\w+)\(", re.M)
ASKED = re.compile(r'^guesses\.(?:number|choice|curve)\(\s*"(\w+)"', re.M)
REVEALED = re.compile(r'^guesses\.reveal\("(\w+)"', re.M)
VERDICT = re.compile(r"^(Right|Not quite|Not answered yet)[.:] ", re.M)


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def is_code(cell: NotebookNode) -> bool:
    return cell.cell_type == "code"


def prologue(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that every section needs."""
    return [cell for cell in notebook.cells if tags(cell) & {"setup", "engine"}]


def sections(notebook: NotebookNode) -> dict[str, list[NotebookNode]]:
    """The code cells under each heading of the second level."""
    found: dict[str, list[NotebookNode]] = {}
    heading = ""
    for cell in notebook.cells:
        if not is_code(cell):
            heading = [heading, *HEADING.findall(cell.source)][-1]
        elif not tags(cell) & {"setup", "engine"}:
            found.setdefault(heading, []).append(cell)
    return found


# The rules


@every_chapter
def test_a_sentence_that_begins_with_a_number_is_no_list(source: Path) -> None:
    """Markdown takes "98. The two filters" for the 98th point."""
    texts = [cell.source for cell in build.read(source).cells if not is_code(cell)]
    paragraphs = re.split(r"\n\s*\n", "\n\n".join(texts))
    assert [text for text in paragraphs if re.match(r"(?!1[.)])\d+[.)] ", text)] == []


@every_chapter
def test_a_chapter_begins_with_its_minutes_its_objectives_and_its_set_up(source: Path) -> None:
    notebook = build.read(source)
    first = notebook.cells[0].source
    assert re.match(rf"# {int(source.name[:2])}\. \S.*\n\n\*\d+ minutes\.\* After this", first)
    assert 2 <= len(re.findall(r"^- ", first, re.M)) <= 4
    code = [cell for cell in notebook.cells if is_code(cell)]
    assert tags(code[0]) == {"setup"}
    assert [tags(cell) for cell in code[1:] if "setup" in tags(cell)] == []
    engine = [cell.source for cell in code if "engine" in tags(cell)]
    uses_engine = any(re.search(r"\bprune\.", cell.source) for cell in code)
    assert len(engine) == uses_engine
    for line in engine:
        assert re.fullmatch(
            r"from prune_lab import prune\n\n# import torch\.nn\.utils\.prune as prune  # .+", line
        )
    assert list(HEADING.findall(notebook.cells[-1].source)) == ["Summary"]


@every_chapter
def test_an_exercise_has_its_place_its_hints_and_its_check(source: Path) -> None:
    learner, solved = build.read(source), build.read(source, solved=True)
    exercises = [n for n, cell in enumerate(learner.cells) if "exercise" in cell.metadata]
    assert 2 <= len(exercises) <= 4
    headings = [t for cell in learner.cells for t in HEADING.findall(cell.source)]
    numbered = [t for t in headings if t.startswith("Exercise")]
    assert [t.split(":")[0] for t in numbered] == [
        f"Exercise {n + 1}" for n in range(len(exercises))
    ]
    for n in exercises:
        text, cell = learner.cells[n - 1].source, learner.cells[n]
        assert isinstance(cell.metadata.exercise["minutes"], int)
        assert set(cell.metadata.exercise) == {"type", "difficulty", "minutes"}
        assert "<details><summary>Hint" in text
        assert text.count("<details>") == text.count("</details>")
        assert CHECK.findall(cell.source) and len(CHECK.findall(cell.source)) == 1
        assert CHECK.match(cell.source.split("\n")[-1]), "the check is the last line"
        marks = re.findall(r"### (BEGIN|END) SOLUTION", solved.cells[n].source)
        assert marks and marks == ["BEGIN", "END"] * (len(marks) // 2)
        if cell.metadata.exercise["type"] != "mend":
            assert "..." in cell.source, "no place to write"
    with_solution = [n for n, cell in enumerate(solved.cells) if "SOLUTION" in cell.source]
    assert with_solution == exercises


@every_chapter
def test_every_guess_is_revealed_in_its_section_and_stands_in_the_table(source: Path) -> None:
    notebook = build.read(source)
    found = sections(notebook)
    asked = [name for cells in found.values() for c in cells for name in ASKED.findall(c.source)]
    if not asked:
        assert "Guesses(" not in str(notebook.cells), "a chapter that keeps guesses asks for some"
        return
    assert f'guesses = Guesses("{source.name[:2]}")' in prologue(notebook)[0].source
    assert 2 <= len(asked) <= 4 and len(set(asked)) == len(asked)
    for heading, cells in found.items():
        waiting: list[str] = []
        for cell in cells:
            last = ast.parse(cell.source).body[-1]
            lines = cell.source.split("\n")[last.lineno - 1 :]
            for name in REVEALED.findall(cell.source):
                assert name in waiting, f"{heading}: {name!r} is revealed before it is asked"
                assert REVEALED.match(lines[0]), "the last line of a cell is what it shows"
                waiting.remove(name)
            for name in ASKED.findall(cell.source):
                assert ASKED.match("\n".join(lines)), "the last line of a cell is what it shows"
                waiting.append(name)
        assert not waiting, f"{heading}: {waiting} are asked and never revealed there"
    assert list(found["What you guessed"][-1].source.split()) == ["guesses"]
    headings = [text for cell in notebook.cells for text in HEADING.findall(cell.source)]
    assert headings[-2:] == ["What you guessed", "Summary"]


@every_chapter
def test_every_link_and_every_chapter_that_is_named_exists(source: Path) -> None:
    text = source.read_text()
    for link in re.findall(r"\]\(([^)#:]+\.ipynb)\)", text):
        assert (build.SOURCES / link.replace(".ipynb", ".md")).exists(), link


# Cells in any order


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A place where a chapter's cells run: few digits, no long training, no window."""
    fit, few = prune_lab.training.fit, Digits(*(part[:60] for part in load_digits()))
    learn = prune_lab.experiments.tickets.learn
    monkeypatch.setattr(prune_lab.data, "load_digits", lambda: few)
    monkeypatch.setattr(prune_lab.training, "fit", lambda *a, **k: fit(*a, **{**k, "epochs": 1}))
    monkeypatch.setattr(
        prune_lab.experiments.tickets,
        "learn",
        lambda *a, looks, **k: learn(*a, looks=range(len(looks)), **k),
    )
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setenv("PRUNE_LAB_GUESSES", "")
    matplotlib.use("agg")
    state = torch.get_rng_state()
    with matplotlib.rc_context():
        yield
    torch.set_rng_state(state)
    Widget.close_all()
    matplotlib.pyplot.close("all")


def run(cells: list[NotebookNode], space: dict[str, Any], *, torchs: bool = False) -> None:
    for cell in cells:
        code = cell.source
        if torchs and "ours" in tags(cell):
            continue
        if torchs and "engine" in tags(cell):
            code = code.replace("from prune_lab", "# from prune_lab").replace("# import", "import")
        try:
            exec(compile(code, "a cell", "exec"), space)
        except Exception as error:
            if "raises-exception" not in tags(cell):
                pytest.fail(f"{type(error).__name__}: {error}\n\nin the cell\n\n{code}")


def fresh() -> dict[str, Any]:
    return {"__name__": "__main__", "display": lambda *things: None}


@every_chapter
@pytest.mark.usefixtures("bench")
def test_every_section_runs_alone_after_the_set_up_and_once_more(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = build.read(source, solved=True)
    for heading, cells in sections(notebook).items():
        space = fresh()
        run(prologue(notebook) + cells, space)
        run(cells, space)
        verdicts = VERDICT.findall(capsys.readouterr().out)
        asked = sum(len(CHECK.findall(cell.source)) for cell in cells)
        assert verdicts == ["Right"] * 2 * asked, heading


@every_chapter
@pytest.mark.usefixtures("bench")
def test_a_chapter_runs_with_torchs_engine(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = build.read(source, solved=True)
    if not any("engine" in tags(cell) for cell in notebook.cells):
        pytest.skip("prunes nothing")
    space = fresh()
    run([cell for cell in notebook.cells if is_code(cell)], space, torchs=True)
    assert space["prune"].__name__ == "torch.nn.utils.prune"
    assert set(VERDICT.findall(capsys.readouterr().out)) == {"Right"}


def test_only_chapter_one_trains() -> None:
    trains = [source.name[:2] for source in CHAPTERS if "fit(" in source.read_text()]
    assert trains == ["01", "12"]


# What is made from the chapters


def test_the_instructors_table_is_the_chapters(monkeypatch: pytest.MonkeyPatch) -> None:
    from docs import chapters

    assert chapters.page() == chapters.PAGE.read_text(), "run: python -m docs.chapters"
    assert all(source.stem in chapters.table() for source in CHAPTERS)


def test_chapter_three_makes_slides() -> None:
    from nbconvert import SlidesExporter

    page, _ = SlidesExporter().from_filename(str(build.NOTEBOOKS / "03-prune-a-module.ipynb"))
    slides = page.split("<section>")
    headings = re.findall(r"<h([12])[^>]*>([^<]+)", page)
    assert headings[0] == ("1", "3. Prune a module")
    assert {"What did it cost?", "Why is my model no smaller?"} <= {text for _, text in headings}
    assert "random, worst" in page and "Exercise 1" not in page
    assert len(headings) >= 7 and len(slides) >= 7
