"""A whole folder: resumed after a kill, regraded where something changed, by dask where asked; a row always."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path

import psutil
import pytest

from course_lib.__main__ import main
from course_lib.grading import grade, sandbox
from tests.grading.build import SOURCE, exercise, four, released, solved, write

KEY = b"a key of sixteen."
WRONG = solved(softmax="def softmax(x):\n    return torch.softmax(x, 0)", words="answer = 3")
needs_sandbox = pytest.mark.skipif(not sandbox.isolation(), reason="no sandbox on this machine (it has one of the kernels that forbid user namespaces)")


def rows(out: Path) -> dict:
    with open(out / "grades.csv", newline="", encoding="utf-8") as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


@pytest.fixture
def few(tmp_path):
    """A folder with three submissions, and the arguments that grade it."""
    for name, notebook in (("right", solved()), ("wrong", WRONG), ("blank", released())):
        write(notebook, tmp_path / "in" / f"{name}.ipynb")
    (tmp_path / "key").write_bytes(KEY)
    return ["grade", str(SOURCE), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--key", str(tmp_path / "key"), "--wall", "120"]


@needs_sandbox
def test_what_is_graded_is_not_graded_again_unless_it_changed(few, tmp_path, capsys, monkeypatch):
    assert main(few) == 0
    assert "3 submissions, 1 with all points, 0 unreadable." in capsys.readouterr().out
    first = rows(tmp_path / "out")
    assert [first[name]["score"] for name in ("right", "wrong", "blank")] == ["10", "4", "0"]
    page = (tmp_path / "out" / "wrong.html").read_text(encoding="utf-8")
    assert "Hint: Which axis sums to 1?" in page
    journal = (tmp_path / "out" / "rows.jsonl").read_bytes()
    assert KEY not in journal

    (tmp_path / "out" / "rows.jsonl").write_bytes(journal + b'{"student": "cut off')
    (tmp_path / "out" / "grades.csv").unlink()
    monkeypatch.setattr(grade, "reference", lambda *a: pytest.fail("graded again"))
    assert main(few) == 0
    assert rows(tmp_path / "out") == first
    monkeypatch.undo()

    write(solved(), tmp_path / "in" / "wrong.ipynb")
    write(solved(), tmp_path / "in" / "new" / "four" / "four.ipynb")  # as nbgrader collects
    assert main([*few, "-j", "1"]) == 0
    assert {name: row["score"] for name, row in rows(tmp_path / "out").items()} == {"right": "10", "wrong": "10", "new": "10", "blank": "0"}
    lines = (tmp_path / "out" / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum('"right"' in line for line in lines) == 1


@needs_sandbox
def test_hidden_numbers_come_from_the_key():
    one, two = (grade.reference(four(), key).expected["softmax"] for key in (b"one", b"two"))
    assert one["softmax-rows/public"] == two["softmax-rows/public"]
    assert one["softmax-rows/hidden"] != two["softmax-rows/hidden"] != two["softmax-rows/public"]


def test_a_submission_that_ends_its_worker_costs_nobody_else_a_row(tmp_path):
    """What ran beside it is tried again, alone; it has two tries itself."""
    seen = []

    class Ends:
        def __init__(self):
            self.pending, self.broken = [], False

        def submit(self, function, student, *more):
            assert not self.broken, "a broken pool takes no more work"
            future = Future()
            if student == "wrong":
                self.broken = True
                for beside in [*self.pending, future]:
                    beside.set_exception(BrokenExecutor())
            elif student in seen:
                future.set_result(function(student, *more))
            else:  # still at work when the pool breaks
                seen.append(student)
                self.pending.append(future)
            return future

        def shutdown(self, **more):
            pass

    path = write(released(), tmp_path / "blank.ipynb")
    todo = [(name, path, "", "") for name in ("one", "two", "wrong")]
    found = {row.student: row.reason for row in grade._rows(todo, grade.reference(four(), KEY), Ends, 4, 2**30, 60)}
    assert found == {"one": "NO_ANSWER", "two": "NO_ANSWER", "wrong": "GRADER_FAILED"}


@needs_sandbox
def test_a_fault_of_the_grader_still_gives_a_row(few, tmp_path, monkeypatch):
    class Breaks:
        def submit(self, function, student, *more):
            future = Future()
            future.set_exception(RuntimeError("boom")) if student == "wrong" else future.set_result(function(student, *more))
            return future

        def shutdown(self, **more):
            pass

    known = grade.reference(four(), KEY)
    todo = [("wrong", tmp_path / "in" / "wrong.ipynb", "", ""), ("blank", tmp_path / "in" / "blank.ipynb", "", "")]
    found = {row.student: row for row in grade._rows(todo, known, Breaks, 2, 2**30, 60)}
    assert found["wrong"].reason == "GRADER_FAILED"
    assert "boom" in found["wrong"].error
    assert found["blank"].reason == "NO_ANSWER"


def test_without_namespaces_grading_still_works_and_says_what_it_lacks(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sandbox, "isolation", lambda: "")
    row = grade.grade_one("right", json.dumps(solved()).encode(), "", "", grade.reference(four(), KEY), 4 * 2**30, 120)
    assert (row.score, row.reason) == (10, "OK")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main(few) == 2
    assert "root may not run submissions" in capsys.readouterr().err
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(grade, "grade", lambda *a: [])
    assert main(few) == 0
    assert "Warning: this machine allows no user namespaces" in capsys.readouterr().out


MISTAKES = [
    (["grade", "no.md", "{}"], "cannot read the source"), (["grade", str(SOURCE), "no-folder"], "is not a folder"),
    (["grade", str(SOURCE), "{}", "-j", "0"], "jobs must be"), (["grade", str(SOURCE), "{}", "--mem", "4X"], "mem must be"),
    (["grade", str(SOURCE), "{}", "--mem", "-4G"], "--mem"), (["grade", str(SOURCE), "{}", "--wall", "0"], "wall must be"),
    (["grade", str(SOURCE), "{}", "--key", "no.key"], "cannot use no.key"), (["grade", str(SOURCE), "{}", "--key", str(SOURCE.parent)], "cannot use"),
    (["grade", str(SOURCE), str(Path(grade.__file__).parent)], "the sandbox shows the folder"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "says"), MISTAKES)
def test_a_mistake_is_one_sentence(arguments, says, tmp_path, capsys):
    assert main([word.format(tmp_path) for word in arguments] + ["--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert (out, err.count("\n")) == ("", 1)


def test_a_drawn_key_is_kept_for_the_teacher_alone(tmp_path):
    (tmp_path / "in").mkdir()
    command = ["grade", str(SOURCE), str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    key = (tmp_path / "out" / "key").read_bytes()
    assert main(command) == 0
    assert (tmp_path / "out" / "key").read_bytes() == key
    assert len(key.strip()) == 64
    assert os.stat(tmp_path / "out" / "key").st_mode & 0o077 == 0


# -- what takes long ----------------------------------------------------------------------------------------------


def left_behind(before: set[int]) -> list:
    """Processes of graders, their workers and sandboxes that are alive, and were not before."""
    found = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]) if process.pid not in before]
    return [line for line in found if any(word in line for word in ("inside.py", "jail.py", "multiprocessing", f"grade {SOURCE}"))]


@pytest.mark.slow
@needs_sandbox
def test_200_submissions_through_five_kills(tmp_path):
    """The grader is killed at five random moments; started again it finishes, and the table is that of a quiet run."""
    kinds = [solved(), WRONG, released(), solved(count="def parameters(D):\n    return 2 * D * D"), solved(bug=exercise("bug").stub)]
    points = ["10", "4", "0", "8", "8"]
    loop = solved(softmax="def softmax(x):\n    while True: pass")
    for n in range(200):
        write(loop if n % 50 == 7 else kinds[n % 5], tmp_path / "in" / f"student{n:03d}.ipynb")
    command = [sys.executable, "-m", "course_lib", "grade", str(SOURCE), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--wall", "40"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    mounts, files = Path("/proc/mounts").read_text(), set(Path("/tmp").glob("course-grading-*"))
    before = set(psutil.pids())
    draw, start, journal = random.Random(3), time.monotonic(), tmp_path / "out" / "rows.jsonl"
    for kill in range(5):
        grader = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rows_then = journal.read_bytes().count(b"\n") if journal.exists() else 0
        while not journal.exists() or journal.read_bytes().count(b"\n") < rows_then + 10 + kill:
            assert grader.poll() is None, "the grader ended by itself"
            time.sleep(0.05)
        time.sleep(draw.uniform(0, 3))
        grader.send_signal(signal.SIGKILL)
        grader.wait()
        time.sleep(3)  # the workers look for the grader, the sandboxes for the workers
        assert left_behind(before) == []
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3600)
    print(f"200 submissions and five kills: {time.monotonic() - start:.0f} s")  # pytest -rP shows it
    assert done.returncode == 0, done.stderr[-2000:]
    table = rows(tmp_path / "out")
    assert [table[f"student{n:03d}"]["score"] for n in range(200)] == ["5" if n % 50 == 7 else points[n % 5] for n in range(200)]
    students = [json.loads(line)["student"] for line in journal.read_text(encoding="utf-8").splitlines()]
    assert sorted(students) == sorted(set(students))  # nobody was graded twice
    assert len(list((tmp_path / "out").glob("student*.html"))) == 200
    assert left_behind(before) == []
    assert Path("/proc/mounts").read_text() == mounts
    assert set(Path("/tmp").glob("course-grading-*")) == files


@pytest.mark.slow
@needs_sandbox
def test_dask_workers_give_the_same_table(few, tmp_path):
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    for n in range(4):
        write([solved(), WRONG][n % 2], tmp_path / "in" / f"more{n}.ipynb")
    assert main(few) == 0
    here = rows(tmp_path / "out")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        assert main([*few[:4], str(tmp_path / "dask"), *few[5:], "--dask", cluster.scheduler_address]) == 0
    there = rows(tmp_path / "dask")
    for table in (here, there):
        for row in table.values():
            row.pop("seconds")
    assert there == here


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer(few, capsys):
    pytest.importorskip("distributed", reason="distributed is not installed")
    assert main([*few, "--dask", "tcp://127.0.0.1:1"]) == 2
    assert "no dask scheduler answers" in capsys.readouterr().err
