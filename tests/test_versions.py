"""The panels under the widget and kernel versions that readers have: Colab's, and those before and after the pins.

Each set is installed into a folder of its own that goes ahead of the environment's packages.
"""

import os
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from tests.colab.environment import pins

pytestmark = pytest.mark.slow

COLAB = pins()
SETS = {
    "colab": [
        *(f"{name}=={COLAB[name]}" for name in ("ipywidgets", "widgetsnbextension", "ipykernel", "ipython")), "ipython_genutils==0.2.0",
        "backcall==0.2.0", "decorator==5.2.1", "pickleshare==0.7.5", "jedi==0.19.2", "nest_asyncio==1.6.0",
    ],
    "ipykernel-7.3": ["ipykernel==7.3.0"],
    "ipywidgets-7": ["ipywidgets==7.7.1", "widgetsnbextension==3.6.10", "ipython_genutils==0.2.0"],
    "pinned": [],
}  # fmt: skip

CELLS = [
    "import time, threading, ipywidgets, ipykernel\nfrom course_lib.panels import RacePanel, StepByStep, predict\nprint(ipywidgets.__version__, ipykernel.__version__)",
    "panel = RacePanel(T=32)\npanel",
    # the worker thread measures while this cell waits for it
    "panel.run.click(); panel.run.click()\nfor _ in range(600):\n    if not panel.runner.busy: break\n    time.sleep(0.1)\n"
    "panel.runner.thread.join(5)\nprint(panel.runner.state.value, len(panel.runner.rows), panel.runner.run_id, 'Done' in panel.status.value)",
    "slow = RacePanel(['lstm-loop', 'gru-loop'], T=1024)\nslow.run.click(); time.sleep(0.5); slow.halt.click()\nslow.runner.thread.join(10)\nprint(slow.runner.state.value, slow.run.disabled)",
    "cell = RacePanel(T=32, mode='cell')\ncell.run.click()\nprint(cell.runner.state.value, len(cell.runner.rows))",
    "steps = StepByStep(); steps.slider.value = 3\nprint(steps.number.value, 'Step 3' in steps.status.value)\nsteps",
    "guess = predict('k', ['a', 'b']); guess.buttons.value = 'b'\nprint(guess.answer)\nguess",
]


@pytest.mark.parametrize("packages", SETS)
def test_the_panels_work_under(packages, tmp_path):
    folder = tmp_path / "packages"
    if SETS[packages]:
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), *SETS[packages]]
        subprocess.run(command, check=True, timeout=300)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    with client.setup_kernel(env={**os.environ, "PYTHONPATH": str(folder)}):
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    said = ["".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout") for cell in notebook.cells]
    wanted = dict(line.split("==") for line in SETS[packages] if line.startswith(("ipywidgets", "ipykernel")))
    assert all(version in said[0] for version in wanted.values())
    assert said[2].strip() == "done 6 1 True"
    assert said[3].split()[0] == "stopped"
    assert said[4].strip() == "done 6"
    assert said[5].strip() == "3 True"
    assert said[6].strip() == "b"
    for index in (1, 5, 6):
        bundle = notebook.cells[index].outputs[-1]["data"]
        assert "application/vnd.jupyter.widget-view+json" in bundle
        assert "text/plain" in bundle
