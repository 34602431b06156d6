"""Which panels there are in a notebook, and what a cell means for each.

Jupyter's registry of widgets would keep every panel for ever. Here it knows them weakly, and one
that is dropped goes. What is displayed is kept until it sleeps: cells that are run again and again
leave panels behind, in the history ``Out`` if nowhere else, and these sleep when their cell has run
again, or when a cell of a notebook has run since their last view went. Displayed anew, a panel
wakes. Those in other widgets are left to these.
"""

from __future__ import annotations

import weakref
from typing import Any, Protocol

from IPython import get_ipython
from ipywidgets.widgets import widget as registry

from prune_lab.widgets.dialogue import one_at_a_time


class Panel(Protocol):
    """What there is to know of a panel here: ``panel.Panel`` has all of it."""

    comm: Any
    layout: Any
    own_layout: bool
    borrowed: bool

    @property
    def model_id(self) -> str:
        """The name in the registry."""

    @property
    def shown_elsewhere(self) -> bool:
        """Whether there are more views than the one of the cell that displays the panel."""

    def look_again(self) -> None:
        """Look at the model again, if the panel is on a screen."""

    def follow_cell(self) -> None:
        """Look at the model again after a cell."""

    def sleep(self) -> None:
        """Close the comm and stop the work."""

    def _handle_msg(self, message: dict[str, Any]) -> None: ...


_kept: set[Panel] = set()  # those that are displayed
_since: set[Panel] = set()  # of these, since the last cell ended
_cells: dict[Panel, set[str]] = {}  # which cells have displayed each
_left: set[Panel] = set()  # their last view has gone
_shell: Any = None  # whose cells are followed
_buried: list[str] = []  # names in the registry of those that are gone


def hold_weakly(panel: Panel) -> None:
    """Have Jupyter's registry and the panel's comm know it weakly."""
    known = weakref.ref(panel)

    def hear(message: dict[str, Any]) -> None:
        if (hearing := known()) is not None:
            hearing._handle_msg(message)

    panel.comm.on_msg(hear)
    registry._instances[panel.model_id] = weakref.proxy(panel)


def bury(panel: Panel) -> None:
    """End the comms of a panel that has been dropped."""
    if panel.comm is None:
        return
    # Jupyter may be going through its registry, which must not shrink under its hands. The layout
    # stands in for the panel there.
    _buried.append(panel.model_id)
    registry._instances[panel.model_id] = panel.layout
    panel.comm.close()
    if panel.own_layout and panel.layout.comm is not None:
        _buried.append(panel.layout.model_id)
        panel.layout.comm.close()


def clear() -> None:
    """Take those that have been dropped out of Jupyter's registry."""
    while _buried:
        registry._instances.pop(_buried.pop(), None)


def loop_of_cells() -> Any:
    """Return the loop of the thread in which Jupyter runs cells, one after another.

    What is added to it (``add_callback``) runs between two of them. None: there is no such kernel.
    """
    return getattr(getattr(get_ipython(), "kernel", None), "io_loop", None)


def displayed(panel: Panel) -> None:
    """Keep a panel that the cell which runs now displays."""
    _since.add(panel)
    _keep(panel)


def _keep(panel: Panel) -> None:
    """Keep a panel, and follow the cells for it."""
    global _shell
    _kept.add(panel)
    if _shell is None and (shell := get_ipython()) is not None:
        _shell = shell
        shell.events.register("post_run_cell", after_cell)


def seen(panel: Panel, views: int) -> None:
    """Note how many views of a panel there are now."""
    if views:
        _keep(panel)
        _left.discard(panel)
    else:
        _left.add(panel)


def forget(panel: Panel) -> None:
    """Follow the cells for a panel no longer."""
    global _shell
    for panels in (_kept, _since, _left):
        panels.discard(panel)
    _cells.pop(panel, None)
    if not _kept and _shell is not None:
        _shell.events.unregister("post_run_cell", after_cell)
        _shell = None


def after_cell(result: Any = None) -> None:
    """Have the panels on the screen look at their models; let the others sleep."""
    clear()
    cell = getattr(getattr(result, "info", None), "cell_id", None)
    with one_at_a_time:
        for panel in list(_kept):
            if panel in _since:
                if cell is not None:
                    _cells.setdefault(panel, set()).add(cell)
            elif _has_gone(panel, cell) or _is_replaced(panel, cell):
                if panel.borrowed:
                    forget(panel)  # until it is shown again
                else:
                    panel.sleep()
                continue
            panel.follow_cell()
        _since.clear()


def after_button(pressed: Panel) -> None:
    """Have the other panels look at their models: they may show the same one."""
    with one_at_a_time:
        for panel in list(_kept):
            if panel is not pressed:
                panel.look_again()


def _has_gone(panel: Panel, cell: str | None) -> bool:
    """Whether the panel's last view has gone, and does not come back.

    A notebook names its cells. One without a name, in a console beside it, says nothing about the
    notebook, whose tab may be closed and opened again.
    """
    return panel in _left and not (cell is None and panel in _cells)


def _is_replaced(panel: Panel, cell: str | None) -> bool:
    """Whether the cell that displayed the panel, and no other did, has displayed others since."""
    cells = _cells.get(panel, set())
    if cell not in cells:
        return False
    cells.discard(cell)
    return not cells and not panel.shown_elsewhere
