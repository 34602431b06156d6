"""The learner's copy and the releases: nothing overwritten, no solution given away."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary

from prune_lab.cli import main
from prune_lab.course import start as start_module
from prune_lab.course.release import release
from prune_lab.course.signing import sign
from prune_lab.course.start import CourseError, course_notebooks, start
from tutorial import build

NAMES = [f"{source.stem}.ipynb" for source in build.sources()]


def test_a_folder_gets_what_it_lacks_and_keeps_what_it_has(tmp_path: Path) -> None:
    folder = tmp_path / "my course" / "ünïcode"
    assert start(folder) == (NAMES, [])
    assert [p.read_bytes() for p in sorted(folder.iterdir())] == [
        p.read_bytes() for p in course_notebooks()
    ]
    (folder / NAMES[0]).write_text("my work")
    (folder / NAMES[1]).unlink()
    (folder / "notes.txt").write_text("mine")
    assert start(folder) == ([NAMES[1]], [name for name in NAMES if name != NAMES[1]])
    assert (folder / NAMES[0]).read_text() == "my work"
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_link_that_leads_nowhere_is_somebodys_too(tmp_path: Path) -> None:
    (tmp_path / NAMES[0]).symlink_to(tmp_path / "elsewhere.ipynb")
    assert NAMES[0] in start(tmp_path)[1]
    assert not (tmp_path / "elsewhere.ipynb").exists()


def test_a_full_disk_leaves_no_half_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def fail(path: Path) -> bytes:
        if path.name == NAMES[1]:
            raise OSError(28, "No space left on device")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(CourseError, match="No space left on device"):
        start(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [NAMES[0]]


def test_what_cannot_be_done_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["start", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().out.startswith("cannot write to ")
    assert main(["grade", str(tmp_path / "none"), "--csv", str(tmp_path / "t.csv")]) == 1
    assert capsys.readouterr().out.endswith("none is not a folder\n")
    assert main(["grade", str(tmp_path), "--csv", str(tmp_path / "t.csv")]) == 1
    assert "there is no notebook in" in capsys.readouterr().out
    (tmp_path / "a.ipynb").write_text("{}")
    (tmp_path / "t.csv").write_text("my thesis")
    assert main(["grade", str(tmp_path), "--csv", str(tmp_path / "t.csv")]) == 1
    assert (tmp_path / "t.csv").read_text() == "my thesis"
    monkeypatch.setattr(start_module, "course_notebooks", list)
    with pytest.raises(CourseError, match="install prune-lab again"):
        start(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def text_of(path: Path) -> str:
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


def solution_lines(source: Path) -> list[str]:
    """Lines that stand in a solution and nowhere else in its chapter."""
    text = source.read_text()
    rest = build.SOLUTION.sub("", text)
    blocks = build.SOLUTION.findall(text)
    lines = [line.strip() for block in blocks for line in block.splitlines()[1:-1]]
    return [line for line in lines if line and line not in rest]


def test_learners_get_no_trace_of_the_solutions(tmp_path: Path) -> None:
    files = release("plain", tmp_path / "out")
    assert [f.name for f in files] == NAMES
    for source, file in zip(build.sources(), files, strict=True):
        given, lines = text_of(file), solution_lines(source)
        assert len(lines) > 1
        assert [line for line in [*lines, "SOLUTION"] if line in given] == []
    assert all(nbformat.validate(nbformat.read(f, as_version=4)) is None for f in files)


def test_teachers_get_them_all_and_nothing_is_overwritten(tmp_path: Path) -> None:
    files = release("solved", tmp_path)
    for source, file in zip(build.sources(), files, strict=True):
        given = text_of(file)
        assert [line for line in solution_lines(source) if line not in given] == []
    with pytest.raises(CourseError, match=r"01-create-a-model\.ipynb is there already"):
        release("plain", tmp_path)
    assert "SOLUTION" in text_of(files[0])


def test_nbgrader_gets_a_locked_check_behind_each_solution(tmp_path: Path) -> None:
    files = release("nbgrader", tmp_path)
    ids = []
    for file in files:
        cells = nbformat.read(file, as_version=4).cells
        exercises = [n for n, cell in enumerate(cells) if "exercise" in cell.metadata]
        assert exercises
        for n in exercises:
            answer, check = cells[n], cells[n + 1]
            assert "### BEGIN SOLUTION" in answer.source and "checks." not in answer.source
            assert re.fullmatch(r"checks\.\w+\(.*\)\.must_be_right\(\)", check.source)
            solved, graded = answer.metadata.nbgrader, check.metadata.nbgrader
            assert (solved.solution, solved.grade, solved.locked) == (True, False, False)
            assert (graded.solution, graded.grade, graded.locked) == (False, True, True)
            assert graded.points == answer.metadata.exercise["difficulty"]
            ids += [solved.grade_id, graded.grade_id]
    assert len(ids) == len(set(ids))


def test_outside_of_a_clone_release_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prune_lab.course import release as release_module

    monkeypatch.setattr(release_module, "__file__", str(tmp_path / "a/b/release.py"))
    with pytest.raises(CourseError, match="inside a clone of PruneLab"):
        release("plain", tmp_path)


def test_only_what_is_as_it_was_built_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))

    def trusted(path: Path) -> bool:
        notary = NotebookNotary()
        try:
            return notary.check_signature(nbformat.read(path, as_version=4))
        finally:
            notary.store.close()

    folder = tmp_path / "course"
    start(folder)
    first, second = folder / NAMES[0], folder / NAMES[1]
    text = first.read_text(encoding="utf-8")
    changed = text.replace("print", "open", 1)
    assert changed != text
    first.write_text(changed, encoding="utf-8")
    (folder / "folder.ipynb").mkdir()
    assert sign([first, second, folder / "folder.ipynb", folder / "none.ipynb"]) == [second]
    assert (trusted(first), trusted(second)) == (False, True)
    # Written by a system with other line ends it is the same notebook.
    first.write_bytes(text.encode().replace(b"\n", b"\r\n"))
    assert sign([first]) == [first] and trusted(first)


def test_the_learners_copy_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    assert main(["start", str(tmp_path / "course")]) == 0
    notary = NotebookNotary()
    copies = [nbformat.read(tmp_path / "course" / name, as_version=4) for name in NAMES]
    assert all(map(notary.check_signature, copies))
    notary.store.close()
