"""What grading leaves behind: one table (also for nbgrader's gradebook) and a page of feedback for each student."""

from __future__ import annotations

import csv
import hashlib
import html
import os
import re
from pathlib import Path

from course_lib.checks import InputError

STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
section { border-top: 1px solid #ccc; padding: .6em 0 } h2 { font-size: 1.1em; margin: 0 }
pre { background: #f4f4f4; padding: .6em; overflow-x: auto; white-space: pre-wrap }"""
REASONS = {
    "OK": "right", "WRONG": "other numbers than expected", "SHAPE": "another shape than expected", "KIND": "another kind of value than expected",
    "NOT_FINITE": "not a finite number", "NO_ANSWER": "not answered", "MISSING": "its cell is missing", "SYNTAX": "Python cannot read the cell",
    "ERROR": "your code stopped with an error", "TIMEOUT": "it took too long", "MEMORY": "it took too much memory",
    "PROCESSES": "it started too many processes", "EXITED": "it ended Python itself", "FORGED": "it wrote into the check's own channel",
    "BAD_SUBMISSION": "the submission could not be read", "GRADER_FAILED": "the grader failed; tell your teacher",
}  # fmt: skip


def cell(value) -> str:
    """A CSV cell that no spreadsheet takes for a formula."""
    text = value if isinstance(value, str) else f"{value:g}"
    return "'" + text if isinstance(value, str) and text.lstrip()[:1] in tuple("=+-@") and text.strip() or text[:1] in ("\t", "\r") else text


def write_csv(rows: list, path: Path) -> None:
    """One line a submission; the first columns are those of `nbgrader export`."""
    names = [question.id for question in rows[0].questions] if rows else []
    head = ["assignment", "student_id", "raw_score", "score", "max_score", "reason", "first_error", "look_at", "seconds"]
    head += [f"{name} {what}" for name in names for what in ("score", "reason")]
    lines = [
        [row.assignment, row.student, row.score, row.score, row.points, row.reason, row.error, _look_at(row), row.seconds]
        + [value for question in row.questions for value in (question.score, question.reason)]
        for row in rows
    ]
    temporary = path.with_suffix(".part")
    try:
        with open(temporary, "w", newline="", encoding="utf-8", errors="replace") as file:
            csv.writer(file).writerows([[cell(value) for value in line] for line in [head, *lines]])
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


def _look_at(row) -> str:
    """Exercises that a person should read, and the ready-made functions in them."""
    return "; ".join(f"{question.id}: {question.look}" for question in row.questions if question.look)


def page_name(student: str) -> str:
    """A file name that is safe everywhere and different for different students."""
    safe = re.sub(r"[^\w-]+", "_", student, flags=re.ASCII)[:60]
    return f"{safe}.html" if safe == student else f"{safe}-{hashlib.sha256(student.encode(errors='replace')).hexdigest()[:8]}.html"


def write_page(row, folder: Path) -> None:
    """A student's feedback; whatever the student wrote stands there as text only."""
    say = lambda text: html.escape(str(text).encode("utf-8", "replace").decode())  # noqa: E731
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{say(row.assignment)}: {say(row.student)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{say(row.assignment)}: {say(row.student)}</h1><p><strong>{row.score:g} of {row.points:g} points</strong></p>",
        f"<p>{say(REASONS['BAD_SUBMISSION'].capitalize())}: {say(row.error)}</p>" if row.reason == "BAD_SUBMISSION" else "",
    ]
    for question in row.questions:
        lines = [f"<section><h2>{'✓' if question.reason == 'OK' else '✗'} {say(question.title)}: {question.score:g} of {question.points:g}</h2>"]
        if question.reason != "OK":
            lines.append(f"<p>{say(REASONS.get(question.reason, question.reason).capitalize())}.</p>")
        for label, text in (("Expected", question.message), ("Hint", question.hint)):
            lines += [f"<p>{label}: {say(text)}</p>"] if text else []
        for label, text in (("Error", question.error), ("What your code printed", question.output)):
            lines += [f"<p>{label}:</p><pre>{say(text)}</pre>"] if text else []
        parts += [*lines, "</section>"]
    try:
        (folder / page_name(row.student)).write_text("\n".join(parts) + "</body></html>\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {error.strerror}") from None
