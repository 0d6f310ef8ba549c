"""What a probe shows: plain JSON, stable text, numbers clear of their rounding's edge; comparing, and points."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.grading import public_rng, show
from course_lib.grading.compare import KIND, NOT_FINITE, OK, SHAPE, WRONG, compare, parse_json, score
from course_lib.grading.values import digest, hidden_seed, on_an_edge, plain, public_seed, text_of

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
values = st.recursive(
    st.booleans() | st.integers(-(10**9), 10**9) | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"), (2.0, "2"), (torch.tensor(3), "3"), (True, "True"), (-1e-9, "0"), (123456.0, "1.235e+05"), (123456, "123456"),
        (float("nan"), "nan"), ("abc", "abc"), ([1, 2.5], "[1, 2.5]"), ({"a": 1, "b": [True]}, "a: 1\nb: [True]"), (np.float32(0.5), "0.5"),
        (torch.eye(2), "[[1, 0],\n [0, 1]]"), (torch.zeros(1, 2, 1), "[[[0],\n  [0]]]"), ((1, 2), "[1, 2]"), (0.001234567, "0.00123"),
        (torch.ones(2, requires_grad=True, dtype=torch.bfloat16), "[1, 1]"),
    ],
)  # fmt: skip
def test_shown_text(value, text, capsys):
    show(value)
    assert capsys.readouterr().out == text + "\n"


@pytest.mark.parametrize("value", [None, ..., object(), {1, 2}, 1j, [None], lambda: 0])
def test_what_is_no_value_is_refused(value):
    with pytest.raises(TypeError):
        plain(value)


@given(values)
def test_plain_values_survive_json_and_equal_themselves(value):
    value = plain(value)
    assert compare(value, json.loads(json.dumps(value))) == OK


def test_tensors_of_different_shapes_never_look_alike():
    shapes = [(8,), (2, 4), (4, 2), (2, 2, 2), (1, 8), (8, 1), (1, 1, 8)]
    assert len({text_of(plain(torch.zeros(shape))) for shape in shapes}) == len(shapes)


@given(numbers)
def test_away_from_an_edge_the_last_bits_do_not_change_the_text(x):
    if on_an_edge(x) is None and x:
        assert text_of(x * (1 + 3e-7)) == text_of(x) == text_of(x * (1 - 3e-7))


def test_an_edge_is_found_wherever_it_is():
    assert on_an_edge(0.12345) == 0.12345
    assert on_an_edge({"a": [0.5, -2.0005]}) == -2.0005
    assert on_an_edge([1, True, "x", 0.0, 0.125, math.inf]) is None


def test_seeds_depend_on_everything_and_seed_everything():
    assert public_seed("a/b") != public_seed("a/b", 1)
    seeds = {hidden_seed(*parts) for parts in [(b"k", "a", "p", "x"), (b"l", "a", "p", "x"), (b"k", "b", "p", "x"), (b"k", "a", "q", "x"), (b"k", "a", "p", "y")]}
    assert len(seeds) == 5
    first, one = public_rng("a/b"), torch.rand(2)
    second, two = public_rng("a/b"), torch.rand(2)
    assert torch.equal(torch.rand(3, generator=first), torch.rand(3, generator=second))
    assert torch.equal(one, two)
    assert digest("s", "x\n") == digest("s", "x") != digest("t", "x")


@pytest.mark.parametrize(
    ("expected", "got", "result"),
    [
        (1.0, 1.00001, OK), (1.0, 1.1, WRONG), (1e6, 1e6 + 50, OK), (1, 1.0, OK), (1, True, KIND), (True, 1, KIND), (True, False, WRONG),
        ("a", "a", OK), ("a", "b", WRONG), ("a", 1, KIND), (1.0, "1", KIND), (1.0, None, KIND), (1.0, [1.0], SHAPE), ([1.0], 1.0, SHAPE),
        ([1.0], "1", KIND), ([1.0, 2.0], [1.0], SHAPE), ([[1.0]], [[1.0]], OK), ([[1.0, 2.0]], [[1.0], [2.0]], SHAPE), (1.0, math.nan, NOT_FINITE),
        (1.0, -math.inf, NOT_FINITE), (math.nan, math.nan, OK), ({"a": 1}, {"a": 1}, OK), ({"a": 1}, {"b": 1}, SHAPE), ({"a": 1}, [1], KIND),
        (1, 10**400, WRONG), ([1.0, 2.0], [1.5, math.nan], NOT_FINITE),
    ],
)  # fmt: skip
def test_comparing(expected, got, result):
    assert compare(expected, got) == result


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "9" * 5000, b"\xff\xfe", "{'a': 1}"])
def test_json_from_an_unfriendly_writer(text):
    with pytest.raises(InputError, match="not JSON"):
        parse_json(text)


def runs(*names):
    """Made-up runs: "probe/purpose", with ! before a probe that is a condition only."""
    return [SimpleNamespace(id=n.strip("!"), probe=SimpleNamespace(id=n.strip("!").split("/")[0], public_only=n[0] == "!")) for n in names]


@pytest.mark.parametrize(
    ("wrong", "points"),
    [("", 6), ("b/hidden", 4), ("b/public b/hidden", 4), ("c/hidden", 4), ("a/public", 0), ("a/hidden", 4), ("a/hidden b/hidden c/hidden", 0)],
)
def test_points(wrong, points):
    some = runs("a/public", "b/public", "a/hidden", "b/hidden", "c/hidden")
    assert score({run.id: WRONG if run.id in wrong.split() else OK for run in some}, some, 6) == points


def test_a_condition_counts_for_nothing_itself():
    some = runs("!a/public", "b/hidden")
    assert score({"a/public": OK, "b/hidden": WRONG}, some, 2) == 0
    assert score({"a/public": WRONG, "b/hidden": OK}, some, 2) == 0
    assert score({"a/public": OK, "b/hidden": OK}, some, 2) == 2
    assert score({}, some, 2) == 0
