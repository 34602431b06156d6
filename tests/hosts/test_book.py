"""The book in Firefox, from a disk: nothing is forbidden, nothing fails, the panels live."""

from __future__ import annotations

import pytest

from docs.book.build import build
from tests.browser.notebook import until
from tests.hosts.test_firefox import SLIDER, Panel, firefox  # noqa: F401

EXPLORER = "[data-panel=mask_explorer]"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book") / "book"
    assert build(folder) == 0
    return folder


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
    until(lambda: "ottery" in page.run(found), True)
