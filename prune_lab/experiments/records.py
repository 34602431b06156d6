"""One record for each finished trial, in a file of JSON lines that only grows."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

_STUDIES = Path(__file__).parent / "studies"


class StudyError(ValueError):
    """A study, or its file of records, that cannot be used: what is wrong, and where."""


@dataclass(frozen=True)
class Record:
    """What a finished trial leaves.

    Attributes:
        trial: the function, ``package.module:function``.
        settings: all that it was called with, its own defaults too, but for the seed.
        seed: a whole number, 0 or more.
        result: what it returned: JSON values by name.
        seconds: how long it took.
        versions: of Python, torch, numpy and prune_lab.
    """

    trial: str
    settings: dict[str, Any]
    seed: int
    result: dict[str, Any]
    seconds: float
    versions: dict[str, str]

    @property
    def key(self) -> str:
        """The trial that this is the record of; there is one record for each key."""
        return key(self.trial, self.settings, self.seed)


def key(trial: str, settings: dict[str, Any], seed: int) -> str:
    """Name a trial: the function, what it is called with, and the seed, as one line of JSON.

    >>> key("a:b", {"y": 1, "x": 2}, 0) == key("a:b", {"x": 2, "y": 1}, 0)
    True
    """
    return json.dumps([trial, settings, seed], sort_keys=True, allow_nan=False)


def read(path: Path | str) -> list[Record]:
    """Return the records of a file, each trial once: the first of several that are alike counts.

    A torn last line, as a run leaves that was killed while it wrote, is left out and warned of;
    the next run mends it. A file that is not there has no records.

    Raises StudyError for any other line that is no record, with its number.
    """
    records, torn = _whole(Path(path))
    if torn is not None:
        warnings.warn(
            f"{path} ends in a torn line, which is left out; the next run mends it", stacklevel=2
        )
    return records


def stored(study: str) -> list[Record]:
    """Return the records that come with PruneLab, of a study in ``prune_lab/experiments/studies``.

    >>> stored("recipes")[0].settings["epochs"]
    12

    Raises ValueError for a study that is not there.
    """
    path = _STUDIES / f"{study}.jsonl"
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in _STUDIES.glob("*.jsonl")))
        raise ValueError(f"there are no records of {study!r}; there are those of {known}")
    return read(path)


@contextmanager
def appending(path: Path) -> Iterator[tuple[list[Record], Callable[[Record], None]]]:
    """Open a file of records to write: give those that it has, and a function that adds one.

    A record is on the disk when that function returns. No other process can open the file so at
    the same time, on this machine or, where the file system has locks, on another. A torn last
    line is cut off, and warned of.

    Raises StudyError when another process has it open, or a line is no record.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        held = lock.acquire()
    except Timeout:
        raise StudyError(
            f"{path} is being written by another run; wait for its end, or stop it"
        ) from None
    with held:
        records, torn = _whole(path)
        with path.open("ab") as file:
            if torn is not None:
                warnings.warn(f"{path} ended in a torn line, which was cut off", stacklevel=3)
                file.truncate(torn)

            def add(record: Record) -> None:
                line = json.dumps(asdict(record), allow_nan=False)
                file.write(f"{line}\n".encode())
                file.flush()
                os.fsync(file.fileno())

            yield records, add


def _whole(path: Path) -> tuple[list[Record], int | None]:
    """The records, and the byte at which a torn last line begins, if there is one."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return [], None
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}") from None
    found: dict[str, Record] = {}
    start = 0
    for number, line in enumerate(lines, start=1):
        record = _record(line)
        if record is None and number == len(lines):
            return list(found.values()), start
        if record is None:
            raise StudyError(f"{path}, line {number}: this is no record of a trial")
        found.setdefault(record.key, record)
        start += len(line)
    return list(found.values()), None


def _record(line: bytes) -> Record | None:
    """The record on a line, or None for a line that is none, or has no end."""
    if not line.endswith(b"\n"):
        return None
    try:
        given = json.loads(line)
        record = Record(**{field.name: given[field.name] for field in fields(Record)})
        kinds: list[Any] = [str, dict, int, dict, (int, float), dict]
        values = [getattr(record, field.name) for field in fields(Record)]
        whole = all(isinstance(v, kind) for v, kind in zip(values, kinds, strict=True))
        return record if whole and record.key else None
    except (ValueError, TypeError, KeyError):
        return None
