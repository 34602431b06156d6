"""Build the book, the course as pages that need no Python: `python -m docs.book.build`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from nbformat import NotebookNode
from sphinx.cmd.build import build_main

from docs.book.panels import assets, prepare
from prune_lab.reader.page import save_reader
from prune_lab.widgets.frontend import script, style
from tutorial.build import NOTEBOOKS, execute

HERE = Path(__file__).parent
BOOK = HERE.parents[1] / "build/book"


def build(folder: Path = BOOK, notebooks: Path = NOTEBOOKS) -> int:
    """Write the book into ``folder``, in place of what was there; return 0, or Sphinx's error code.

    Where anything fails, what was there stays.

    Args:
        folder: afterwards all the book needs: it can be moved, zipped, put on any web server.
        notebooks: where the chapters are, executed.

    Raises:
        ValueError: a chapter that cannot be shown right; the sentence names it.
    """
    with TemporaryDirectory() as work:
        source, pages = Path(work) / "source", Path(work) / "book/pages"
        for place in (source, pages / "_static/panels", pages / "notebooks"):
            place.mkdir(parents=True)
        for chapter in sorted(notebooks.glob("*.ipynb")):
            _write_page(nbformat.read(chapter, as_version=4), source / chapter.name)
            shutil.copy(chapter, pages / "notebooks")  # to take home
        first = jupytext.read(HERE / "index.md", fmt="md:myst")
        _write_page(execute(first), source / "index.ipynb")
        _write_parts(pages)
        options = ["-b", "html", "-q", "-W", "--keep-going", "-j", "auto"]
        options += ["-c", str(HERE), "-d", f"{work}/doctrees"]
        failed = build_main([*options, str(source), str(pages)])
        if not failed:
            if folder.exists():
                shutil.rmtree(folder)
            shutil.copytree(pages, folder)
        return failed


def _write_page(notebook: NotebookNode, path: Path) -> None:
    """Write the source of a page, as Sphinx is to read it."""
    try:
        prepare(notebook)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    nbformat.write(notebook, path)


def _write_parts(pages: Path) -> None:
    """What the pages share and Sphinx does not bring."""
    parts = {f"panels/{name}": text for name, text in assets().items()}
    # In braces: what it declares is its own.
    parts["book.js"] = f'"use strict";\n{{\n{script(HERE / "book.js")}}}\n'
    parts["book.css"] = style() + (HERE / "book.css").read_text(encoding="utf-8")
    for name, text in parts.items():
        (pages / "_static" / name).write_text(text, encoding="utf-8")
    save_reader(pages / "reader.html")


def main() -> int:
    """Build it where `make book` has it, and say where."""
    try:
        failed = build()
    except ValueError as error:
        print(f"book: {error}")
        return 1
    if not failed:
        print(f"book: open {os.path.relpath(BOOK)}/index.html")
    return failed


if __name__ == "__main__":
    sys.exit(main())
