"""What every browser test stands on: a headless Chromium and a JupyterLab of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import chromium
from tests.browser.jupyter_lab import JupyterLab, running
from tests.browser.notebook import PATIENCE


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
    """A fresh page; a test that fails leaves its last screenshot and its trace in tmp_path."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.tracing.start()  # without snapshots: of JupyterLab's page each costs what the act does
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    errors: list[object] = []
    page.on("pageerror", lambda error: errors.append(error))
    yield page
    if request.node.stash.get(_FAILED, False) or errors:
        page.screenshot(path=tmp_path / "last.png")
        context.tracing.stop(path=tmp_path / "trace.zip")  # playwright show-trace opens it
        print(f"screenshot and trace: {tmp_path}")
    context.close()
    assert errors == []


@pytest.fixture(scope="session")
def jupyter_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """One JupyterLab for each of the run's processes."""
    with running(tmp_path_factory.mktemp("jupyter")) as lab:
        yield lab
