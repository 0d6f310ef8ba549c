"""One JupyterLab for all browser tests, and their mark."""

from pathlib import Path

import pytest

from tests.browser.lab import Server, notebooks


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture
def lab(browser, server):
    with notebooks(browser, server) as open_notebook:
        yield open_notebook
    server.forget_sessions()
