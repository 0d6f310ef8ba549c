"""Every target and every baseline, against brute force."""

import math
from collections import defaultdict
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.tasks import Batch, adding, copying, delayed_recall, letters, load_names, parity, surnames, temporal_xor
from course_lib.tasks.names import Characters
from course_lib.tasks.synthetic import LETTERS, SYLLABLES

MAKERS = {
    "xor": temporal_xor,
    "letters": letters,
    "adding": adding,
    "recall": delayed_recall,
    "copying": copying,
    "forced": lambda T: copying(T, teacher_forcing=True),
    "parity": parity,
    "running parity": lambda T: parity(T, every_step=True),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# -- the common interface ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=15, deadline=None)
@given(B=st.integers(1, 5), T=st.integers(2, 23), seed=st.integers(0, 2**31))
def test_batches_have_their_shapes_and_repeat(name, B, T, seed):
    task = MAKERS[name](7)
    batch = task.batch(B, T, seeded(seed))
    length = 2 * T if task.name == "copying" else T
    numbers = task.V is None
    assert batch.inputs.shape == ((B, length, task.D_in) if numbers else (B, length))
    assert batch.targets.shape == ((B, length, task.D_out) if numbers else (B, length))
    assert batch.mask is None or (batch.mask.shape == (B, length) and batch.mask.dtype == torch.bool)
    if not numbers:
        assert set(batch.inputs.flatten().tolist()) <= set(range(task.V))
        assert set(batch.targets.flatten().tolist()) <= set(range(task.D_out))
    again = task.batch(B, T, seeded(seed))
    assert all(x is y is None or torch.equal(x, y) for x, y in zip(batch, again))


@pytest.mark.parametrize("name", MAKERS)
def test_a_given_generator_leaves_the_global_one_alone(name):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = MAKERS[name](9).batch(64, generator=seeded(0))
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.equal(first.inputs, MAKERS[name](9).batch(64, generator=seeded(1)).inputs)


@pytest.mark.parametrize("name", MAKERS)
def test_only_counted_positions_matter(name):
    task = MAKERS[name](6)
    batch = task.batch(8, generator=seeded())
    outputs = torch.randn(*batch.inputs.shape[:2], task.D_out, generator=seeded(1))
    loss, score = task.loss(outputs, batch), task.score(outputs, batch)
    if batch.mask is not None:
        outputs = outputs + 5 * (~batch.mask).unsqueeze(2) * torch.randn_like(outputs)
        assert task.loss(outputs, batch) == loss
        assert task.score(outputs, batch) == score
    perfect = batch.targets if task.V is None else 50.0 * torch.nn.functional.one_hot(batch.targets, task.D_out)
    assert task.loss(perfect, batch) < 1e-6
    assert task.solved(task.score(perfect, batch))
    assert not task.solved(task.baseline.value)


def test_an_output_of_the_wrong_shape_is_named():
    task = parity(5)
    with pytest.raises(InputError, match=r"the outputs for parity must have shape \(4, 5, 2\), got \(4, 5, 3\)"):
        task.loss(torch.zeros(4, 5, 3), task.batch(4))


def test_classification_without_time_is_scored_too():
    from dataclasses import replace

    task = replace(parity(5), D_out=3)
    batch = Batch(torch.zeros(4, 5), torch.tensor([0, 1, 2, 2]))
    assert task.score(torch.eye(3)[[0, 1, 2, 0]], batch) == 0.75


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adding(5).batch(0), "B must be ≥ 1, got 0"),
        (lambda: adding(5).batch(2, 1), "T must be ≥ 2, got 1"),
        (lambda: parity(5).batch(2, 2.5), "T must be an integer"),
        (lambda: delayed_recall(symbols=1), "symbols must be ≥ 2, got 1"),
        (lambda: delayed_recall(distractors=0), "distractors must be ≥ 1, got 0"),
        (lambda: copying(symbols=1), "symbols must be ≥ 2, got 1"),
    ],
)
def test_wrong_values_get_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()


# -- targets and baselines, one task after the other ------------------------------------------------------------


def entropies(streams, T):
    """From all streams with their probabilities: the mean of H(next | past) over T steps, and the frequencies."""
    best, frequency = 0.0, defaultdict(float)
    for t in range(T):
        joint, past = defaultdict(float), defaultdict(float)
        for stream, p in streams.items():
            joint[stream[: t + 2]] += p
            past[stream[: t + 1]] += p
            frequency[stream[t + 1]] += p / T
        best -= sum(p * math.log(p / past[prefix[:-1]]) for prefix, p in joint.items()) / T
    return best, -sum(p * math.log(p) for p in frequency.values())


@pytest.mark.parametrize("T", [1, 2, 4, 7, 9])
def test_temporal_xor(T):
    batch = temporal_xor(T).batch(40, generator=seeded())
    stream = torch.cat((batch.inputs[:, :1], batch.targets), 1)
    assert torch.equal(stream[:, :-1], batch.inputs)
    for t in range(2, T + 1, 3):
        assert torch.equal(stream[:, t], stream[:, t - 1] ^ stream[:, t - 2])
    streams = defaultdict(float)
    for bits in product((0, 1), repeat=2 * (T // 3 + 1)):
        whole = [b for x, y in zip(bits[::2], bits[1::2]) for b in (x, y, x ^ y)]
        streams[tuple(whole[: T + 1])] += 2.0 ** -len(bits)
    best, ignorant = entropies(streams, T)
    assert temporal_xor(T).goal == pytest.approx(1.02 * best)
    assert temporal_xor(T).baseline.value == pytest.approx(ignorant)
    assert {tuple(row) for row in stream.tolist()} <= set(streams)


@pytest.mark.parametrize("T", [1, 3, 5, 8])
def test_letters(T):
    streams, need = defaultdict(float), T // 2 + 1
    for syllables in product(SYLLABLES, repeat=need):
        streams[tuple(LETTERS.index(x) for x in "".join(syllables)[: T + 1])] += 3.0**-need
    best, ignorant = entropies(streams, T)
    assert letters(T).goal == pytest.approx(1.02 * best)
    assert letters(T).baseline.value == pytest.approx(ignorant)
    batch = letters(T).batch(60, generator=seeded())
    assert {tuple(row) for row in torch.cat((batch.inputs[:, :1], batch.targets), 1).tolist()} <= set(streams)


@pytest.mark.parametrize("T", [2, 3, 10, 11])
def test_adding(T):
    task = adding(T)
    batch = task.batch(200, generator=seeded())
    values, markers = batch.inputs.unbind(2)
    assert ((values >= 0) & (values < 1)).all()
    assert torch.equal(markers[:, : T // 2].sum(1), torch.ones(200))
    assert torch.equal(markers[:, T // 2 :].sum(1), torch.ones(200))
    for b in range(200):
        marked = [values[b, t].item() for t in range(T) if markers[b, t] == 1]
        assert batch.targets[b, -1, 0].item() == pytest.approx(sum(marked))
    assert markers.sum(0).gt(0).all()  # every place gets its turn
    assert batch.mask.sum(1).eq(1).all()
    assert batch.mask[:, -1].all()


def test_adding_baseline_is_the_variance_of_the_sum():
    grid = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    variance = (grid.unsqueeze(0) + grid.unsqueeze(1) - 1).square().mean().item()
    assert adding().baseline.value == pytest.approx(variance, rel=1e-5)
    batch = adding(50).batch(50_000, generator=seeded())
    assert adding(50).score(torch.ones(50_000, 50, 1), batch) == pytest.approx(1 / 6, rel=0.02)


@pytest.mark.parametrize("distractors", [1, 5])
def test_delayed_recall(distractors):
    task = delayed_recall(9, symbols=4, distractors=distractors)
    batch = task.batch(400, generator=seeded())
    assert torch.equal(batch.inputs[:, 0] - distractors, batch.targets[:, -1])
    assert set(batch.inputs[:, 1:].flatten().tolist()) == set(range(distractors))
    assert set(batch.targets[:, -1].tolist()) == set(range(4))
    assert batch.mask.nonzero()[:, 1].eq(8).all()
    assert task.baseline.value == 1 / 4


@pytest.mark.parametrize("forced", [False, True])
def test_copying(forced):
    task = copying(5, symbols=3, teacher_forcing=forced)
    batch = task.batch(50, generator=seeded())
    for row, target, mask in zip(batch.inputs.tolist(), batch.targets.tolist(), batch.mask.tolist()):
        said = [x - 1 for x in row[:5]]
        assert min(said) >= 0
        assert target[5:] == said
        assert mask == [False] * 5 + [True] * 5
        assert row[5:] == [0] + ([x + 1 for x in said[:-1]] if forced else [0] * 4)
    assert copying(1).batch(2).inputs.shape == (2, 2)
    assert task.baseline.value == 1 / 3


def test_parity():
    every = torch.tensor(list(product((0, 1), repeat=6)))
    last = [sum(bits) % 2 for bits in every.tolist()]
    assert sum(last) / len(last) == parity().baseline.value  # a constant answer is right on exactly half of all strings
    batch = parity(6).batch(100, generator=seeded())
    running = parity(6, every_step=True).batch(100, generator=seeded())
    for bits, answers in zip(batch.inputs.tolist(), batch.targets.tolist()):
        assert answers == [sum(bits[: t + 1]) % 2 for t in range(6)]
    assert batch.mask.nonzero()[:, 1].eq(5).all()
    assert running.mask is None
    assert torch.equal(running.targets, batch.targets)


# -- surnames ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def census():
    return load_names()


def test_the_census_is_split_without_overlap(census):
    assert len(census.train) + len(census.validation) == 88_799
    assert not set(census.train) & set(census.validation)
    assert len(census.validation) == 8_880
    assert census.characters.letters == "\nabcdefghijklmnopqrstuvwxyz"
    assert load_names().train[:5] == census.train[:5]
    assert load_names(seed=1).train[:5] != census.train[:5]


def test_padded_names(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("ADA 1.0\nbo\nADA\n\nEve\nx1\nBea\n")
    names = load_names(file, validation=0.25)
    assert sorted(names.train + names.validation) == ["ada", "bea", "bo", "eve"]  # once each, letters only
    batch = names.padded(["ada", "bo"])
    c = names.characters
    assert [c.decode(row) for row in batch.inputs] == ["\nada", "\nbo\n"]
    assert [c.decode(row) for row in batch.targets] == ["ada\n", "bo\n\n"]
    assert batch.mask.tolist() == [[True] * 4, [True] * 3 + [False]]
    assert names.sequences(["bo"]) == [c.encode("bo\n")]
    with pytest.raises(InputError, match="validation must leave names on both sides, got 0.0 of 4 names"):
        load_names(file, validation=0.0)


def test_surname_batches_come_from_their_side(census):
    task = surnames(census)
    for held_out, names in ((False, census.train), (True, census.validation)):
        batch = task.batch(20, generator=seeded(), held_out=held_out)
        drawn = [census.characters.decode(row[mask]) for row, mask in zip(batch.targets, batch.mask)]
        assert all(name[-1] == "\n" and name[:-1] in set(names) for name in drawn)
        assert batch.inputs.shape[1] == max(map(len, drawn))
    short = task.batch(20, 3, seeded())
    assert short.inputs.shape == (20, 3)


def test_surname_baseline_is_the_letter_frequencies(census):
    count = defaultdict(lambda: 1)
    for letter in "".join(name + "\n" for name in census.train):
        count[letter] += 1
    unseen = "".join(name + "\n" for name in census.validation)
    nats = -sum(math.log(count[letter] / sum(count.values())) for letter in unseen) / len(unseen)
    assert surnames(census).baseline.value == pytest.approx(nats, rel=1e-5)


@given(st.text(alphabet="abcxyz\n"))
def test_characters_round_trip(text):
    c = Characters("zyxcba")
    assert c.letters == "\nabcxyz"
    assert c.decode(c.encode(text)) == text


def test_unknown_characters_and_ids():
    with pytest.raises(InputError, match="'é' is not in the vocabulary 'ab'"):
        Characters("ab").encode("bé")
    with pytest.raises(InputError, match="ids must lie in 0 … 2, got 3"):
        Characters("ab").decode([3])
