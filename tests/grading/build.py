"""Made-up submissions to the assignment in four.md, friendly and hostile."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path

import nbformat

from course_lib.grading.release import student_notebook
from course_lib.grading.source import Assignment, read_source

SOURCE = Path(__file__).parent / "four.md"


@cache
def four() -> Assignment:
    return read_source(SOURCE)


@cache
def _released() -> str:
    return nbformat.writes(student_notebook(four()))


def released() -> dict:
    """The student notebook as plain JSON, new each time."""
    return json.loads(_released())


def exercise(name: str, assignment: Assignment | None = None):
    return next(e for e in (assignment or four()).exercises if e.id == name)


def cell(notebook: dict, name: str) -> dict:
    return next(c for c in notebook["cells"] if c["id"] == name)


def code(source: str, **more) -> dict:
    return {"cell_type": "code", "id": "new", "metadata": {}, "source": source, "outputs": [], "execution_count": None, **more}


def solved(assignment: Assignment | None = None, notebook: dict | None = None, **answers: str) -> dict:
    """A notebook with all solutions, but for the answers given by name (- written as _)."""
    notebook = deepcopy(notebook) if notebook else released()
    for e in (assignment or four()).exercises:
        cell(notebook, e.id)["source"] = answers.get(e.id.replace("-", "_"), e.solution)
    return notebook


def write(notebook, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook), encoding="utf-8")
    return path
