"""Write docs/engine.md: what the engine does better, does as well, and how fast.

    python -m docs.tables

Every row is a small program from tests/engine that is run here against both engines; the speed
table comes from the numbers that `make bench` stored. Nothing in engine.md is typed by hand.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from tests.engine.defects import DEFECTS, Check, works
from tests.engine.features import FEATURES

PAGE = Path(__file__).parent / "engine.md"
RESULTS = Path(__file__).parent.parent / "tests" / "benchmarks" / "results"


def page() -> str:
    """Return the page as Markdown; takes some seconds, because every program is run."""
    lines = [
        "# The engine beside torch.nn.utils.prune",
        "",
        "Written by `python -m docs.tables`, which runs every row against both.",
        "",
        "## What is mended",
        "",
        "Each row is a program in `tests/engine/defects.py`; the tests run it against both.",
        "",
        "| | torch | ours |",
        "|---|---|---|",
        *(_row(f"{d.number}. {d.title}", d.check) for d in DEFECTS),
        "",
        "## What it can do",
        "",
        "Each row is a program in `tests/engine/features.py`.",
        "",
        "| | torch | ours |",
        "|---|---|---|",
        *(_row(f.title, f.check) for f in FEATURES),
        "",
        "## How fast it is",
        "",
    ]
    table = RESULTS / "engine.md"
    if table.exists():
        lines += [
            table.read_text(),
            "![Time and peak memory against size](../tests/benchmarks/results/engine.png)",
            "",
        ]
    else:
        lines += ["Not measured yet: run `make bench`.", ""]
    return "\n".join(lines)


def _row(title: str, check: Check) -> str:
    cells = ("yes" if works(check, engine) else "no" for engine in (torch_prune, prune))
    return f"| {title.replace('|', chr(92) + '|')} | {' | '.join(cells)} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    PAGE.write_text(page())
    print(f"wrote {PAGE.name}")
