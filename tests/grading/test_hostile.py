"""Every hostile submission gets its row, its points and no more, and leaves nothing behind; all in one batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import course_lib
from course_lib.__main__ import main
from course_lib.grading import sandbox
from tests.grading.build import SOURCE, solved, write
from tests.grading.hostile import NOTEBOOKS

pytestmark = pytest.mark.slow  # eighty submissions, of which many only end when their time is over

CASES = {name.replace(" ", "_").replace(",", ""): case for name, case in NOTEBOOKS.items()}
BROKEN = ["not_json", "a_list", "cells_of_numbers", "two_notebooks", "no_notebook", "a_link", "a_link_inside", "a_linked_folder", "a_text", "a_pipe", "deep"]


def broken(folder: Path, secret: Path) -> None:
    write('{"cells": [', folder / "not_json.ipynb")
    write("[1, 2]", folder / "a_list.ipynb")
    write({"cells": [1, 2]}, folder / "cells_of_numbers.ipynb")
    write("[" * 100_000, folder / "deep.ipynb")
    for name in ("one", "two"):
        write(solved(), folder / "two_notebooks" / f"{name}.ipynb")
    (folder / "no_notebook").mkdir()
    (folder / "a_link.ipynb").symlink_to(secret)
    (folder / "a_link_inside").mkdir()
    (folder / "a_link_inside" / "four.ipynb").symlink_to(secret)
    (folder / "a_linked_folder").symlink_to(secret.parent)
    (folder / "a_text").write_text("not a notebook", encoding="utf-8")
    os.mkfifo(folder / "a_pipe.ipynb")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    if not sandbox.isolation():
        pytest.skip("hostile code runs only where user namespaces hold it (this machine has one of the kernels that forbid them)")
    folder = tmp_path_factory.mktemp("hostile")
    for name, (notebook, *_) in CASES.items():
        write(notebook, folder / "in" / f"{name}.ipynb")
    broken(folder / "in", write(solved(), folder / "outside" / "four.ipynb"))
    library = {path: path.read_bytes() for path in Path(course_lib.__file__).parent.glob("__*__.py")}
    core_pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    mounts = Path("/proc/mounts").read_text()
    before = set(psutil.pids())
    assert main(["grade", str(SOURCE), str(folder / "in"), "--out", str(folder / "out"), "--mem", "1500M", "--wall", "24"]) == 0
    rows = {row["student"]: row for row in map(json.loads, (folder / "out" / "rows.jsonl").read_text(encoding="utf-8").splitlines())}
    left = [p for p in psutil.process_iter(["cmdline", "username"]) if p.pid not in before and "inside.py" in " ".join(p.info["cmdline"] or [])]
    untouched = library == {path: path.read_bytes() for path in library} and core_pattern == Path("/proc/sys/kernel/core_pattern").read_text()
    return rows, left, untouched, mounts == Path("/proc/mounts").read_text()


@pytest.mark.parametrize("name", CASES)
def test_its_points_and_reason(graded, name):
    _, first, rest, reason = CASES[name]
    row = graded[0][name]
    questions = {question["id"]: question for question in row["questions"]}
    assert questions["softmax"]["score"] == first, row
    assert sum(question["score"] for question in row["questions"][1:]) == rest, row
    assert row["score"] == first + rest
    assert reason is None or questions["softmax"]["reason"] == reason, row
    assert len(questions["softmax"]["output"]) < 6000


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_notebook_has_a_row_too(graded, name):
    assert (graded[0][name]["score"], graded[0][name]["reason"]) == (0, "BAD_SUBMISSION")
    assert graded[0][name]["error"]


def test_there_is_one_row_each_and_nothing_is_left(graded):
    rows, left, untouched, mounts = graded
    assert len(rows) == len(CASES) + len(BROKEN)
    assert not left
    assert untouched
    assert mounts


def test_misconceptions_are_answered_by_their_hints(graded):
    shares = graded[0]["wrong"]["questions"][0]
    assert shares["message"] == "each row must sum to 1"
    assert graded[0]["30_MB_of_output"]["questions"][0]["output"].endswith("more bytes")


def test_the_sandbox_shows_neither_sources_nor_home():
    if not sandbox.isolation():
        pytest.skip("no user namespaces (this machine has one of the kernels that forbid them)")
    look = f"import os, json; print(json.dumps([os.listdir('/'), os.path.exists({str(SOURCE)!r}), os.getuid()]))"
    command = [*sandbox._sandbox(sandbox.isolation()), sys.executable, "-I", "-c", look]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60)
    places, source, user = json.loads(done.stdout)
    assert not source
    assert not {"mnt", "sys", "run", "boot"} & set(places)
    assert user == 0 or user >= 2**20
