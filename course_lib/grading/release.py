"""`python -m course_lib release SOURCE`: the student's notebook from the source, the same bytes every time.

In the release there are stubs, public probes and their outputs, and salted digests of what each misconception
would show with the hint that answers it; no solution, no mutant, no hidden probe, no key.
"""

from __future__ import annotations

import argparse
import re
from importlib import metadata
from pathlib import Path

from course_lib.checks import InputError, require
from course_lib.grading.running import ProbeRun, values_of
from course_lib.grading.source import Assignment, Exercise, read_source
from course_lib.grading.values import digest, on_an_edge, public_seed, text_of

DRAWS = 60
FIRST_CELL = """try:
    import course_lib
except ImportError:  # on Colab: add the course's library; nothing that is there gets replaced
    %pip install -q git+{repository} nbval
    import course_lib
from course_lib.grading import check_here, public_rng, show"""
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `release`."""
    parser.add_argument("source", metavar="SOURCE", help="the assignment's source, NN_name.md")
    parser.add_argument("--out", metavar="FOLDER", help="where the notebook goes (default: beside the source)")
    parser.add_argument("--nbgrader", metavar="FOLDER", help="also write an nbgrader source tree into this course folder")
    parser.add_argument("--verify", action="store_true", help="write nothing; check stub, solution and every mutant")


def run(args: argparse.Namespace) -> int:
    """Build, or verify; 1 where the verification finds fault."""
    assignment = read_source(args.source)
    if args.verify:
        from course_lib.grading.verify import print_verification, verify

        return print_verification(assignment, verify(assignment))
    built = student_notebook(assignment)
    path = Path(args.out or Path(args.source).parent) / f"{assignment.name}.ipynb"
    write(built, path)
    print(f"Student notebook: {path}")
    if args.nbgrader:
        from course_lib.grading.nbgrader import nbgrader_notebook

        path = Path(args.nbgrader) / "source" / assignment.name / f"{assignment.name}.ipynb"
        write(nbgrader_notebook(assignment, built), path)
        print(f"nbgrader source: {path}")
    return 0


def write(notebook, path: Path) -> None:
    """Check and write a notebook; the same notebook gives the same bytes."""
    import nbformat

    nbformat.validate(notebook)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


def choose_draws(assignment: Assignment, exercise: Exercise) -> tuple[dict[str, int], dict]:
    """For each public probe the first draw whose shown numbers all keep clear of their rounding's edge, and the values.

    Raises InputError where the solution fails a probe, or no draw helps (numbers that no random input moves).
    """
    draws, values = {}, {}
    for probe in (p for p in exercise.probes if not p.hidden):
        tries = [ProbeRun(f"{probe.id}/{n}", probe, public_seed(f"{assignment.name}/{probe.id}", n)) for n in range(DRAWS)]
        for n, attempt in enumerate(tries):
            value = values_of(assignment.setup, exercise.solution, [attempt])[attempt.id]
            require(
                not isinstance(value, Exception),
                f"the solution of exercise {exercise.id} fails its probe {probe.id}: {type(value).__name__}: {value}",
            )
            if (edge := on_an_edge(value)) is None:
                draws[probe.id], values[probe.id] = n, value
                break
        else:
            raise InputError(f"probe {probe.id} shows {edge!r}, on the edge of its rounding to 4 digits: choose other numbers")
    return draws, values


def public_runs(assignment: Assignment, exercise: Exercise, draws: dict[str, int]) -> list[ProbeRun]:
    """The public probes with the draws of the release; each run is called by its probe's id."""
    return [
        ProbeRun(p.id, p, public_seed(f"{assignment.name}/{p.id}", draws[p.id])) for p in exercise.probes if not p.hidden
    ]  # fmt: skip


def probe_source(assignment: Assignment, probe, draw: int) -> str:
    """A public probe as students see it: its own random numbers, then the author's lines."""
    name = f'"{assignment.name}/{probe.id}"'
    return f"rng = public_rng({name}{f', {draw}' if draw else ''})\n{probe.code}"


def student_notebook(assignment: Assignment):
    """The released notebook, with everything `check` needs in its metadata under "course"."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

    exercises = {exercise.id: exercise for exercise in assignment.exercises}
    probes = {probe.id: probe for exercise in assignment.exercises for probe in exercise.probes}
    facts, draws = _facts(assignment)
    cells = [new_code_cell(FIRST_CELL.format(repository=_repository()), id="first-cell", metadata={"tags": ["nbval-ignore-output"]})]
    for number, (role, text, name) in enumerate(assignment.cells):
        if role == "markdown":
            cells.append(new_markdown_cell(text, id=f"text-{number:03d}"))
        elif role == "setup":
            cells.append(new_code_cell(text, id=f"given-{number:03d}"))
        elif role == "exercise":
            cells.append(new_code_cell(exercises[name].stub, id=name, metadata={"deletable": False}))
        else:
            shown = next(p["output"] for e in facts["exercises"] for p in e["probes"] if p["id"] == name)
            cell = new_code_cell(probe_source(assignment, probes[name], draws[name]), id=name)
            cell.metadata = {"deletable": False, "editable": False, "tags": ["nbval-check-output"]}
            cell.outputs = [new_output("stream", name="stdout", text=shown)]
            cells.append(cell)
    first = next((n for n, cell in enumerate(cells) if n and cell.cell_type == "code"), len(cells))
    cells.insert(first - 1, cells.pop(0))  # below the introduction, above the first code
    cells[0].source = _with_badge(cells[0].source, assignment.name)
    cells.append(new_code_cell(f'check_here("{assignment.name}")', id="check", metadata={"tags": ["nbval-ignore-output"]}))
    for count, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), 1):
        cell.execution_count = count if cell.outputs else None  # nbval compares only what was run
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}, "course": facts})


def _facts(assignment: Assignment) -> tuple[dict, dict[str, int]]:
    """What the release tells `check`: pristine probes with outputs, and digests of what misconceptions show."""
    exercises, all_draws = [], {}
    for exercise in assignment.exercises:
        draws, values = choose_draws(assignment, exercise)
        all_draws |= draws
        runs = public_runs(assignment, exercise, draws)
        wrong = [(values_of(assignment.setup, mutant.code, runs), mutant.hint) for mutant in exercise.mutants]
        probes = []
        for run in runs:
            output, name = text_of(values[run.id]) + "\n", f"{assignment.name}/{run.id}"
            shown = [(text_of(found[run.id]), hint) for found, hint in wrong if not isinstance(found[run.id], Exception)]
            hints = {digest(name, text): hint for text, hint in reversed(shown) if text != output.strip()}
            probe = {"id": run.id, "source": probe_source(assignment, run.probe, draws[run.id]), "output": output}
            probes.append(probe | {"message": run.probe.message, "hints": hints})
        exercises.append({
            "graded_only": all(run.probe.public_only for run in runs),  # the public checks cannot tell right from wrong
            "id": exercise.id, "title": exercise.title, "points": exercise.points, "names": sorted(exercise.names),
            "stub": digest(assignment.name, exercise.stub), "probes": probes,
        })  # fmt: skip
    return {"assignment": assignment.name, "given": assignment.setup, "exercises": exercises}, all_draws


def _repository() -> str:
    """The course's address as the installed package states it, so that it stands in pyproject.toml alone."""
    entries = metadata.metadata("course_lib").get_all("Project-URL") or []
    return next((entry.split(", ")[1] for entry in entries if entry.startswith("repository")), "")


def _with_badge(text: str, name: str) -> str:
    """The Colab badge under the title."""
    place = _repository().removeprefix("https://github.com/") + f"/blob/main/notebooks/assignments/{name}.ipynb"
    badge = f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/{place})"
    return re.sub(r"\A(# .+)$", rf"\1\n\n{badge}", text, count=1, flags=re.M) if re.match("# ", text) else f"{badge}\n\n{text}"
