"""`python -m course_lib check NOTEBOOK`: the public checks, exercise by exercise, in plain words."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import course_lib
from course_lib.checks import InputError, require
from course_lib.grading.submission import Cell, answers, is_probe, read_notebook
from course_lib.grading.values import digest

TIMEOUT, GIVEN_TIMEOUT = 20, 90  # seconds for a cell of an exercise, which needs under five, and for one that imports torch
ANSWERED = "●"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
PUBLIC = "These are the public checks. Grading runs the same checks, and a few more, on other numbers."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `check`."""
    parser.add_argument("notebook", metavar="NOTEBOOK", help="the saved notebook with your answers")
    parser.add_argument("--timeout", type=int, default=TIMEOUT, metavar="S", help="seconds a cell may take (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Check and print; 0 when all is right, 1 when something is not."""
    return check(*read_notebook(args.notebook), timeout=args.timeout)


def check_from_notebook(name: str) -> None:
    """The last cell of an assignment: check the notebook it stands in, as last saved."""
    if "COURSE_CHECKING" in os.environ or "PYTEST_CURRENT_TEST" in os.environ:
        return  # this very cell is being checked
    try:
        if "google.colab" in sys.modules:
            from google.colab import _message

            notebook = _message.blocking_request("get_ipynb", timeout_sec=30)["ipynb"]
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"{name}.ipynb"
                path.write_text(json.dumps(notebook), encoding="utf-8")
                check(*read_notebook(path))
            return
        path = Path(os.environ.get("JPY_SESSION_NAME", f"{name}.ipynb"))
        path = path if path.is_file() else Path(f"{name}.ipynb")
        require(path.is_file(), f"there is no {path.name} in this folder; check it in a terminal: python -m course_lib check NOTEBOOK")
        print(f"Checking {path.name} as it was last saved.")
        check(*read_notebook(path))
    except InputError as error:
        print(error)


def check(cells: list[Cell], metadata: dict, timeout: int = TIMEOUT) -> int:
    """Run the public checks on a notebook's code cells; prints the result and returns 0 or 1.

    Raises InputError where the notebook holds no checks, or pytest and nbval are missing.
    """
    for package in ("pytest", "nbval"):
        require(find_spec(package), f"checking needs {package}: pip install {package}")
    require(cells, "this notebook has no code cells")
    facts = _facts(cells, metadata)
    results = _run(cells, facts, timeout)
    print(f"{facts['assignment']}\n")
    states = []
    for exercise in facts["exercises"]:
        state, lines = _judge(exercise, cells, results, facts["assignment"], timeout)
        states.append(state)
        print(f"{state} {exercise['title']} ({exercise['points']:g} point{'s' * (exercise['points'] != 1)})")
        for line in lines:
            print(f"    {line}")
    open_ones = states.count(ANSWERED)
    told = f", {open_ones} answered and only told right or wrong in grading" if open_ones else ""
    print(f"\n{states.count('✓')} of {len(states)} right{told}. {PUBLIC}")
    return 0 if set(states) <= {"✓", ANSWERED} else 1


def _facts(cells: list[Cell], metadata: dict) -> dict:
    """The release's own facts; from the course's folder where a program has dropped the notebook's metadata."""
    facts = metadata.get("course")
    if not isinstance(facts, dict):
        name = next((m[1] for c in cells if (m := re.search(r"(?:public_rng|check_here)\(\"(\w+)[\"/]", c.source))), None)
        released = Path(course_lib.__file__).parent.parent / "notebooks" / "assignments" / f"{name}.ipynb"
        require(name and released.is_file(), "this notebook has lost its checks: get the assignment again and copy your answers into it")
        facts = read_notebook(released)[1]["course"]
    try:  # whoever edits these only misleads the check
        require(facts["exercises"] and isinstance(facts["exercises"], list), "damaged")
        for exercise in facts["exercises"]:
            texts = [exercise[key] for key in ("id", "title", "stub")] + exercise["names"] + facts["given"] + [facts["assignment"]]
            texts += [probe[key] for probe in exercise["probes"] for key in ("id", "source", "output", "message")]
            exercise["points"] = float(exercise["points"])
            require(exercise["probes"] and all(isinstance(text, str) for text in texts), "damaged")
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError("this notebook's checks are damaged: get the assignment again and copy your answers into it") from None
    return facts


def _copy(cells: list[Cell], facts: dict, without: set[str], timeout: int):
    """A notebook of the student's code with every probe as released, right after the answer it examines."""
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    sources = [cell.source.strip() for cell in cells]
    made = [new_code_cell(text, id=f"given-{n}") for n, text in enumerate(facts.get("given", [])) if text.strip() not in sources]
    last, answering = {}, set()
    for exercise in facts["exercises"]:
        own = answers(cells, exercise["id"], set(exercise["names"]))
        answering |= {cell.number for cell in own}
        last.setdefault(own[-1].number if own else cells[-1].number, []).append(exercise)
    for cell in cells:
        if not is_probe(cell) and "check_here(" not in cell.source and f"cell-{cell.number}" not in without:
            made.append(new_code_cell(cell.raw, id=f"cell-{cell.number}"))
            made[-1].metadata = {"timeout": timeout if cell.number in answering else GIVEN_TIMEOUT}
        for exercise in last.get(cell.number, []):
            for probe in exercise["probes"] if exercise["id"] not in without else []:
                kept = new_code_cell(f"from course_lib.grading import public_rng, show\n{probe['source']}", id=f"probe-{probe['id']}"[:64])
                kept.metadata = {"tags": ["nbval-check-output"], "timeout": timeout}
                kept.outputs = [new_output("stream", name="stdout", text=probe["output"])]
                made.append(kept)
    for count, cell in enumerate(made, 1):
        cell.execution_count = count
    return new_notebook(cells=made, metadata={"language_info": {"name": "python"}})


def _run(cells: list[Cell], facts: dict, timeout: int) -> dict[str, dict]:
    """What nbval saw, by cell id. Where a cell ended Python itself, the rest runs again without it."""
    owner = {f"probe-{probe['id']}"[:64]: exercise["id"] for exercise in facts["exercises"] for probe in exercise["probes"]}
    without, ended = set(), {}
    while True:
        results = _nbval(_copy(cells, facts, without, timeout))
        culprit = next((name for name, result in results.items() if result["dead"]), None)
        if culprit is None or culprit in ended:
            return results | ended
        ended[culprit] = results[culprit]
        without.add(owner.get(culprit, culprit))


def _nbval(notebook) -> dict[str, dict]:
    """One run of nbval on a notebook in a fresh folder."""
    import nbformat

    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        nbformat.write(notebook, Path(folder) / "copy.ipynb")
        (Path(folder) / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        paths = [str(Path(course_lib.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "COURSE_CHECK_REPORT": str(report), "COURSE_CHECKING": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONWARNINGS": "ignore", "PYTEST_ADDOPTS": "", "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }  # fmt: skip
        plugins = ["-p", "nbval.plugin", "-p", "course_lib.grading.nbval_report", "-p", "no:cacheprovider"]
        options = ["--nbval-lax", "--nbval-current-env", "-q", "copy.ipynb"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *plugins, *options], cwd=folder, env=environment, capture_output=True, text=True, errors="replace"
        )
        require(report.is_file(), f"nbval could not run the notebook: {(done.stdout + done.stderr).strip().splitlines()[-1:]}")
        lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    return {line["id"]: line for line in lines}


def _judge(exercise: dict, cells: list[Cell], results: dict, assignment: str, timeout: int) -> tuple[str, list[str]]:
    """A mark (✓ right, ● answered, ✗ not right, ○ not answered yet) and what to say, for one exercise."""
    own = answers(cells, exercise["id"], set(exercise["names"]))
    if not own:
        return "○", [f"No cell defines {' and '.join(exercise['names'])}. Was the exercise's cell deleted?"]
    if all(digest(assignment, cell.raw.rstrip()) == exercise["stub"] for cell in own):
        return "○", ["Not answered yet."]
    broken = next((result for cell in own if (result := results.get(f"cell-{cell.number}")) and not result["passed"]), None)
    seen = [(probe, results.get(f"probe-{probe['id']}"[:64])) for probe in exercise["probes"]]
    wrong = [(probe, result) for probe, result in seen if not result or not result["passed"]]
    if broken and wrong:
        return "✗", [_stopped(broken, timeout)]
    if not wrong and exercise.get("graded_only"):
        return ANSWERED, ["Answered. Whether it is right is told in grading."]
    if not wrong:
        return "✓", ["What it defines is right. " + _stopped(broken, timeout)] if broken else []
    probe, result = wrong[0]
    lines = [f"Expected: {probe['message'].rstrip('.')}."] if probe["message"] else []
    if not result or result["error"][0] or result["timeout"] or result["dead"]:
        lines.append(_stopped(result, timeout))
    elif hint := probe.get("hints", {}).get(digest(f"{assignment}/{probe['id']}", result["text"])):
        lines.append(f"Hint: {hint}")
    return "✗", lines or ["The numbers differ from those that the notebook came with."]


def _stopped(result: dict | None, timeout: int) -> str:
    """One friendly sentence for a cell that did not run through."""
    if not result:
        return "The check could not run it."
    if result["dead"]:
        return f"It gave no answer within {timeout} seconds. Does a loop never end, or does something end Python itself?"
    if result["timeout"]:
        return f"It was stopped after {timeout} seconds. Does a loop never end?"
    kind, message = result["error"]
    message = " ".join(message.split())[:200].rstrip(".")
    if kind in ("SyntaxError", "IndentationError", "TabError"):
        line = re.search(r"line (\d+)\)?$", message)
        message = re.sub(r" ?\([^()]*line \d+\)$", "", message)
        return f"Python cannot read your cell{f', line {line[1]}' if line else ''}: {message}."
    yours, inside = None, False  # the last line that stands in a function of a cell, not in a library
    for line in ANSI.sub("", result["traceback"]).split("\n"):
        if re.match(r"(Cell |Input |File |~|/|<ipython)", line):
            inside = re.match(r"(Cell In|Input In|<ipython|Input ).*\bin \w", line)
        elif inside and (arrow := re.match(r"-+> (\d+)\s?(.*)", line)):
            yours = arrow
    where = f", line {yours[1]} ({yours[2].strip()})" if yours else ""
    return f"Your code stopped with {kind}{where}: {message}."
