"""All notebooks under Colab's versions, and the panels in the page of JupyterLab 3.6, where they run in the cell."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from tests.browser.lab import Server, notebooks, until
from tests.colab.environment import ROOT, colab_python, pins, surroundings

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
RUN = """
import sys, nbformat
from nbclient import NotebookClient
source, target, folder = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
probe = nbformat.v4.new_code_cell("from course_lib.panels.runner import must_block\\nimport ipywidgets, IPython\\nprint('in the cell' if must_block() else 'in a thread', ipywidgets.__version__, IPython.__version__)")
notebook.cells.append(probe)
NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
nbformat.write(notebook, target)
"""
VERSIONS = "import importlib.metadata, sys\nfor name in sys.argv[1:]: print(name, importlib.metadata.version(name))"


@pytest.fixture(scope="session")
def python():
    return colab_python()


@pytest.fixture(scope="session")
def executed(python, tmp_path_factory):
    """name → (what went wrong, the executed notebook), two at a time."""
    home = tmp_path_factory.mktemp("colab")

    def execute(path: Path):
        target = home / path.name
        done = subprocess.run([str(python), "-c", RUN, str(path), str(target), str(path.parent)], capture_output=True, text=True, env=surroundings(home / path.stem), timeout=900)
        return path.stem, (done.stderr if done.returncode else "", nbformat.read(target, as_version=4) if target.exists() else None)

    with ThreadPoolExecutor(2) as pool:
        return dict(pool.map(execute, NOTEBOOKS))


def test_the_versions_are_colabs(python):
    said = subprocess.run([str(python), "-c", VERSIONS, *pins()], capture_output=True, text=True, check=True).stdout
    assert dict(line.split() for line in said.splitlines()) == pins()
    assert pins()["ipywidgets"] == "7.7.1"


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_a_notebook_runs(executed, name):
    error, notebook = executed[name]
    assert not error, error[-1500:]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[-1].outputs[0].text.split("\n")[0] == f"in the cell {pins()['ipywidgets']} {pins()['ipython']}"
    for cell in code:
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                assert "Warning" not in output.text, (cell.source[:80], output.text[-400:])
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                assert "text/plain" in output.data


# -- the panels in the page ---------------------------------------------------------------------------------------

RACE = "from course_lib.panels import RacePanel\npanel = RacePanel(T=64)\npanel"
OTHERS = {
    "stepper": "from course_lib.panels import StepByStep\nStepByStep()",
    "gradient": "from course_lib.panels import GradientPanel\nGradientPanel()",
    "cost": "from course_lib.panels import CostPanel\nCostPanel()",
}


@pytest.fixture
def lab(browser, python, tmp_path):
    surroundings(tmp_path)  # the server's own folders, with google.colab in every kernel
    server = Server(tmp_path, python=python)
    with notebooks(browser, server) as open_notebook:
        yield open_notebook
    server.close()


def test_the_race_runs_in_the_cell(lab):
    one = lab(RACE)
    before = one.picture()
    assert "Recorded" in one.status()
    one.button("Run").click()
    one.wait_status("Done", 90)
    assert one.picture() != before
    assert one.page.locator(".course-panel table.course tbody tr").count() == 3
    artifacts = ROOT / "tests" / "artifacts"
    artifacts.mkdir(exist_ok=True)
    one.page.locator(".course-panel").first.screenshot(path=artifacts / "colab_race.png")


def test_the_panels_that_answer_at_once(lab):
    one = lab(*OTHERS.values(), "from course_lib.panels import predict\npredict('k', ['a first', 'a second'], question='Which?')")
    panels = one.page.locator(".course-panel")
    until(lambda: panels.count() == len(OTHERS), 60, "all panels", one.page, panels.count)
    for number in range(len(OTHERS)):
        panel = panels.nth(number)
        image = panel.locator("img").first
        before = image.get_attribute("src")
        handle = panel.locator(".ui-slider-handle").first  # jQuery's slider, of ipywidgets 7
        handle.focus()
        handle.press("ArrowRight")
        until(lambda image=image, before=before: image.get_attribute("src") != before, 30, f"another picture in panel {number}", one.page)
    one.page.get_by_label("a second").check()
    one.page.get_by_text(re.compile("Noted: a second")).wait_for(timeout=20_000)
