"""The web pages of `make site`: every figure of every notebook, no link that leads nowhere, nothing loaded from elsewhere."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SITE, PAGES = ROOT / "notebooks" / "site", ROOT / "build" / "site"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["repository"].removeprefix("https://github.com/")


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """What the build said; Sphinx goes into a folder of its own where `make site` has not installed it yet."""
    environment = dict(os.environ)
    if not all(map(importlib.util.find_spec, ("myst_nb", "sphinx_book_theme", "latex2mathml"))):
        folder = tmp_path_factory.mktemp("sphinx")
        command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), "-r", str(SITE / "requirements.txt")]
        subprocess.run(command, check=True, timeout=300)
        environment["PYTHONPATH"] = str(folder)
    return subprocess.run([sys.executable, str(SITE / "build.py")], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=400)


@pytest.fixture
def page(browser, built):
    """A browser page that writes down whatever it asks of the network."""
    one = browser.new_page()
    one.asked = []
    one.on("request", lambda request: one.asked.append(request.url) if not request.url.startswith(("file:", "data:", "blob:")) else None)
    yield one
    one.close()


def pictures(notebook) -> int:
    return sum("image/png" in output.get("data", {}) for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)


def test_it_builds_without_a_warning_and_every_link_leads_somewhere(built):
    assert (built.returncode, built.stderr) == (0, "")


def test_the_check_of_links_finds_faults(built, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("site_build", SITE / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    monkeypatch.setattr(build, "PAGES", tmp_path)
    (tmp_path / "a.html").write_text('<a href="b.html#here">x</a><a href="b.html#there">x</a><a href="c.html">x</a><img src="https://x.org/p.png" alt="a"><p id="here"><img src="a.html">')
    (tmp_path / "b.html").write_text('<p id="here"></p><a href="https://x.org">elsewhere is fine</a>')
    found = "\n".join(build.faults())
    assert found.count("\n") == 3
    for word in ("b.html#there has no such place", "c.html leads nowhere", "loads https://x.org/p.png", "without words: a.html"):
        assert word in found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_part_shows_all_its_figures_and_can_be_launched(page, path):
    notebook = nbformat.read(path, as_version=4)
    page.goto((PAGES / f"{path.stem}.html").as_uri())
    figures = page.locator(".course-figure img")
    assert figures.count() == pictures(notebook)
    for figure in figures.all():
        figure.scroll_into_view_if_needed()
        page.wait_for_function("e => e.complete && e.naturalWidth > 300", arg=figure.element_handle(), timeout=10_000)
        assert len(figure.get_attribute("alt")) > 20
    links = [link.get_attribute("href") for link in page.locator("a[href*='colab.research'], a[href*='mybinder']").all()]
    assert f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/notebooks/{path.name}" in links
    assert any(f"mybinder.org/v2/gh/{REPOSITORY}/main" in link and path.name in link for link in links)
    assert "Error displaying widget" not in page.content()
    formulas = page.locator("article math").all_text_contents()
    assert not [f for f in formulas if re.search(r"[&\\]", f)], "a formula was only half understood"
    wide = page.locator("div.math").evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)")
    assert not wide, "a formula does not fit the page"
    for text in page.locator("article p, article li").all_inner_texts():
        assert not re.search(r"\$[^$\n]*\\[^$\n]*\$", text), "a formula was not drawn"
    assert not page.asked


LOOKED_AT = [*((name, "light") for name in ("index", "07_parallel_processing", "GLOSSARY", "TEACHERS", "api", "api/models")), ("index", "dark"), ("07_parallel_processing", "dark")]


@pytest.mark.parametrize(("name", "theme"), LOOKED_AT)
def test_no_serious_fault_for_a_screen_reader(page, name, theme):
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=theme)
    page.goto((PAGES / f"{name}.html").as_uri())
    page.wait_for_timeout(500)
    artifacts = ROOT / "tests" / "artifacts"
    artifacts.mkdir(exist_ok=True)
    page.screenshot(path=artifacts / f"site_{name.replace('/', '_')}_{theme}.png")
    found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert not found, [(v["id"], len(v["nodes"]), [n["html"][:160] for n in v["nodes"]][:3]) for v in found]


def test_on_paper_there_is_the_text_alone_and_nothing_is_cut_off(page):
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 720, "height": 1000})
    page.goto((PAGES / "07_parallel_processing.html").as_uri())
    assert page.locator(".bd-sidebar-primary").first.is_hidden()
    assert page.locator("article").first.is_visible()
    for block in page.locator(".highlight pre, .course-figure img").all():
        assert block.evaluate("e => e.scrollWidth - e.clientWidth") <= 2
        assert block.evaluate("e => e.getBoundingClientRect().right") <= 722
