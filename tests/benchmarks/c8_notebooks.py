"""C8: every notebook from a fresh kernel to its last cell, and what importing the library adds to its giants, in seconds."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from course_lib.measure import Ratio
from tests.benchmarks.bars import Bar

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

IMPORT = """
import time, numpy, pandas, torch
start = time.perf_counter()
import course_lib.measure, course_lib.models, course_lib.race, course_lib.tasks
print(time.perf_counter() - start)
"""


def importing(rounds: int = 9) -> Ratio:
    """Seconds that the library's imports take in a fresh Python where numpy, pandas and torch are already there."""
    seconds = [float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout) for _ in range(rounds)]
    low, median, high = statistics.quantiles(seconds, n=4)
    return Ratio(median, low, high)


def bars():
    yield Bar("C8", "importing course_lib after numpy, pandas and torch, seconds", importing(), 0.3, 0.1, at_most=True)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    total = 0.0
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, 4)
        start = time.perf_counter()
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
        seconds = time.perf_counter() - start
        total += seconds
        yield Bar("C8", f"{path.stem}, seconds", Ratio(seconds, seconds, seconds), 120 if path.stem.startswith("08") else 90, 45, at_most=True)
    yield Bar("C8", "all eight notebooks, seconds", Ratio(total, total, total), 480, 240, at_most=True)
