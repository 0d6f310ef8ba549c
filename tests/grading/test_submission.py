"""Reading what anyone may have written: a list of cells or one sentence, never a crash; and which cells answer what."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.grading.grade import find
from course_lib.grading.submission import MOST_CODE, answers, chosen, is_probe, make_cell, names_asked, parse_notebook
from tests.grading.build import solved, write

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["cells", "source", "metadata", "cell_type", "id"]), inner, max_size=4),
    max_leaves=15,
)


@given(anything)
def test_any_json_is_read_or_refused(thing):
    for notebook in (thing, {"cells": thing}, {"cells": [{"cell_type": "code", "source": thing, "id": thing, "metadata": thing}], "metadata": thing}):
        try:
            cells, metadata = parse_notebook(json.dumps(notebook).encode(), "n")
        except InputError:
            continue
        assert isinstance(metadata, dict)
        assert all(isinstance(cell.source, str) and isinstance(cell.id, str) for cell in cells)


@given(st.text(alphabet="abx=()[]{}:\n\t %!?'\"\\#defclass,*@\0é", max_size=60))
def test_any_text_is_analysed(source):
    cell = make_cell(0, "", source)
    assert cell.raw == source
    assert cell.error is None or isinstance(cell.error, SyntaxError)


@pytest.mark.parametrize(
    "source",
    ["+".join(["1"] * 60000), "-" * 60000 + "1", "a." * 60000 + "a", "lambda:" * 30000 + "1", "(" * 60000, "f" + "()" * 60000, "not " * 60000 + "1"],
    ids=["sums", "signs", "dots", "lambdas", "brackets", "calls", "nots"],
)
def test_code_nested_too_deep_is_an_error_of_its_cell(source):
    assert make_cell(0, "", source).error


def test_too_much_code_is_refused_before_it_is_analysed():
    notebook = {"cells": [{"cell_type": "code", "source": "x" * (MOST_CODE // 2 + 1)}] * 2}
    with pytest.raises(InputError, match="more than 1 MB of code"):
        parse_notebook(json.dumps(notebook).encode(), "n")


@pytest.mark.parametrize(
    ("source", "gives", "needs"),
    [
        ("import torch as t\nx = y", {"t", "x"}, {"y"}),
        ("def f(a, b=c):\n    d = a\n    global g\n    g = h\n    return d", {"f", "g"}, {"c", "h"}),
        ("class A(B):\n    z = 1\n    def m(self):\n        return n", {"A"}, {"B", "n"}),
        ("A.m = f", {"A"}, {"A", "f"}), ("x[0].y = 1", {"x"}, {"x"}), ("[i for i in j]", set(), {"j"}), ("for k in v:\n    pass", {"k"}, {"v"}),
        ("%time x = 1\n!ls\ny = 2", {"y"}, set()), ("%%time\nx = 1", {"x"}, set()), ("%%bash\nls", set(), set()), ("z = (7\n % 3)", {"z"}, set()),
    ],
)  # fmt: skip
def test_names_of_a_cell(source, gives, needs):
    cell = make_cell(0, "", source)
    assert (cell.error, cell.gives, cell.needs) == (None, gives, needs)


def cells(*sources: str, ids=()) -> list:
    return [make_cell(n, ids[n] if n < len(ids) else "", source) for n, source in enumerate(sources)]


def test_an_answer_is_found_by_id_or_name_and_takes_what_it_needs_along():
    book = cells("import torch", "unrelated = 1", "def helper(x):\n    return scale * x", "scale = 2", "def f(x):\n    return helper(x)", "f = (", "while True: pass")
    assert [cell.number for cell in answers(book, "f", {"f"})] == [4, 5]
    assert [cell.number for cell in chosen(book, "f", {"f"}, ["import torch"])] == [2, 3, 4, 5]
    assert [cell.number for cell in answers(cells("x = 1", "y = 2", ids=["f", "g"]), "f", {"z"})] == [0]
    assert answers(cells("x = 1", "y = 2", ids=["f", "f"]), "f", {"z"}) == []


def test_a_probe_is_known_by_its_call():
    assert is_probe(make_cell(0, "", 'rng = public_rng("a/b")\nshow(f(rng))'))
    assert is_probe(make_cell(0, "", 'rng = public_rng("a/b")\nshow('))
    assert not is_probe(make_cell(0, "", "show(f(1))"))


def test_an_exercise_asks_for_what_it_defines_and_a_probe_uses():
    assert names_asked("import math\ndef f(): pass\ndef g(): pass\nx = 1", ["show(f(math.pi) + x)"]) == {"f", "x"}


def test_every_entry_of_the_folder_is_found(tmp_path):
    for name in ("anna.ipynb", "anna/four.ipynb", "ben/four/book.ipynb", "ben/other/book.ipynb", "eve/.ipynb_checkpoints/four.ipynb", "eve/b.ipynb", ".hidden/x.ipynb"):
        write(solved(), tmp_path / name)
    found = dict(find(tmp_path, "four"))
    assert set(found) == {"anna", "anna.ipynb", "ben", "eve"}
    assert found["ben"] == tmp_path / "ben" / "four" / "book.ipynb"
    assert found["eve"] == tmp_path / "eve" / "b.ipynb"
