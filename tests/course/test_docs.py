"""The code that the documentation shows, run from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["widgets.md"])
def test_the_code_of_a_page_runs(page):
    code = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)
    assert code
    namespace: dict[str, object] = {}
    for block in code:
        exec(compile(block, page, "exec"), namespace)
    explorer = namespace["explorer"]
    explorer.measure()
    shares, accuracies = zip(*explorer.curve, strict=True)
    assert len(shares) == 21 and accuracies[0] > 0.8 > 0.3 > accuracies[-1]
    assert repr(explorer).startswith("MaskExplorer(layer='0', technique='l1_unstructured'")
    for panel in ("explorer", "sensitivity", "inspector"):
        namespace[panel].close()
