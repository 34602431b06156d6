"""A widget in a page of its own, from a file, with no kernel and the network off."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from torch import nn

from prune_lab.data import load_digits
from prune_lab.device.candidates import Candidate
from prune_lab.lenet import LeNet
from prune_lab.widgets import (
    BudgetExplorer,
    DigitPad,
    MaskExplorer,
    ModuleInspector,
    SensitivityExplorer,
    TicketExplorer,
    save_page,
)
from tests.browser.test_mask_explorer import Explorer, smallest
from tests.widgets.test_ticket_explorer import RESULTS

DIGITS = load_digits()
WIDGETS = {
    "MaskExplorer": lambda model: MaskExplorer(model, data=DIGITS),
    "ModuleInspector": ModuleInspector,
    "DigitPad": lambda model: DigitPad(model, DIGITS),
    "SensitivityExplorer": lambda model: SensitivityExplorer(model, DIGITS),
    "TicketExplorer": lambda model: TicketExplorer(RESULTS),
}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return LeNet()


@pytest.fixture
def open_page(page, tmp_path):
    """Save a page of a widget, close the widget, and open the page in the closed network."""
    asked = []
    page.context.set_offline(True)
    page.context.route(re.compile("^https?:"), lambda route: route.abort())
    page.on("request", lambda request: asked.append(request.url))

    def opened(widget):
        page.goto(save_page(widget, tmp_path / "page.html").as_uri())
        widget.close()
        expect(page.get_by_role("group").first).to_be_visible()

    yield opened
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob"}


class OwnPage(Explorer):
    """The explorer without a notebook around it."""

    def __init__(self, page):
        self.page = page
        self.panel = page.get_by_role("group", name="Mask explorer for")
        self.settle()


@pytest.fixture
def explorer(page, open_page, model):
    # Measured before the page is saved, so that its curve is in it.
    widget = MaskExplorer(model, data=DIGITS, label="model")
    widget.measure()
    open_page(widget)
    return OwnPage(page)


def test_the_slider_moves_picture_words_histogram_and_code(page, explorer, model):
    weights = model.conv1.weight.tolist()
    histogram = explorer.panel.get_by_role("img", name="Histogram")
    seen = set()
    for share in explorer.drag(0.05, 0.5, 0.9, 0.3):
        kept, pruned = explorer.counts()
        assert (
            kept + pruned == 150 and abs(pruned - 150 * share) < 2
        )  # the handle is where the pointer is
        assert (explorer.pruned() == smallest(np.array(weights)[:, 0], pruned)).all()
        assert round(float(explorer.amount()) * 150) == pruned
        assert f"{pruned} of 150 pruned" in histogram.get_attribute("aria-label")
        seen.add(explorer.pixels(histogram).tobytes())
    assert len(seen) == 4
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(explorer.panel.locator("code")).to_contain_text("amount=0.01")
    explorer.settle()
    assert explorer.pruned().sum() == explorer.counts()[1] == 2
    expect(explorer.panel.get_by_role("img", name="Accuracy")).to_be_visible()
    # Nobody measures here: the words say what the curve does, and where that is only about so much.
    counts = explorer.panel.locator(".prune-lab-counts")
    expect(counts).to_contain_text(re.compile(r"accuracy [\d.]+ % → ≈ [\d.]+ %"))
    page.keyboard.press("Home")
    expect(counts).to_contain_text(re.compile(r"accuracy ([\d.]+ %) → \1"))


def test_hover_explains_and_a_click_paints(page, explorer, model):
    at = (2, 3, 4)
    value = model.conv1.weight[2, 0, 3, 4].item()
    turn = int((model.conv1.weight.abs() < abs(value)).sum()) + 1
    page.mouse.move(*explorer.middle(*at))
    expect(explorer.entry).to_contain_text(f"weight[2, 0, 3, 4] = {value:.3g}".replace("-", "−"))
    expect(explorer.entry).to_contain_text(f"{turn}")
    was_pruned = bool(explorer.pruned()[at])
    expect(explorer.entry).to_contain_text("pruned" if was_pruned else "kept")
    page.mouse.down()
    page.mouse.up()
    expect(explorer.entry).to_contain_text("kept" if was_pruned else "pruned")
    assert explorer.counts()[1] == (44 if was_pruned else 46)
    page.mouse.move(1, 1)
    explorer.settle()
    assert bool(explorer.pruned()[at]) is not was_pruned
    assert "custom_from_mask(model.conv1" in explorer.code()


def test_what_needs_python_says_so_and_spoils_nothing(page, explorer):
    before = explorer.pixels()
    explorer.press("Apply")
    message = explorer.panel.get_by_role("status")
    expect(message).to_have_text("This page has no Python behind it. Open the notebook to do that.")
    explorer.choose("layer", "fc1.weight")
    expect(explorer.entry).to_have_text(
        "Waiting for the kernel; without one, this picture stays as it is."
    )
    explorer.settle()
    assert (explorer.pixels() == before).all()
    # What is on show is still conv1: in the title, the bars, the code and under the pointer.
    expect(explorer.panel.locator(".prune-lab-shown")).to_contain_text("conv1")
    assert "model.conv1" in explorer.code()
    page.mouse.move(*explorer.middle(0, 0, 0))
    expect(explorer.entry).to_contain_text("weight[0, 0, 0, 0] = ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("widget", WIDGETS)
def test_each_widget_opens_in_the_readers_colours(page, open_page, model, widget, scheme):
    page.emulate_media(color_scheme=scheme)
    open_page(WIDGETS[widget](model))
    assert page.get_by_role("group").first.inner_text()
    back = page.locator(".prune-lab").evaluate("panel => getComputedStyle(panel).backgroundColor")
    assert (int(re.search(r"\d+", back).group()) > 127) is (scheme == "light")


def test_pruned_entries_are_dark_in_the_dark(page, open_page, model):
    page.emulate_media(color_scheme="dark")
    open_page(MaskExplorer(model, amount=1.0))
    explorer = OwnPage(page)
    assert max(cell.mean() for cell in explorer.cells().flatten()) < 0.4
    page.emulate_media(color_scheme="light")  # and it follows
    page.wait_for_function(
        """() => {
            const canvas = document.querySelector(".prune-lab-heatmap");
            const {data} = canvas.getContext("2d").getImageData(2, canvas.height - 4, 1, 1);
            return data[0] > 127;
        }"""
    )


def test_a_hostile_name_is_only_text(page, open_page):
    page.on("dialog", lambda dialog: pytest.fail("the name was run"))
    hostile = "</script><img src=x onerror=alert(1)>"
    model = nn.Sequential()
    model.add_module(hostile, nn.Linear(3, 4))
    open_page(MaskExplorer(model, label=hostile))
    expect(page.locator(".prune-lab-title").first).to_contain_text(hostile)
    assert page.locator("img").count() == 0


def test_in_a_sandboxed_frame_without_a_hosts_variables(page, tmp_path, model):
    save_page(MaskExplorer(model.conv1), tmp_path / "panel.html")
    frame = '<iframe sandbox="allow-scripts" src="panel.html" width="900" height="900"></iframe>'
    (tmp_path / "outside.html").write_text(frame)
    page.goto((tmp_path / "outside.html").as_uri())
    panel = page.frame_locator("iframe").get_by_role("group", name="Mask explorer for")
    assert panel.evaluate("panel => getComputedStyle(panel).borderTopWidth") == "1px"
    panel.get_by_role("slider").first.focus()
    page.keyboard.press("Home")
    expect(panel.locator(".prune-lab-counts")).to_contain_text("150 kept · 0 pruned")
    page.keyboard.press("End")
    expect(panel.locator(".prune-lab-counts")).to_contain_text("0 kept · 150 pruned")


def test_a_budget_is_worked_out_without_python(page, open_page):
    dense = Candidate("<b>dense</b>", "a", 9000, 0.4, validation=0.99, test=0.98)
    small = Candidate("small", "b", 1000, 0.1, validation=0.97, test=0.96)
    open_page(BudgetExplorer([dense, small]))
    panel = page.get_by_role("group", name="Budget explorer")
    verdict = panel.locator(".prune-lab-verdict")
    expect(verdict).to_contain_text("<b>dense</b>")
    expect(verdict).to_contain_text("98.0 % of the test digits")
    file, _time, points = panel.get_by_role("slider").all()
    file.focus()
    page.keyboard.press("ArrowLeft")
    expect(verdict).to_contain_text("small")
    expect(verdict).to_contain_text("1 of 2 models meet the budget")
    points.fill("0.5")
    expect(verdict).to_contain_text("No model meets the budget")
    picture = panel.get_by_role("img")
    picture.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(panel.locator(".prune-lab-entry")).to_have_text(
        "small: 1,000 bytes, 0.1 ms, 2 points lost (too much: accuracy lost)"
    )
