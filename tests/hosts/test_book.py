"""The book in Firefox, from a disk: nothing is forbidden, nothing fails, the panels live."""

from __future__ import annotations

import shutil

import nbformat
import pytest

from docs.book.build import NOTEBOOKS, build
from tests.browser.notebook import until
from tests.browser.test_book import HOSTILE, hostile_chapter
from tests.hosts.test_firefox import SLIDER, Panel, firefox  # noqa: F401

EXPLORER = "[data-panel=mask_explorer]"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    notebooks = shutil.copytree(NOTEBOOKS, folder / "notebooks")
    nbformat.write(hostile_chapter(), notebooks / f"{HOSTILE}.ipynb")
    assert build(folder / "book", notebooks) == 0
    return folder / "book"


@pytest.fixture
def opened(firefox, book):  # noqa: F811
    def opened(name):
        firefox.navigate(f"{book.as_uri()}/{name}.html")
        return Panel(firefox)

    return opened


def test_an_explorer_moves(opened, book):
    page = opened("03-prune-a-module")
    page.run(f"document.querySelector('{EXPLORER}').scrollIntoView()")
    slider = f"{EXPLORER} {SLIDER}"
    until(lambda: page.run(f"return !!document.querySelector('{slider}')"), True)
    page.run(f"document.querySelector('{slider}').focus()")
    page.press("\ue010")  # End
    counts = f"{EXPLORER} .prune-lab-counts"
    until(lambda: "0 kept · 150 pruned" in page.text(counts), True)
    assert page.find(f"{EXPLORER} .prune-lab").value_of_css_property("border-top-width") == "1px"
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    loaded = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith((book.as_uri(), "data:", "blob:")) for name in loaded)


def test_the_search_finds_a_chapter(opened):
    page = opened("search")
    page.run("location.search = '?q=lottery'")
    found = "return document.querySelector('#search-results a')?.textContent ?? ''"
    until(lambda: "ottery" in (page.run(found) or ""), True)


def test_nothing_in_an_output_is_run(opened):
    page = opened(HOSTILE)
    assert page.run("return window.wrappedJSObject.pruneLabPanels !== undefined")  # our script is
    assert page.run("return window.wrappedJSObject.hacked === undefined")
    assert "<script>window.hacked = 1</script>" in page.text("article")
