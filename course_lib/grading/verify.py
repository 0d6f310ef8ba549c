"""`release --verify`: does the assignment examine what it means to? Stub 0, solution all, every mutant caught and answered."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from course_lib.checks import InputError
from course_lib.grading.compare import OK, compare, hint_for, score
from course_lib.grading.release import choose_draws, public_runs
from course_lib.grading.running import probe_runs, values_of
from course_lib.grading.source import Assignment, Exercise
from course_lib.grading.values import text_of

KEY = b"verification"


@dataclass
class Verified:
    """What one exercise's solution, stub and mutants scored, and what is wrong with it (nothing, if `faults` is empty)."""

    exercise: Exercise
    solution: float = 0.0
    stub: float = 0.0
    mutants: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def verify(assignment: Assignment) -> list[Verified]:
    """Check every exercise, all in this process; see the module's docstring for what holds when there is no fault."""
    return [_verify(assignment, exercise) for exercise in assignment.exercises]


def _verify(assignment: Assignment, exercise: Exercise) -> Verified:
    report = Verified(exercise)
    try:
        draws, _ = choose_draws(assignment, exercise)
    except InputError as error:
        report.faults.append(str(error))
        return report
    hidden = probe_runs(assignment, exercise, KEY, draws)
    public = public_runs(assignment, exercise, draws)
    start = time.perf_counter()
    expected = values_of(assignment.setup, exercise.solution, hidden)
    report.seconds = time.perf_counter() - start
    for name, value in expected.items():
        if isinstance(value, Exception):
            report.faults.append(f"the solution fails {name}: {type(value).__name__}: {value}")
    if report.faults:
        return report
    again = values_of(assignment.setup, exercise.solution, hidden)
    results = _results(hidden, expected, again)
    report.solution = score(results, hidden, exercise.points)
    if report.solution != exercise.points:
        report.faults.append(f"the solution shows other values when run again, or a value that is not finite: {results}")
    report.stub = score(_results(hidden, expected, values_of(assignment.setup, exercise.stub, hidden)), hidden, exercise.points)
    if report.stub:
        report.faults.append(f"the blank stub scores {report.stub:g}")
    copied = [run for run in hidden if not run.probe.public_only and run.id.endswith("/hidden")]
    if all(run.probe.id in draws and compare(expected[f"{run.probe.id}/public"], expected[run.id]) == OK for run in copied):
        report.faults.append("hidden seeds change no value, so the released outputs could be copied: use rng, or add a hidden probe")
    mutants = {mutant.id: values_of(assignment.setup, mutant.code, hidden) for mutant in exercise.mutants}
    for mutant in exercise.mutants:
        _verify_mutant(assignment, report, mutant, hidden, public, expected, mutants)
    return report


def _results(runs, expected: dict, found: dict) -> dict[str, str]:
    return {
        run.id: "ERROR" if isinstance(found[run.id], Exception) else compare(expected[run.id], found[run.id], run.probe.tolerance)
        for run in runs
    }


def _verify_mutant(assignment, report, mutant, hidden, public, expected, mutants) -> None:
    """Caught in public (by its text, unless all public probes are mere conditions), caught with hidden seeds, answered by its hint."""
    exercise, found = report.exercise, mutants[mutant.id]
    results = _results(hidden, expected, found)
    report.mutants[mutant.id] = score(results, hidden, exercise.points)
    wrong = {name: found[name] for name, result in results.items() if result != OK and result != "ERROR"}
    if all(result == OK for name, result in results.items() if name.endswith("/hidden")):
        report.faults.append(f"mutant {mutant.id} is not caught with hidden seeds")
    elif not wrong:
        errors = [value for value in found.values() if isinstance(value, Exception)]
        report.faults.append(f"mutant {mutant.id} shows no value, so its hint never appears: {type(errors[0]).__name__}: {errors[0]}")
    elif (hint := hint_for(exercise, wrong, mutants)) != mutant.hint:
        report.faults.append(f"mutant {mutant.id} would be answered by another's hint: {hint[:60]!r}")
    if any(not run.probe.public_only for run in public):
        found = values_of(assignment.setup, mutant.code, public)
        right = values_of(assignment.setup, exercise.solution, public)
        differs = {name: isinstance(found[name], Exception) or text_of(found[name]) != text_of(right[name]) for name in found}
        if not any(differs.values()):
            report.faults.append(f"mutant {mutant.id} is not caught by a public probe")


def print_verification(assignment: Assignment, reports: list[Verified]) -> int:
    """The author's table; exit status 1 where anything is at fault."""
    print(f"{assignment.name}: {assignment.title} ({assignment.points:g} points, {assignment.minutes:g} minutes)")
    print(f"{'exercise':24} {'points':>6} {'solution':>8} {'stub':>5} {'seconds':>8}  mutants (their points)")
    for report in reports:
        mutants = ", ".join(f"{name} {points:g}" for name, points in report.mutants.items()) or "none"
        line = f"{report.exercise.id:24} {report.exercise.points:6g} {report.solution:8g} {report.stub:5g} {report.seconds:8.2f}"
        print(f"{line}  {mutants}")
        for fault in report.faults:
            print(f"    ✗ {fault}")
    faults = sum(len(report.faults) for report in reports)
    print(f"{faults or 'no'} fault{'' if faults == 1 else 's'}; slowest exercise {max(report.seconds for report in reports):.1f} s")
    return 1 if faults else 0
