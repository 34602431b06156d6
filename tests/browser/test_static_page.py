"""A widget in a page of its own, from a file, with no kernel and the network off."""

from __future__ import annotations

import re
from copy import deepcopy

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from torch import nn

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.data import load_digits
from prune_lab.device.candidates import Candidate
from prune_lab.lenet import LeNet
from prune_lab.training import evaluate
from prune_lab.widgets import (
    BudgetExplorer,
    DigitPad,
    MaskExplorer,
    ModuleInspector,
    SensitivityExplorer,
    TicketExplorer,
    save_page,
)
from tests.browser.notebook import measured_here, right_of, until
from tests.browser.test_digit_pad import SEVEN, Pad
from tests.browser.test_mask_explorer import Explorer, smallest
from tests.widgets.test_ticket_explorer import RESULTS

DIGITS = load_digits()
NO_PYTHON = "This page has no Python behind it. Open the notebook to do that."
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
    counts = explorer.panel.locator(".prune-lab-counts")
    page.keyboard.press("Home")
    expect(counts).to_contain_text(re.compile(r"accuracy ([\d.]+ %) → \1"))


# What this browser measures itself


def test_the_accuracy_follows_the_slider(page, open_page):
    open_page(MaskExplorer(trained_lenet(), "fc1.weight", data=DIGITS, label="model"))
    explorer = OwnPage(page)
    explorer.slider.focus()
    page.keyboard.press("Home")
    dense, size = measured_here(explorer.panel)
    assert (dense, size) == (right_of(trained_lenet()), 246.8)
    for amount in (0.5, 0.9, 0.99, 1.0):
        explorer.slider.fill(str(amount))
        until(explorer.amount, str(amount))
        copy = trained_lenet()
        prune.l1_unstructured(copy.fc1, "weight", amount)
        right, smaller = measured_here(explorer.panel)
        assert right == right_of(copy)
        assert smaller < size
        size = smaller
    assert f"accuracy {100 * dense / 360:.1f} % →" in explorer.panel.locator(
        ".prune-lab-counts"
    ).inner_text().replace("\u00a0", " ")
    voice = explorer.panel.locator("[aria-live=polite]").last
    expect(voice).to_contain_text(f"({right} of 360)")


def test_the_entry_under_the_hand_is_said_before_the_counts(page, open_page):
    open_page(MaskExplorer(trained_lenet()))
    explorer = OwnPage(page)
    voice = explorer.panel.locator("[aria-live=polite]").last
    explorer.panel.locator(".prune-lab-heatmap").focus()
    page.keyboard.press("ArrowRight")
    expect(voice).to_contain_text("weight[0, 0, 0, 1]")
    explorer.slider.focus()
    page.keyboard.press("Home")
    expect(voice).to_have_text("150 kept, 0 pruned")


def test_the_accuracy_of_all_layers_together(page, open_page):
    model = trained_lenet()
    open_page(MaskExplorer(model, data=DIGITS, technique="global_unstructured", amount=0.9))
    weights = [(layer, "weight") for layer in model.children()]
    prune.global_unstructured(weights, prune.L1Unstructured, amount=0.9)
    assert measured_here(OwnPage(page).panel)[0] == right_of(model)


def test_the_accuracy_follows_the_hand_that_paints(page, open_page):
    model = trained_lenet()
    open_page(MaskExplorer(model, data=DIGITS, amount=0.9))
    explorer = OwnPage(page)
    prune.l1_unstructured(model.conv1, "weight", 0.9)
    rights = [right_of(model)]
    assert measured_here(explorer.panel)[0] == rights[0]
    for entry in model.conv1.weight.abs().flatten().argsort(descending=True)[:3].tolist():
        filter_, row, column = np.unravel_index(entry, (6, 5, 5))
        page.mouse.click(*explorer.middle(filter_, row, column))
        page.mouse.move(1, 1)
        with torch.no_grad():
            model.conv1.weight_mask.view(-1)[entry] = 0
        rights.append(right_of(model))
        expect(explorer.panel.locator("code")).to_contain_text("custom_from_mask")
        assert measured_here(explorer.panel)[0] == rights[-1]
    assert len(set(rights)) == 4


def test_several_layers_at_once_are_measured_here(page, open_page):
    open_page(SensitivityExplorer(trained_lenet(), DIGITS))
    panel = page.get_by_role("group", name="Sensitivity explorer")
    copy = trained_lenet()
    for name, amount in (("conv2", 0.5), ("fc1", 0.95), ("fc3", 0.3)):
        panel.get_by_role("slider", name=f"{name}.weight").fill(str(amount))
        prune.l1_unstructured(getattr(copy, name), "weight", amount)
        until(lambda: measured_here(panel)[0], right_of(copy))


def curve_of(page):
    return page.get_by_role("img", name="Accuracy against amount")


def progress_of(panel):
    return panel.locator(".prune-lab-progress:has([aria-label^=accuracy])")


def places(panel):
    """Where the parts stand that a hand may be at."""
    parts = "canvas, input, button, code, .prune-lab-bars, .prune-lab-counts"
    return panel.evaluate(
        """(panel, parts) => [...panel.querySelectorAll(parts)].map((part) => {
            const { left, top, height } = part.getBoundingClientRect();
            return [part.className, left, top, height];
        })""",
        parts,
    )


@pytest.mark.parametrize("width", [1280, 740, 400])
def test_a_curve_that_python_has_not_measured_is_measured_here(page, open_page, width):
    page.set_viewport_size({"width": width, "height": 1000})
    open_page(MaskExplorer(trained_lenet(), "fc3.weight", data=DIGITS))
    explorer = OwnPage(page)
    curve, progress = curve_of(page), progress_of(explorer.panel)
    before, empty = places(explorer.panel), explorer.pixels(curve)
    measured_here(explorer.panel)
    expect(curve).to_have_attribute("aria-label", re.compile("21 points measured"))
    expect(progress).to_be_hidden()
    assert (explorer.pixels(curve) != empty).any()
    assert places(explorer.panel) == before  # nothing has moved under the pointer


# A worker to which a curve's points come when the test lets them.
HELD_BACK = """
window.gate_is_open = false;
window.held = [];
window.Worker = class extends Worker {
    postMessage(message) {
        const post = () => super.postMessage(message);
        if (message.beside && !window.gate_is_open) window.held.push(post);
        else post();
    }
};
"""


def test_the_hand_does_not_wait_for_the_curve_which_it_can_stop(page, open_page):
    page.add_init_script(HELD_BACK)
    open_page(MaskExplorer(trained_lenet(), "conv2.weight", data=DIGITS))
    explorer = OwnPage(page)
    curve, progress = curve_of(page), progress_of(explorer.panel)
    until(lambda: page.evaluate("held.length"), 1)
    for amount in (0.5, 0.9):
        explorer.slider.fill(str(amount))
        until(explorer.amount, str(amount))
        copy = trained_lenet()
        prune.l1_unstructured(copy.conv2, "weight", amount)
        assert measured_here(explorer.panel)[0] == right_of(copy)
    until(lambda: page.evaluate("held.length > 1"), True)  # asked again when the hand has rested
    progress.get_by_role("button", name="Stop").click()
    page.evaluate("gate_is_open = true; held.at(-1)()")
    expect(curve).to_have_attribute("aria-label", re.compile(" 2 points measured"))
    explorer.slider.fill("0.3")
    measured_here(explorer.panel)
    expect(curve).to_have_attribute("aria-label", re.compile(" 2 points measured"))
    progress.get_by_role("button", name="Go on").click()
    expect(curve).to_have_attribute("aria-label", re.compile(" 21 points measured; .* at this"))
    expect(progress).to_be_hidden()


def test_each_layers_curve_is_measured_here(page, open_page):
    model = nn.Sequential(nn.Flatten(), nn.Linear(1024, 12), nn.ReLU(), nn.Linear(12, 10))
    data = (DIGITS.test_images, model(DIGITS.test_images).argmax(1))
    open_page(SensitivityExplorer(model, data))
    panel = page.get_by_role("group", name="Sensitivity explorer")
    curves = panel.get_by_role("img", name="Curves of accuracy")
    expect(curves).to_have_attribute("aria-label", re.compile("; 42 of 42 points are measured"))
    expect(panel.get_by_label("curves measured")).to_be_hidden()
    slider = panel.get_by_role("slider", name="1.weight")
    slider.fill("0.9")
    slider.focus()
    pruned = deepcopy(model)
    prune.l1_unstructured(pruned[1], "weight", 0.9)
    accuracy = evaluate(pruned, *data)
    expect(panel.locator(".prune-lab-entry")).to_have_text(
        f"1.weight alone, 90 % pruned: accuracy {100 * accuracy:.1f} %"
    )


def test_without_network_and_python_a_curve_says_who_measures_it(page, open_page):
    data = (DIGITS.test_images.double(), DIGITS.test_labels)
    open_page(MaskExplorer(trained_lenet().double(), data=data))
    progress = progress_of(OwnPage(page).panel)
    expect(progress).to_contain_text("Python measures it.")
    expect(progress.get_by_role("button", name="Go on")).to_be_disabled()


def test_where_no_worker_may_run_a_page_says_so(page, tmp_path):
    saved = save_page(MaskExplorer(trained_lenet(), data=DIGITS), tmp_path / "page.html")
    forbidden = saved.read_text().replace(
        "default-src 'none';", "default-src 'none'; worker-src 'none';"
    )
    saved.write_text(forbidden)
    page.goto(saved.as_uri())
    counts = page.locator(".prune-lab-counts")
    expect(counts).to_contain_text("(this page lets no worker measure it)")
    page.get_by_role("slider").first.fill("0.9")
    expect(counts).to_contain_text("15 kept · 135 pruned")


class OwnPad(Pad):
    """The pad without a notebook around it."""

    def __init__(self, page):
        self.page = page
        self.panel = page.get_by_role("group", name="Digit pad")
        self.find_parts()


def test_a_digit_is_drawn_read_and_pruned_away_without_python(page, open_page):
    open_page(DigitPad(trained_lenet(), DIGITS))
    pad = OwnPad(page)
    python = DigitPad(trained_lenet(), DIGITS)
    pad.press("Clear")
    expect(pad.words).to_contain_text("An empty pad has no answer.")
    pad.draw(SEVEN)
    expect(pad.words).to_contain_text("dense says")
    expect(pad.caption).to_have_text("Your own digit.")
    expect(pad.panel.locator(".prune-lab-late, .prune-lab-pending")).to_have_count(0)
    drawn = np.array(pad.ink(), "<f4")
    python.image = (drawn / drawn.max()).tobytes()  # what is read off the screen has 256 steps
    for number, answer in enumerate((python.dense, python.pruned)):
        until(
            lambda n=number: [size for _words, size in pad.chart(n)[1]],
            pytest.approx([100 * share for share in answer], abs=3),
        )
    pad.amount.fill("1")
    expect(pad.words).to_contain_text("61,470 of 61,470 weights pruned")
    pad.amount.fill("0.9")
    pad.press("Real digit")
    python.real()
    expect(pad.caption).to_contain_text(f"its label is {python.label}.")
    pad.shows(python.dense, python.pruned)
    for _ in range(3):
        pad.press("One that pruning breaks")
        python.broken()
        pad.shows(python.dense, python.pruned)
        expect(pad.caption).to_contain_text(f"its label is {python.label}.")
        expect(pad.words).to_contain_text("They disagree")
    pad.amount.fill("0")
    expect(pad.words).to_contain_text("0 of 61,470 weights pruned")
    pad.press("One that pruning breaks")
    expect(pad.panel.get_by_role("status")).to_contain_text("None of the 360 digits breaks")
    python.close()


@pytest.mark.parametrize("width", [1280, 740, 400])
def test_a_sure_answer_stands_on_one_line(page, open_page, width):
    page.set_viewport_size({"width": width, "height": 1000})
    open_page(DigitPad(trained_lenet(), DIGITS, amount=0.0))
    pad = OwnPad(page)
    expect(pad.panel.locator(".prune-lab-wins .prune-lab-digit-share").first).to_have_text(">99 %")
    shares = pad.panel.locator(".prune-lab-digit-share")
    assert len(set(shares.evaluate_all("shares => shares.map((s) => s.clientHeight)"))) == 1
    cut = "shares => shares.filter((s) => s.scrollWidth > s.clientWidth).length"
    assert shares.evaluate_all(cut) == 0


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
    expect(message).to_have_text(NO_PYTHON)
    for menu, other in (("layer", "fc1.weight"), ("technique", "random_unstructured")):
        choice = explorer.panel.get_by_role("combobox", name=menu)
        stood = choice.input_value()
        choice.select_option(other)
        expect(choice).to_have_value(stood)
        expect(message).to_have_text(NO_PYTHON)
        explorer.settle()
        assert (explorer.pixels() == before).all()
    # What is on show is still conv1: in the title, the bars, the code and under the pointer.
    expect(explorer.panel.locator(".prune-lab-shown")).to_contain_text("conv1")
    assert "model.conv1" in explorer.code()
    page.mouse.move(*explorer.middle(0, 0, 0))
    expect(explorer.entry).to_contain_text("weight[0, 0, 0, 0] = ")


@pytest.mark.parametrize("widget", ["DigitPad", "SensitivityExplorer"])
def test_another_technique_is_refused_and_the_one_that_is_there_goes_on(
    page, open_page, model, widget
):
    open_page(WIDGETS[widget](model))
    panel = page.get_by_role("group").first
    choice = panel.get_by_role("combobox", name="technique")
    stood = choice.input_value()
    choice.select_option("random_unstructured")
    expect(choice).to_have_value(stood)
    expect(panel.locator(".prune-lab-message")).to_have_text(NO_PYTHON)
    expect(panel).not_to_contain_text("Waiting")


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


def test_in_a_sandboxed_frame_the_network_runs_in_the_browser(page, tmp_path):
    explorer = MaskExplorer(trained_lenet(), "fc1.weight", amount=0.95, data=DIGITS)
    save_page(explorer, tmp_path / "panel.html")
    frame = '<iframe sandbox="allow-scripts" src="panel.html" width="900" height="900"></iframe>'
    (tmp_path / "outside.html").write_text(frame)
    page.goto((tmp_path / "outside.html").as_uri())
    panel = page.frame_locator("iframe").get_by_role("group", name="Mask explorer for")
    copy = trained_lenet()
    prune.l1_unstructured(copy.fc1, "weight", 0.95)
    assert measured_here(panel)[0] == right_of(copy)


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
