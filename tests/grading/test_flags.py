"""What a person should look at: ready-made functions in an answer that the author's own code does not use."""

import json

import pytest

from course_lib.grading.flags import library_calls
from course_lib.grading.judging import grade_one, reference
from tests.grading.build import four, solved

SOLUTION = "import torch\ndef shares(s):\n    p = (s - s.amax(-1, keepdim=True)).exp()\n    return p / p.sum(-1, keepdim=True)\n"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (SOLUTION, []),
        ("def shares(s):\n    return s.softmax(-1)", ["softmax"]),
        ("def shares(s):\n    return torch.softmax(s, -1)", ["softmax"]),
        ("def shares(s):\n    return torch.nn.functional.softmax(s, -1)", ["functional", "softmax"]),
        ("from torch.nn.functional import softmax as f\ndef shares(s):\n    return f(s, -1)", ["torch.nn.functional.softmax"]),
        ("from course_lib.models import attention\nshares = attention", ["course_lib.models.attention"]),
        ("import sklearn.linear_model", ["sklearn.linear_model"]),
        ("def shares(s):\n    return s.exp() / s.exp().sum(-1, keepdim=True)", []),
        ("def shares(s) return", []),  # not Python: told elsewhere
    ],
)
def test_ready_made_functions_are_told(answer, told):
    assert library_calls(answer, SOLUTION) == told


def test_what_the_author_uses_may_be_used():
    assert library_calls("y = x.softmax(-1)", "def f(x):\n    return x.softmax(-1)") == []


def test_a_right_answer_by_the_library_has_its_points_and_is_told():
    known = reference(four(), b"k" * 32)
    notebook = solved(softmax="def softmax(x):\n    return x.softmax(-1)\n")
    row = grade_one("anna", json.dumps(notebook).encode(), "", "", known, 4 * 2**30, 120)
    assert row.score == row.points
    assert {question.id: question.look for question in row.questions if question.look} == {"softmax": "softmax"}
