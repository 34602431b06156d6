"""Jupyter's trust for the course's own notebooks: their panels live before any cell has run.

Jupyter shows a stored panel only in a notebook that is signed with this user's key; in others it
shows the stored picture. The course signs what its builder made, and nothing that has changed
since: that is known by the hashes in ``notebooks.sha256``, which come with the package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

HASHES = Path(__file__).with_name("notebooks.sha256")  # as sha256sum writes them


def hash_of(notebook: Path) -> str:
    """The SHA-256 of a notebook's text, whatever ends its lines on this system."""
    return hashlib.sha256(notebook.read_text(encoding="utf-8").encode()).hexdigest()


def hashes() -> dict[str, str]:
    """The hash of each notebook as it was built, by its name."""
    lines = HASHES.read_text(encoding="utf-8").splitlines() if HASHES.exists() else []
    return {name: digest for digest, name in (line.split() for line in lines)}


def note(notebooks: Iterable[Path], of: Iterable[str]) -> None:
    """Note the hashes of what was built; ``of`` names all notebooks that there are now."""
    known = {**hashes(), **{notebook.name: hash_of(notebook) for notebook in notebooks}}
    lines = [f"{known[name]}  {name}\n" for name in sorted(of) if name in known]
    HASHES.write_text("".join(lines), encoding="utf-8", newline="\n")


def sign(notebooks: Iterable[Path]) -> list[Path]:
    """Sign those that are as they were built, with this user's key; name them.

    Where the key cannot be kept nothing is signed: the notebooks work, their panels begin with
    their cells.
    """
    known = set(hashes().values())
    unchanged = [path for path in notebooks if _read(path) in known]
    if not unchanged:
        return []
    import nbformat
    from nbformat.sign import NotebookNotary

    try:
        notary = NotebookNotary()
        try:
            for path in unchanged:
                notary.sign(nbformat.read(path, as_version=4))
        finally:
            notary.store.close()
    except OSError:
        return []
    return unchanged


def _read(notebook: Path) -> str:
    try:
        return hash_of(notebook)
    except (OSError, UnicodeDecodeError):
        return ""
