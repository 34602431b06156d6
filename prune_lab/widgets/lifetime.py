"""Which panels there are in a notebook, and what a cell means for each.

A panel that nobody displays is an object like any other. One that is displayed has a comm, and
Jupyter's registry keeps it until it sleeps. Cells that are run again and again leave panels behind,
in the history ``Out`` if nowhere else: those sleep when their cell has run again, or when a cell
has run since their last view went. Displayed anew, a panel wakes.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from IPython import get_ipython

if TYPE_CHECKING:
    from prune_lab.widgets.panel import Panel

_awake: weakref.WeakSet[Panel] = weakref.WeakSet()  # those that are displayed
_since: weakref.WeakSet[Panel] = weakref.WeakSet()  # displayed since the last cell ended
_cells: weakref.WeakKeyDictionary[Panel, set[str]] = weakref.WeakKeyDictionary()
_left: weakref.WeakSet[Panel] = weakref.WeakSet()  # their last view has gone
_shell: Any = None  # whose cells are followed


def wake(panel: Panel) -> None:
    """Follow the cells for a panel that is displayed."""
    global _shell
    _awake.add(panel)
    if _shell is None and (shell := get_ipython()) is not None:
        _shell = shell
        shell.events.register("post_run_cell", after_cell)


def displayed(panel: Panel) -> None:
    """Note that the cell that runs now displays a panel."""
    _since.add(panel)


def seen(panel: Panel, views: int) -> None:
    """Note how many views of a panel there are now."""
    if views:
        wake(panel)
        _left.discard(panel)
    else:
        _left.add(panel)


def forget(panel: Panel) -> None:
    """Follow the cells for a panel no longer."""
    global _shell
    for panels in (_awake, _since, _left):
        panels.discard(panel)
    _cells.pop(panel, None)
    if not _awake and _shell is not None:
        _shell.events.unregister("post_run_cell", after_cell)
        _shell = None


def after_cell(result: Any = None) -> None:
    """Have the panels on the screen look at their models; let the others sleep."""
    cell = getattr(getattr(result, "info", None), "cell_id", None)
    for panel in list(_awake):
        if panel in _since:
            if cell is not None:
                _cells.setdefault(panel, set()).add(cell)
        elif panel in _left or _is_replaced(panel, cell):
            panel.sleep()
            continue
        panel.look_again()
    _since.clear()


def after_button(pressed: Panel) -> None:
    """Have the other panels look at their models: they may show the same one."""
    for panel in list(_awake):
        if panel is not pressed:
            panel.look_again()


def _is_replaced(panel: Panel, cell: str | None) -> bool:
    """Whether the cell that displayed the panel, and no other did, has displayed others since."""
    cells = _cells.get(panel, set())
    if cell not in cells:
        return False
    cells.discard(cell)
    return not cells
