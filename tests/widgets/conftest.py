"""Each test begins as a fresh kernel does: with no panel on the screen."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from IPython.core.events import EventManager, available_events

from prune_lab.widgets import lifetime


def close_all():
    """Close what is displayed."""
    for panel in list(lifetime._kept):
        panel.close()


@pytest.fixture(autouse=True)
def fresh_kernel():
    close_all()  # a test elsewhere may have left one
    yield
    close_all()


@pytest.fixture
def cells(fresh_kernel, monkeypatch):
    """A notebook's events, without a notebook: `trigger("post_run_cell", None)` ends a cell."""
    events = EventManager(SimpleNamespace(showtraceback=pytest.fail), available_events)
    monkeypatch.setattr(lifetime, "get_ipython", lambda: SimpleNamespace(events=events))
    yield events
    close_all()
