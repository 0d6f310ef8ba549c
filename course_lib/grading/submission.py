"""Read a notebook that anyone may have written: only its code cells count, found by id or by the names they define.

Tags, outputs, kernelspec, neighbouring files: nothing else of a submission is looked at.
"""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import symtable
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.checks import InputError, require

MOST_BYTES, MOST_CODE, MOST_CELLS = 64 * 2**20, 2**20, 2000
LINE_MAGIC = re.compile(r"^([ \t]*)(?:[%!].*|\S.*\?{1,2}[ \t]*)$")


@dataclass
class Cell:
    """A code cell as plain Python, with the names it gives and the names it needs."""

    number: int
    id: str
    source: str  # magics replaced
    raw: str = ""  # as written
    error: SyntaxError | None = None
    gives: set[str] = field(default_factory=set)
    needs: set[str] = field(default_factory=set)
    star: bool = False  # from … import *: may give anything


def read_bytes(path: Path | str) -> bytes:
    """The bytes of a plain file of bearable size; follows no link, waits for no pipe."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        require(stat.S_ISREG(os.fstat(handle).st_mode), f"{path} is not a plain file")
        raw = file.read(MOST_BYTES + 1)
    require(len(raw) <= MOST_BYTES, f"{path} is larger than {MOST_BYTES // 2**20} MB")
    return raw


def read_notebook(path: Path | str) -> tuple[list[Cell], dict]:
    """Code cells and notebook metadata of a file; raises InputError with the reason where it is no notebook."""
    return parse_notebook(read_bytes(path), str(path))


def parse_notebook(raw: bytes, path: str) -> tuple[list[Cell], dict]:
    """Code cells and notebook metadata; raises InputError naming `path` where this is no notebook."""
    try:
        notebook = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not a notebook: its text is not JSON") from None
    require(isinstance(notebook, dict) and isinstance(notebook.get("cells"), list), f"{path} is not a notebook of format 4: it has no cells")
    require(len(notebook["cells"]) <= MOST_CELLS, f"{path} has more than {MOST_CELLS} cells")
    cells, code = [], 0
    for number, cell in enumerate(notebook["cells"]):
        require(isinstance(cell, dict), f"{path} is not a notebook: cell {number + 1} is not an object")
        source = cell.get("source", "")
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        require(isinstance(source, str), f"{path} is not a notebook: cell {number + 1} has no text")
        if cell.get("cell_type") == "code":
            code += len(source)
            require(code <= MOST_CODE, f"{path} holds more than {MOST_CODE // 2**20} MB of code")
            facts = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
            cells.append(make_cell(number, str(cell.get("id") or facts.get("id") or ""), source))
    facts = notebook.get("metadata")
    return cells, facts if isinstance(facts, dict) else {}


def make_cell(number: int, name: str, source: str) -> Cell:
    """Analyse one cell; notebook magics become `pass`."""
    cell = Cell(number, name, source, source)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        cell.source = without_magics(source)
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as error:
            cell.error = error
            return cell
        except (ValueError, RecursionError, MemoryError) as error:
            cell.error = SyntaxError(str(error)[:80] or "nested too deep")
            return cell
    try:
        _names(symtable.symtable(cell.source, "<cell>", "exec"), cell, top=True)
    except (SyntaxError, RecursionError) as error:
        cell.error = error if isinstance(error, SyntaxError) else SyntaxError("nested too deep")
        return cell
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            cell.star = True
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):  # Net.step = …
            while isinstance(node, ast.Attribute | ast.Subscript):
                node = node.value
            if isinstance(node, ast.Name):
                cell.gives.add(node.id)
    return cell


def without_magics(source: str) -> str:
    """A cell without %magic, !command and help? lines; a cell that is no Python (%%bash …) is empty."""
    lines = source.splitlines()
    if lines and lines[0].startswith("%%"):
        if not re.match(r"%%(time|timeit|capture|prun)\b", lines[0]):
            return ""
        lines[0] = "pass"
    return "\n".join(LINE_MAGIC.sub(r"\1pass", line) for line in lines)


def _names(table, cell: Cell, top: bool) -> None:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (top or symbol.is_global()):
            cell.needs.add(symbol.get_name())
        if (symbol.is_assigned() or symbol.is_imported()) and (top or symbol.is_declared_global()):
            cell.gives.add(symbol.get_name())
    for child in table.get_children():
        _names(child, cell, top=False)


def answers(cells: list[Cell], exercise: str, names: set[str]) -> list[Cell]:
    """The cells that answer an exercise: with its id, or defining one of its names (the later wins, as in a notebook)."""
    times = Counter(cell.id for cell in cells)
    by_text = re.compile(r"^(?:def|class)\s+(?:{0})\b|^(?:{0})\s*=".format("|".join(map(re.escape, names)) or "(?!)"), re.M)
    return [
        cell
        for cell in cells
        if (cell.id == exercise and times[exercise] == 1) or (by_text.search(cell.source) if cell.error else cell.gives & names)
    ]


def is_probe(cell: Cell) -> bool:
    """Whether a cell is a released probe, as it was or edited."""
    return "public_rng" in cell.needs or (cell.error is not None and "public_rng(" in cell.source)


def chosen(cells: list[Cell], exercise: str, names: set[str], given: list[str]) -> list[Cell]:
    """The answer's cells and those others that give what it needs, in order; nothing else of the notebook is run."""
    own = answers(cells, exercise, names)
    known = {text.strip() for text in given}
    others = [c for c in cells if c not in own and not c.error and not is_probe(c) and c.source.strip() not in known]
    taken, needs = list(own), set().union(*(cell.needs for cell in own))
    while more := [c for c in others if c not in taken and (c.star or c.gives & needs)]:
        taken += more
        needs = needs.union(*(cell.needs for cell in more))
    return sorted(taken, key=lambda cell: cell.number)


def names_asked(solution: str, probes: list[str]) -> set[str]:
    """The names an exercise asks for: defined by its solution (not merely imported) and used by a probe."""
    table = symtable.symtable(solution, "<cell>", "exec")
    made = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() and not symbol.is_imported()}
    return made & set().union(*(make_cell(0, "", code).needs for code in probes))
