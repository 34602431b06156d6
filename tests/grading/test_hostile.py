"""`prune-lab grade` on notebooks that hang, crash, fill the disk, reach for others' work."""

from __future__ import annotations

import csv
import socket
import threading
from pathlib import Path

import nbformat
import pytest

from prune_lab.course import grade as grade_module
from prune_lab.course.grade import grade, isolated

SET_UP = "from prune_lab.course.checks import chapter_01 as checks"
RIGHT = "conv2_parameters = 2416\n\nchecks.conv2_parameters(conv2_parameters)"
BYTES = "lenet_bytes = 246_824\n\nchecks.lenet_bytes(lenet_bytes)"


def hand_in(path: Path, *cells: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("hand in")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    called = threading.Event()

    def listen() -> None:
        try:
            listener.accept()
            called.set()
        except OSError:
            pass

    threading.Thread(target=listen, daemon=True).start()
    honest = folder / "zoe/01-create-a-model.ipynb"
    hand_in(honest, SET_UP, RIGHT, BYTES)
    before = honest.read_bytes()
    hand_in(folder / "ann/01.ipynb", SET_UP, "while True:\n    pass", RIGHT)
    hand_in(folder / "bob/01.ipynb", SET_UP, RIGHT, "import os\nos._exit(0)", BYTES)
    hand_in(folder / "cat/01.ipynb", SET_UP, "hog = b'x' * (6 << 30)", RIGHT)
    fill = "for n in range(2000):\n    open(f'{n}', 'wb').write(b'x' * (8 << 20))"
    hand_in(folder / "dan/01.ipynb", SET_UP, fill, RIGHT)
    reach = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 5)"
    erase = f"open({str(honest)!r}, 'w').write('')"
    hand_in(folder / "eve/01.ipynb", SET_UP, reach, erase, "import sys; sys.exit()", BYTES)
    hand_in(folder / "fay/<b>=1+1.ipynb", SET_UP, RIGHT.replace("2416", "2400"))
    hand_in(folder / "=cmd.ipynb", SET_UP, "checks.conv2_parameters = lambda x: 'Right.'", BYTES)
    (folder / "gus.ipynb").write_text("no notebook")
    (folder / "hal.ipynb").symlink_to("/etc/hostname")

    table = tmp_path_factory.mktemp("table") / "grades.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grade_module, "CELL_SECONDS", 5.0)
        rows = list(grade(folder, table))
    with table.open(newline="") as file:
        read = {row["notebook"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(read) == 10
    if isolated():
        assert honest.read_bytes() == before
        assert not called.is_set()
    listener.close()
    return table, read


Graded = tuple[Path, dict[str, dict[str, str]]]


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("zoe/01-create-a-model.ipynb", "conv2_parameters lenet_bytes"),
        ("ann/01.ipynb", "conv2_parameters"),
        ("bob/01.ipynb", "conv2_parameters"),
        ("cat/01.ipynb", "conv2_parameters"),
        ("eve/01.ipynb", "lenet_bytes"),
        ("fay/<b>=1+1.ipynb", ""),
        ("'=cmd.ipynb", "lenet_bytes"),
    ],
)
def test_everyone_gets_what_they_earned(graded: Graded, name: str, right: str) -> None:
    row = graded[1][name]
    assert (row["right"], row["chapter"]) == (right, "01-create-a-model")
    assert int(row["points"]) == len(right.split())
    assert row["possible"] == "6"


def test_what_went_wrong_is_noted(graded: Graded) -> None:
    notes = {name: row["note"] for name, row in graded[1].items() if row["note"]}
    assert notes.pop("bob/01.ipynb") == "Python ended before the last exercise"
    notes.pop("dan/01.ipynb", None)  # a full folder in memory stops its own cell, no more
    assert notes == {"gus.ipynb": "not a notebook", "hal.ipynb": "not a plain file"}
    assert graded[1]["fay/<b>=1+1.ipynb"]["wrong"] == "conv2_parameters"


def test_started_again_it_grades_what_is_new_and_what_was_changed(tmp_path: Path) -> None:
    hand_in(tmp_path / "ann.ipynb", SET_UP, RIGHT)
    hand_in(tmp_path / "bob.ipynb", SET_UP, "conv2_parameters = ...")
    table = tmp_path / "grades.csv"
    rows = grade(tmp_path, table)
    assert next(rows).notebook == "ann.ipynb"  # and then interrupted
    rows.close()
    assert [row.notebook for row in grade(tmp_path, table)] == ["bob.ipynb"]
    hand_in(tmp_path / "bob.ipynb", SET_UP, RIGHT)
    assert [(row.notebook, row.points) for row in grade(tmp_path, table)] == [("bob.ipynb", "1")]
    assert list(grade(tmp_path, table)) == []


def test_a_notebook_that_will_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True:\n    pass"
    hand_in(tmp_path / "ann.ipynb", SET_UP, RIGHT, stubborn, BYTES)
    monkeypatch.setattr(grade_module, "SECONDS", 25.0)
    monkeypatch.setattr(grade_module, "CELL_SECONDS", 1000.0)
    [row] = grade(tmp_path, tmp_path / "grades.csv")
    assert (row.right, row.note) == ("conv2_parameters", "stopped after 25 seconds")
