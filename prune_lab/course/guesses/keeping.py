"""Where guesses are kept: a folder `guesses` beside the notebooks, one small file for each.

A file of its own for each question means that two notebooks never write over each other's guesses.
A file is written beside its place and then moved there, so that it is whole whenever Python ends.

The environment variable PRUNE_LAB_GUESSES names another folder; if it is empty, nothing is read
or written, as when the course's notebooks are built and tested.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any, NamedTuple

from prune_lab.course.guesses.questions import Question

_LARGEST = 100_000  # bytes; a curve's file has about 1,500


class Keeping:
    """The folder of the guesses. It stays where it was when a cell changes the directory."""

    def __init__(self) -> None:
        named = os.environ.get("PRUNE_LAB_GUESSES", "guesses")
        self.folder = Path(named).absolute() if named else None

    def file(self, chapter: str, name: str, question: Question) -> GuessFile:
        """The file of one question. A question that is changed gets another file."""
        mark = hashlib.sha256(repr(question).encode()).hexdigest()[:8]
        path = self.folder and self.folder / f"{chapter}-{name}-{mark}.json"
        return GuessFile(path, question)


class GuessFile(NamedTuple):
    """The file of one guess; `path` is None where nothing is kept."""

    path: Path | None
    question: Question

    def read(self) -> tuple[Any, str]:
        """The guess, None if there is none; and one sentence if something is wrong with its file.

        A file that cannot be read as a guess is put aside under another name, never thrown away.
        """
        if self.path is None:
            return None, ""
        if os.path.lexists(self.path) and not self.path.is_file():
            return None, self._put_aside(self.path)
        try:
            with self.path.open("rb") as file:
                content = file.read(_LARGEST)  # a longer one is cut, and then it is no guess
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return None, f"Your kept guess cannot be read: {error.strerror}."
        try:
            return self.question.read_guess(json.loads(content)["guess"]), ""
        except (ValueError, KeyError, TypeError, RecursionError):
            return None, self._put_aside(self.path)

    def write(self, guess: Any) -> str:
        """Keep a guess, or forget it if it is None; one sentence if that cannot be done."""
        if self.path is None:
            return ""
        who = f"{os.getpid()}-{threading.get_ident()}"
        part = self.path.with_name(f".{self.path.stem}-{who}.part")
        try:
            if guess is None:
                self.path.unlink(missing_ok=True)
                return ""
            self.path.parent.mkdir(exist_ok=True)
            with part.open("w", encoding="utf-8") as file:
                json.dump({"question": self.question.text, "guess": guess}, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            return f"Your guess holds until the kernel ends; it cannot be stored: {error.strerror}."
        return ""

    def _put_aside(self, path: Path) -> str:
        for number in range(1, 1000):
            aside = path.with_name(f"{path.stem}-unreadable-{number}.json")
            if not os.path.lexists(aside):
                break
        try:
            path.rename(aside)
        except OSError as error:
            return f"The file of your guess, {path.name}, is no guess, and stays: {error.strerror}."
        return f"The file of your guess could not be read as one; it is kept as {aside.name}."
