"""Panels come and go: what is dropped or run over leaves no comm, no thread and no callback."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from types import SimpleNamespace

import comm
import pytest
import torch
from ipywidgets import HBox, Layout
from ipywidgets.embed import embed_data
from ipywidgets.widgets.widget import _instances
from matplotlib.figure import Figure
from torch import nn

from prune_lab import prune
from prune_lab.course.guesses import Guesses
from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.widgets import (
    BudgetExplorer,
    DigitPad,
    MaskExplorer,
    ModuleInspector,
    SensitivityExplorer,
    TicketExplorer,
    lifetime,
)
from tests.widgets.browser_side import hidden, shown
from tests.widgets.test_ticket_explorer import RESULTS

DIGITS = load_digits()
PANELS = {
    "mask": lambda model, **more: MaskExplorer(model, data=DIGITS, **more),
    "sensitivity": lambda model, **more: SensitivityExplorer(model, DIGITS, **more),
    "pad": lambda model, **more: DigitPad(model, DIGITS, **more),
    "inspector": lambda model, **more: ModuleInspector(model, **more),
    "tickets": lambda model, **more: TicketExplorer(RESULTS, **more),
    "budget": lambda model, **more: BudgetExplorer(**more),
}
GUESSES = {
    "curve": lambda asks: asks.curve("cost", "How?", x=("amount", 0, 1), y=("accuracy", 0, 1)),
    "number": lambda asks: asks.number("left", "How many?", low=0, high=9),
    "choice": lambda asks: asks.choice("which", "Which?", options=["this", "that"]),
    "truth": lambda asks: GUESSES["number"](asks) and asks.reveal("left", 3),
}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LeNet()


def threads():
    """The threads in which panels work."""
    return [thread for thread in threading.enumerate() if thread.name == "prune-lab"]


@pytest.fixture
def left(cells):
    """What panels leave behind, as numbers: comms, registered widgets, threads, callbacks."""
    # What an earlier test has dropped may be at its last step, and would end between two counts.
    for thread in threads():
        thread.join(60)

    def count():
        gc.collect()
        ModuleInspector(nn.ReLU()).close()  # a panel that is made clears up after others
        return {
            "comms": len(comm.get_comm_manager().comms),
            "widgets": len(_instances),
            "threads": len(threads()),
            "callbacks": len(cells.callbacks["post_run_cell"]),
        }

    return count


def run(cells, panel, cell="a cell"):
    """Run a cell that ends in the panel."""
    panel._repr_mimebundle_()
    cells.trigger("post_run_cell", SimpleNamespace(info=SimpleNamespace(cell_id=cell)))


@pytest.fixture(params=[*PANELS, *GUESSES])
def make(request, tmp_path, monkeypatch):
    """Makes one of all panels there are."""
    if request.param in PANELS:
        return PANELS[request.param]
    monkeypatch.chdir(tmp_path)
    asks = Guesses("03")
    return lambda model: GUESSES[request.param](asks)


def test_what_was_never_shown_goes_when_it_is_dropped(model, left, make):
    before = left()
    for _ in range(30):
        panel = make(model)
    assert not panel._background.running
    del panel
    assert left() == before


def test_a_cell_that_is_run_again_and_again_leaves_one_panel(model, left, cells, make):
    before = left()
    history = []  # as in `Out`
    for _ in range(4):
        history.append(make(model))
        run(cells, history[-1])
    now = left()
    assert now["comms"] == before["comms"] + 2  # the panel's and its layout's
    assert (now["threads"], now["callbacks"]) == (before["threads"], before["callbacks"] + 1)
    history[-1].close()
    assert left() == before


@pytest.mark.parametrize("name", ["mask", "sensitivity", "pad"])
def test_networks_that_went_to_the_browser_go_with_their_panels(model, left, cells, name):
    before, history = left(), []
    for _ in range(3):
        history.append(shown(PANELS[name](model)))
        run(cells, history[-1])
        assert history[-1].network and history[-1].edition == 1
    assert [panel.comm is None for panel in history] == [True, True, False]
    assert not any(panel._background.running for panel in history[:-1])
    known = [weakref.ref(panel) for panel in history]
    history[-1].close()
    for panel in history:
        panel._background.wait()
    del panel
    history.clear()
    assert left() == before
    assert [panel() for panel in known] == [None] * 3


def test_hundreds_of_runs_leave_what_one_leaves(left, cells, monkeypatch):
    """What each run left would be there so many times. Its picture would take long."""
    monkeypatch.setattr(MaskExplorer, "_figure", lambda panel: Figure())
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)
    layer, before = nn.Linear(2, 2), left()
    gc.disable()  # what goes by counting needs no search for circles
    try:
        for _ in range(300):
            run(cells, MaskExplorer(layer))
    finally:
        gc.enable()
    assert len(lifetime._kept) == 1
    now = left()
    assert now["comms"] == before["comms"] + 2
    assert (now["threads"], now["callbacks"]) == (before["threads"], before["callbacks"] + 1)
    lifetime._kept.pop().close()
    assert left() == before


def test_a_host_without_names_for_cells_reports_views_that_go(model, left, cells):
    before = left()
    history = []
    for _ in range(10):
        history.append(MaskExplorer(model, data=DIGITS))
        run(cells, history[-1], cell=None)
        if len(history) > 1:
            hidden(history[-2])
        shown(history[-1])
    history[-1].stop()
    history[-1]._background.wait()
    cells.trigger("post_run_cell", None)
    now = left()
    assert now["comms"] == before["comms"] + 2
    assert now["callbacks"] == before["callbacks"] + 1
    assert now["threads"] == before["threads"]


def test_what_is_displayed_stays_though_nobody_else_holds_it(model, cells):
    panel = MaskExplorer(model)
    known = weakref.ref(panel)
    run(cells, panel)
    del panel
    gc.collect()
    assert known() is not None
    shown(known())
    prune.l1_unstructured(model.conv1, "weight", amount=0.3)
    cells.trigger("post_run_cell", None)
    assert known().parameters[0]["gone"] == 45


def test_displayed_anew_it_wakes_under_its_name(model, cells):
    panel = MaskExplorer(model)
    run(cells, panel)
    name = panel.comm.comm_id
    run(cells, MaskExplorer(model))
    assert panel.comm is None
    panel.amount = 45  # Python may go on with it
    run(cells, panel, cell="another")
    assert panel.comm.comm_id == name and name in _instances
    assert panel.layout.comm is not None


def test_shown_in_two_cells_it_outlives_one(model, cells):
    panel = MaskExplorer(model)
    run(cells, panel, cell="first")
    run(cells, panel, cell="second")
    run(cells, MaskExplorer(model), cell="first")
    assert panel.comm is not None
    run(cells, MaskExplorer(model), cell="second")
    assert panel.comm is None


def test_in_a_box_it_does_not_sleep_with_a_cell(model, cells):
    panel = MaskExplorer(model)
    box = HBox([panel])
    run(cells, panel, cell="first")
    shown(panel)
    run(cells, MaskExplorer(model), cell="first")
    hidden(panel)
    cells.trigger("post_run_cell", None)
    assert panel.comm is not None  # or the box would be empty when it is displayed again
    box.close()


def test_it_waits_for_a_closed_tab_while_a_console_beside_it_is_used(model, cells):
    panel = MaskExplorer(model)
    run(cells, panel, cell="first")
    shown(panel)
    hidden(panel)
    cells.trigger("post_run_cell", SimpleNamespace(info=SimpleNamespace(cell_id=None)))
    assert panel.comm is not None and panel.comm.comm_id in _instances  # for the tab to find
    cells.trigger("post_run_cell", SimpleNamespace(info=SimpleNamespace(cell_id="second")))
    assert panel.comm is None  # the notebook goes on without it


def test_jupyters_own_tools_find_one_that_was_never_shown(model):
    panel = MaskExplorer(model)
    state = embed_data(views=[panel], drop_defaults=False)["manager_state"]["state"]
    assert panel.model_id in state


@pytest.mark.parametrize("make", PANELS.values(), ids=PANELS)
def test_a_layout_is_taken_and_a_shared_one_is_left_open(model, make):
    assert make(model, layout={"width": "300px"}).layout.width == "300px"
    layout = Layout(height="200px")
    panel = make(model, layout=layout)
    assert panel.layout is layout
    panel.close()
    assert layout.comm is not None
    layout.close()


def test_unseen_it_measures_only_when_it_is_asked(model):
    panel = MaskExplorer(model, data=DIGITS)
    panel.amount = 45
    assert not panel._background.running and panel.curve == []
    panel.measure()
    assert len(panel.curve) == 21 and panel.accuracy[0] == 45


def test_a_panel_that_outlives_the_modules_ends_in_silence():
    """Python takes modules apart when it ends; what such a module holds goes later still."""
    program = "import threading as last, prune_lab.widgets as w, torch\n"
    program += "last.panel, last.itself = w.ModuleInspector(torch.nn.Linear(2, 2)), last"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
