"""Masked words: who is hidden and how, what may be chosen; and sorting."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.tasks import Words, hide, masked_words, sorting
from course_lib.tasks.masked import MASK, RARE

TEXT = "The cat sat on the mat. The dog sat on the cat's 2 mats, and the cat said: why?"


def test_words_are_counted_encoded_and_decoded():
    words = Words(TEXT, 6)
    assert len(words) == 8
    assert words.words[:3] == ["[mask]", "[rare]", "the"]
    assert words.encode("The [mask] xyz") == [2, MASK, RARE]
    assert words.decode(words.encode("the cat sat")) == "the cat sat"
    assert Words.split("The cat's 2 mats.") == ["the", "cat's", "2", "mats", "."]
    with pytest.raises(InputError, match="known must be at most"):
        Words(TEXT, 100)
    with pytest.raises(InputError, match=r"ids must lie in 0 … 7"):
        words.decode([8])


def test_of_a_hundred_words_fifteen_are_chosen_and_treated_80_10_10():
    ids = torch.randint(0, 50, (400, 250), generator=torch.Generator().manual_seed(0))
    read, chosen = hide(ids, 50, generator=torch.Generator().manual_seed(1))
    assert not chosen[ids <= RARE].any()
    assert chosen[ids > RARE].float().mean().item() == pytest.approx(0.15, abs=0.005)
    hidden = (read == MASK)[chosen].float().mean().item()
    kept = (read == ids)[chosen].float().mean().item()
    assert hidden == pytest.approx(0.8, abs=0.02)
    assert kept == pytest.approx(0.1 + 0.1 / 48, abs=0.015)  # a random word may be the word itself


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 20), st.integers(3, 40), st.floats(0.01, 0.99), st.integers(0, 9))
def test_what_is_not_chosen_stays(B, T, V, share, seed):
    ids = torch.randint(0, V, (B, T), generator=torch.Generator().manual_seed(seed))
    read, chosen = hide(ids, V, share, torch.Generator().manual_seed(seed))
    assert torch.equal(read[~chosen], ids[~chosen])
    assert (ids[chosen] > RARE).all()
    assert not (read[chosen] == RARE).any()
    assert read.min() >= 0
    assert read.max() < V


def test_the_task_hides_and_asks_for_the_same_words():
    train, validation = [2, 3, 4, 1, 5] * 40, [2, 2, 3, 1] * 20
    task = masked_words(train, validation, 6, T=10)
    batch = task.batch(50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(batch.inputs[~batch.mask], batch.targets[~batch.mask])
    assert batch.mask.any()
    assert (batch.targets[batch.mask] > RARE).all()
    assert set(task.batch(9, held_out=True).targets.unique().tolist()) <= {1, 2, 3}
    assert task.baseline.value == pytest.approx(torch.tensor(4.0).log().item(), abs=1e-6)  # 4 words, equally often
    known = torch.full((50, 10, 6), -50.0).scatter_(2, batch.targets.unsqueeze(2), 50.0)
    assert task.score(known, batch) == pytest.approx(0, abs=1e-6)


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="share must lie between 0 and 1"):
        hide(torch.ones(1, 3, dtype=torch.long), 5, 1.5)
    with pytest.raises(InputError, match="train must hold more than T = 32 words"):
        masked_words([2, 3], [2, 3], 5)
    with pytest.raises(InputError, match="validation must hold ids 0 … 4"):
        masked_words([2] * 99, [5] * 99, 5)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(2, 12), st.integers(0, 9))
def test_sorting_is_in_order_and_keeps_every_number(T, V, seed):
    batch = sorting(T, V).batch(7, generator=torch.Generator().manual_seed(seed))
    assert (batch.targets.diff(dim=1) >= 0).all()
    assert torch.equal(batch.targets, batch.inputs.sort(1).values)


def test_the_baseline_of_sorting_is_what_the_likeliest_number_scores():
    task = sorting(4, 6)
    answers = task.batch(50_000, generator=torch.Generator().manual_seed(0)).targets
    likeliest = answers.mode(0).values
    assert (answers == likeliest).float().mean().item() == pytest.approx(task.baseline.value, abs=0.01)
