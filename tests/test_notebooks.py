"""What every committed notebook must be: executed, tidy, light, readable without a kernel, and honest to nbval."""

import re
import statistics
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("[0-9][0-9]_*.ipynb"))
# paths of one machine, package registries, addresses of this network and of its memory
PRIVATE = re.compile(r"/(?:home|root|tmp|work|Users)/|[A-Z]:\\\\Users|pypi\.org|pythonhosted|127\.0\.0\.1|localhost| at 0x[0-9a-f]{6}")
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


@pytest.fixture
def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_light(path):
    assert path.stat().st_size <= 1_500_000


def test_it_was_run_from_top_to_bottom_without_a_fault(notebook, code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    outputs = [output for cell in code for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    assert not [o for o in outputs if WIDGET in o.get("data", {})]


def test_no_output_names_this_machine(code):
    for cell in code:
        for output in cell.outputs:
            texts = [output.get("text", "")] + [str(value) for kind, value in output.get("data", {}).items() if kind.startswith("text/")]
            found = PRIVATE.search(" ".join(texts))
            assert not found, (cell.source[:60], found)
            assert "Warning" not in " ".join(texts)


def test_every_picture_has_words(code):
    for cell in code:
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert len(output.metadata["image/png"]["alt"]) > 20, cell.source[:80]


def test_cells_are_short(code):
    lines = [len(cell.source.splitlines()) for cell in code]
    assert max(lines) <= 40
    assert statistics.median(lines) <= 8


def test_nothing_is_kept_from_nbval(code):
    for cell in code:
        assert "NBVAL_SKIP" not in cell.source
        assert "nbval-skip" not in cell.metadata.get("tags", [])
    assert any("nbval-ignore-output" not in cell.metadata.get("tags", []) and cell.outputs for cell in code)


def test_as_a_page_it_shows_results_and_no_broken_widget(notebook):
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert "Error displaying widget" not in page
    assert "widget-view+json" not in page
    assert page.count("data:image/png") >= 3


def test_questions_explain_every_choice(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    part = text[text.index("## Five questions") :]
    assert len(re.findall(r"^\*\*[1-5]\. ", part, flags=re.M)) == 5
    choices = re.findall(r"<details><summary>(.*?)</summary>(.*?)</details>", part, flags=re.S)
    assert len(choices) >= 12
    assert all(len(explanation.strip()) > 15 for _, explanation in choices)
