"""What every browser test stands on: a headless Chromium and a JupyterLab of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests.browser import chromium
from tests.browser.far_away import FarAway, far_away
from tests.browser.jupyter_lab import JupyterLab, running
from tests.browser.notebook import PATIENCE, close_all


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of the browser; without one the tests skip, but in CI they fail."""
    path = chromium.find()
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(chromium.HOW_TO_GET_ONE)
    return path


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    """One headless Chromium for each of the run's processes; each test opens its own page in it."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=chromium_path, args=chromium.ARGUMENTS)
        yield browser
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Leave on the test whether it failed, for the page's fixture to see."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


_FAILED = pytest.StashKey[bool]()


# What JupyterLab itself still asked of a kernel that is restarted: no panel waits for it.
CANCELLED = "Canceled future for create_subshell_request"


class Watched:
    """A page in a context of its own, and the errors in it that nobody caught."""

    def __init__(self, browser: Browser) -> None:
        self.context = browser.new_context()
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        # Without snapshots: of JupyterLab's page each costs what the act does.
        self.context.tracing.start()
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.errors: list[object] = []
        self.page.on("pageerror", self._failed)
        self.loads = 0
        self.page.on("load", self._loaded)

    def _failed(self, error: Error) -> None:
        if CANCELLED not in error.message:
            self.errors.append(error)

    def _loaded(self, _: Page) -> None:
        self.loads += 1

    def lent(self, request: pytest.FixtureRequest, folder: Path) -> Generator[Page, None, bool]:
        """Give the page to a test, and return whether another may have it after that.

        A test that fails leaves the page's last screenshot and its trace in ``folder``.
        """
        self.errors.clear()
        self.context.tracing.start_chunk()
        self.page.set_viewport_size({"width": 1280, "height": 1000})
        yield self.page
        failed = request.node.stash.get(_FAILED, False) or bool(self.errors)
        if failed:
            self.page.screenshot(path=folder / "last.png")
            print(f"screenshot and trace: {folder}")
        # playwright show-trace opens it
        self.context.tracing.stop_chunk(path=folder / "trace.zip" if failed else None)
        if failed:
            self.context.close()
        assert self.errors == []
        return not failed


@pytest.fixture
def no_kernel_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """When the test's page is closed, end the kernels that the test began."""
    in_lab = "jupyter_lab" in request.fixturenames
    lab = request.getfixturevalue("jupyter_lab") if in_lab else None
    yield
    if lab:
        lab.end_kernels()


@pytest.fixture
def page(
    browser: Browser, no_kernel_stays: None, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A fresh page."""
    watched = Watched(browser)
    yield from watched.lent(request, tmp_path)
    watched.context.close()


@pytest.fixture(scope="session")
def kept() -> dict[str, Watched]:
    """The pages that tests of this process hand on, by their server's address."""
    return {}


Handing = Callable[[JupyterLab], Generator[Page, None, None]]


@pytest.fixture
def handed_on(
    browser: Browser, kept: dict[str, Watched], tmp_path: Path, request: pytest.FixtureRequest
) -> Handing:
    """Lend the page that the last test has left at a server, or after a failure a fresh one."""

    def lend(lab: JupyterLab) -> Generator[Page, None, None]:
        watched = kept.pop(lab.url, None) or Watched(browser)
        try:
            if (yield from watched.lent(request, tmp_path)):
                if watched.loads == 1:
                    close_all(watched.page)
                    kept[lab.url] = watched
                else:  # it opens again what it had, and may do so late
                    watched.context.close()
        finally:
            lab.end_kernels()

    return lend


@pytest.fixture
def lab_page(jupyter_lab: JupyterLab, handed_on: Handing) -> Iterator[Page]:
    """A page with an empty JupyterLab in it, which has been loaded once.

    To load JupyterLab takes as long as most tests. A module whose tests only need one in which
    they open a notebook calls this its ``page``.
    """
    yield from handed_on(jupyter_lab)


@pytest.fixture
def far_page(way: FarAway, handed_on: Handing) -> Iterator[Page]:
    """The same, at the far end of the ``way``."""
    yield from handed_on(way.lab)


@pytest.fixture(scope="session")
def jupyter_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """One JupyterLab for each of the run's processes."""
    with running(tmp_path_factory.mktemp("jupyter")) as lab:
        yield lab


@pytest.fixture(scope="session")
def way(jupyter_lab: JupyterLab) -> Iterator[FarAway]:
    """A way to that JupyterLab which a test can make long."""
    with far_away(jupyter_lab) as way:
        yield way
