"""What `make lab` opens: a page that says where to begin, with links that lead into the notebooks."""

import re
import shutil
from pathlib import Path

import pytest

from tests.browser.lab import TOKEN, Server

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "notebooks" / ".jupyter" / "lab.py"


@pytest.fixture
def opened(browser, tmp_path):
    """The page that a browser shows after `make lab`, and the folder it shows."""
    assert f"--config={CONFIG.relative_to(ROOT)}" in (ROOT / "Makefile").read_text(encoding="utf-8")
    server = Server(tmp_path, f"--config={CONFIG}")  # the server's own options go before the file's: a folder of copies
    for path in (ROOT / "notebooks").glob("*.md"):
        shutil.copy(path, server.root)
    shutil.copy(ROOT / "notebooks" / "01_rnn.ipynb", server.root)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/?token={TOKEN}")
    yield page
    page.close()
    server.close()


def test_it_opens_as_text_to_read_and_leads_to_part_1(opened):
    heading = opened.get_by_role("heading", name="Start here")
    heading.wait_for(timeout=60_000)
    assert "START.md" in opened.url
    assert not opened.get_by_text("notified about official Jupyter news").count(), "the first thing to see is the course"
    assert opened.get_by_role("link", name="Large language models").count() == 1
    opened.get_by_role("link", name="Part 1 · RNNs").click()
    opened.get_by_role("heading", name=re.compile("Reading One Word at a Time")).wait_for(timeout=30_000)
    opened.get_by_role("link", name="hidden state", exact=True).first.click()
    opened.get_by_role("heading", name="Glossary").wait_for(timeout=30_000)
    artifacts = ROOT / "tests" / "artifacts"
    artifacts.mkdir(exist_ok=True)
    opened.screenshot(path=artifacts / "start_glossary.png")
