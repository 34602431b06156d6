"""Write the table of chapters into docs/teaching.md: `python -m docs.chapters`.

Title, minutes, objectives and exercises come from the chapters' sources; nothing is typed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tutorial import build

PAGE = Path(__file__).parent / "teaching.md"
BETWEEN = re.compile(r"(?<=<!-- chapters: begin -->\n).*?(?=<!-- chapters: end -->)", re.S)


def table() -> str:
    """Return a row for each chapter, and the sum."""
    rows = [_row(source) for source in build.sources()]
    total = sum(minutes for minutes, _ in rows)
    lines = ["| chapter | minutes | afterwards you can | exercises |", "|---|---|---|---|"]
    return "\n".join([*lines, *(row for _, row in rows), f"| in all | {total} | | |", ""])


def _row(source: Path) -> tuple[int, str]:
    notebook = build.read(source)
    first = notebook.cells[0].source
    title = first.partition("\n")[0].removeprefix("# ")
    minutes = int(re.findall(r"^\*(\d+) minutes", first, re.M)[0])
    objectives = " · ".join(re.findall(r"^- (.+?)[;.]?$", first, re.M))
    link = f"[{title}](../notebooks/{source.stem}.ipynb)"
    return minutes, f"| {link} | {minutes} | {objectives} | {', '.join(_exercises(notebook))} |"


def _exercises(notebook: build.NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        if exercise := cell.metadata.get("exercise"):
            yield "{type} {difficulty} ({minutes} min)".format(**exercise)


def page() -> str:
    """Return teaching.md with the table of today."""
    return BETWEEN.sub(lambda _: table(), PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
