"""The learner's copy: where the course's notebooks are, and how they get into a folder."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path


class CourseError(Exception):
    """What the command cannot do, in one sentence."""


def course_notebooks() -> list[Path]:
    """The notebooks that came with the package, in reading order.

    A clone has them beside the package; a wheel brings them into the environment's `share`.
    """
    beside = Path(__file__).parents[2] / "notebooks"
    if chapters := _chapters(beside):
        return chapters
    try:
        installed = metadata.distribution("prune-lab")
    except metadata.PackageNotFoundError:
        return []
    shared = [f for f in installed.files or [] if "share/prune-lab" in f.as_posix()]
    return _chapters(Path(str(installed.locate_file(shared[0]))).resolve().parent) if shared else []


def _chapters(folder: Path) -> list[Path]:
    return sorted(folder.resolve().glob("[0-9][0-9]-*.ipynb"))


def lab_notebooks() -> list[Path]:
    """The notebooks to open: the learner's in the current folder, else those beside the package."""
    here = _chapters(Path()) or _chapters(Path("notebooks"))
    return here or _chapters(Path(__file__).parents[2] / "notebooks")


def start(folder: Path) -> tuple[list[str], list[str]]:
    """Copy into `folder` the chapters that it lacks; name those that came and those that stayed.

    What is there is never written to, whatever it is: it may be a learner's work.

    Raises CourseError when `folder` cannot be made or written to.
    """
    if not (chapters := course_notebooks()):
        raise CourseError("the course's notebooks are missing: install prune-lab again")
    added: list[str] = []
    kept: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for chapter in chapters:
            (added if _copy(chapter, folder / chapter.name) else kept).append(chapter.name)
    except OSError as error:
        raise CourseError(f"cannot write to {folder}: {error.strerror}") from None
    return added, kept


def _copy(source: Path, target: Path) -> bool:
    """Copy unless something is there; a copy that fails leaves nothing behind."""
    try:
        file = target.open("xb")  # fails if the name is taken, be it by a broken link
    except FileExistsError:
        return False
    try:
        with file:
            file.write(source.read_bytes())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return True
