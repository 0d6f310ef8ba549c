"""Judge one submission: its answers run in the sandbox, and what they showed is compared here, outside it."""

from __future__ import annotations

import secrets
import sys
import time
from dataclasses import dataclass, field

from course_lib.checks import InputError, require
from course_lib.grading import sandbox
from course_lib.grading.compare import OK, compare, hint_for, parse_json, score
from course_lib.grading.flags import library_calls
from course_lib.grading.running import ProbeRun, explain, probe_runs, values_of
from course_lib.grading.source import Assignment
from course_lib.grading.submission import answers, chosen, parse_notebook

# why a question has not all its points: OK, WRONG, SHAPE, NOT_FINITE, KIND from comparing; TIMEOUT, MEMORY, PROCESSES from the sandbox
NO_ANSWER, MISSING, SYNTAX, ERROR, EXITED, FORGED, BAD = "NO_ANSWER", "MISSING", "SYNTAX", "ERROR", "EXITED", "FORGED", "BAD_SUBMISSION"
TIMEOUT, MEMORY = "TIMEOUT", "MEMORY"


@dataclass(frozen=True)
class Reference:
    """What grading knows: the exercises, the runs of their probes, what solution and mutants show in them. Stays outside."""

    assignment: Assignment
    runs: dict[str, list[ProbeRun]]
    expected: dict[str, dict]
    mutants: dict[str, dict[str, dict]]
    modules: list[str]  # what the solution imports, so that the sandbox imports it once, before the questions


@dataclass
class Question:
    """How one question went."""

    id: str
    title: str
    points: float
    score: float = 0.0
    reason: str = NO_ANSWER
    error: str = ""
    message: str = ""
    hint: str = ""
    output: str = ""
    look: str = ""  # ready-made functions that the author's own code does not use: for a person to judge


@dataclass
class Row:
    """How one submission went: there is always one."""

    student: str
    assignment: str
    score: float
    points: float
    reason: str
    error: str = ""
    seconds: float = 0.0
    made_of: str = ""
    questions: list[Question] = field(default_factory=list)


def reference(assignment: Assignment, key: bytes) -> Reference:
    """Run solution and mutants under the key."""
    before = set(sys.modules)
    runs = {e.id: probe_runs(assignment, e, key) for e in assignment.exercises}
    expected = {e.id: values_of(assignment.setup, e.solution, runs[e.id]) for e in assignment.exercises}
    for name, values in expected.items():
        for run_id, value in values.items():
            require(not isinstance(value, Exception), f"the solution of exercise {name} fails its probe {run_id}: {value}")
    mutants: dict[str, dict] = {e.id: {} for e in assignment.exercises}
    for e in assignment.exercises:
        for mutant in e.mutants:
            shown = values_of(assignment.setup, mutant.code, runs[e.id])
            mutants[e.id][mutant.id] = {name: value for name, value in shown.items() if not isinstance(value, Exception)}
    return Reference(assignment, runs, expected, mutants, sorted(set(sys.modules) - before))


def zero_row(student: str, known: Reference, made_of: str, error: str, reason: str) -> Row:
    questions = [Question(e.id, e.title, e.points, reason=reason) for e in known.assignment.exercises]
    return Row(student, known.assignment.name, 0.0, known.assignment.points, reason, error, 0.0, made_of, questions)


def grade_one(student: str, raw: bytes, fault: str, made_of: str, known: Reference, memory: int, wall: float) -> Row:
    """Grade one submission: read it, run its answers in the sandbox, compare what they showed."""
    start = time.monotonic()
    row = zero_row(student, known, made_of, "", OK)
    try:
        require(not fault, fault)
        cells, _ = parse_notebook(raw, "the submission")
    except InputError as error:
        return zero_row(student, known, made_of, str(error), BAD)
    asked, nonces = [], {}
    for exercise, question in zip(known.assignment.exercises, row.questions):
        own = answers(cells, exercise.id, exercise.names)
        readable = [cell for cell in own if not cell.error]
        if broken := next((cell.error for cell in own if cell.error), None):
            question.error = explain(broken)
        question.look = " ".join(library_calls("\n".join(cell.source for cell in readable), "\n".join((*known.assignment.setup, exercise.solution))))
        blank = all(cell.raw.strip() == exercise.stub.strip() for cell in own)
        question.reason = MISSING if not own else NO_ANSWER if blank else SYNTAX if not readable else OK
        if question.reason == OK:
            nonces[exercise.id] = {run.id: secrets.token_hex(16) for run in known.runs[exercise.id]}
            probes = [{"code": r.probe.code, "seed": r.seed, "nonce": nonces[exercise.id][r.id]} for r in known.runs[exercise.id]]
            used = [[cell.number + 1, cell.source] for cell in chosen(cells, exercise.id, exercise.names, known.assignment.setup) if not cell.error]
            asked.append({"id": exercise.id, "cells": used, "probes": probes, "wall": wall / len(row.questions)})
    answered = {a["id"]: a for a in sandbox.examine(known.assignment.setup, asked, wall, memory, known.modules)} if asked else {}
    for exercise, question in zip(known.assignment.exercises, row.questions):
        if exercise.id in nonces:
            _judge(exercise, question, answered.get(exercise.id), nonces[exercise.id], known)
    row.score = round(sum(question.score for question in row.questions), 4)
    row.reason = next((question.reason for question in row.questions if question.reason != OK), OK)
    row.error = next((question.error for question in row.questions if question.error), "")
    row.seconds = round(time.monotonic() - start, 2)
    return row


def _judge(exercise, question: Question, answer: dict | None, nonces: dict[str, str], known: Reference) -> None:
    """Compare what a question's process sent with what is expected; believes nothing of it."""
    runs, expected = known.runs[exercise.id], known.expected[exercise.id]
    ended, lines = (TIMEOUT, []) if answer is None else (str(answer.get("ended"))[:20], answer.get("shown"))
    question.output = str((answer or {}).get("output", ""))[:5000]
    sent: dict[str, list] = {}
    errors = [question.error] if question.error else []
    for line in lines if isinstance(lines, list) else []:
        try:
            facts = parse_json(line) if isinstance(line, str) else None
        except InputError:
            facts = None
        if not isinstance(facts, dict):
            sent.setdefault("", []).append(None)
        elif "error" in facts:
            errors.append(str(facts["error"])[:300])
        else:
            sent.setdefault(str(facts.get("nonce")), []).append(facts.get("value"))
    forged = any(len(values) > 1 for values in sent.values()) or set(sent) - set(nonces.values())
    results, wrong = {}, {}
    for run in runs:
        values = sent.get(nonces[run.id], [])
        if len(values) != 1 or forged:
            results[run.id] = FORGED if forged else ERROR
            continue
        results[run.id] = compare(expected[run.id], values[0], run.probe.tolerance)
        if results[run.id] != OK:
            wrong[run.id] = values[0]
    question.score = round(score(results, runs, exercise.points), 4)
    first = next((run for run in runs if results[run.id] != OK), None)
    if first is None:
        question.reason = OK
        return
    memory = any("MemoryError" in text or "allocate memory" in text for text in errors)
    question.error = errors[0] if errors else ""
    question.reason = ended or results[first.id]
    if question.reason == ERROR:
        question.reason = MEMORY if memory else ERROR if errors else EXITED
    question.message, question.hint = first.probe.message, hint_for(exercise, wrong, known.mutants[exercise.id])
