"""Every engine test runs twice: as if all tensors were small, and as if all were large."""

from __future__ import annotations

import math

import pytest

from prune_lab.prune import large


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run twice what runs on our engine; torch's has no sizes."""
    if metafunc.function.__name__ != "test_torch":
        metafunc.parametrize("size", ["small", "large"], indirect=True)


@pytest.fixture(autouse=True)
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the threshold at infinity or at 0, and the pieces at a few entries."""
    is_large = getattr(request, "param", "small") == "large"
    for threshold in ("FROM", "GRAPH_FROM"):
        monkeypatch.setattr(large, threshold, 0 if is_large else math.inf)
    monkeypatch.setattr(large, "_PIECE", 7)
