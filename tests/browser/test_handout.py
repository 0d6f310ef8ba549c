"""A notebook as it lies in the repository, exported as one HTML file and opened without a kernel: every figure, no missing widget."""

from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_handout_shows_every_figure(browser, tmp_path, path):
    notebook = nbformat.read(path, as_version=4)
    pictures = sum("image/png" in o.get("data", {}) for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs)
    body, _ = HTMLExporter().from_notebook_node(notebook)
    handout = tmp_path / "handout.html"
    handout.write_text(body, encoding="utf-8")
    page = browser.new_page()
    page.route(lambda address: not address.startswith(("file:", "data:", "blob:")), lambda route: route.abort())  # a class without internet
    page.goto(handout.as_uri(), wait_until="domcontentloaded")
    images = page.locator(".jp-OutputArea-output img")
    assert images.count() == pictures
    for image in images.all():
        assert image.evaluate("e => e.decode().then(() => e.naturalWidth)") > 300
        assert len(image.get_attribute("alt") or "") > 20
    text = page.content()
    for word in ("Error displaying widget", "widget-view+json", "Loading widget", "widget-state+json"):
        assert word not in text
    # on paper: nothing wider than the page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 760, "height": 1000})
    for image in images.all():
        assert image.evaluate("e => e.getBoundingClientRect().right") <= 762
    page.close()
