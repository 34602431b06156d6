"""TicketExplorer in a page of its own: sliders, seeds, picture and words, all without Python."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from prune_lab.widgets import TicketExplorer, save_page
from tests.widgets.test_ticket_explorer import RESULTS, STEPS


class Page:
    def __init__(self, page):
        self.page = page
        self.panel = page.get_by_role("group", name="Ticket explorer")
        self.round = self.panel.get_by_role("slider", name="round")
        self.look = self.panel.get_by_role("slider", name="trained for")
        self.heatmap = self.panel.get_by_role("application")
        self.entry = self.panel.locator(".prune-lab-entry")
        self.words = self.panel.locator(".prune-lab-legend bdi")

    def seed(self, number):
        return self.panel.get_by_role("checkbox", name=f"seed {number}")

    def pixels(self, canvas):
        self.page.evaluate("() => new Promise((r) => requestAnimationFrame(() => setTimeout(r)))")
        return self.panel.locator("canvas").nth(canvas).evaluate("c => c.toDataURL()")


@pytest.fixture
def opened(page, tmp_path):
    widget = TicketExplorer(RESULTS)
    page.goto(save_page(widget, tmp_path / "page.html").as_uri())
    widget.close()
    expect(page.get_by_role("group").first).to_be_visible()
    return Page(page)


def said(seeds, number, look):
    """The numbers under the curves, by hand."""

    def words(name, rows):
        there = [100 * row[look] for row in rows]
        mean = f"{name} {sum(there) / len(there):.1f} %"
        return mean if len(rows) == 1 else f"{mean} ({min(there):.1f} % to {max(there):.1f} %)"

    tests = [RESULTS[seed]["test"] for seed in seeds]
    by_name = {name: [test[name][number] for test in tests] for name in tests[0]}
    by_name["dense"] = [test["ticket"][0] for test in tests]
    return [words(name, rows) for name, rows in by_name.items()]


def test_sliders_and_seeds_move_curves_picture_and_words(page, opened):
    expect(opened.words).to_have_text(said([3, 0, 1], 0, 4))
    expect(opened.round).to_have_attribute("aria-valuetext", "0: 100 % kept")
    seen = [(opened.pixels(0), opened.pixels(1))]
    opened.round.fill("3")
    expect(opened.words).to_have_text(said([3, 0, 1], 3, 4))
    expect(opened.round).to_have_attribute("aria-valuetext", "3: 26.2 % kept")
    seen.append((opened.pixels(0), opened.pixels(1)))
    opened.look.fill("2")
    expect(opened.words).to_have_text(said([3, 0, 1], 3, 2))
    expect(opened.look).to_have_attribute("aria-valuetext", f"{STEPS[2]} steps")
    seen.append((opened.pixels(0), opened.pixels(1)))
    opened.seed(3).click()
    expect(opened.words).to_have_text(said([0, 1], 3, 2))
    seen.append((opened.pixels(0), opened.pixels(1)))
    curves, pictures = zip(*seen, strict=True)
    assert len(set(curves)) == 4
    assert [pictures[i] == pictures[i + 1] for i in range(3)] == [False, True, False]


def test_the_last_seed_stays_in(opened):
    for seed in (0, 3, 1):
        opened.seed(seed).click()
    expect(opened.seed(1)).to_be_checked()
    expect(opened.seed(0)).not_to_be_checked()
    expect(opened.words).to_have_text(said([1], 0, 4))
    expect(opened.panel).to_contain_text("accuracy after 240 steps, seed 1")


def test_cells_are_told_by_mouse_and_by_arrow_keys(page, opened):
    opened.round.fill("1")
    opened.seed(3).click()
    box = opened.heatmap.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.75)
    share = 10 + 4  # of 255, seed 0 in round 1, second row, middle column
    expect(opened.entry).to_have_text(f"pixel[1, 1]: {100 * share / 255:.1f} % kept")
    page.mouse.move(1, 1)
    expect(opened.entry).to_have_text("Point at a pixel.")
    opened.heatmap.focus()
    expect(opened.entry).to_contain_text("pixel[0, 0]: ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(opened.entry).to_contain_text("pixel[1, 1]: ")
    page.keyboard.press("ArrowDown")
    expect(opened.entry).to_contain_text("pixel[1, 1]: ")  # it ends there


def test_the_keyboard_reaches_sliders_seeds_and_picture_in_their_order(page, opened):
    opened.seed(3).focus()
    page.keyboard.press("Space")
    expect(opened.seed(3)).not_to_be_checked()
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.getAttribute('aria-label')"))
    assert reached[:5] == ["seed 0", "seed 1", "Full screen", "round", "trained for"]
    assert reached[5].startswith("Heatmap of what seed 0 keeps")
    opened.round.focus()
    page.keyboard.press("ArrowRight")
    expect(opened.round).to_have_attribute("aria-valuetext", "1: 64 % kept")
