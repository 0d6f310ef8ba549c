"""`python -m course_lib grade SOURCE SUBMISSIONS/`: a whole folder, in parallel, resumable, one row a submission.

Expected values are computed from the solution in a process of their own and compared here, outside the sandbox.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import secrets
import sys
import threading
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, ProcessPoolExecutor, wait
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from course_lib.checks import InputError, require
from course_lib.grading import report, sandbox
from course_lib.grading.judging import BAD, Question, Reference, Row, grade_one, reference, zero_row
from course_lib.grading.source import read_source
from course_lib.grading.submission import read_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `grade`."""
    parser.add_argument("source", metavar="SOURCE", help="the assignment's source, with its solutions")
    parser.add_argument("submissions", metavar="SUBMISSIONS", help="a folder with NAME.ipynb, or NAME/…ipynb, for each student")
    parser.add_argument("--out", default="reports", metavar="FOLDER", help="where grades.csv and the pages go (default: %(default)s)")
    parser.add_argument("-j", "--jobs", type=int, default=2, metavar="N", help="submissions at a time (default: %(default)s)")
    parser.add_argument("--mem", default="4G", help="memory for a submission, as 4G or 500M (default: %(default)s)")
    parser.add_argument("--wall", type=float, default=180, metavar="S", help="seconds for a submission (default: %(default)s)")
    parser.add_argument("--key", metavar="FILE", help="your secret, from which hidden inputs are made (default: drawn once, kept in --out)")
    parser.add_argument("--dask", metavar="ADDRESS", help="a dask scheduler whose workers grade, instead of processes here")


def run(args: argparse.Namespace) -> int:
    """Grade what has no row yet, then write the table and the pages."""
    require(args.jobs >= 1, f"jobs must be ≥ 1, got {args.jobs}")
    require(args.wall > 0, f"wall must be > 0 seconds, got {args.wall:g}")
    require(sys.platform != "win32", "grading needs Linux or macOS; on Windows use WSL")
    memory = _bytes(args.mem)
    assignment = read_source(args.source)
    found = find(Path(args.submissions), assignment.name)
    out = Path(args.out)
    for path in (args.source, args.submissions, args.out):
        require(not sandbox.shows(path), f"the sandbox shows the folder of {path} to every submission: keep it elsewhere")
    try:
        out.mkdir(parents=True, exist_ok=True)
        key = _key(out, args.key)
    except OSError as error:
        raise InputError(f"cannot use {error.filename}: {error.strerror}") from None
    if not args.dask and not sandbox.isolation():
        require(not hasattr(os, "geteuid") or os.geteuid() != 0, "without namespaces, root may not run submissions: grade as another user")
        print(f"Warning: {sandbox.REDUCED}.")
    version = hashlib.sha256(Path(args.source).read_bytes() + key).hexdigest()
    rows = grade(found, lambda: reference(assignment, key), version, out / "rows.jsonl", args.jobs, memory, args.wall, args.dask)
    report.write_csv(rows, out / "grades.csv")
    for row in rows:
        report.write_page(row, out)
    full = sum(row.score == row.points for row in rows)
    print(f"{len(rows)} submissions, {full} with all points, {sum(row.reason == BAD for row in rows)} unreadable. Table: {out / 'grades.csv'}")
    return 0


def _bytes(text: str) -> int:
    number, unit = text[:-1], {"G": 2**30, "M": 2**20}.get(text[-1:].upper())
    require(unit and number.replace(".", "", 1).isdigit() and float(number) > 0, f"mem must be a size such as 4G or 500M, got {text!r}")
    return int(float(number) * unit)


def _key(out: Path, file: str | None) -> bytes:
    path = Path(file) if file else out / "key"
    if not file and not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_hex(32) + "\n")
    key = path.read_bytes().strip()
    require(len(key) >= 16, f"the key in {path} is shorter than 16 characters: nobody may be able to guess it")
    return key


def find(folder: Path, assignment: str) -> list[tuple[str, Path | str]]:
    """(student, notebook) for each entry of a folder; (student, what is wrong) where there is not exactly one plain notebook."""
    require(folder.is_dir(), f"{folder} is not a folder of submissions")
    found: list[tuple[str, Path | str]] = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        student = entry.name.removesuffix(".ipynb")
        if student != entry.name and os.path.lexists(folder / student):
            student = entry.name  # anna.ipynb beside anna/: two rows
        place = entry / assignment if (entry / assignment).is_dir() else entry  # nbgrader: student/assignment/notebook
        if entry.is_symlink() or place.is_symlink():
            found.append((student, "it is a link"))
        elif entry.is_dir():
            books = [path for path in sorted(place.rglob("*.ipynb")) if not any(part.startswith(".") for part in path.relative_to(place).parts)]
            links = [path for path in books if path.is_symlink() or place.resolve() not in path.resolve().parents]
            fault = "it holds a link" if links else f"it holds {len(books)} notebooks" if len(books) != 1 else ""
            found.append((student, fault or books[0]))
        else:
            found.append((student, entry if entry.suffix == ".ipynb" else "it is not a notebook"))
    return found


def grade(found, make_reference, version: str, journal: Path, jobs: int, memory: int, wall: float, dask: str | None = None) -> list[Row]:
    """Rows for all submissions, in their order; each is in the journal as soon as it is there, and is not graded again."""
    done = _read_journal(journal)
    rows: dict[str, Row] = {}
    todo = []
    for student, place in found:
        try:
            raw = b"" if isinstance(place, str) else read_bytes(place)
            fault = place if isinstance(place, str) else ""
        except InputError as error:
            raw, fault = b"", str(error)
        made_of = hashlib.sha256(version.encode() + fault.encode(errors="replace") + raw).hexdigest()
        if (row := done.get(student)) and row.made_of == made_of:
            rows[student] = row
        else:
            todo.append((student, place if not fault else None, fault, made_of))
    if todo:
        with open(journal, "ab") as file, _executors(jobs, dask) as executor, tqdm(total=len(found), initial=len(rows), unit="submission") as bar:
            known = make_reference()
            for row in _rows(todo, known, executor, 2 * jobs, memory, wall):
                rows[row.student] = row
                file.write(json.dumps(asdict(row)).encode() + b"\n")
                file.flush()
                bar.update()
    return [rows[student] for student, _ in found]


def _read_journal(path: Path) -> dict[str, Row]:
    """The rows a run before this one finished; a line cut off by its end is left out, and closed."""
    rows = {}
    if path.exists():
        raw = path.read_bytes()
        for line in raw.splitlines():
            try:
                facts = json.loads(line)
                row = Row(**facts | {"questions": [Question(**question) for question in facts["questions"]]})
                rows[row.student] = row
            except (ValueError, TypeError, KeyError):
                continue
        if raw and not raw.endswith(b"\n"):
            with open(path, "ab") as file:
                file.write(b"\n")
    return rows


@contextlib.contextmanager
def _executors(jobs: int, dask: str | None):
    """A function that makes an executor: processes that end with this one, or a dask scheduler's workers."""
    if not dask:
        yield lambda: ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_end_with, initargs=(os.getpid(),))
        return
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--dask needs distributed: pip install distributed") from None
    try:
        client = Client(dask, timeout=20)
    except (OSError, ValueError) as error:
        raise InputError(f"no dask scheduler answers at {dask}: {error}") from None
    with client:
        yield lambda: client.get_executor(pure=False, retries=1)


def _end_with(parent: int) -> None:
    """In a worker: end when the grader has ended, however it did; the sandbox ends with the worker."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _rows(todo, known: Reference, make_executor, window: int, memory: int, wall: float):
    """Yield a row for each submission as it is done; what breaks an executor is tried once more, in a new one."""
    waiting, tries, running = list(reversed(todo)), Counter(), {}
    executor = make_executor()
    try:
        while waiting or running:
            suspect = any(tries[task[0]] for task in [*waiting[-1:], *running.values()])  # such a one runs alone
            while waiting and len(running) < (1 if suspect else window):
                task = waiting.pop()
                raw = read_bytes(task[1]) if task[1] else b""  # read again, so that few are held at a time
                running[executor.submit(grade_one, task[0], raw, task[2], task[3], known, memory, wall)] = task
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                try:
                    yield future.result()
                    continue
                except BrokenExecutor:
                    fault = "the grader's own process ended"
                    executor = make_executor() if not running else executor
                except Exception as error:  # a row always: this one names the fault, which is the grader's
                    fault = f"{type(error).__name__}: {error}"
                tries[task[0]] += 1
                if tries[task[0]] < 2:
                    waiting.append(task)
                else:
                    yield zero_row(task[0], known, task[3], f"the grader failed: {fault}"[:300], "GRADER_FAILED")
    finally:
        for future in running:
            future.cancel()
        executor.shutdown()
