"""Associative recall, induction and the toy translation: what they ask, and that the answer can be found in the question."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.evidence.attention import (
    Pooled,
    Translator,
    decisive_word,
    head_scores,
    permuted,
    share_aligned,
    without_each_head,
    without_scale,
)
from course_lib.models import Decoder, TransformerConfig
from course_lib.tasks.recall import associative_recall, induction, repeated
from course_lib.tasks.translation import (
    FRENCH,
    S_MAX,
    WORDS,
    decode_words,
    encode_words,
    source_places,
    toy_translation,
    translate,
)

seeds = st.integers(0, 10_000)


@given(seed=seeds, pairs=st.integers(2, 8))
@settings(max_examples=20, deadline=None)
def test_every_question_has_its_answer_in_the_pairs_and_no_answer_is_shown_after_a_question(seed, pairs):
    task = associative_recall(pairs)
    batch = task.batch(4, generator=torch.Generator().manual_seed(seed))
    assert batch.inputs.shape == (4, 3 * pairs)
    for ids, targets, mask in zip(*batch):
        shown = dict(zip(ids[: 2 * pairs : 2].tolist(), ids[1 : 2 * pairs : 2].tolist()))
        assert len(shown) == len(set(shown.values())) == pairs
        asked = ids[2 * pairs :].tolist()
        assert sorted(asked) == sorted(shown)
        assert targets[mask].tolist() == [shown[key] for key in asked]
        assert mask.tolist() == [False] * 2 * pairs + [True] * pairs


def test_naming_any_shown_value_scores_the_baseline():
    task = associative_recall(6)
    batch = task.batch(4000, generator=torch.Generator().manual_seed(0))
    guess = torch.nn.functional.one_hot(batch.inputs[:, 1:2].expand(-1, 18), task.V).float()  # always the first value
    assert task.score(guess, batch) == pytest.approx(task.baseline.value, abs=1e-6)  # asked once each: exactly one in six
    with pytest.raises(InputError, match="at least as many as pairs"):
        associative_recall(6, keys=5)
    with pytest.raises(InputError, match="T must be 18"):
        task.batch(2, 21)


@given(seed=seeds, T=st.sampled_from([8, 13, 48]))
@settings(max_examples=20, deadline=None)
def test_induction_can_be_answered_by_looking_up_the_last_time(seed, T):
    task = induction(T, V=30)
    batch = task.batch(3, generator=torch.Generator().manual_seed(seed))
    for ids, targets, mask in zip(*(x.tolist() for x in batch)):
        counted = [t for t in range(T) if mask[t]]
        assert counted
        for t in counted:
            last = max(s for s in range(t) if ids[s] == ids[t])
            assert ids[last + 1] == targets[t]
        assert not any(ids[t] in ids[:t] for t in range(T) if not mask[t])  # nothing counts that cannot be known


def test_repeated_says_the_same_again():
    ids = repeated(5, 7, 20, 9, torch.Generator().manual_seed(0))
    assert torch.equal(ids[:, 7:], ids[:, :-7])
    assert all(len(set(row[:7].tolist())) == 7 for row in ids)
    with pytest.raises(InputError, match="period must lie in"):
        repeated(1, 10, 20, 9)


def test_translation_by_hand():
    words = ["the", "small", "black", "cat", "sees", "a", "king"]
    assert " ".join(translate(words)) == "le chat noir petit voit un roi"
    assert source_places(words) == [0, 3, 2, 1, 4, 5, 6]
    with pytest.raises(InputError, match="'mat' is not in the toy vocabulary"):
        translate(["the", "mat"])
    assert decode_words(encode_words(["roi", "·", "roi"])[0]) == ["roi"]


@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_drawn_translations_are_the_right_ones(seed):
    task = toy_translation()
    batch = task.batch(16, generator=torch.Generator().manual_seed(seed))
    for ids, targets, mask in zip(*batch):
        english = [WORDS[i] for i in ids[:S_MAX].tolist() if i]
        right = translate(english)
        assert decode_words(targets) == right
        assert decode_words(ids[S_MAX + 1 :])[: len(right)] == right[: S_MAX]
        assert int(mask.sum()) == len(right) + 1
        assert ids[S_MAX] == 0
    assert len(WORDS) == 2 * len(FRENCH) + 1


def test_the_translators_baseline_is_what_one_word_scores():
    task = toy_translation()
    batch = task.batch(20_000, generator=torch.Generator().manual_seed(1))
    counts = batch.targets[batch.mask].bincount(minlength=task.V)
    assert counts.max().item() / counts.sum().item() == pytest.approx(task.baseline.value, abs=0.003)


def small_decoder(**more):
    torch.manual_seed(0)
    return Decoder(TransformerConfig(V=24, D=16, N=2, H=2, T_max=64, **more))


def test_head_scores_know_a_head_that_looks_one_back():
    model = small_decoder()
    scores = head_scores(model, period=10)
    assert all(s.shape == (2, 2) and ((s >= 0) & (s <= 1)).all() for s in scores.values())

    class Fake:
        config = model.config

        def attention_weights(self, ids):
            T = ids.shape[1]
            one_back, nine_back = (torch.diag(torch.ones(T - n), -n)[None, None] for n in (1, 9))  # row t looks at t − n
            return [torch.cat((one_back, nine_back), 1).expand(len(ids), -1, -1, -1)]

    found = head_scores(Fake(), period=10)
    assert found["previous"].tolist() == [[1.0, 0.0]]
    assert found["induction"].tolist() == [[0.0, 1.0]]  # with a period of 10, nine back stands what came next last time


def test_taking_a_head_out_changes_the_score_of_a_model_that_uses_it():
    task = induction(16, V=24)
    scores = without_each_head(small_decoder(), task)
    assert scores.shape == (2, 2)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_without_scale_multiplies_the_scores_by_the_root_of_d():
    ids = torch.arange(12).unsqueeze(0)
    model = small_decoder(init_std=0.3)
    before = model.attention_weights(ids)[0].double()
    after = without_scale(model).attention_weights(ids)[0].double()
    d = model.config.head_width
    expected = (before.log() * d**0.5).softmax(-1)
    assert torch.allclose(after, expected.nan_to_num(0), atol=1e-4)


def test_pooled_takes_weights_from_outside_and_permuted_measures_them():
    torch.manual_seed(0)
    task, model = decisive_word(), Pooled(41)
    ids = task.batch(4, generator=torch.Generator().manual_seed(0)).inputs
    weights = model.weights(ids)
    assert torch.allclose(weights.sum(1), torch.ones(4))
    assert torch.allclose(model(ids), model(ids, weights))
    assert model(ids).shape == (4, 1, 2)
    assert Pooled(41, False, "uniform").weights(ids).unique().numel() == 1
    assert torch.equal(Pooled(41, False, model.weights).weights(ids), weights)
    row = permuted(model, task, tries=2)
    assert {"score", "permuted", "uniform", "decided", "on_word", "top"} == set(row)
    assert all(0 <= value <= 1 for value in row.values())


def test_the_decisive_word_decides():
    batch = decisive_word().batch(64, generator=torch.Generator().manual_seed(0))
    for ids, target in zip(batch.inputs.tolist(), batch.targets[:, 0].tolist()):
        assert ids.count(0) == 1
        word = ids[ids.index(0) + 1]
        assert 1 <= word <= 20
        assert target == (word > 10)


def test_the_translator_writes_and_aligns():
    torch.manual_seed(0)
    task, model = toy_translation(), Translator(len(WORDS))
    assert model(task.batch(3).inputs).shape == (3, 10, task.V)
    source = encode_words(["the", "cat", "sees", "a", "king"])
    written = model.write(source)
    assert written[0, 0] == 0
    assert written.shape[1] <= S_MAX + 1
    right = encode_words(["·", *translate(["the", "cat", "sees", "a", "king"])])
    assert model.alignment(source, right).shape == (5, 5)
    assert 0 <= share_aligned(model, ["the cat sees a king"]) <= 1
