"""ModuleInspector in JupyterLab: with mouse and keyboard, and while cells change the model."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.notebook import Notebook, choose_theme, until, write

LENET = """
import torch
from torch import nn
from prune_lab import prune
from prune_lab.lenet import LeNet
from prune_lab.widgets import ModuleInspector

torch.manual_seed(0)
model = LeNet()
ModuleInspector(model)
"""

LARGE = """
import torch
from torch import nn
from prune_lab.widgets import ModuleInspector

block = lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4))
model = nn.Sequential(*(nn.Sequential(*(block() for _ in range(20))) for _ in range(10)))
model.add_module("<img src=x onerror=alert(1)>", nn.Sequential(nn.Linear(2, 2)))
model[-1][0].register_forward_pre_hook(type("<b>bold</b>", (), {"__call__": lambda *_: None})())
ModuleInspector(model)
"""


@pytest.fixture
def page(lab_page):
    return lab_page


@pytest.fixture
def opened(page, jupyter_lab, request):
    def open_notebook(cell):
        name = write(jupyter_lab.folder, f"{request.node.name}.ipynb", cell)
        return Notebook(page, jupyter_lab.address(name), "Module inspector")

    return open_notebook


def module(panel, name):
    return panel.get_by_role("treeitem", name=name)


def chosen(panel):
    return panel.locator("[role=treeitem][aria-selected=true]")


def counts(panel):
    return panel.locator(".prune-lab-counts").inner_text()


def test_mouse_and_keyboard_walk_through_the_model_while_the_kernel_is_busy(opened, page):
    notebook = opened(LENET)
    panel = notebook.panel
    assert counts(panel) == "10 parameters · 0 buffers · 0 hooks · nothing changed"
    with notebook.busy():  # all of it without the kernel
        module(panel, "conv1").click()
        table = panel.get_by_role("region", name="What conv1 holds")
        expect(table).to_contain_text("Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))")
        expect(table.get_by_role("row", name="weight")).to_contain_text("(6, 1, 5, 5)")
        assert counts(panel) == "2 parameters · 0 buffers · 0 hooks · nothing changed"

        for key, name in [
            ("ArrowDown", "conv2"),
            ("End", "fc3"),
            ("ArrowUp", "fc2"),
            ("ArrowLeft", "LeNet"),
            ("ArrowRight", "conv1"),
            ("Home", "LeNet"),
        ]:
            page.keyboard.press(key)
            expect(chosen(panel)).to_contain_text(name)
            expect(chosen(panel)).to_be_focused()
        assert chosen(panel).evaluate("item => getComputedStyle(item).outlineStyle") == "solid"
        page.keyboard.press("ArrowLeft")
        expect(panel.get_by_role("treeitem")).to_have_count(1)
        page.keyboard.press("ArrowRight")
        expect(panel.get_by_role("treeitem")).to_have_count(6)
        page.keyboard.press("End")
        page.keyboard.press("Tab")  # to the table, which may have to be scrolled
        expect(panel.get_by_role("region")).to_be_focused()
    until(lambda: notebook.ask("widget.module"), "fc3")


def test_the_panel_follows_the_cells_and_a_cell_run_again_leaves_one_panel(opened, page):
    notebook = opened(LENET)
    panel = notebook.panel
    module(panel, "conv1").click()
    notebook.start('prune.random_unstructured(model.conv1, "weight", amount=0.3)')
    mark = panel.locator(".prune-lab-mark")
    expect(module(panel, "conv1")).to_contain_text("4 changes")
    expect(mark.filter(has_text="renamed from weight, same values")).to_be_visible()
    expect(panel.get_by_role("row", name="weight_mask")).to_contain_text("45 of 150")
    held = ["2 parameters", "1 buffer (0 before)", "1 plain tensor (0 before)"]
    said = " · ".join([*held, "1 hook (0 before)", "4 changes"])
    assert counts(panel) == said
    expect(panel.locator("[aria-live]")).to_have_text(f"conv1: {said}")

    panel.get_by_role("button", name="Compare from now").click()
    expect(panel.locator(".prune-lab-counts")).to_contain_text("nothing changed")
    expect(mark).to_have_count(0)
    notebook.start('prune.remove(model.conv1, "weight")')
    expect(module(panel, "conv1")).to_contain_text("4 changes")
    expect(panel.locator(".prune-lab-struck", has_text="weight_mask")).to_contain_text("gone")

    page.locator(".jp-Notebook .jp-CodeCell").first.locator(".jp-InputPrompt").click()
    page.keyboard.press("Control+Enter")
    expect(panel.locator(".prune-lab-counts")).to_contain_text("10 parameters")
    panels = page.get_by_role("group", name="Module inspector")
    expect(panels).to_have_count(1)
    following = "sum(not w._hidden for w in Out.values() if isinstance(w, ModuleInspector))"
    until(lambda: notebook.ask(following), 1)


def test_dark_light_and_at_400_pixels_all_can_be_read(opened, page):
    notebook = opened(LENET)
    notebook.ask("0", 'prune.l1_unstructured(model.conv1, "weight", 0.3); model.fc3.bias.data *= 2')
    panel = notebook.panel
    module(panel, "conv1").hover()  # the pointer must not change what can be read
    try:
        choose_theme(page, "JupyterLab Dark")
        page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
        until(notebook.low_contrast, [])
    finally:
        choose_theme(page, "JupyterLab Light")
    page.wait_for_function("document.body.dataset.jpThemeLight === 'true'")
    until(notebook.low_contrast, [])

    notebook.narrow()
    assert notebook.sticking_out("button, table, td, th, [role=treeitem]") == []
    module(panel, "fc3").click()
    expect(panel.get_by_role("region")).to_contain_text("-0.133 to 0.188")


def test_a_large_model_starts_folded_and_its_names_are_text(opened, page):
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    panel = opened(LARGE).panel
    items = panel.get_by_role("treeitem")
    expect(items).to_have_count(12)
    more = panel.get_by_role("button", name="Show 762 more")  # of 802 parameters
    more.click()
    expect(more).to_have_count(0)
    expect(panel.get_by_role("row", name="9.19.2.bias")).to_have_count(1)
    module(panel, "9 ").locator(".prune-lab-fold").click()
    expect(items).to_have_count(32)

    module(panel, "<img").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(chosen(panel)).to_have_text("0 Linear")
    expect(panel).to_contain_text("<img src=x onerror=alert(1)>.0 · Linear(in_features=2")
    expect(panel.get_by_role("row", name="<b>bold</b>")).to_contain_text("forward pre-hook")
    assert panel.locator("img, b:has-text('bold')").count() == 0
    assert dialogs == []
