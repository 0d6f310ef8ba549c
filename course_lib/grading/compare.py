"""Compare what a student's code showed with what the solution shows, outside the student's process."""

from __future__ import annotations

import json
import math

from course_lib.checks import InputError

OK, WRONG, SHAPE, NOT_FINITE, KIND = "OK", "WRONG", "SHAPE", "NOT_FINITE", "KIND"


def parse_json(text: str | bytes):
    """Strict JSON from an unfriendly writer; raises InputError for anything else (too deep, too long a number, NaN)."""
    try:
        return json.loads(text, parse_constant=float)  # NaN and Infinity are read, so that they can be named
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {str(error)[:80]}") from None


def compare(expected, got, tolerance: float = 1e-4) -> str:
    """OK, or why not: KIND (a text for a number), SHAPE, NOT_FINITE, WRONG. `tolerance` is relative and absolute."""
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            return KIND
        if set(expected) != set(got):
            return SHAPE
        return _worst(compare(expected[name], got[name], tolerance) for name in expected)
    if isinstance(expected, list):
        if not isinstance(got, list) or len(expected) != len(got):
            return SHAPE if isinstance(got, list | int | float) else KIND
        return _worst(compare(a, b, tolerance) for a, b in zip(expected, got))
    if isinstance(expected, bool) or isinstance(got, bool) or isinstance(expected, str):
        return (OK if expected == got else WRONG) if type(expected) is type(got) else KIND
    if not isinstance(got, int | float):
        return SHAPE if isinstance(got, list) else KIND
    try:
        got = float(got)
    except OverflowError:
        return WRONG
    if not math.isfinite(got):
        return OK if str(got) == str(float(expected)) else NOT_FINITE  # a mutant may show nan, too
    return OK if abs(got - expected) <= tolerance * max(1.0, abs(expected)) else WRONG


def _worst(results) -> str:
    results = set(results)
    return next((kind for kind in (KIND, SHAPE, NOT_FINITE, WRONG) if kind in results), OK)


def score(results: dict[str, str], runs, points: float) -> float:
    """Points × share of the probes that are right in all their runs; nothing unless the first one and every condition hold.

    `results`: {run id: OK or a reason}; `runs`: the exercise's `ProbeRun`s, the first one the first public probe.
    So an answer that knows the released outputs alone, and is wrong on other numbers, has no points.
    """
    conditions = [run.id for number, run in enumerate(runs) if number == 0 or run.probe.public_only]
    wrong = {run.probe.id for run in runs if results.get(run.id) != OK}
    counted = [name not in wrong for name in {run.probe.id for run in runs if not run.probe.public_only}]
    return points * sum(counted) / len(counted) if all(results.get(name) == OK for name in conditions) else 0.0


def hint_for(exercise, wrong: dict, mutant_values: dict) -> str:
    """The hint of the mutant that shows what the student shows in the most of the wrong runs; "" where none does.

    `wrong`: {run id: the student's value}; `mutant_values`: {mutant id: {run id: value}}.
    """
    tolerance = {probe.id: probe.tolerance for probe in exercise.probes}

    def matches(mutant) -> int:
        values = mutant_values.get(mutant.id, {})
        same = [name for name, value in wrong.items() if name in values and not isinstance(values[name], Exception)]
        return sum(compare(values[name], wrong[name], tolerance[name.split("/")[0]]) == OK for name in same)

    best = max(exercise.mutants, key=matches, default=None)
    return best.hint if best and matches(best) else ""
