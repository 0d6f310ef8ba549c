"""The one source of an assignment (MyST markdown): prose, stubs, solutions, probes, mutants → `Assignment`."""

from __future__ import annotations

import ast
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.checks import InputError, require, require_choice
from course_lib.grading.submission import names_asked

ROLES = ("setup", "exercise", "probe", "mutant")
BLOCK = r"^[ \t]*### BEGIN {0}[ \t]*\n(.*?)^[ \t]*### END {0}[ \t]*(?:\n|\Z)"
SOLUTION = re.compile(BLOCK.format("SOLUTION"), re.S | re.M)
STUB = re.compile(BLOCK.format("STUB"), re.S | re.M)


@dataclass(frozen=True)
class Probe:
    """Code that computes one value from the student's answer and shows it."""

    id: str
    code: str
    hidden: bool = False  # never released
    public_only: bool = False  # a condition for points, worth none itself, and not run with hidden seeds
    tolerance: float = 1e-4
    message: str = ""  # what was expected, as a property


@dataclass(frozen=True)
class Mutant:
    """A wrong solution that stands for a misconception, with the hint that names it."""

    id: str
    code: str
    hint: str


@dataclass
class Exercise:
    """One exercise: the cell with its solution, and what examines it."""

    id: str
    title: str
    points: float
    minutes: float
    difficulty: int
    cell: str
    probes: list[Probe] = field(default_factory=list)
    mutants: list[Mutant] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The names students are asked to define, by which an answer is found wherever it stands."""
        return names_asked(self.solution, [probe.code for probe in self.probes])

    @property
    def solution(self) -> str:
        """The right code, without any marks."""
        return re.sub(r"^[ \t]*### (BEGIN|END) SOLUTION[ \t]*\n?", "", STUB.sub("", self.cell), flags=re.M).rstrip()

    @property
    def stub(self) -> str:
        """What students start from: the stub block if there is one, else `...` where the solution stood."""
        if STUB.search(self.cell):
            return re.sub(r"^[ \t]*### (BEGIN|END) STUB[ \t]*\n?", "", SOLUTION.sub("", self.cell), flags=re.M).rstrip()
        return SOLUTION.sub(lambda match: _placeholder(match[1]), self.cell).rstrip()


@dataclass(frozen=True)
class Assignment:
    """A parsed source. `cells`: (role, text, id) in order, where role is markdown, setup, exercise, probe."""

    name: str
    title: str
    part: int
    minutes: float
    points: float
    cells: list[tuple[str, str, str]]
    exercises: list[Exercise]

    @property
    def setup(self) -> list[str]:
        """The given code, which runs before every exercise."""
        return [text for role, text, _ in self.cells if role == "setup"]


def _placeholder(block: str) -> str:
    """The lines that stand for a removed solution; a given name stays assigned, a function still returns."""
    indent = re.match(r"[ \t]*", block)[0]
    if not indent:
        assigned = [target for node in ast.parse(block).body if isinstance(node, ast.Assign) for target in node.targets]
        names = [target.id for target in assigned if isinstance(target, ast.Name)]
        lines = [f"{name} = ..." for name in names] or ["..."]
    else:
        lines = ["return ..." if re.search(r"^[ \t]*return\b", block, re.M) else "..."]
    return "".join(f"{indent}{line}\n" for line in ["# your code here", *lines])


def read_source(path: Path | str) -> Assignment:
    """Parse and check a source; raises InputError naming what is wrong in it."""
    try:
        import jupytext
    except ImportError:
        raise InputError("reading an assignment's source needs jupytext: pip install jupytext") from None
    path = Path(path)
    try:
        notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the source {path}: {error}") from None
    except Exception as error:  # jupytext has no error class of its own
        raise InputError(f"{path.name} is not MyST markdown as jupytext reads it: {error}") from None
    front = notebook.metadata
    for key in ("title", "part", "minutes", "points"):
        require(key in front, f"{path.name}: the front matter must state {key}")
    cells, exercises = [], {}
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = ([heading] + re.findall(r"^### (.+)$", cell.source, re.M))[-1]
            cells.append(("markdown", cell.source, ""))
        elif cell.cell_type == "code":
            _add(cell, heading, cells, exercises, path.name)
    assignment = Assignment(
        path.stem, str(front["title"]), int(front["part"]), float(front["minutes"]), float(front["points"]), cells, list(exercises.values())
    )
    _check(assignment, path.name)
    return assignment


def _add(cell, heading: str, cells: list, exercises: dict, file: str) -> None:
    facts, code = cell.metadata, cell.source
    role = require_choice(f"{file}: a cell's role", facts.get("role", "setup"), ROLES)
    if role == "setup":
        cells.append(("setup", code, ""))
        return
    name = str(facts.get("exercise", ""))
    require(re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name), f"{file}: a {role} needs the exercise's id (letters, digits, - and _), got {name!r}")
    if role == "exercise":
        require(name not in exercises, f"{file}: two exercises are called {name}")
        require(SOLUTION.search(code), f"{file}: exercise {name} has no lines between ### BEGIN SOLUTION and ### END SOLUTION")
        title = re.sub(r"\s*\([^()]*\)\s*$", "", heading)
        exercises[name] = Exercise(
            name, title or name, float(facts.get("points", 0)), float(facts.get("minutes", 0)), int(facts.get("difficulty", 1)), code
        )
        cells.append(("exercise", code, name))
        return
    require(name in exercises, f"{file}: a {role} names exercise {name}, which does not stand before it")
    made = str(facts.get(role, ""))
    require(re.fullmatch(r"[A-Za-z0-9_-]{1,60}", made), f"{file}: a {role} of exercise {name} needs an id, {role}: …, got {made!r}")
    if role == "mutant":
        require(str(facts.get("hint", "")).strip(), f"{file}: mutant {made} has no hint")
        exercises[name].mutants.append(Mutant(made, code, str(facts["hint"]).strip()))
        return
    flags = {key: bool(facts.get(key, False)) for key in ("hidden", "public_only")}
    probe = Probe(made, code, tolerance=float(facts.get("tolerance", 1e-4)), message=str(facts.get("message", "")).strip(), **flags)
    exercises[name].probes.append(probe)
    if not probe.hidden:
        cells.append(("probe", code, made))


def _check(assignment: Assignment, file: str) -> None:
    """What must hold before anything is built from the source."""
    total = sum(exercise.points for exercise in assignment.exercises)
    require(total == assignment.points, f"{file}: the exercises' points add up to {total:g}, the front matter says {assignment.points:g}")
    ids = [name for _, _, name in assignment.cells if name]
    ids += [probe.id for exercise in assignment.exercises for probe in exercise.probes if probe.hidden]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    require(not twice, f"{file}: exercises and probes need different ids; twice: {', '.join(twice)}")
    for exercise in assignment.exercises:
        require(exercise.probes and not exercise.probes[0].hidden, f"{file}: the first probe of exercise {exercise.id} must be a public one")
        require(
            any(not probe.public_only for probe in exercise.probes), f"{file}: exercise {exercise.id} has no probe that counts (public_only: false)"
        )
        parts = [("solution", exercise.solution), ("stub", exercise.stub)]
        parts += [(f"mutant {mutant.id}", mutant.code) for mutant in exercise.mutants] + [(f"probe {p.id}", p.code) for p in exercise.probes]
        for what, code in parts:
            try:
                tree = ast.parse(code)
            except SyntaxError as error:
                raise InputError(f"{file}: the {what} of exercise {exercise.id} is not Python: {error.msg}, line {error.lineno}") from None
            shows = sum(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "show" for n in ast.walk(tree))
            require(not what.startswith("probe") or shows == 1, f"{file}: {what} must call show(value) exactly once, it does {shows} times")
        require(exercise.names, f"{file}: no probe of exercise {exercise.id} uses a name that its solution defines")
    for one, other in itertools.combinations(assignment.exercises, 2):
        both = ", ".join(one.names & other.names)
        require(not both, f"{file}: exercises {one.id} and {other.id} both ask for {both}; in one notebook the later would win")
