"""The n-gram model against a recursion written out with dictionaries."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.models.baselines import NGram

V = 3
sequences = st.lists(st.lists(st.integers(0, V - 1), max_size=6), min_size=1, max_size=6).filter(lambda s: any(s))


def witten_bell(sequences, order, context, w):
    """P(w | context) straight from the formula."""
    p = 1 / V
    for k in range(order):
        h = tuple(context)[len(context) - k :]
        pairs = Counter()
        for s in sequences:
            padded = [V] * (order - 1) + list(s)
            pairs.update(padded[i] for i in range(order - 1, len(padded)) if tuple(padded[i - k : i]) == h)
        if pairs:
            p = (pairs[w] + len(pairs) * p) / (pairs.total() + len(pairs))
    return p


@settings(max_examples=60, deadline=None)
@given(sequences=sequences, order=st.integers(1, 4), context=st.lists(st.integers(0, V - 1), max_size=4))
def test_probabilities_follow_the_formula_and_sum_to_one(sequences, order, context):
    p = NGram(order, V).fit(sequences).probabilities(context)
    padded = [V] * (order - 1) + context
    assert p == pytest.approx([witten_bell(sequences, order, padded[len(padded) - order + 1 :], w) for w in range(V)])
    assert p.sum() == pytest.approx(1)
    assert p.min() > 0


@settings(max_examples=30, deadline=None)
@given(seen=sequences, unseen=sequences, order=st.integers(1, 4))
def test_nats_are_the_mean_surprise(seen, unseen, order):
    model = NGram(order, V).fit(seen)
    surprise = [-math.log(model.probabilities(s[:i])[s[i]]) for s in unseen for i in range(len(s))]
    assert model.nats(unseen) == pytest.approx(np.mean(surprise))


def test_by_hand():
    # "aab" twice: c(a)=4, c(b)=2, two kinds: P(a) = (4 + 2/3)/(6 + 2), and after a: a, b twice each
    model = NGram(2, V).fit([[0, 0, 1], [0, 0, 1]])
    p_a, p_b = (4 + 2 / 3) / 8, (2 + 2 / 3) / 8
    assert NGram(1, V).fit([[0, 0, 1], [0, 0, 1]]).probabilities()[0] == pytest.approx(p_a)
    assert model.probabilities([0])[:2] == pytest.approx([(2 + 2 * p_a) / 6, (2 + 2 * p_b) / 6])
    assert model.probabilities([])[0] == pytest.approx((2 + p_a) / 3)  # at a beginning a stood twice, nothing else


def test_a_perfectly_regular_text_is_learnt():
    model = NGram(2, 2).fit([[0, 1] * 500])
    assert model.nats([[0, 1] * 50]) < 0.01
    text = model.generate(40, rng=np.random.default_rng(0))
    assert len(text) == 40
    assert sum(a != b for a, b in zip(text, text[1:])) >= 37


def test_generation_repeats_by_seed_and_stops():
    model = NGram(3, 4).fit([[1, 2, 3, 0], [1, 3, 0], [2, 2, 0]])
    first, again = (model.generate(50, stop=0, rng=np.random.default_rng(5)) for _ in range(2))
    assert first == again
    assert first[-1] == 0
    assert 0 not in first[:-1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NGram(0, 5), "order must be ≥ 1, got 0"),
        (lambda: NGram(7, 512), "order 7 with V = 512 needs codes beyond 64 bits"),
        (lambda: NGram(2, 3).fit([[0, 3]]), "symbols must lie in 0 … 2, got 0 … 3"),
        (lambda: NGram(2, 3).fit([[]]), "sequences must hold at least one symbol"),
        (lambda: NGram(2, 3).nats([[0]]), "call fit first"),
    ],
)
def test_wrong_values_get_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()
