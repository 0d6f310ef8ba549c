"""C8: every notebook from a fresh kernel to its last cell, in seconds."""

import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from course_lib.measure import Ratio
from tests.benchmarks.bars import Bar

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def bars():
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
