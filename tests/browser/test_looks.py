"""How the panels look where pages differ: high contrast, right to left, large text, low windows.

Each on every panel, in a page of its own. What must be seen is looked for in screenshots: a part
stands out when its pixels do from the panel's ground.
"""

from __future__ import annotations

import base64
import io
import re
from functools import cached_property

import numpy as np
import pytest
import torch
from matplotlib import image
from playwright.sync_api import expect

from prune_lab import plots, prune
from prune_lab.data import load_digits
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
from prune_lab.widgets.frontend import STATIC
from tests.widgets.test_ticket_explorer import result

PANELS = [
    "MaskExplorer",
    "SensitivityExplorer",
    "TicketExplorer",
    "DigitPad",
    "ModuleInspector",
    "BudgetExplorer",
]
WITH_SLIDER = PANELS[:4]
WITH_CANVAS = PANELS[:4]
WITH_APPLY = PANELS[:2]
ALONE = ["TicketExplorer", "BudgetExplorer"]  # what they do needs no Python
NO_PYTHON = "There is no Python behind this panel yet."
SIDES = (
    "canvas, button, select, input, table, .prune-lab-readout, .prune-lab-track, .prune-lab-call"
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of each panel, saved once."""
    torch.manual_seed(0)
    model, digits = LeNet(), load_digits()
    explorer = MaskExplorer(model, data=digits, label="model")
    explorer._background.wait()
    sensitivity = SensitivityExplorer(model, digits)
    inspected = LeNet()
    inspector = ModuleInspector(inspected)
    prune.l1_unstructured(inspected.conv1, "weight", amount=0.3)
    inspector.refresh()
    folder = tmp_path_factory.mktemp("pages")
    tickets = TicketExplorer({seed: result(seed) for seed in range(3)})
    pad = DigitPad(model, digits)
    made = (explorer, sensitivity, tickets, pad, inspector, BudgetExplorer())
    return dict(
        zip(PANELS, (save_page(w, folder / f"{i}.html") for i, w in enumerate(made)), strict=True)
    )


class Looks:
    """A panel in its page."""

    def __init__(self, page, path, before="", **media):
        self.page = page
        page.emulate_media(**media)
        page.goto(path.as_uri())
        if before:
            page.evaluate(before)
        self.panel = page.locator(".prune-lab")
        expect(self.panel).to_be_visible()
        self.settle()

    def settle(self):
        """Wait until what a change of size asks for has been painted."""
        self.page.evaluate(
            "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame("
            "() => requestAnimationFrame(() => setTimeout(r)))))"
        )

    def answered(self):
        """Wait until the words are there that say what the browser has measured."""
        if (cost := self.panel.get_by_title("Your browser has read")).count():
            expect(cost).to_contain_text("in this browser")
        self.settle()

    def pixels(self, part):
        """What is on the screen there: (height, width, 3), from 0 to 1."""
        return image.imread(io.BytesIO(part.screenshot()))[..., :3]

    @cached_property
    def ground(self):
        """The panel's own colour."""
        pixels = self.pixels(self.panel).reshape(-1, 3)
        # As one number each: to sort triples takes longer than all else in most of these tests.
        numbers = (255 * pixels).round().astype(int) @ [1 << 16, 1 << 8, 1]
        _, first, counts = np.unique(numbers, return_index=True, return_counts=True)
        return pixels[first[counts.argmax()]]

    def standing_out(self, part, ratio=3.0):
        """Which pixels of a part differ that much from the ground (WCAG's contrast)."""
        return contrast(self.pixels(part), self.ground) >= ratio

    def set_to(self, slider, share):
        """Put a slider to this share of its way."""
        slider.fill(str(share * float(slider.get_attribute("max"))))

    def sticking_out(self):
        """The parts that reach over one of the panel's sides, as HTML."""
        return self.panel.evaluate(
            """(panel, parts) => {
                const { left, right } = panel.getBoundingClientRect();
                return [...panel.querySelectorAll(parts)].filter((part) => {
                    if (!part.checkVisibility() || part.closest("svg")) return false;
                    const box = part.getBoundingClientRect();
                    return box.right > right + 0.5 || box.left < left - 0.5;
                }).map((part) => part.outerHTML.slice(0, 120));
            }""",
            SIDES,
        )

    def overlapping(self):
        """Pairs of texts and controls that lie on one another."""
        return self.panel.evaluate(
            """(panel) => {
                const shown = [...panel.querySelectorAll(
                    "button, select, input, canvas, .prune-lab-readout, .prune-lab-title, " +
                    ".prune-lab-entry, .prune-lab-counts, .prune-lab-call, " +
                    ".prune-lab-legend > span")]
                    .filter((part) => part.checkVisibility({ visibilityProperty: true })
                            && !part.matches("[type=radio]"));
                const boxes = shown.map((part) => part.getBoundingClientRect());
                const found = [];
                shown.forEach((a, i) => shown.forEach((b, j) => {
                    if (j <= i || a.contains(b) || b.contains(a)) return;
                    const [p, q] = [boxes[i], boxes[j]];
                    const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
                    const tall = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
                    if (wide > 1 && tall > 1 && p.height > 1 && q.height > 1)
                        found.push(`${a.outerHTML.slice(0, 60)} | ${b.outerHTML.slice(0, 60)}`);
                }));
                return found;
            }"""
        )


def light(colours):
    colours = np.asarray(colours, dtype=float)
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    a, b = light(one), light(other)
    return (np.maximum(a, b) + 0.05) / (np.minimum(a, b) + 0.05)


@pytest.fixture
def look(page, pages):
    return lambda panel, **how: Looks(page, pages[panel], **how)


# High contrast


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("panel", PANELS)
def test_forced_colours_leave_nothing_out(look, panel, scheme):
    seen = look(panel, forced_colors="active", color_scheme=scheme)
    for slider in seen.panel.get_by_role("slider").all():
        slider.scroll_into_view_if_needed()
        seen.set_to(slider, 0.5)
        slider.blur()
        seen.settle()
        out = seen.standing_out(slider)
        middle = out[out.shape[0] // 2]
        width = len(middle)
        assert middle[width // 8 : width // 3].all()  # what is chosen is filled
        assert not middle[2 * width // 3 : -6].any()  # and the rest is not,
        assert out[:, 2 * width // 3].sum() >= 2  # but it has its outline
        assert out[: out.shape[0] // 3, width // 2 - 9 : width // 2 + 9].any()  # the thumb
    # That of a curve which is being measured goes when it is: see the next test.
    for button in seen.panel.locator("button:visible:not(.prune-lab-progress *)").all():
        assert seen.standing_out(button)[:, :3].sum() > 10  # its border
    for canvas in seen.panel.locator("canvas").all():
        assert seen.standing_out(canvas).mean() > 0.01


# A worker that measures what the hand asks, and never a curve's point.
NO_CURVES = """
window.Worker = class extends Worker {
    postMessage(message) {
        if (!message.beside) super.postMessage(message);
    }
};
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("panel", ["MaskExplorer", "SensitivityExplorer"])
def test_forced_colours_leave_stop_its_border(page, look, panel, scheme):
    page.add_init_script(NO_CURVES)
    seen = look(panel, forced_colors="active", color_scheme=scheme)
    stop = seen.panel.get_by_role("button", name="Stop")
    assert seen.standing_out(stop)[:, :3].sum() > 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_keep_pictures_and_legends_together(look, scheme):
    seen = look("MaskExplorer", forced_colors="active", color_scheme=scheme)
    # The first label, and a line of the curve's grid
    heatmap = seen.panel.locator("canvas.prune-lab-heatmap")
    assert seen.standing_out(heatmap, 4.5)[:14].any()
    curve = seen.standing_out(seen.panel.locator(".prune-lab-side canvas").nth(1))
    assert (curve[:, 60:-20].mean(axis=1) > 0.9).sum() >= 3
    # The bars: what is pruned of the layer on show, and the others' empty outlines
    bars = seen.panel.locator(".prune-lab-track")
    first, second = (seen.standing_out(bars.nth(i))[5] for i in (0, 1))
    width = len(first)
    assert first[3 : width // 4].all() and not first[width // 2 : -4].any()
    assert not second[4:-4].any() and second.any()
    # The row on show is set off.
    rows = seen.panel.locator(".prune-lab-bars > div")
    line = [seen.standing_out(rows.nth(i))[:4].mean(axis=1).max() for i in (0, 2)]
    assert line[0] > 0.9 > line[1]
    # Both parts of the histogram, as its legend has them
    histogram = seen.pixels(seen.panel.locator(".prune-lab-side canvas").first)
    for name in ("kept", "out"):
        swatch = seen.pixels(seen.panel.locator(f".prune-lab-side .prune-lab-{name}"))[6, 6]
        assert contrast(swatch, seen.ground) >= 3
        assert (np.abs(histogram - swatch).max(axis=-1) < 0.02).sum() > 200
    # Pruned entries in the picture, and in its legend
    seen.panel.get_by_role("slider").fill("1")
    seen.settle()
    pruned = seen.pixels(heatmap)
    swatch = seen.pixels(seen.panel.locator(".prune-lab-main .prune-lab-swatch").last)
    for colour in (seen.ground, 1 - seen.ground):
        for shown in (pruned, swatch[2:-2, 2:-2]):
            assert (np.abs(shown - colour).max(axis=-1) < 0.35).mean() > 0.1


@pytest.fixture
def without_python(page, pages, tmp_path):
    """A panel as a notebook shows it before its cell has run: nobody answers its knock."""

    def opened(panel, **how):
        text = pages[panel].read_text(encoding="utf-8")
        answer = 'this.tell("msg:custom", { here: question.from, nobody: true })'
        assert answer in text
        path = tmp_path / f"{panel}.html"
        path.write_text(text.replace(answer, "{}"), encoding="utf-8")
        seen = Looks(page, path, **how)
        if panel not in ALONE:
            expect(seen.panel).to_contain_text(NO_PYTHON)
        seen.settle()
        return seen

    return opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("panel", ["MaskExplorer", "SensitivityExplorer"])
def test_forced_colours_leave_a_grey_button_its_word(without_python, panel, scheme):
    seen = without_python(panel, forced_colors="active", color_scheme=scheme)
    inside = seen.pixels(seen.panel.get_by_role("button", name="Apply"))[6:-6, 6:-6]
    ground = np.abs(inside - seen.ground).max(axis=-1) < 0.02
    assert ground.mean() > 0.5
    assert (contrast(inside, seen.ground) > 2).sum() > 20


@pytest.mark.parametrize("panel", ALONE)
def test_a_panel_that_needs_no_python_does_not_miss_it(without_python, page, panel):
    page.clock.install()
    seen = without_python(panel)
    page.clock.run_for(10_000)  # by now others would say that nobody answers
    expect(seen.panel).not_to_contain_text("Python")


@pytest.mark.parametrize("panel", PANELS)
def test_without_python_nothing_sticks_out_or_overlaps(without_python, page, panel):
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        seen = without_python(panel)
        assert seen.sticking_out() == []
        assert seen.overlapping() == []


def test_what_the_inspector_says_begins_where_the_row_above_does(without_python):
    seen = without_python("ModuleInspector")
    rows = [seen.panel.locator(part) for part in (".prune-lab-since", ".prune-lab-message")]
    assert rows[1].bounding_box()["x"] == pytest.approx(rows[0].bounding_box()["x"], abs=0.5)


def test_forced_colours_set_the_chosen_module_off(look):
    seen = look("ModuleInspector", forced_colors="active")
    rows = seen.panel.get_by_role("treeitem")
    assert seen.standing_out(rows.nth(0))[0].mean() > 0.8 > seen.standing_out(rows.nth(1))[0].mean()


# Motion


@pytest.mark.parametrize("panel", PANELS)
def test_nothing_moves_by_itself_where_motion_is_unwanted(look, panel):
    seen = look(panel, reduced_motion="reduce")
    moving = """(panel) => [...panel.querySelectorAll("*")].filter((part) => {
        const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(part);
        return parseFloat(transitionDuration) > 0 || animationName !== "none" ||
            scrollBehavior === "smooth";
    }).map((part) => part.outerHTML.slice(0, 80))"""
    assert seen.panel.evaluate(moving) == []


# Right to left

RIGHT_TO_LEFT = "document.documentElement.dir = 'rtl'"


@pytest.mark.parametrize("panel", PANELS)
def test_right_to_left_nothing_sticks_out_or_overlaps(look, panel):
    seen = look(panel, before=RIGHT_TO_LEFT)
    assert seen.panel.evaluate("panel => getComputedStyle(panel).direction") == "rtl"
    seen.answered()
    assert seen.sticking_out() == []
    assert seen.overlapping() == []


@pytest.mark.parametrize("panel", WITH_SLIDER)
def test_right_to_left_the_fill_begins_where_the_thumb_does(look, panel):
    seen = look(panel, before=RIGHT_TO_LEFT)
    slider = seen.panel.get_by_role("slider").first
    seen.set_to(slider, 0.25)
    slider.blur()
    seen.settle()
    track = seen.pixels(slider)
    track = track[track.shape[0] // 2]
    accent = np.array([0x19, 0x76, 0xD2]) / 255
    filled = np.abs(track - accent).max(axis=1) < 0.02
    width = len(track)
    assert filled[-width // 8 : -3].all() and not filled[: width // 2].any()


@pytest.mark.parametrize("panel", WITH_CANVAS)
def test_right_to_left_pictures_are_the_same(page, pages, panel):
    page.add_init_script("delete window.Worker")  # or curves grow between the two looks
    drawn = "panel => [...panel.querySelectorAll('canvas')].map((c) => c.toDataURL())"
    one = Looks(page, pages[panel]).panel.evaluate(drawn)
    assert Looks(page, pages[panel], before=RIGHT_TO_LEFT).panel.evaluate(drawn) == one


SENTENCES = ".prune-lab-readout, .prune-lab-title, .prune-lab-counts, .prune-lab-note, "
SENTENCES += ".prune-lab-entry, .prune-lab-share, .prune-lab-digit-share, .prune-lab-verdict, "
SENTENCES += ".prune-lab-since, .prune-lab-mark, .prune-lab-stats b, .prune-lab-table td"
# Texts in which a letter or digit stands left of the one before it, in the same line.
OUT_OF_ORDER = """(panel, parts) => [...panel.querySelectorAll(parts)].filter((part) => {
    if (!part.checkVisibility()) return false;
    const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    let last = null;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (node.parentElement.closest(parts) !== part) continue;
        for (let i = 0; i < node.length; i += 1) {
            if (/\\s/.test(node.data[i])) continue;
            const range = document.createRange();
            range.setStart(node, i);
            range.setEnd(node, i + 1);
            const box = range.getBoundingClientRect();
            if (!box.width) continue;
            if (last && box.left < last.left && box.top < last.bottom - 2) return true;
            last = box;
        }
    }
    return false;
}).map((part) => part.textContent)"""


@pytest.mark.parametrize("panel", PANELS)
def test_right_to_left_sentences_read_from_the_left(look, panel):
    seen = look(panel, before=RIGHT_TO_LEFT)
    assert seen.panel.locator(SENTENCES).count() > 3
    seen.answered()
    # In the stack of large figures and the pad's two sentences each is one of its own.
    assert seen.panel.evaluate(OUT_OF_ORDER, SENTENCES) in ([], [the_said(seen)])


def the_said(seen):
    said = seen.panel.locator(".prune-lab-said")
    return said.text_content() if said.count() else None


# Sizes


@pytest.mark.parametrize(
    ("width", "height", "text"), [(400, 900, 16), (640, 500, 16), (1280, 1000, 28), (400, 900, 24)]
)
@pytest.mark.parametrize("panel", PANELS)
def test_narrow_zoomed_and_in_large_text(look, page, panel, width, height, text):
    """400 px; 200 % of a window of 1280 x 1000; a page whose text is larger."""
    page.set_viewport_size({"width": width, "height": height})
    seen = look(panel, before=f"document.documentElement.style.fontSize = '{text}px'")
    seen.answered()
    assert seen.sticking_out() == []
    assert seen.overlapping() == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("panel", PANELS)
def test_all_text_grows_with_the_pages(look, page, panel):
    # In one look: between two of them words may come, of what the browser measures.
    sizes = """(panel) => {
        const parts = [...panel.querySelectorAll("*")]
            .filter((part) => [...part.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
            .filter((part) => !part.matches(".prune-lab-voice"));
        const now = () => parts.map((part) => parseFloat(getComputedStyle(part).fontSize));
        const before = now();
        document.documentElement.style.fontSize = "32px";
        return [before, now()];
    }"""
    page.set_viewport_size({"width": 2400, "height": 1400})  # room for the wide layout, twice
    before, after = look(panel).panel.evaluate(sizes)
    assert after == pytest.approx([2 * size for size in before])


def test_the_labels_in_canvases_grow_too(look, page):
    seen = look("MaskExplorer")

    def label():
        """How tall "filter 0" is, in CSS pixels: the rows above the first tile that have ink."""
        data = seen.panel.locator("canvas.prune-lab-heatmap").evaluate("c => c.toDataURL()")
        picture = image.imread(io.BytesIO(base64.b64decode(data.partition(",")[2])))
        inked = (picture[..., 3] > 0.3).any(axis=1)
        top = inked.argmax()
        return int((~inked[top:]).argmax())

    before = label()
    page.evaluate("document.documentElement.style.fontSize = '32px'")
    seen.settle()
    assert label() == pytest.approx(2 * before, abs=3)


@pytest.mark.parametrize("panel", WITH_SLIDER)
def test_slider_picture_and_apply_are_on_one_screen(look, page, panel):
    """At 150 % on 1280 x 720, less what a notebook's menus and bars take."""
    page.set_viewport_size({"width": 853, "height": 480})
    seen = look(panel)
    parts = [seen.panel.get_by_role("slider").first, seen.panel.locator("canvas").first]
    if panel in WITH_APPLY:
        parts.append(seen.panel.get_by_role("button", name="Apply"))
    boxes = [part.bounding_box() for part in parts]
    top = min(box["y"] for box in boxes)
    assert max(box["y"] + box["height"] for box in boxes) - top < 350
    assert boxes[1]["height"] > 90


@pytest.mark.parametrize("panel", WITH_APPLY)
def test_a_low_panel_scrolls_and_keeps_slider_and_apply_in_reach(look, page, panel):
    seen = look(panel)
    seen.panel.evaluate("panel => { panel.style.height = '260px' }")
    seen.settle()
    page.mouse.move(400, 200)
    page.mouse.wheel(0, 5000)
    page.wait_for_function(
        "() => { const p = document.querySelector('.prune-lab');"
        " return p.scrollTop > 100 && p.scrollTop + p.clientHeight >= p.scrollHeight - 1; }"
    )
    frame = seen.panel.bounding_box()
    for part in (
        seen.panel.get_by_role("slider").first,
        seen.panel.get_by_role("button", name="Apply"),
    ):
        box = part.bounding_box()
        assert frame["y"] <= box["y"] and box["y"] + box["height"] <= frame["y"] + frame["height"]
    seen.panel.get_by_role("button", name="Apply").click()
    expect(seen.panel.get_by_role("status")).to_contain_text("no Python behind it")


@pytest.mark.parametrize("panel", PANELS)
def test_full_screen_and_back(look, page, panel):
    seen = look(panel)
    button = seen.panel.get_by_role("button", name="Full screen")
    button.click()
    page.wait_for_function("() => document.fullscreenElement?.matches('.prune-lab')")
    seen.settle()
    assert seen.sticking_out() == []
    button.click()
    page.wait_for_function("() => document.fullscreenElement === null")


# What a newcomer sees


def test_nothing_pruned_is_an_empty_bar(look):
    seen = look("MaskExplorer")
    slider, bar = seen.panel.get_by_role("slider"), seen.panel.locator(".prune-lab-fill").first
    for amount, share in (("0", 0), ("0.5", 0.5), ("1", 1)):
        slider.fill(amount)
        seen.settle()
        track = seen.panel.locator(".prune-lab-track").first
        assert bar.bounding_box()["width"] == pytest.approx(
            share * (track.bounding_box()["width"] - 2), abs=1
        )


def test_small_pruned_cells_are_like_no_value(look):
    """Where hatching would blur into a grey, the colour of pruned cells is none of the ramp's."""
    flat = re.search(r"--pl-flat: #(\w{6})", (STATIC / "prune-lab.css").read_text())
    grey = np.array([int(flat[1][i : i + 2], 16) for i in (0, 2, 4)]) / 255
    ramp = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in plots.RAMP]) / 255
    at = np.linspace(0, len(ramp) - 1, 400)
    values = np.stack([np.interp(at, range(len(ramp)), ramp[:, i]) for i in range(3)], axis=1)
    weak = np.abs(at / (len(ramp) - 1) - 0.5) < 0.1
    assert contrast(values[weak], grey).min() > 3
    assert np.abs(values - grey).max(axis=1).min() > 0.2


def test_the_histogram_has_a_scale(look):
    seen = look("MaskExplorer")
    histogram = seen.panel.locator(".prune-lab-side canvas").first
    left = seen.standing_out(histogram, 4.5)[:-24, :38]
    assert left.any()  # numbers
    title = seen.panel.locator(".prune-lab-side .prune-lab-title").first
    expect(title).to_have_text("how often each value occurs")
    size = "part => parseFloat(getComputedStyle(part).fontSize)"
    assert title.evaluate(size) > 0.9 * seen.panel.evaluate(size)


@pytest.mark.parametrize("panel", PANELS)
def test_names_are_on_elements_that_may_carry_one(look, panel):
    seen = look(panel)
    nameless = """(panel) => [...panel.querySelectorAll("[aria-label]")].filter((part) =>
        !part.hasAttribute("role") && !part.matches("input, select, button, progress, table"))
        .map((part) => part.outerHTML.slice(0, 80))"""
    assert seen.panel.locator("[aria-label]").count() > 0
    assert seen.panel.evaluate(nameless) == []


# The contract

STRICT = """
async ([script, style, state, bytes]) => {
    const broken = [];
    window.broken = broken;
    const values = { ...state };
    for (const [name, base64] of Object.entries(bytes)) {
        const letters = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        values[name] = new DataView(letters.buffer);
    }
    const heard = [];
    const need = (holds, what) => { if (!holds) broken.push(what); };
    const contract = {
        get(name) {
            need(typeof name === "string" && arguments.length === 1, "get");
            return values[name];
        },
        set(name, value) {
            need(typeof name === "string" && arguments.length === 2, "set");
            values[name] = value;
        },
        on(event, react) {
            need(/^(change:\\w+|msg:custom)$/.test(event), `on ${event}`);
            need(typeof react === "function", "on: no function");
            need(arguments.length === 2, "on");
            heard.push([event, react]);
        },
        off(event, react) {
            const at = heard.findIndex(([e, r]) => e === event && r === react);
            need(at >= 0, `off ${event}`);
            heard.splice(at, 1);
        },
        save_changes() {},
        send(content, callbacks, buffers) { need(typeof content === "object", "send"); },
    };
    const model = new Proxy(contract, {
        get(target, name) { need(name in target, `model.${String(name)}`); return target[name]; },
        set() { broken.push("model = "); return true; },
    });
    const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    const widget = (await import(address)).default();
    const host = document.createElement("div");
    document.body.append(host);
    const shadow = host.attachShadow({ mode: "open" });
    const sheet = document.createElement("style");
    sheet.textContent = style;
    const el = document.createElement("div");
    shadow.append(sheet, el);
    const end = await widget.initialize({ model });
    const stop = await widget.render({ model, el });
    window.finish = () => { stop(); end?.(); return heard.length; };
}
"""


@pytest.mark.parametrize("panel", PANELS)
def test_anywidgets_contract_is_all_a_panel_needs(page, pages, panel):
    """A host that offers that and nothing more, in a shadow as marimo's, and no class from it."""
    text = pages[panel].read_text(encoding="utf-8")
    page.goto("about:blank")
    page.set_content("<!DOCTYPE html><body></body>")
    saved = re.search(r"^open\((.*)\);$", text, re.MULTILINE)
    content = page.evaluate("(json) => JSON.parse(json)", saved[1])
    parts = [content["script"], content["style"], content["state"], content["bytes"]]
    page.evaluate(STRICT, parts)
    shown = page.get_by_role("group").first
    expect(shown).to_be_visible()
    assert shown.evaluate("panel => getComputedStyle(panel).borderRadius") == "8px"  # styled
    if panel == "DigitPad":  # all it does needs Python, which this host has not
        expect(shown).to_contain_text(NO_PYTHON)
    elif panel in WITH_SLIDER:
        slider = shown.get_by_role("slider").first
        slider.focus()
        before = slider.get_attribute("aria-valuetext")
        page.keyboard.press("ArrowRight")
        expect(slider).not_to_have_attribute("aria-valuetext", before)
    if panel == "MaskExplorer":
        shown.locator("canvas").first.focus()  # the focus is seen from inside a shadow
        expect(shown.locator(".prune-lab-entry")).to_contain_text("weight[0, 0, 0, 0]")
    assert page.evaluate("broken") == []
    assert page.evaluate("finish()") == 0  # nothing is listened to any more
