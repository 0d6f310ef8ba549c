"""nbgrader takes the exported source as it is, hands out what it should, and its gradebook takes our table."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from course_lib.__main__ import main
from course_lib.grading.nbgrader import nbgrader_notebook
from course_lib.grading.release import student_notebook
from course_lib.grading.report import write_csv
from tests.grading.build import SOURCE, four
from tests.grading.test_report import row

ROOT = Path(__file__).parents[2]
RECORD = """
import json, sys
from nbgrader.api import Gradebook
from course_lib.grading.nbgrader import record_grades

with Gradebook("sqlite:///gradebook.db") as book:
    count = record_grades(sys.argv[1], book)
    print(json.dumps([count, {s.student.id: s.score for s in book.find_assignment("four").submissions}]))
"""


def test_the_source_notebook():
    notebook = nbgrader_notebook(four(), student_notebook(four()))
    facts = {cell.id: cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata}
    assert all(fact.schema_version == 3 and fact.grade_id == name for name, fact in facts.items())
    assert {name: fact.points for name, fact in facts.items() if fact.grade} == {"softmax": 5, "count": 2, "bug": 2, "words": 1}
    assert all(fact.solution == fact.grade != fact.locked for fact in facts.values())
    cells = {cell.id: cell.source for cell in notebook.cells}
    assert "### BEGIN SOLUTION" in cells["softmax"]
    assert "STUB" not in cells["bug"]
    assert "return ids[:-1], ids[:-1]" in cells["to-mend-bug"]


@pytest.fixture(scope="module")
def nbgrader(tmp_path_factory):
    """Python of an environment of its own, since nbgrader wants other versions of much that the course uses."""
    place = tmp_path_factory.mktemp("nbgrader") / "venv"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "-q", "nbgrader==0.9.6"], capture_output=True, text=True, timeout=900)
    if done.returncode:
        pytest.skip("nbgrader cannot be installed: no package index is in reach")
    return python


@pytest.mark.slow
def test_nbgrader_generates_the_assignment_and_takes_the_grades(nbgrader, tmp_path):
    assert main(["release", str(SOURCE), "--out", str(tmp_path / "own"), "--nbgrader", str(tmp_path)]) == 0
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "PYTEST"))} | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    environment["PATH"] = os.pathsep.join([str(Path(nbgrader).parent), os.environ["PATH"]])  # it calls its alembic by name

    def run(*command):
        done = subprocess.run([nbgrader, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    run("-m", "nbgrader", "generate_assignment", "four")
    text = (tmp_path / "release" / "four" / "four.ipynb").read_text(encoding="utf-8")
    cells = {cell["id"]: cell for cell in json.loads(text)["cells"]}
    assert "YOUR CODE HERE" in "".join(cells["softmax"]["source"])
    for secret in ("keepdim", "ids[1:]", "torch.nn.Linear", "SOLUTION"):
        assert secret not in text
    assert json.loads(text)["metadata"]["course"]["assignment"] == "four"  # what `check` needs is still there

    questions = {"softmax": 5, "count": 2, "bug": 2, "words": 1}
    rows = [row(student=student, assignment="four") for student in ("anna", "=ben")]
    for graded, share in zip(rows, (1, 0.5)):
        graded.questions = [type(graded.questions[0])(name, name, points, points * share, "OK") for name, points in questions.items()]
    write_csv(rows, tmp_path / "grades.csv")
    assert json.loads(run("-c", RECORD, "grades.csv")) == [2, {"anna": 10, "=ben": 5}]
    assert json.loads(run("-c", RECORD, "grades.csv")) == [2, {"anna": 10, "=ben": 5}]  # entered again, not twice
    assert sys.prefix not in str(nbgrader)
