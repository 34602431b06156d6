"""The panels' static pages in Firefox, driven by Mozilla's own client: pointer and keys are real.

Needs a Firefox on the path, or FIREFOX set to it; without one these tests are skipped.
"""

from __future__ import annotations

import base64
import io
import os
import shutil

import numpy as np
import pytest
import torch
from matplotlib import image

from prune_lab import prune
from prune_lab.course.guesses import Guesses
from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.widgets import (
    DigitPad,
    MaskExplorer,
    ModuleInspector,
    SensitivityExplorer,
    save_page,
)
from tests.browser.notebook import until

NAMES = ("firefox", "firefox-esr")
GUESSES = ["GuessNumber", "GuessChoice", "GuessCurve"]
PANELS = ["MaskExplorer", "SensitivityExplorer", "DigitPad", "ModuleInspector", *GUESSES]
SLIDER = ".prune-lab [type=range]"

# Runs before the panel does, and keeps what goes wrong.
LISTEN = """<script>
window.failed = [];
for (const event of ["error", "unhandledrejection", "securitypolicyviolation"])
    addEventListener(event, (e) => failed.push(String(e.message ?? e.reason ?? e.blockedURI)));
</script>"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of each panel."""
    torch.manual_seed(0)
    model, digits = LeNet(), load_digits()
    explorer = MaskExplorer(model.conv1, label="conv1")
    inspected = LeNet()
    inspector = ModuleInspector(inspected)
    prune.l1_unstructured(inspected.conv1, "weight", amount=0.3)
    inspector.refresh()
    guesses = Guesses("firefox")
    asked = (
        guesses.number("gone", "How many?", low=0, high=150, unit="weights"),
        guesses.choice("layer", "Which layer?", options=["conv1", "fc1"]),
        guesses.curve("cost", "How?", x=("amount", 0, 1), y=("accuracy in %", 0, 100)),
    )
    panels = (explorer, SensitivityExplorer(model, digits), DigitPad(model, digits), inspector)
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for name, panel in zip(PANELS, (*panels, *asked), strict=True):
        made[name] = save_page(panel, folder / f"{name}.html")
        text = made[name].read_text(encoding="utf-8")
        made[name].write_text(text.replace("<title>", f"{LISTEN}<title>", 1), encoding="utf-8")
        panel.close()
    return made


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    """One headless Firefox with a profile of its own."""
    marionette = pytest.importorskip("marionette_driver.marionette")
    binary = os.environ.get("FIREFOX") or next(filter(None, map(shutil.which, NAMES)), None)
    if binary is None:
        pytest.skip("No Firefox found: install one, or set FIREFOX to its path.")
    log = tmp_path_factory.mktemp("firefox") / "firefox.log"
    started = marionette.Marionette(
        app="fxdesktop", bin=binary, port=0, headless=True, gecko_log=str(log), startup_timeout=300
    )
    started.start_session()
    started.set_window_rect(width=1280, height=1000)
    yield started
    started.quit()
    started.cleanup()


@pytest.fixture
def opened(firefox, pages):
    """Open the page of a panel; at the end nothing must have gone wrong in it."""

    def opened(name):
        firefox.navigate(pages[name].as_uri())
        panel = Panel(firefox)
        until(lambda: panel.run("return !!document.querySelector('.prune-lab')?.textContent"), True)
        panel.settle()
        return panel

    yield opened
    assert firefox.execute_script("return window.wrappedJSObject.failed") == []


class Panel:
    """The page's panel."""

    def __init__(self, firefox):
        self.firefox = firefox

    def run(self, script, *given):
        return self.firefox.execute_script(script, script_args=list(given))

    def settle(self):
        """Wait until the browser has laid out what was asked of it: parts have moved by then."""
        frames = "requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(done)))"
        self.firefox.execute_async_script(f"const [done] = arguments; {frames}")

    def text(self, part):
        return self.find(part).get_property("textContent")

    def find(self, part):
        return self.firefox.find_element("css selector", part)

    def pointer(self):
        return self.firefox.actions.sequence("pointer", "mouse", {"pointerType": "mouse"})

    def drag(self, part, *places):
        """Press at the first place in a part, as shares of its size, and go to the others."""
        box = self.find(part).rect
        points = [
            (round(box["x"] + x * box["width"]), round(box["y"] + y * box["height"]))
            for x, y in places
        ]
        hand = self.pointer().pointer_move(*points[0]).pointer_down()
        for point in points[1:]:
            hand = hand.pointer_move(*point, duration=60)
        hand.pointer_up().perform()

    def press(self, key):
        self.firefox.actions.sequence("key", "keyboard").key_down(key).key_up(key).perform()

    def pixels(self, part):
        """What is on the screen there."""
        shot = base64.b64decode(self.firefox.screenshot(element=self.find(part)))
        return image.imread(io.BytesIO(shot))[..., :3]


@pytest.mark.parametrize("name", PANELS)
def test_each_panel_opens_with_its_look(opened, name):
    panel = opened(name)
    assert panel.find(".prune-lab").value_of_css_property("border-top-width") == "1px"
    assert panel.find(".prune-lab").rect["height"] > 100
    assert panel.pixels(".prune-lab").std() > 0.05
    assert panel.run("return document.documentElement.scrollWidth <= innerWidth")


def test_the_explorers_slider_moves_counts_picture_and_code(opened):
    panel = opened("MaskExplorer")
    assert "105 kept · 45 pruned" in panel.text(".prune-lab-counts")
    before = panel.pixels(".prune-lab-heatmap")
    panel.drag(SLIDER, (0.32, 0.5), (0.6, 0.5), (0.98, 0.5))
    until(lambda: "0 kept · 150 pruned" in panel.text(".prune-lab-counts"), True)
    assert "amount=1.0" in panel.text("code")
    assert (panel.pixels(".prune-lab-heatmap") != before).mean() > 0.2
    panel.press("\ue011")  # Home
    until(lambda: "150 kept · 0 pruned" in panel.text(".prune-lab-counts"), True)
    panel.press("\ue014")  # the right arrow
    until(lambda: "amount=0.01" in panel.text("code"), True)


def test_the_slider_is_filled_up_to_its_thumb(opened):
    panel = opened("MaskExplorer")
    track = panel.pixels(SLIDER)
    row = track[track.shape[0] // 2]
    accent = np.abs(row - np.array([0x19, 0x76, 0xD2]) / 255).max(axis=1) < 0.05
    width = len(row)
    assert accent[4 : width // 5].all() and not accent[width // 2 : -4].any()


@pytest.fixture
def forced_colours(firefox):
    """Windows' high contrast, as Firefox has it for everybody."""
    firefox.set_pref("browser.display.document_color_use", 2)
    yield
    firefox.clear_pref("browser.display.document_color_use")


def test_in_forced_colours_the_slider_is_still_there(forced_colours, opened):
    panel = opened("MaskExplorer")
    assert panel.run("return matchMedia('(forced-colors: active)').matches")
    track = panel.pixels(SLIDER)
    row = track[track.shape[0] // 2]
    ground = panel.pixels(".prune-lab-counts")[2, 2]
    out = np.abs(row - ground).max(axis=1) > 0.3
    width = len(row)
    assert out[4 : width // 5].all()  # what is chosen is filled
    assert not out[width // 2 : -8].any()  # the rest is not,
    apart = np.abs(track - ground).max(axis=2) > 0.3
    assert apart[:, width // 2].sum() >= 2  # but it has its outline


def test_the_entry_under_the_pointer_is_explained_and_a_click_paints_it(opened):
    panel = opened("MaskExplorer")
    box = panel.find(".prune-lab-heatmap").rect
    x, y = round(box["x"] + 12), round(box["y"] + 30)
    panel.pointer().pointer_move(x, y).perform()
    until(lambda: "weight[0, 0, 0, 0] = " in panel.text(".prune-lab-entry"), True)
    panel.pointer().pointer_move(x, y).pointer_down().pointer_up().perform()
    until(lambda: "custom_from_mask(conv1" in panel.text("code"), True)
    kept = int(panel.text(".prune-lab-counts").split()[0])
    assert abs(kept - 105) == 1


def test_sensitivitys_slider_moves_its_sums(opened):
    panel = opened("SensitivityExplorer")
    before = panel.text(".prune-lab-stats")
    panel.drag(".prune-lab-all [type=range]", (0.02, 0.5), (0.5, 0.5))
    until(lambda: panel.text(".prune-lab-stats") != before, True)
    assert "50" in panel.text(".prune-lab-all .prune-lab-readout")


def test_a_digit_can_be_drawn(opened):
    panel = opened("DigitPad")
    before = panel.pixels(".prune-lab-pad")
    panel.drag(".prune-lab-pad", (0.3, 0.2), (0.7, 0.2), (0.45, 0.85))
    until(lambda: panel.text(".prune-lab-padding .prune-lab-note"), "Your own digit.")
    assert (panel.pixels(".prune-lab-pad") != before).mean() > 0.01


def test_the_inspector_follows_a_click(opened):
    panel = opened("ModuleInspector")
    rows = panel.firefox.find_elements("css selector", "[role=treeitem]")
    assert "conv1" in rows[1].text
    rows[1].click()
    until(lambda: rows[1].get_attribute("aria-selected"), "true")
    until(lambda: "conv1" in panel.text(".prune-lab-holds .prune-lab-title"), True)


def test_a_curve_can_be_guessed_with_the_hand(opened):
    panel = opened("GuessCurve")
    line = "return document.querySelector('.prune-lab-stroke-guess').getAttribute('d')"
    before = panel.run(line)
    panel.drag(".prune-lab-plot-area", (0.05, 0.1), (0.5, 0.2), (0.95, 0.9))
    until(lambda: panel.run(line) not in (before, "", None), True)
