"""All eight notebooks in a real JupyterLab: recorded pictures before anything runs, then Run All without an error. Two at a time."""

import shutil
import time
from pathlib import Path

import nbformat
import pytest

from tests.browser.lab import Lab, Server, until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "tests" / "artifacts"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PAIRS = [NOTEBOOKS[i : i + 2] for i in range(0, len(NOTEBOOKS), 2)]
ALL_CELLS = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}  # keep every cell in the page, so that each can be looked at
WAITING = "() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(e => /\\*/.test(e.innerText))"
SECONDS = 600


def panels_of(notebook) -> int:
    """Cells whose stored output is the picture of a panel."""
    return sum(any(str(o.get("data", {}).get("text/plain", "")).startswith(("[panel]", "[plot]")) and "Panel(" in cell.source for o in cell.outputs) for cell in notebook.cells if cell.cell_type == "code")


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("run_all"), settings=ALL_CELLS, environment={"OMP_NUM_THREADS": "1"})  # two notebooks share two cores
    for path in [*NOTEBOOKS, *(ROOT / "notebooks").glob("*.md")]:
        shutil.copy(path, server.root)
    yield server
    server.close()


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "+".join(path.stem for path in pair))
def test_before_and_after_run_all(browser, whole, pair):
    ARTIFACTS.mkdir(exist_ok=True)
    labs = []
    try:
        for path in pair:
            one = Lab(browser.new_page(), whole, path.name)
            labs.append(one)
            recorded(one, nbformat.read(path, as_version=4))
        began = time.monotonic()
        for one in labs:
            one.command("notebook:run-all-cells")
        for one in labs:
            one.page.bring_to_front()
            one.page.wait_for_timeout(2000)
            until(lambda one=one: not one.page.evaluate(WAITING), SECONDS, f"{one.name} to end", one.page)
            one.quiet()
            one.seconds = time.monotonic() - began
            ran(one)
        (ARTIFACTS / f"run_all_{pair[0].stem}.txt").write_text("".join(f"{one.name} {one.seconds:.0f} s, two notebooks at once\n" for one in labs))
    finally:
        for one in labs:
            one.page.close()
        whole.forget_sessions()


def recorded(one, notebook):
    """Behaviour 1: what was never run here shows its recorded pictures, and no widget that cannot be."""
    pictures = sum("image/png" in o.get("data", {}) for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs)
    images = one.page.locator(".jp-OutputArea-output img")
    until(lambda: images.count() >= pictures, 30, f"{pictures} recorded pictures", one.page, images.count)
    for image in images.all():
        assert image.evaluate("e => e.complete && e.naturalWidth > 0")
    assert "Error displaying widget" not in one.page.content()
    one.wanted = panels_of(notebook)


def ran(one):
    """Behaviour 2: no error, every panel live, each with picture, words and status; and a screenshot to keep."""
    page = one.page
    errors = page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
    assert errors.count() == 0, errors.first.inner_text()[-800:]
    warnings = page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']", has_text="Warning")
    assert warnings.count() == 0, warnings.first.inner_text()[-500:]
    panels = page.locator(".course-panel")
    assert panels.count() >= one.wanted
    for panel in panels.all():
        panel.scroll_into_view_if_needed()
        assert panel.locator("[role=status]").count() == 1
        assert len(panel.locator("img").first.get_attribute("alt")) > 20
    for image in page.locator(".jp-OutputArea-output img").all():
        assert len(image.get_attribute("alt") or "") > 20, "a picture without words"
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
    assert all(any(c.isdigit() for c in prompt) for prompt in prompts), "a cell was not run"
    assert not one.errors, one.errors[:5]
    if panels.count():
        panels.first.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    page.screenshot(path=ARTIFACTS / f"run_all_{one.name.removesuffix('.ipynb')}.png")
