"""The same assignment as an nbgrader source notebook (metadata schema 3), and grades into nbgrader's gradebook.

nbgrader strips the solutions by the same marks, hands out and collects. Answers are cells of its manual kind, since
its own autograder would run asserts inside the student's kernel; `record_grades` enters the points that `grade` gave.
"""

from __future__ import annotations

import csv
from copy import deepcopy
from pathlib import Path

from course_lib.checks import InputError, require
from course_lib.grading.source import STUB, Assignment


def nbgrader_notebook(assignment: Assignment, released):
    """The released notebook with solutions in their marks; every code cell's id is its grade_id, all but answers are locked.

    A stub that is code to mend stands above its cell as text, since nbgrader knows one stub for all.
    """
    from nbformat.v4 import new_markdown_cell

    notebook = deepcopy(released)
    exercises = {exercise.id: exercise for exercise in assignment.exercises}
    cells = []
    for cell in notebook.cells:
        facts = {"schema_version": 3, "grade_id": cell.id, "cell_type": "code", "grade": False, "solution": False, "locked": True, "task": False}
        if exercise := exercises.get(cell.id):
            if STUB.search(exercise.cell):
                cells.append(new_markdown_cell(f"The code to mend:\n\n```python\n{exercise.stub}\n```", id=f"to-mend-{cell.id}"))
            cell.source = STUB.sub("", exercise.cell).rstrip()
            facts |= {"grade": True, "solution": True, "locked": False, "points": exercise.points}
        if cell.cell_type == "code":
            cell.metadata["nbgrader"] = facts
        cells.append(cell)
    notebook.cells = cells
    return notebook


def record_grades(table: Path | str, gradebook) -> int:
    """Enter the rows of `grade`'s table into an open nbgrader `Gradebook` as manual scores; returns how many.

    The assignment must be in the gradebook already (`nbgrader generate_assignment`). Raises InputError where it is
    not, or the table is none.
    """
    try:
        with open(table, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"cannot read {table}: {error.strerror}") from None
    require(rows and {"assignment", "student_id"} <= set(rows[0]), f"{table} is not a table of grades")
    for row in rows:
        student = row["student_id"].removeprefix("'")
        require(row["assignment"] in {a.name for a in gradebook.assignments}, f"assignment {row['assignment']} is not in the gradebook")
        gradebook.update_or_create_student(student)
        for notebook in gradebook.update_or_create_submission(row["assignment"], student).notebooks:
            for grade in notebook.grades:
                grade.manual_score, grade.needs_manual_grade = float(row[f"{grade.name} score"]), False
    gradebook.db.commit()
    return len(rows)
