"""Run an exercise's code and its probes in this very process. Knows nothing of what is expected.

The author's commands use it on solutions and mutants, which are trusted; the sandbox uses it on students' code.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import traceback
from dataclasses import dataclass

from course_lib.grading.source import Assignment, Exercise, Probe
from course_lib.grading.values import hidden_seed, plain, public_seed, seed_all


@dataclass(frozen=True)
class ProbeRun:
    """A probe under one seed: what grading compares."""

    id: str
    probe: Probe
    seed: int


def probe_runs(assignment: Assignment, exercise: Exercise, key: bytes, draws: dict[str, int] | None = None) -> list[ProbeRun]:
    """All runs of an exercise's probes: public ones with their public seed, then all but `public_only` with hidden seeds.

    `draws`: the draw of each public probe (see `values.public_rng`), 0 where it is missing.
    """
    public = [p for p in exercise.probes if not p.hidden]
    again = [p for p in exercise.probes if not p.public_only]
    runs = [ProbeRun(f"{p.id}/public", p, public_seed(f"{assignment.name}/{p.id}", (draws or {}).get(p.id, 0))) for p in public]
    return runs + [ProbeRun(f"{p.id}/hidden", p, hidden_seed(key, assignment.name, p.id, "grading")) for p in again]


def run_cell(namespace: dict, code: str, label: str) -> None:
    """Execute one cell; tracebacks show its lines."""
    linecache.cache[label] = (len(code), None, code.splitlines(keepends=True), label)
    exec(compile(code, label, "exec"), namespace)


def run_probe(namespace: dict, code: str, seed: int, emit) -> None:
    """Execute a probe with its own `rng`; `emit` gets each value it shows, as plain JSON."""
    own = dict(namespace)  # a probe's names stay its own
    own["show"] = lambda value: emit(plain(value))
    own["rng"] = seed_all(seed)
    run_cell(own, code, "<probe>")


def explain(error: BaseException) -> str:
    """One line: what went wrong, and in which line of the student's code."""
    kind, message = type(error).__name__, " ".join(str(error).split())
    if isinstance(error, SyntaxError):
        return f"{kind}: {error.msg} (line {error.lineno})"[:300]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<cell")]
    where = f" (line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
    return f"{kind}: {message[:200]}{where}"[:300]


def values_of(setup: list[str], code: str, runs: list[ProbeRun]) -> dict:
    """Run trusted code in a fresh namespace; {run id: value}, or {run id: Exception} where the probe failed."""
    namespace: dict = {"__name__": "__main__"}
    found: dict = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for text in setup:
            run_cell(namespace, text, "<setup>")
        try:
            run_cell(namespace, code, "<cell>")
        except Exception as error:
            return {run.id: error for run in runs}
        for run in runs:
            shown: list = []
            try:
                run_probe(namespace, run.probe.code, run.seed, shown.append)
                found[run.id] = shown[0] if len(shown) == 1 else ValueError(f"show was called {len(shown)} times")
            except Exception as error:
                found[run.id] = error
    return found
