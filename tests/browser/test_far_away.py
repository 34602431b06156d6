"""The reader's hand against a server far away: what the reader does wins, and both sides agree.

A proxy delays every message 300 ms each way and some up to twice that; the browser is slowed down
as well. What must be shown is worked out here, from what the hand did.
"""

from __future__ import annotations

import random

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.notebook import until, write
from tests.browser.test_guesses import NUMBER, Guessing
from tests.browser.test_mask_explorer import Explorer, smallest

TWO_LAYERS = """
import torch
from torch import nn
from prune_lab.widgets import MaskExplorer

torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.Conv2d(6, 1, 5))
MaskExplorer(model)
"""

# Every value that the slider takes without a hand on it. A handle that moves by itself is seen in
# the frame in which it does; `input` events are the hand's.
WATCH = """slider => {
    window.byItself = [];
    let hand = slider.value;
    slider.addEventListener("input", () => { hand = slider.value; }, true);
    const look = () => {
        if (slider.value !== hand) window.byItself.push([hand, slider.value]);
        hand = slider.value;
        if (window.watching) requestAnimationFrame(look);
    };
    window.watching = true;
    look();
}"""


class Hand:
    """What the reader does, and what is then to be seen."""

    def __init__(self, notebook, weights, seed):
        self.notebook, self.page = notebook, notebook.page
        self.weights = weights  # by layer
        self.dice = random.Random(seed)
        self.layer, self.technique, self.amount = "0.weight", "l1_unstructured", 0.3
        self.painted = None
        self.did = []  # for whoever reads a failure
        self.applied = []  # masks, the last one is the model's

    def gone(self):
        """Which entries are pruned, where this is known without the engine: L1 and by hand."""
        if self.painted is not None:
            return self.painted
        weights = self.weights[self.layer]
        return smallest(weights, round(self.amount * weights.size))

    def keys(self):
        slider = self.notebook.slider
        slider.focus()
        for _ in range(self.dice.randint(1, 5)):
            key, step = self.dice.choice([("ArrowRight", 0.01), ("ArrowLeft", -0.01)])
            self.page.keyboard.press(key)
            self.amount = round(min(1.0, max(0.0, self.amount + step)), 2)
            self.see()

    def ends(self):
        self.notebook.slider.focus()
        for key, amount in self.dice.sample([("Home", 0.0), ("End", 1.0)], 2):
            self.page.keyboard.press(key)
            self.amount = amount
            self.see()

    def drag(self):
        """Drag with the button held; the hand rests longer than the slider waits for it."""
        shares = [self.dice.uniform(0.05, 0.95) for _ in range(2)]
        for _ in self.notebook.drag(*shares):
            self.page.wait_for_timeout(self.dice.choice([0, 110, 350]))  # the hand's own pause
            self.amount = float(self.notebook.slider.input_value())
            self.see()
        # A slow browser may have taken the last move only with the button's release.
        self.amount = float(self.notebook.slider.input_value())
        self.see()

    def paint(self):
        if self.layer != "0.weight":
            return
        shown = self.gone().reshape(6, 5, 5).copy()
        row, col = self.dice.randint(0, 4), self.dice.randint(0, 1)
        kernel = self.dice.randint(0, 5)
        self.notebook.cells()  # where they are
        self.page.mouse.move(*self.notebook.middle(kernel, row, col))
        before = self.notebook.heatmap.bounding_box()
        self.page.mouse.down()
        self.notebook.settle()
        assert self.notebook.heatmap.bounding_box() == before  # under the pointer nothing moves
        self.page.mouse.move(*self.notebook.middle(kernel, row, col + 3), steps=6)
        self.page.mouse.up()
        shown[kernel, row, col : col + 4] = not shown[kernel, row, col]
        self.painted, self.technique = shown.reshape(-1), "custom_from_mask"
        self.see()

    def choose_technique(self):
        self.technique, self.painted = "l1_unstructured", None
        other = self.dice.choice(["random_unstructured", "ln_structured"])
        self.notebook.choose("technique", other)
        self.notebook.choose("technique", "l1_unstructured")

    def choose_layer(self):
        if self.painted is not None:
            self.choose_technique()
        self.layer = "1.weight" if self.layer == "0.weight" else "0.weight"
        self.notebook.choose("layer", self.layer)

    def apply(self):
        self.notebook.press("Apply")
        self.applied.append((self.layer, self.gone().reshape(-1).copy()))

    def undo(self):
        """As far as it can be pressed: Python may not have said yet that there is something."""
        if self.notebook.panel.get_by_role("button", name="Undo").is_enabled() and self.applied:
            self.notebook.press("Undo")
            self.applied.pop()

    def see(self):
        """What is on the screen while Python may be seconds behind."""
        self.notebook.settle()
        if self.painted is None:
            assert float(self.notebook.slider.input_value()) == self.amount

    def rest(self):
        """Wait until Python has answered, then compare both sides with the hand."""
        notebook, panel = self.notebook, self.notebook.panel
        whole = self.weights[self.layer].size
        gone = int(self.gone().sum())
        expect(panel.locator(".prune-lab-entry")).not_to_contain_text("Waiting")
        print(*self.did, sep="\n")
        until(notebook.counts, (whole - gone, gone))
        state = (
            "[widget.name, widget.technique, (widget.mask == 0).int().flatten().tolist(),"
            " {name: (m.weight_mask == 0).int().flatten().tolist()"
            "  for name, m in [('0.weight', model[0]), ('1.weight', model[1])]"
            "  if hasattr(m, 'weight_mask')}]"
        )
        applied = {}
        for layer, mask in self.applied:
            applied[layer] = mask.astype(int).tolist()
        expected = [self.layer, self.technique, self.gone().astype(int).flatten().tolist(), applied]
        until(lambda: notebook.ask(state), expected)
        assert notebook.counts() == (whole - gone, gone)
        if self.painted is None:
            assert float(notebook.slider.input_value()) == self.amount


@pytest.fixture
def far(far_page, way, request):
    """An explorer on two layers, opened near and then moved far away."""
    name = write(way.lab.folder, f"far-{request.node.name}.ipynb", TWO_LAYERS)
    notebook = Explorer(far_page, way.lab.address(name))
    weights = notebook.ask("[m.weight.flatten().tolist() for m in model]")
    notebook.weights = dict(zip(["0.weight", "1.weight"], map(np.array, weights), strict=True))
    way.delay = 0.3
    yield notebook
    way.delay = 0.0
    far_page.evaluate("window.watching = false")


def slow_down(page, times):
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": times})


def test_painting_right_after_the_ends_of_the_slider(far):
    """The recipe of the fault: End, Home, a pause, then four cells; the first one was lost."""
    hand = Hand(far, far.weights, seed=0)
    far.slider.evaluate(WATCH)
    for pause in (85, 100, 400):
        far.slider.focus()
        far.page.keyboard.press("End")
        far.page.keyboard.press("Home")
        far.page.wait_for_timeout(pause)  # of the hand
        hand.amount = 0.0
        hand.see()
        hand.paint()
        hand.rest()
        hand.choose_technique()
        hand.rest()
    assert far.page.evaluate("byItself") == []


def test_seven_presses_and_apply_are_fifty_six_entries(far):
    far.slider.focus()
    for _ in range(7):
        far.page.keyboard.press("ArrowRight")
    far.press("Apply")
    assert far.counts() == (94, 56)
    gone = "int((getattr(model[0], 'weight_mask', torch.ones(1)) == 0).sum())"
    until(lambda: far.ask(gone), 56)
    assert far.counts() == (94, 56)


# When the slider of a guess could not be moved, from the frame in which it came.
GREY = """
window.grey = 0;
const look = () => {
    if (document.querySelector('[aria-label="your guess"]:disabled')) window.grey += 1;
    if (window.watching) requestAnimationFrame(look);
};
window.watching = true;
look();
"""


def test_a_guess_may_be_made_as_soon_as_its_panel_is_there(far_page, way):
    """Python's first word to the panel is late here; the panel was for a moment one without it."""

    class Late(Guessing):
        def run_all(self):
            self.page.evaluate(GREY)
            way.delay = 0.3
            super().run_all()

    try:
        guessing = Late(far_page, way.lab, NUMBER)
        slider = guessing.panel.get_by_role("slider", name="your guess", exact=True)
        slider.press("ArrowRight")  # from the middle
        expect(guessing.words).to_have_text("Your guess: 76 weights.")
        until(guessing.kept, 76)
        assert far_page.evaluate("grey") == 0
    finally:
        way.delay = 0.0
        far_page.evaluate("window.watching = false")  # the page goes on to the next test


@pytest.mark.parametrize(("seed", "slower"), [(1, 1), (2, 4), (3, 8)])
def test_whatever_the_hand_does(far, seed, slower):
    """Keys, drags with pauses, painting, techniques, layers, Apply, Undo, in random order."""
    hand = Hand(far, far.weights, seed)
    far.slider.evaluate(WATCH)
    slow_down(far.page, slower)
    acts = [hand.keys, hand.ends, hand.drag, hand.paint, hand.choose_technique, hand.choose_layer]
    acts += [hand.apply, hand.undo, hand.drag, hand.keys]
    for _ in range(2):
        for act in hand.dice.choices(acts, k=6):
            if far.slider.is_visible() or act not in (hand.keys, hand.ends, hand.drag):
                act()
                hand.did.append((act.__name__, hand.layer, hand.technique, hand.amount))
        hand.rest()
    slow_down(far.page, 1)
    assert far.page.evaluate("byItself") == []
