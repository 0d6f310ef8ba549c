"""A pytest plugin for `check`: gives each cell its time, and writes what nbval saw in each cell as JSON lines into $COURSE_CHECK_REPORT."""

from __future__ import annotations

import json
import os


def pytest_runtest_setup(item) -> None:
    """Each cell has its own time."""
    item.config.option.nbval_cell_timeout = item.cell.metadata.get("timeout", 90)


def pytest_runtest_makereport(item, call) -> None:
    """One line a cell: its id, whether it passed, its text, its error."""
    if call.when != "call" or not hasattr(item, "cell"):
        return
    outputs = item.test_outputs or []
    error = next((out for out in outputs if out.output_type == "error"), {})
    message = str(call.excinfo.value) if call.excinfo else ""
    facts = {
        "id": item.cell.get("id", ""),
        "passed": call.excinfo is None,
        "text": "".join(out.text for out in outputs if out.output_type == "stream" and out.name == "stdout")[:100_000],
        "error": [error.get("ename", ""), error.get("evalue", "")],
        "traceback": "\n".join(error.get("traceback", []))[-20_000:],
        "timeout": message.startswith("Timeout"),
        "dead": not item.parent.kernel.is_alive(),
    }
    with open(os.environ["COURSE_CHECK_REPORT"], "a", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")
