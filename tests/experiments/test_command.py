"""`prune-lab run` and `prune-lab report`: what they print, and the exit code."""

from __future__ import annotations

import builtins
import json

import pytest

from prune_lab.cli import main

STUDY = 'trial = "MODULE:power"\nseeds = [0, 1]\n[grid]\nbase = [2, 3]\nname = ["a", "$b$"]\n'


def test_run_says_what_was_done_and_report_shows_it(write, folder, capsys) -> None:
    path, records = write(STUDY), folder / "study.jsonl"
    assert main(["run", str(path), "--jobs", "1"]) == 0
    assert capsys.readouterr().out == f"8 run now; {records} has all 8 trials.\n"
    assert main(["run", str(path), "--jobs", "1"]) == 0
    assert capsys.readouterr().out == f"0 run now; {records} has all 8 trials.\n"

    assert main(["report", str(records)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["base", "seeds", "power"]
    assert lines[1].split()[:7] == ["a", "2", "2", "4.5", "(4", "to", "5)"]
    assert lines[4].split()[:7] == ["$b$", "3", "2", "9.5", "(9", "to", "10)"]
    assert lines[-1] == str(folder / "study.png")
    assert (folder / "study.png").read_bytes().startswith(b"\x89PNG")
    assert main(["report", str(records), "--figure", str(folder / "f.svg")]) == 0
    assert "<svg" in (folder / "f.svg").read_text()


def test_a_torn_line_is_told_as_a_sentence(write, folder, capsys) -> None:
    path, records = write(STUDY), folder / "study.jsonl"
    main(["run", str(path), "--jobs", "1"])
    records.write_bytes(records.read_bytes()[:-9])
    capsys.readouterr()
    assert main(["report", str(records)]) == 0
    assert capsys.readouterr().out.startswith(f"{records} ends in a torn line")
    assert main(["run", str(path), "--jobs", "1"]) == 0
    assert capsys.readouterr().out == (
        f"{records} ended in a torn line, which was cut off\n"
        f"1 run now; {records} has all 8 trials.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "none.toml"], "none.toml cannot be read"),
        (["run", "study.toml", "--jobs", "0"], "jobs must be 1 or more"),
        (["report", "none.jsonl"], "there are no records"),
        (["report", "study.toml"], "line 1: this is no record"),
        (["report", "study.jsonl", "--figure", "a.doc"], "a figure ends in .png or .svg"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(write, folder, capsys, monkeypatch, arguments, says):
    write(STUDY)
    monkeypatch.chdir(folder)
    assert main(arguments) == 1
    said = capsys.readouterr().out
    assert says in said and said.count("\n") == 1
    assert not (folder / "study.jsonl").exists()


def test_without_dask_the_extra_is_named(write, folder, capsys, monkeypatch) -> None:
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "distributed":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["run", str(write(STUDY)), "--dask", "tcp://127.0.0.1:1"]) == 1
    assert "pip install 'prune-lab[cluster]'" in capsys.readouterr().out


def test_records_of_different_trials_are_not_mixed(write, folder, capsys) -> None:
    main(["run", str(write(STUDY)), "--jobs", "1"])
    records = folder / "study.jsonl"
    line = json.loads(records.read_text().splitlines()[0])
    with records.open("a") as file:
        file.write(json.dumps({**line, "trial": "an:other"}) + "\n")
    capsys.readouterr()
    assert main(["report", str(records)]) == 1
    assert "records of different trials" in capsys.readouterr().out
