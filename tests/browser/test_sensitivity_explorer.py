"""SensitivityExplorer in JupyterLab: what moves at once, what arrives, and what the buttons do."""

from __future__ import annotations

import os
import re
import secrets
import signal

import pytest
from playwright.sync_api import expect

from tests.browser.notebook import GATED, Notebook, choose_theme, until, write

# LeNet with a layer whose name is HTML, and images that it labels without a mistake.
CELL = """
import torch
from torch import nn
from prune_lab.lenet import LeNet
from prune_lab.widgets import SensitivityExplorer
torch.manual_seed(0)
model = LeNet()
model.add_module("<img src=x onerror=alert(1)>", nn.Linear(3, 2))
images = torch.randn(60, 1, 32, 32)
labels = model(images).argmax(dim=1)
{hook}
SensitivityExplorer(model, (images, labels))
"""
NAMES = ["conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight", "fc3.weight",
         "<img src=x onerror=alert(1)>.weight"]  # fmt: skip
SIZES = [150, 2400, 48000, 10080, 840, 6]
TOTAL = 61706 + 3 * 2 + 2


@pytest.fixture
def page(lab_page):
    return lab_page


class Explorer(Notebook):
    def __init__(self, page, jupyter_lab, gate=None):
        # A name of its own: a notebook that is opened again finds the kernel of the last time.
        name = f"sensitivity-{secrets.token_hex(4)}.ipynb"
        # The panel's cell, after the hook that makes the model wait at the gate.
        hook = GATED.format(gate=str(gate)) if gate else ""
        write(jupyter_lab.folder, name, CELL.replace("{hook}", hook))
        super().__init__(page, jupyter_lab.address(name), "Sensitivity explorer")

    def slider(self, name):
        return self.panel.get_by_role("slider", name=name, exact=True)

    def move(self, name, amount):
        self.slider(name).fill(str(amount))
        self.settle()

    def readout(self, name):
        return self.slider(name).get_attribute("aria-valuetext").replace("\u2002", " ")

    def sums(self):
        """Accuracy, parameters and bytes, as the large figures say."""
        return self.panel.locator(".prune-lab-stats b").all_inner_texts()

    def code(self):
        return self.panel.locator("code").inner_text()

    def curves_arrive(self):
        self.panel.get_by_label("curves measured").wait_for(state="hidden")

    def accuracy_arrives(self):
        expect(self.panel.locator(".prune-lab-pending")).to_have_count(0)
        return self.sums()[0]

    def python_agrees(self, accuracy):
        """Wait until Python has the accuracy that is on the screen."""
        python = "f'100.0 % → {100 * (widget.accuracy or 0):.1f} %'"
        until(lambda: self.ask(python), accuracy)

    def dot_at(self, amount, accuracy):
        """The colour of the dot there: of what is a little above the line itself."""
        return self.colour_at(amount, accuracy, above=3)

    def colour_at(self, amount, accuracy, above=0):
        """The colour of the curves' picture there, as #rrggbb."""
        return self.panel.locator("canvas").evaluate(
            """(canvas, [x, y, above]) => {
                const { clientWidth: width, clientHeight: height } = canvas;
                const ratio = canvas.width / width;
                const place = [42 + x * (width - 42 - 14), 8 + (1 - y) * (height - 8 - 22) - above];
                const [px, py] = place.map((length) => Math.round(length * ratio));
                const [r, g, b] = canvas.getContext("2d").getImageData(px, py, 1, 1).data;
                return "#" + [r, g, b].map((c) => c.toString(16).padStart(2, "0")).join("");
            }""",
            [amount, accuracy, above],
        )


def calls(amounts):
    return "\n".join(
        f'prune.l1_unstructured(model.{name.removesuffix(".weight")}, name="weight", '
        f"amount={amount})"
        for name, amount in amounts.items()
    )


def test_sliders_curves_and_sums_say_the_same(page, jupyter_lab):
    notebook = Explorer(page, jupyter_lab)
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))
    sliders = notebook.panel.get_by_role("slider")
    expect(sliders).to_have_count(7)
    labels = [slider.get_attribute("aria-label") for slider in sliders.all()]
    assert labels == ["all layers", *NAMES]
    assert notebook.panel.locator("img").count() == 0
    assert notebook.code() == "# Every slider is at 0: nothing is pruned."
    notebook.curves_arrive()

    # One slider, by keyboard
    notebook.slider("conv1.weight").focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    notebook.settle()
    assert notebook.readout("conv1.weight") == "30 % (45 of 150)"
    assert notebook.readout("all layers") == "mixed, 0.1 % overall"
    assert notebook.code() == calls({"conv1.weight": 0.3})
    accuracy = notebook.accuracy_arrives()
    assert notebook.sums()[1:] == [f"{TOTAL:,} → {TOTAL - 45:,}", "246.9 → 246.7 kB"]
    python = "widget.amounts"
    until(lambda: notebook.ask(python), dict.fromkeys(NAMES, 0) | {"conv1.weight": 0.3})
    notebook.python_agrees(accuracy)
    measured, curves, code = notebook.ask("[widget.accuracy, widget.curves, widget.code]")
    assert code == notebook.code()
    curve = dict(curves["conv1.weight"])
    assert curve[0.3] == measured  # that layer alone is all that is pruned

    # Its dot is on its curve, drawn in full; the other curves are in the background.
    notebook.slider("conv1.weight").focus()
    until(lambda: notebook.dot_at(0.3, curve[0.3]), "#1f7ad1")
    entry = notebook.panel.locator(".prune-lab-entry")
    expect(entry).to_have_text(f"conv1.weight alone, 30 % pruned: accuracy {100 * measured:.1f} %")
    notebook.move("conv1.weight", 0.95)
    until(lambda: notebook.dot_at(0.95, curve[0.95]), "#1f7ad1")

    # All of them
    notebook.move("all layers", 0.5)
    assert notebook.readout("all layers") == "50 %"
    assert [notebook.readout(name) for name in NAMES] == [
        f"50 % ({size // 2:,} of {size:,})" for size in SIZES
    ]
    assert notebook.sums()[1] == f"{TOTAL:,} → {TOTAL - sum(SIZES) // 2:,}"
    assert notebook.code().startswith(calls(dict.fromkeys(NAMES[:5], 0.5)))
    assert len(notebook.code().splitlines()) == 6
    notebook.python_agrees(notebook.accuracy_arrives())

    # The pointer finds a curve and reads it.
    place = notebook.panel.locator("canvas").bounding_box()
    x = place["x"] + 42 + 0.8 * (place["width"] - 56)
    y = place["y"] + 8 + (1 - dict(curves["fc1.weight"])[0.8]) * (place["height"] - 30)
    page.mouse.move(x, y)
    expect(entry).to_have_text(re.compile(r"^\S+ alone, 80 % pruned: accuracy [\d.]+ %$"))
    assert dialogs == []


def test_stop_apply_undo_reset(page, jupyter_lab, tmp_path):
    gate = tmp_path / "gate"
    gate.mkdir()  # or the curves are there before a hand can press Stop
    notebook = Explorer(page, jupyter_lab, gate)
    button = notebook.panel.get_by_role("button", name="Stop")
    button.click()
    expect(notebook.panel.get_by_role("button", name="Go on")).to_be_visible()
    measuring = notebook.panel.locator(
        ".prune-lab-progress", has=notebook.page.get_by_label("curves measured")
    )
    expect(measuring).to_contain_text(re.compile(r"of 126 points, stopped"))
    until(lambda: notebook.ask("widget.stopped"), True)
    notebook.panel.get_by_role("button", name="Go on").click()
    expect(button).to_be_visible()
    gate.rmdir()
    notebook.curves_arrive()

    notebook.move("fc1.weight", 0.9)
    notebook.move("conv2.weight", 0.25)
    status = notebook.panel.get_by_role("status")
    expect(notebook.panel.get_by_role("button", name="Undo")).to_be_disabled()
    notebook.panel.get_by_role("button", name="Apply").click()
    left = TOTAL - 43200 - 600
    expect(status).to_have_text(f"Applied to 2 layers: {left:,} of {TOTAL:,} parameters are left.")
    zeros = "[int((m == 0).sum()) for m in model.buffers()]"
    assert notebook.ask(zeros) == [600, 43200]
    notebook.move("fc1.weight", 0.5)
    notebook.panel.get_by_role("button", name="Apply").click()
    expect(status).to_contain_text(f"{TOTAL - 24000 - 600:,}")
    assert notebook.ask(zeros) == [600, 24000]  # not on top of the first
    notebook.panel.get_by_role("button", name="Undo").click()
    expect(status).to_have_text("Undone: the model is as it was before.")
    assert notebook.ask(zeros) == [600, 43200]
    expect(
        notebook.panel.get_by_label("curves measured")
    ).to_be_hidden()  # the curves are as good as before
    notebook.panel.get_by_role("button", name="Reset").click()
    until(lambda: notebook.readout("fc1.weight"), "0 % (0 of 48,000)")
    assert notebook.ask(zeros) == []
    assert notebook.ask("hasattr(model.fc1, 'weight_orig')") is False

    # Code in a cell that changes the model: nothing old is shown as if it were new.
    assert notebook.ask("sum(map(len, widget.curves.values()))") == 126
    gate.mkdir()
    notebook.start("torch.nn.init.zeros_(model.fc3.weight); torch.nn.init.zeros_(model.fc3.bias)")
    expect(measuring).to_be_visible()
    gate.rmdir()
    notebook.curves_arrive()
    zeros = notebook.ask("float((labels == 0).float().mean())")
    assert notebook.accuracy_arrives() == f"{100 * zeros:.1f} % → {100 * zeros:.1f} %"


def test_a_busy_kernel_does_not_hold_the_sliders(page, jupyter_lab):
    notebook = Explorer(page, jupyter_lab)
    notebook.curves_arrive()
    curve = dict(notebook.ask("widget.curves['fc2.weight']"))
    # JupyterLab lets a kernel hear its widgets while a cell runs: nothing short of stopping its
    # process makes it deaf for certain.
    kernel = notebook.ask("__import__('os').getpid()")
    os.kill(kernel, signal.SIGSTOP)
    try:
        the_sliders_go_on_alone(notebook, curve)
    finally:
        os.kill(kernel, signal.SIGCONT)
    notebook.curves_arrive()
    until(lambda: notebook.ask("widget.amounts['fc2.weight']"), 0.85)
    notebook.python_agrees(notebook.accuracy_arrives())


def the_sliders_go_on_alone(notebook, curve):
    for amount in (0.2, 0.85):
        notebook.move("fc2.weight", amount)
        k = round(amount * 10080)
        assert notebook.readout("fc2.weight") == f"{100 * amount:.0f} % ({k:,} of 10,080)"
        assert notebook.sums()[1] == f"{TOTAL:,} → {TOTAL - k:,}"
        assert notebook.code() == calls({"fc2.weight": amount})
        assert notebook.sums()[0] == "100.0 % → …"  # what is not measured is not shown
        notebook.slider("fc2.weight").focus()
        until(lambda at=amount: notebook.dot_at(at, curve[at]), "#b04fc2")
    # The curves of another technique are not known; the sizes are.
    notebook.panel.get_by_label("technique").select_option("Ln structured")
    notebook.settle()
    assert notebook.readout("fc2.weight") == "85 % (71 of 84 channels)"
    assert notebook.sums()[1] == f"{TOTAL:,} → {TOTAL - 71 * 120:,}"
    expect(
        notebook.panel.locator(
            ".prune-lab-progress", has=notebook.page.get_by_label("curves measured")
        )
    ).to_contain_text("Waiting for the kernel")


@pytest.fixture
def light_again(page):
    yield
    choose_theme(page, "JupyterLab Light")  # the setting outlives the page


def test_dark_narrow_and_run_again(page, jupyter_lab, light_again):
    notebook = Explorer(page, jupyter_lab)
    notebook.curves_arrive()
    notebook.run_all()
    expect(page.locator(".jp-InputPrompt", has_text="[2]")).to_have_count(1)
    expect(page.get_by_role("group", name="Sensitivity explorer")).to_have_count(1)
    notebook.curves_arrive()
    # The panel that was shown before is silent.
    notebook.move("conv1.weight", 0.5)
    expect(notebook.panel.locator("canvas")).to_have_count(1)

    ink = "panel => getComputedStyle(panel).color"
    light = notebook.panel.evaluate(ink)
    ring = notebook.colour_at(0, 1)
    choose_theme(page, "JupyterLab Dark")
    until(lambda: notebook.panel.evaluate(ink) != light, True)
    until(notebook.low_contrast, [])
    notebook.narrow()
    assert notebook.sticking_out() == []
    until(lambda: notebook.colour_at(0.25, 0.5) != ring, True)
    names = notebook.panel.locator(".prune-lab-layers span:not(.prune-lab-readout)")
    cut = "spans => spans.filter((s) => s.scrollWidth > s.clientWidth).map((s) => s.textContent)"
    assert set(names.evaluate_all(cut)) <= {NAMES[5]}  # the others are seen whole
    expect(notebook.panel.get_by_role("button", name="Apply")).to_be_visible()
