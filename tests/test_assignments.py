"""Every assignment examines what it means to, its release is what the source makes, and holds no secret."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from course_lib.grading import grade, sandbox
from course_lib.grading.release import student_notebook
from course_lib.grading.source import read_source
from course_lib.grading.verify import KEY, verify
from tests.grading.build import solved

FOLDER = Path(__file__).parent.parent / "notebooks" / "assignments"
SOURCES = sorted(FOLDER.glob("[0-9][0-9]_*.md"))


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request):
    return request.param


@pytest.fixture
def assignment(source):
    return read_source(source)


def test_there_is_one_for_each_part():
    notebooks = {path.stem for path in FOLDER.parent.glob("[0-9][0-9]_*.ipynb")}
    assert {path.stem for path in SOURCES} == notebooks == {path.stem for path in FOLDER.glob("*.ipynb")}


def test_its_shape(assignment):
    assert assignment.part == int(assignment.name[:2])
    assert 6 <= len(assignment.exercises) <= 10
    assert assignment.points == 10
    assert 60 <= assignment.minutes <= 90
    assert abs(sum(exercise.minutes for exercise in assignment.exercises) - assignment.minutes) <= 15
    for exercise in assignment.exercises:
        assert exercise.difficulty in (1, 2, 3)
        assert len(exercise.mutants) >= 2, exercise.id
        assert any(probe.message for probe in exercise.probes), exercise.id


def test_each_exercise_has_a_hint_and_an_idea(assignment):
    text = "\n".join(text for role, text, _ in assignment.cells if role == "markdown")
    for summary in ("Hint", "Idea of a solution"):
        assert len(re.findall(rf"<details>\s*<summary>{summary}", text)) == len(assignment.exercises)


def test_stub_0_solution_10_every_mutant_caught_with_its_hint(assignment):
    reports = verify(assignment)
    assert [fault for report in reports for fault in report.faults] == []
    assert sum(report.solution for report in reports) == 10
    assert sum(report.stub for report in reports) == 0


def test_the_release_is_what_the_source_makes_and_holds_no_secret(assignment, source):
    built = nbformat.writes(student_notebook(assignment)) + "\n"
    assert source.with_suffix(".ipynb").read_text(encoding="utf-8") == built, f"rebuild it: python -m course_lib release {source.name}"
    shown = "\n".join(cell.source for cell in nbformat.reads(built, as_version=4).cells)
    text = built + json.dumps(shown, ensure_ascii=False)
    assert "SOLUTION" not in text
    for exercise in assignment.exercises:
        given = shown + exercise.stub
        secret = [line.strip() for line in exercise.solution.splitlines() if line.strip() not in given and len(line.strip()) > 12]
        assert not [line for line in secret if json.dumps(line, ensure_ascii=False)[1:-1] in built]
        for probe in exercise.probes:
            assert not probe.hidden or probe.code not in shown


def test_the_solution_has_all_points_in_the_sandbox(assignment):
    if not sandbox.isolation():
        pytest.skip("no sandbox on this machine (it has one of the kernels that forbid user namespaces)")
    notebook = json.loads(nbformat.writes(student_notebook(assignment)))
    raw = json.dumps(solved(assignment, notebook)).encode()
    row = grade.grade_one("a", raw, "", "", grade.reference(assignment, KEY), 4 * 2**30, 240)
    assert (row.score, row.reason) == (10, "OK"), [(q.id, q.reason, q.error) for q in row.questions if q.reason != "OK"]
