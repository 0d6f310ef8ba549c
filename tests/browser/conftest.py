"""One JupyterLab and one Chromium for all browser tests; both skip with a reason where they cannot run."""

import os
from pathlib import Path

import pytest

from tests.browser.lab import FLAGS, Lab, Server, find_chromium


def missing(what: str):
    """On a reader's machine a missing browser is a skip that says why; in CI it is a failure."""
    if os.environ.get("COURSE_REQUIRE_ALL"):
        pytest.fail(f"{what} is missing, and here it must not be")
    pytest.skip(f"{what} is missing: browser tests need it")


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright (pip install -r requirements.txt)")
    program = find_chromium()
    if program is None:
        missing("Chromium (on Debian: apt install chromium)")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")), executable_path=program, headless=True, args=FLAGS, viewport={"width": 1280, "height": 900}
        )
        yield context
        context.close()


@pytest.fixture
def lab(browser, server):
    """`lab(cell, cell, …)` opens a new notebook with these cells; `lab(name=…)` one that is already there."""
    opened = []

    def open_notebook(*cells, name=None, run=True) -> Lab:
        page = browser.new_page()
        opened.append(page)
        one = Lab(page, server, name or server.write(*cells))
        if run:
            one.run_all()
        return one

    yield open_notebook
    for page in opened:
        page.close()
    server.forget_sessions()
