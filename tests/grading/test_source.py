"""The source, its stubs, its release, and what an author's mistakes are told."""

import json

import pytest

from course_lib.__main__ import main
from course_lib.checks import InputError
from course_lib.grading.source import Exercise, read_source
from course_lib.grading.verify import verify
from tests.grading.build import SOURCE, cell, exercise, four, released

TEXT = SOURCE.read_text(encoding="utf-8")


def made(code: str) -> Exercise:
    return Exercise("e", "E", 1, 1, 1, code)


def test_what_is_read():
    assignment = four()
    assert (assignment.name, assignment.part, assignment.points) == ("four", 1, 10)
    assert [(e.id, e.title, e.points) for e in assignment.exercises] == [
        ("softmax", "Exercise 1 · Softmax", 5), ("count", "Exercise 2 · Predict, then measure", 2),
        ("bug", "Exercise 3 · Find the bug", 2), ("words", "Exercise 4 · In words", 1),
    ]  # fmt: skip
    assert assignment.setup == ["import torch"]
    assert exercise("words").probes[0].public_only
    assert exercise("count").names == {"parameters"}  # the guess is asked by no probe


def test_stubs():
    assert exercise("softmax").stub.endswith('"""\n    # your code here\n    return ...')
    assert exercise("bug").stub.endswith("return ids[:-1], ids[:-1]")
    assert exercise("bug").solution.endswith('"""\n    return ids[:-1], ids[1:]')
    assert exercise("words").stub == "# your code here\nanswer = ..."
    methods = made("class A:\n    def f(self):\n        ### BEGIN SOLUTION\n        self.x = 1\n        ### END SOLUTION\n\n    y = 2")
    assert methods.stub == "class A:\n    def f(self):\n        # your code here\n        ...\n\n    y = 2"


def test_the_release_holds_nothing_of_a_solution():
    text = json.dumps(released(), ensure_ascii=False)
    for secret in ("SOLUTION", "keepdim", "ids[1:]", "torch.softmax", "softmax-wide", "words-answers", "mutant"):
        assert secret not in text
    assert '"c"' not in json.dumps([c["source"] for c in released()["cells"]])
    probe = cell(released(), "softmax-rows")
    assert "".join(probe["source"]).startswith('rng = public_rng("four/softmax-rows"')
    assert probe["outputs"][0]["text"]
    assert probe["metadata"]["tags"] == ["nbval-check-output"]
    assert released()["cells"][-1]["source"] in ('check_here("four")', ['check_here("four")'])


def test_a_rebuild_is_the_same_to_the_byte(tmp_path, capsys):
    for name in ("one", "two"):
        assert main(["release", str(SOURCE), "--out", str(tmp_path / name), "--nbgrader", str(tmp_path / name)]) == 0
    assert "nbgrader source: " in capsys.readouterr().out
    for file in ("four.ipynb", "source/four/four.ipynb"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_verification_finds_no_fault_here(capsys):
    assert main(["release", str(SOURCE), "--verify"]) == 0
    out = capsys.readouterr().out
    assert "no faults" in out
    assert "overflow" in out


BODY = "show(softmax(torch.randn(3, 4, generator=rng)))"
FAULTS = [  # (what to change in the source, into what, what the verification says)
    ("return torch.softmax(x, 0)", "return torch.softmax(x, 1)", "mutant wrong-axis is not caught"),
    ("return torch.softmax(x, 0)", "raise ValueError", "shows no value"),
    ("return x.exp() / x.exp().sum(-1, keepdim=True)", "return torch.softmax(x, 0)", "answered by another's hint"),
    (BODY, "show(softmax(torch.ones(3, 4)) + 0.00005)", "on the edge of its rounding"),
    ("for D in torch.randint(1, 99, (6,), generator=rng)", "for D in (3, 4)", "hidden seeds change no value"),
    ("keepdim=True).values)  # (B, T)\n", "keepdim=True).values)\n    undefined\n", "the solution of exercise softmax fails"),
    ("    return ids[:-1], ids[:-1]\n    ### END STUB", "    return ids[:-1], ids[1:]\n    ### END STUB", "the blank stub scores 2"),
]


@pytest.mark.parametrize(("old", "new", "says"), FAULTS, ids=[says for _, _, says in FAULTS])
def test_the_verification_names_a_fault(old, new, says, tmp_path):
    assert old in TEXT
    (tmp_path / "four.md").write_text(TEXT.replace(old, new), encoding="utf-8")
    faults = [fault for report in verify(read_source(tmp_path / "four.md")) for fault in report.faults]
    assert any(says in fault for fault in faults), faults


MISTAKES = [
    ("points: 10", "", "must state points"),
    ("points: 5", "points: 4", "add up to 9"),
    ("role: mutant\nexercise: softmax", "role: mutnat\nexercise: softmax", "role must be one of"),
    ("exercise: count\nprobe", "exercise: cuont\nprobe", "does not stand before it"),
    ("probe: bug-pairs", "probe: count-widths", "different ids"),
    ("probe: softmax-rows", "probe: softmax rows", "needs an id"),
    ('hint: "Which axis sums to 1?"', "", "has no hint"),
    ("probe: softmax-rows\n", "probe: softmax-rows\nhidden: true\n", "first probe"),
    (BODY, BODY + "\n" + BODY, "exactly once, it does 2 times"),
    (BODY, "show(softmax(torch.randn(3, 4, generator=rng))", "is not Python"),
    ("    ### BEGIN STUB\n", "    ### BEGIN STUB\n    (\n", "the stub of exercise bug is not Python"),
    (BODY, "show(torch.randn(3, generator=rng))", None),
    ("def shifted(ids):", "def softmax(ids):", "uses a name"),
    ("### BEGIN SOLUTION\nanswer", "answer", "no lines between"),
    ('answer = {"one": "a", "two": "c"', 'parameters = answer = {"one": "a", "two": "c"', None),
]


@pytest.mark.parametrize(("old", "new", "says"), MISTAKES, ids=[str(old)[:30] for old, _, _ in MISTAKES])
def test_a_mistake_in_a_source_is_one_sentence(old, new, says, tmp_path, capsys):
    assert old in TEXT
    path = tmp_path / "four.md"
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    if says is None:
        assert read_source(path)
        return
    assert main(["release", str(path)]) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert (out, err.count("\n")) == ("", 1)


def test_two_exercises_may_not_ask_for_one_name(tmp_path):
    path = tmp_path / "four.md"
    path.write_text(TEXT.replace("shifted(", "parameters("), encoding="utf-8")
    with pytest.raises(InputError, match="both ask for parameters"):
        read_source(path)


def test_files_that_are_not_there_or_not_writable(tmp_path, capsys):
    assert main(["release", str(tmp_path / "no.md")]) == 2
    (tmp_path / "file").write_text("")
    assert main(["release", str(SOURCE), "--out", str(tmp_path / "file" / "below")]) == 2
    assert capsys.readouterr().err.count("\n") == 2
