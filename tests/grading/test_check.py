"""What students are told by `check`, and that plain nbval agrees."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from course_lib.__main__ import main
from course_lib.grading import check_here
from course_lib.grading.check import _facts
from course_lib.grading.submission import read_notebook
from tests.grading.build import cell, code, exercise, released, solved, write
from tests.grading.hostile import edited_probes, without_metadata, without_probes

ASSIGNMENTS = Path(__file__).parents[2] / "notebooks" / "assignments"
RIGHT = exercise("softmax").solution


@pytest.fixture
def checked(tmp_path, capsys):
    """Check a notebook: exit status, and what was said under each exercise's title."""

    def run(notebook, *options):
        status = main(["check", str(write(notebook, tmp_path / "four.ipynb")), *options])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        said, key = {}, None
        for line in out.splitlines():
            if line[:1] in ("✓", "●", "✗", "○"):
                key = line.split(" · ")[1].split(" (")[0]
                said[key] = [line[0]]
            elif line.startswith("    "):
                said[key].append(line.strip())
        return status, said, out + err

    return run


def test_a_solved_notebook_is_right(checked):
    status, said, out = checked(solved())
    assert status == 0, out
    assert list(said.values()) == [["✓"]] * 3 + [["●", "Answered. Whether it is right is told in grading."]]
    assert "3 of 4 right, 1 answered and only told right or wrong in grading. These are the public checks." in out


def test_wrong_letters_in_an_exercise_in_words_are_not_called_right(checked):
    status, said, out = checked(solved(words='answer = {"one": "a", "two": "a", "three": "a", "four": "a"}'))
    assert said["In words"][0] == "●"
    assert "3 of 4 right" in out


def test_a_released_notebook_is_not_answered_yet(checked):
    status, said, _ = checked(released())
    assert status == 1
    assert list(said.values()) == [["○", "Not answered yet."]] * 4


def test_every_kind_of_answer_gets_its_sentence(checked):
    notebook = solved(
        softmax="def softmax(x):\n    return torch.softmax(x, 0)",
        count="def parameters(D):\n    y = D\n    return y / 0",
        bug="def shifted(ids)\n    return ids[:-1], ids[1:]",
        words='answer = {"one": "a", "two": "q", "three": "b", "four": "b"}',
    )
    status, said, _ = checked(notebook)
    assert status == 1
    assert said["Softmax"] == ["✗", "Expected: each row must sum to 1.", "Hint: Which axis sums to 1?"]
    assert said["Predict, then measure"][-1] == "Your code stopped with ZeroDivisionError, line 3 (return y / 0): division by zero."
    assert said["Find the bug"] == ["✗", "Python cannot read your cell, line 1: expected ':'."]
    assert said["In words"] == ["✗", "Expected: every item needs one of the letters a, b, c."]


def test_loops_and_exits_cost_only_their_exercise(checked):
    notebook = solved(softmax="def softmax(x):\n    while True:\n        pass", bug="import os\ndef shifted(ids):\n    os._exit(1)")
    status, said, _ = checked(notebook, "--timeout", "4")
    assert status == 1
    assert said["Softmax"][-1] == "It was stopped after 4 seconds. Does a loop never end?"
    assert "end Python itself" in said["Find the bug"][-1]
    assert said["Predict, then measure"] == ["✓"]
    assert said["In words"][0] == "●"


def test_edited_probes_forged_outputs_and_skip_tags_do_not_help(checked):
    notebook = edited_probes()  # around a wrong answer, with the right outputs still under the probes
    for c in notebook["cells"]:
        c["metadata"]["tags"] = ["nbval-skip"]
    _, said, _ = checked(notebook)
    assert said["Softmax"][0] == "✗"
    assert said["Find the bug"] == ["✓"]


def test_lost_probes_ids_and_tags_scratch_cells_and_magics_do_not_hurt(checked):
    notebook = without_probes()
    cell(notebook, "softmax")["source"] = "def softmax(x):\n    return x"
    notebook["cells"].insert(2, code("1 / 0"))
    notebook["cells"].insert(2, code("%matplotlib inline\nanswer = 3"))
    notebook["cells"].append(code(RIGHT))  # the later answer wins
    for c in notebook["cells"]:
        del c["id"]
        c["metadata"] = {}
    notebook["nbformat_minor"] = 4
    status, _, out = checked(notebook)
    assert status == 0, out


@pytest.mark.parametrize(
    ("notebook", "says"),
    [
        ("{", "not JSON"), ("[]", "not a notebook"), (without_metadata(), "has lost its checks"),
        ({"cells": [], "metadata": {}}, "no code cells"), (solved() | {"metadata": {"course": {"exercises": [1]}}}, "damaged"),
        (solved() | {"metadata": {"course": {"exercises": {}}}}, "damaged"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_2_and_one_sentence(notebook, says, tmp_path, capsys):
    assert main(["check", str(write(notebook, tmp_path / "n.ipynb"))]) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert (out, err.count("\n")) == ("", 1)


def test_a_notebook_that_is_not_there(capsys):
    assert main(["check", "no.ipynb"]) == 2
    assert capsys.readouterr().err == "course_lib: cannot read no.ipynb: No such file or directory\n"


def in_a_notebook(monkeypatch):
    """Not under nbval, and with the check itself replaced by one that only says what it was given."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr("course_lib.grading.check.check", lambda cells, metadata: print(metadata["course"]["assignment"], cells[-1].source))


def test_from_the_last_cell(tmp_path, capsys, monkeypatch):
    in_a_notebook(monkeypatch)
    monkeypatch.chdir(tmp_path)
    check_here("four")
    assert "python -m course_lib check NOTEBOOK" in capsys.readouterr().out
    write(solved(), tmp_path / "mine.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "mine.ipynb"))
    check_here("four")
    assert capsys.readouterr().out == 'Checking mine.ipynb as it was last saved.\nfour check_here("four")\n'
    monkeypatch.setenv("COURSE_CHECKING", "1")  # the last cell of the copy that is being checked
    check_here("four")
    assert capsys.readouterr().out == ""


def test_on_colab_the_open_notebook_is_checked(capsys, monkeypatch):
    in_a_notebook(monkeypatch)
    colab = ModuleType("google.colab")
    colab._message = SimpleNamespace(blocking_request=lambda name, timeout_sec: {"ipynb": solved()} if name == "get_ipynb" else None)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    check_here("four")
    assert capsys.readouterr().out == 'four check_here("four")\n'


def test_checks_that_a_program_dropped_come_from_the_course_folder():
    cells, metadata = read_notebook(ASSIGNMENTS / "06_self_attention.ipynb")
    assert _facts(cells, {}) == _facts(cells, metadata)


def test_plain_nbval_passes_a_solved_notebook_and_fails_a_wrong_one(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    write(solved(), tmp_path / "solved.ipynb")
    write(solved(softmax="def softmax(x):\n    return x"), tmp_path / "wrong.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-rA", "-q", "solved.ipynb", "wrong.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 2, done.stdout
    assert all("wrong.ipynb" in line for line in failed)
    assert "PASSED solved.ipynb::Cell 3" in done.stdout


def test_without_nbval_there_is_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("course_lib.grading.check.find_spec", lambda name: None)
    assert main(["check", str(write(solved(), tmp_path / "n.ipynb"))]) == 2
    assert capsys.readouterr().err == "course_lib: checking needs pytest: pip install pytest\n"
    assert json.loads((tmp_path / "n.ipynb").read_text())["cells"]  # and the notebook is as it was
