"""The file of records: cut anywhere, written twice, spoilt in the middle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from prune_lab.experiments.records import Record, StudyError, appending, read


def record(seed: int, **result: object) -> Record:
    settings = {"x": 0.5, "name": "zwölf"}
    return Record("a:b", settings, seed, {"y": seed, **result}, 0.1, {"torch": "2"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "study.jsonl"
    with appending(path) as (known, add):
        assert known == []
        for seed in range(3):
            add(record(seed))
    return path


def test_what_is_added_is_read(path: Path) -> None:
    assert read(path) == [record(0), record(1), record(2)]
    with appending(path) as (known, _add):
        assert known == read(path)


def test_no_file_has_no_records(tmp_path: Path) -> None:
    assert read(tmp_path / "none.jsonl") == []


@pytest.mark.filterwarnings("ignore:.*torn line")
def test_cut_at_any_byte_it_is_read_up_to_there_and_mended(path: Path) -> None:
    whole = path.read_bytes()
    ends = [n + 1 for n, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        there = sum(end <= cut for end in ends)
        assert read(path) == [record(seed) for seed in range(there)]
        with appending(path) as (known, add):
            for seed in range(len(known), 3):
                add(record(seed))
        assert path.read_bytes() == whole


def test_a_torn_line_is_reported_and_reading_changes_nothing(path: Path) -> None:
    torn = path.read_bytes()[:-5]
    path.write_bytes(torn)
    with pytest.warns(UserWarning, match=r"study\.jsonl ends in a torn line"):
        read(path)
    assert path.read_bytes() == torn
    with pytest.warns(UserWarning, match="cut off"), appending(path):
        pass
    assert torn.startswith(path.read_bytes()) and path.read_bytes().count(b"\n") == 2


def test_a_repeated_trial_changes_nothing(path: Path) -> None:
    with appending(path) as (_known, add):
        add(record(1, y=99))
    assert read(path) == [record(0), record(1), record(2)]


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b"nonsense\n", b"[1]\n", b'{"trial": 1}\n', b"\x00\x00\n"]
)
def test_a_line_in_the_middle_that_is_no_record_is_refused_and_stays(path, line) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    spoilt = b"".join([lines[0], line, lines[2]])
    path.write_bytes(spoilt)
    with pytest.raises(StudyError, match=r"study\.jsonl, line 2: this is no record"):
        read(path)
    with pytest.raises(StudyError, match="line 2"), appending(path):
        pass
    assert path.read_bytes() == spoilt


def test_a_record_of_other_kinds_is_none(path: Path) -> None:
    values = asdict(record(5))
    for name in values:
        text = json.dumps({**values, name: None}).encode()
        path.write_bytes(text + b"\n" + text + b"\n")
        with pytest.raises(StudyError, match="line 1"):
            read(path)


def test_only_one_writes_at_a_time(path: Path) -> None:
    with appending(path):
        with pytest.raises(StudyError, match="written by another run"), appending(path):
            pass
        assert len(read(path)) == 3
    with appending(path):
        pass
