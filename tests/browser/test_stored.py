"""Panels before their cell has run, and when their kernel restarts, dies or is late."""

from __future__ import annotations

import itertools
import re
import shutil

import pytest
from playwright.sync_api import expect

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.course.saving import WORDS
from prune_lab.course.signing import sign
from tests.browser.jupyter_lab import NOTEBOOKS
from tests.browser.notebook import load_again, open_notebook, right_of, until, write
from tests.browser.test_mask_explorer import Explorer

CHAPTER = NOTEBOOKS / "03-prune-a-module.ipynb"
WITHOUT = "There is no Python behind this panel yet. Run its cell: then all of it works."
GONE = "The kernel has gone. Run this panel's cell again."
NOT_FOUND = "model not found"
LATE = "Python has not answered yet: it is busy, or it has gone."

ONE_LAYER = """
import torch
from torch import nn
from prune_lab.widgets import MaskExplorer

torch.manual_seed(0)
MaskExplorer(nn.Conv2d(1, 6, 5))
"""


@pytest.fixture
def page(lab_page):
    return lab_page


@pytest.fixture
def opened(page, jupyter_lab, monkeypatch):
    """Open a chapter as `prune-lab lab` does, and scroll to a place in it; nothing is run."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(jupyter_lab.folder.parent / "data"))

    def opened(name, change, place):
        copy = jupyter_lab.folder / name
        shutil.copy(CHAPTER, copy)
        copy.write_text(change(copy.read_text(encoding="utf-8")), encoding="utf-8")
        sign([copy])
        open_notebook(page, jupyter_lab.address(name))
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        return scrolled_to(page, place)

    yield opened
    (jupyter_lab.folder / "fresh.ipynb").unlink(missing_ok=True)


def scrolled_to(page, place):
    """The first of these parts; JupyterLab makes a cell when it comes into sight."""
    found = page.locator(place).first
    page.mouse.move(640, 500)
    steps = itertools.cycle([400] * 40 + [-400] * 40)

    def look():
        if page.get_by_text(NOT_FOUND).count():
            # ipywidgets' manager looks for a stored panel for two seconds; where the kernel takes
            # longer to begin, and its connection is made meanwhile, it has not read them by then.
            load_again(page)
            page.get_by_text("| Idle").wait_for()
        if not found.is_visible():
            page.mouse.wheel(0, next(steps))
        return found.is_visible()

    until(look, True)
    found.scroll_into_view_if_needed()
    return found


class Shown(Explorer):
    """An explorer that may be on the screen already, without its cell having run."""

    def __init__(self, page, address=None):
        if address:
            super().__init__(page, address)
            return
        self.page = page
        self.panel = page.get_by_role("group", name="Mask explorer for").first
        self.panel.wait_for()
        self.show()

    @property
    def message(self):
        return self.panel.locator(".prune-lab-message")

    def offers_python(self):
        """Which of what needs Python can be used."""
        parts = [self.panel.get_by_role("button", name="Apply", exact=True)]
        parts += self.panel.locator("select").all()
        return {part.is_enabled() for part in parts if part.is_visible()}


def test_a_chapter_that_was_just_opened_is_alive(page, opened):
    opened("fresh.ipynb", lambda text: text, ".prune-lab [type=range][aria-label=amount]")
    explorer = Shown(page)
    expect(explorer.message).to_have_text(WITHOUT)
    assert explorer.offers_python() == {False}
    before = explorer.pixels()
    for share in (0.2, 0.8):
        for _ in explorer.drag(share):
            kept, pruned = explorer.counts()
            assert kept + pruned == 150 and abs(pruned - 150 * share) < 3
            assert explorer.pruned().sum() == pruned
    assert (explorer.pixels() != before).any()
    # Nothing has run, and a guess says that it would not be kept.
    prompts = set(page.locator(".jp-InputPrompt:visible").all_inner_texts())
    assert all(re.fullmatch(r"(\[\d+\]:)?", prompt.strip()) for prompt in prompts)


def test_before_any_cell_has_run_a_stored_panel_measures_and_the_pad_reads(page, opened):
    opened("fresh.ipynb", lambda text: text, "canvas[aria-label^='Accuracy against']")
    curve = page.get_by_role("img", name="Accuracy against amount")
    panel = page.get_by_role("group", name="Mask explorer for").filter(has=curve)
    expect(panel.locator(".prune-lab-message")).to_have_text(WITHOUT)
    panel.get_by_role("slider").first.fill("0.9")
    model = trained_lenet()
    prune.l1_unstructured(model.conv1, "weight", 0.9)
    expect(panel.locator(".prune-lab-counts")).to_contain_text(f"({right_of(model)} of 360)")

    scrolled_to(page, ".prune-lab-pad")
    pad = page.get_by_role("group", name="Digit pad").first
    pad.get_by_role("slider", name="amount").fill("0.9")
    pad.get_by_role("button", name="One that pruning breaks").click()
    expect(pad.locator(".prune-lab-said")).to_contain_text("They disagree")
    expect(pad.locator(".prune-lab-judged")).to_have_text(["✓ right", "✗ wrong"])
    assert pad.get_by_role("combobox", name="technique").is_disabled()


def test_a_stored_guess_says_that_its_cell_must_run(page, opened):
    opened("fresh.ipynb", lambda text: text, ".prune-lab-guess-words")
    guess = page.get_by_role("group", name="Your guess").first
    expect(guess.locator(".prune-lab-guess-words")).to_contain_text("Run this cell to guess")
    assert not any(control.is_enabled() for control in guess.locator("input").all())


def test_a_changed_copy_is_not_trusted_and_shows_the_stored_picture(page, opened):
    def changed(text):
        first = '"source": [\n    "'
        assert first in text
        return text.replace(first, f"{first}Mine. ", 1)

    picture = opened("changed.ipynb", changed, ".jp-OutputArea img")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 100")
    assert page.locator(".prune-lab").count() == 0
    expect(page.get_by_text(NOT_FOUND)).to_have_count(0)


@pytest.fixture
def explorer(page, jupyter_lab, request):
    name = write(jupyter_lab.folder, f"{request.node.name}.ipynb", ONE_LAYER)
    return Shown(page, jupyter_lab.address(name))


def press_menu(page, menu, command):
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.locator(f'li[data-command="{command}"]').click()


def test_after_a_restart_it_says_so_and_offers_nothing_that_cannot_work(page, explorer):
    explorer.slider.focus()
    page.keyboard.press("End")
    until(lambda: explorer.counts(), (0, 150))
    press_menu(page, "Kernel", "kernelmenu:restart")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(explorer.message).to_have_text(GONE)
    assert explorer.offers_python() == {False}
    # Menu, picture and code still say the same, and the slider moves all of them.
    page.keyboard.press("Escape")
    explorer.slider.focus()
    page.keyboard.press("Home")
    until(lambda: explorer.counts(), (150, 0))
    assert "amount=0.0" in explorer.code()
    page.get_by_text("| Idle").wait_for()  # a kernel that is being restarted cannot be ended


def test_when_the_kernel_dies_the_hand_finds_nothing_that_cannot_work(page, explorer):
    explorer.start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    page.locator(".jp-Dialog").get_by_text("appears to have died").wait_for()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.mouse.move(1, 1)
    explorer.panel.hover(position={"x": 5, "y": 5})
    expect(explorer.message).to_have_text(GONE)
    assert explorer.offers_python() == {False}


def test_a_kernel_that_does_not_answer_is_called_late_until_it_does(far_page, way):
    explorer = Shown(far_page, way.lab.address(write(way.lab.folder, "late.ipynb", ONE_LAYER)))
    expect(explorer.message).to_have_text("")
    far_page.mouse.move(1, 1)
    way.delay = 5.0  # seconds, each way
    explorer.panel.hover(position={"x": 5, "y": 5})
    expect(explorer.message).to_have_text(LATE)
    assert explorer.offers_python() == {True}  # it waits in line, and is done
    explorer.press("Apply")
    way.delay = 0.0
    expect(explorer.message).not_to_have_text(LATE)
    expect(explorer.panel.get_by_role("button", name="Undo")).to_be_enabled()
    until(lambda: int(explorer.ask("int(widget.mask.sum())")), 105)


def test_restarted_and_opened_anew_the_stored_panels_are_there(page, opened, jupyter_lab):
    opened("fresh.ipynb", lambda text: text, ".prune-lab-heatmap")
    press_menu(page, "Kernel", "kernelmenu:restart")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(Shown(page).message).to_have_text(WITHOUT)
    page.get_by_text("| Idle").wait_for()
    saved = Saved(page, jupyter_lab.folder / "fresh.ipynb")
    saved.save()
    saved.reload()
    expect(page.get_by_text(NOT_FOUND)).to_have_count(0)
    expect(Shown(page).message).to_have_text(WITHOUT)


# What the reader ran and saved


class Saved:
    """A notebook of the reader's, and the picture that it has in place of its panel."""

    def __init__(self, page, file):
        self.page, self.file = page, file
        self.picture = page.locator(".prune-lab-stored img")
        self.panel = page.get_by_role("group", name="Mask explorer for")

    def save(self):
        """Save, and wait until the file is there, all of it."""
        before = self.file.stat().st_mtime_ns
        press_menu(self.page, "File", "docmanager:save")
        until(lambda: self.file.stat().st_mtime_ns > before, True)
        until(lambda: self.file.read_text(encoding="utf-8").endswith("}\n"), True)
        expect(self.page.locator(".jp-mod-dirty")).to_have_count(0)  # all of it is in the file

    def restart(self):
        press_menu(self.page, "Kernel", "kernelmenu:restart")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        expect(self.panel).to_contain_text(GONE)
        self.page.get_by_text("| Idle").wait_for()

    def reload(self):
        load_again(self.page)
        scrolled_to(self.page, ".prune-lab, .prune-lab-stored img")

    def shows_its_picture(self):
        expect(self.picture).to_be_visible()
        assert self.picture.evaluate("image => image.complete && image.naturalWidth > 100")
        assert self.picture.get_attribute("alt").startswith("MaskExplorer(layer=")
        expect(self.page.get_by_text(WORDS)).to_be_visible()
        expect(self.page.get_by_text(NOT_FOUND)).to_have_count(0)


@pytest.fixture
def saved(page, jupyter_lab, explorer, request):
    return Saved(page, jupyter_lab.folder / f"{request.node.name}.ipynb")


@pytest.mark.parametrize("order", ["save-restart", "restart-save", "save-restart-save"])
def test_what_the_reader_ran_has_its_picture_after_a_restart(explorer, saved, order):
    for step in [*order.split("-"), "reload"]:
        getattr(saved, step)()
    saved.shows_its_picture()
    explorer.run_all()
    expect(saved.panel).to_be_visible()
    expect(saved.picture).to_have_count(0)


def test_as_long_as_the_kernel_lives_the_panel_does_too(page, explorer, saved):
    """Also after several saves and loads, while its picture is kept."""
    for _ in range(3):
        saved.save()
        assert "prune-lab-stored" in saved.file.read_text(encoding="utf-8")
        saved.reload()
        expect(saved.panel).to_be_visible()
        expect(saved.panel.locator(".prune-lab-message")).to_have_text("")
        expect(saved.picture).to_have_count(0)
    explorer.press("Apply")
    expect(saved.panel.get_by_role("button", name="Undo")).to_be_enabled()


def test_in_a_chapter_what_was_run_has_its_picture_and_the_rest_its_panels(
    page, opened, jupyter_lab
):
    opened("fresh.ipynb", lambda text: text, ".prune-lab-guess-words")
    saved = Saved(page, jupyter_lab.folder / "fresh.ipynb")
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Escape")
    explorer = page.get_by_role("group", name="Mask explorer").first
    for _ in range(4):  # title, set-up, engine, a text
        page.keyboard.press("Shift+Enter")
    page.keyboard.press("Control+Enter")
    expect(explorer.get_by_role("button", name="Apply")).to_be_enabled()
    saved.save()
    press_menu(page, "Kernel", "kernelmenu:restart")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.get_by_text("| Idle").wait_for()
    saved.reload()
    saved.picture.first.wait_for()
    assert saved.picture.get_attribute("alt").startswith("MaskExplorer(layer=")
    stored = scrolled_to(page, ".prune-lab-guess-words")
    expect(stored).to_be_visible()
    expect(page.get_by_text(NOT_FOUND)).to_have_count(0)
