"""Words as vectors: against loops, formulas and a text whose answer is known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.data import available
from course_lib.models.baselines import cooccurrence, pmi, ppmi, ppmi_svd
from course_lib.models.embedding import (
    GloVe,
    RunningMean,
    SkipGram,
    WordVectors,
    subsample,
    train_glove,
    train_skip_gram,
)
from course_lib.tasks import Vocabulary, analogies, word_pairs

TEXT = ("cat drinks milk . . . kitten drinks milk . . . car needs petrol . . . truck needs petrol . . . " * 20).split()
VOCABULARY = Vocabulary.of([word for word in TEXT if word != "."])
IDS = VOCABULARY.encode(TEXT, unknown=True)


# -- counting -----------------------------------------------------------------------------------------------


@given(ids=st.lists(st.integers(-1, 4), min_size=1, max_size=30), window=st.integers(1, 6), taper=st.booleans())
@settings(deadline=None, max_examples=50)
def test_counts_are_those_of_two_loops(ids, window, taper):
    wanted = np.zeros((5, 5))
    for t, i in enumerate(ids):
        for s, j in enumerate(ids):
            d = abs(s - t)
            if 1 <= d <= window and min(i, j) >= 0:
                wanted[i, j] += (window - d + 1) / window if taper else 1
    counts = cooccurrence(np.array(ids), 5, window, taper)
    np.testing.assert_allclose(counts.toarray(), wanted)
    if counts.nnz:
        total = wanted.sum()
        values, seen = pmi(counts).toarray(), wanted > 0
        chance = np.outer(wanted.sum(1), wanted.sum(0)) / total
        np.testing.assert_allclose(values[seen], np.log(wanted[seen] / chance[seen]), atol=1e-9)
        np.testing.assert_allclose(ppmi(counts).toarray(), np.where(seen, np.maximum(values, 0), 0), atol=1e-9)


def test_pmi_takes_other_shares_of_the_contexts():
    counts = cooccurrence(np.array([0, 1, 0, 2]), 3, 1)
    assert pmi(counts, np.array([0.5, 0.25, 0.25])).toarray()[0, 1] == pytest.approx(math.log(2 / 3 / 0.25))


def test_svd_keeps_the_strongest_directions_and_gives_the_same_vectors_every_time():
    counts = cooccurrence(np.random.default_rng(0).integers(0, 12, 300), 12, 2)
    matrix, vectors = ppmi(counts).toarray(), ppmi_svd(counts, 3)
    np.testing.assert_allclose(vectors, ppmi_svd(counts, 3), atol=1e-6)
    U, S, _ = np.linalg.svd(matrix)
    np.testing.assert_allclose(vectors @ vectors.T, (U[:, :3] * S[:3]) @ U[:, :3].T, atol=1e-6)
    np.testing.assert_allclose((vectors**2).sum(0), S[:3])  # the strongest first


def test_words_of_the_same_company_are_near():
    found = WordVectors(VOCABULARY.words, ppmi_svd(cooccurrence(IDS, len(VOCABULARY), 2), 3))
    assert found.cosine("cat", "kitten") > 0.99 > 0.5 > found.cosine("cat", "car")


def test_bad_counts_are_refused():
    for call, message in (
        (lambda: cooccurrence(np.array([0, 5]), 5), "ids must lie in -1 … 4"), (lambda: cooccurrence(np.array([]), 5), "ids must lie"),
        (lambda: cooccurrence(np.array([0, 1]), 2, 0), "window must be ≥ 1"), (lambda: pmi(cooccurrence(np.array([0]), 1)), "at least one pair"),
        (lambda: ppmi_svd(cooccurrence(IDS, len(VOCABULARY)), len(VOCABULARY)), "D must be below"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            call()


# -- skip-gram and GloVe ------------------------------------------------------------------------------------


@given(T=st.integers(3, 12), window=st.integers(1, 2), k=st.integers(1, 7), n=st.integers(1, 4), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_the_loss_is_that_of_loops_over_pairs(T, window, k, n, seed):
    torch.manual_seed(seed)
    model = SkipGram(6, 4).double()
    with torch.no_grad():
        model.word.normal_(), model.context.normal_()
    ids, negatives = torch.randint(6, (T,)), torch.randint(6, (n,))
    wanted = 0.0
    for t in range(T):
        for s in range(T):
            d = abs(s - t)
            if 1 <= d <= window:
                pair = -torch.sigmoid(model.word[ids[t]] @ model.context[ids[s]]).log()
                random = -sum(torch.sigmoid(-model.word[ids[t]] @ model.context[j]).log() for j in negatives)
                wanted += (window - d + 1) / window * (pair + k / n * random) / T
    assert model.loss(ids, negatives, window, k).item() == pytest.approx(wanted.item(), rel=1e-9)


def test_with_room_enough_skip_gram_finds_shifted_pmi():
    torch.manual_seed(0)
    X = torch.rand(6, 6, dtype=torch.double) + 0.1
    X = (X + X.T) / (X + X.T).sum()
    P, model = X.sum(1), SkipGram(6, 6).double()
    optimiser = torch.optim.Adam(model.parameters(), 0.05)
    for _ in range(800):
        score = model.word @ model.context.T
        logsigmoid = torch.nn.functional.logsigmoid
        loss = -(X * logsigmoid(score) + 5 * P[:, None] * P * logsigmoid(-score)).sum()
        optimiser.zero_grad(), loss.backward(), optimiser.step()
    torch.testing.assert_close(score.detach(), (X / (P[:, None] * P)).log() - math.log(5), atol=0.02, rtol=0)


def test_training_brings_words_of_the_same_company_together_and_can_be_repeated():
    ids, vectors = torch.from_numpy(IDS[IDS >= 0]), []
    for _ in range(2):
        torch.manual_seed(1)
        model = SkipGram(len(VOCABULARY), 8)
        losses = list(train_skip_gram(model, ids, 150, lr=0.05, window=1, threshold=1.0, T=60, negatives=20))
        assert np.mean(losses[-10:]) < np.mean(losses[:10])
        vectors.append(model.word.detach().clone())
    assert torch.equal(*vectors)
    found = WordVectors(VOCABULARY.words, vectors[0])
    assert found.cosine("car", "truck") > found.cosine("car", "cat")


def test_glove_is_weighted_squares_and_learns():
    torch.manual_seed(0)
    model, counts = GloVe(len(VOCABULARY), 6), cooccurrence(IDS, len(VOCABULARY), 2)
    rows, columns, X = torch.tensor([0, 1]), torch.tensor([2, 3]), torch.tensor([8.0, 300.0])
    with torch.no_grad():
        error = (model.word[rows] * model.context[columns]).sum(1) - X.log()
        wanted = (torch.tensor([(8 / 100) ** 0.75, 1.0]) * error**2).mean()
        torch.testing.assert_close(model.loss(rows, columns, X), wanted)
    losses = list(train_glove(model, counts, 200))
    assert losses[-1] < 0.1 * losses[0]


def test_frequent_words_are_thinned_out():
    ids = torch.cat((torch.zeros(9000), torch.arange(1, 1001))).long()  # one word of 90%, a thousand of 0.01%
    kept = subsample(ids, 1e-3, torch.Generator().manual_seed(0))
    assert (kept > 0).sum() == 1000  # rarer than the threshold: all of them
    assert (kept == 0).sum() == pytest.approx(9000 * math.sqrt(1e-3 / 0.9), rel=0.2)


def test_bad_texts_are_refused():
    model = SkipGram(5, 2)
    with pytest.raises(InputError, match="longer than the window of 5, got 3 tokens"):
        model.loss(torch.tensor([0, 1, 2]), torch.tensor([0]))
    with pytest.raises(InputError, match="at least one token"):
        next(train_skip_gram(model, torch.tensor([], dtype=torch.long), 1))
    with pytest.raises(InputError, match="must keep more than 5 tokens"):
        next(train_skip_gram(model, torch.tensor([0, 1, 2]), 1))
    with pytest.raises(InputError, match="V must be ≥ 1"):
        SkipGram(0, 2)


# -- the mean of a text -------------------------------------------------------------------------------------


@given(B=st.integers(1, 3), T=st.integers(1, 9), D=st.integers(1, 5))
@settings(deadline=None, max_examples=25)
def test_the_running_mean_is_the_mean_of_what_was_read(B, T, D):
    layer, x = RunningMean(D, 3), torch.randn(B, T, D)
    y, (total, n) = layer(x)
    looped, (total_loop, n_loop) = layer(x, schedule="loop")
    torch.testing.assert_close(y, looped)
    torch.testing.assert_close(y[:, -1], layer.project(x.mean(1)))
    torch.testing.assert_close(total, total_loop)
    assert n == n_loop == T
    torch.testing.assert_close(layer(x.flip(1))[0][:, -1], y[:, -1], atol=1e-5, rtol=1e-4)  # it forgets the order


# -- asking vectors -----------------------------------------------------------------------------------------

FOUR = WordVectors(["man", "woman", "king", "queen", "far"], np.array([[1, 0, 0.1], [0, 1, 0.1], [1, 0, 1], [0, 1, 1], [-1, -1, 0]]))


def test_neighbours_and_analogies():
    assert FOUR.neighbours("king", 1)[0][0] == "man"
    assert FOUR.neighbours("king", 2)[0] == ("man", pytest.approx(FOUR.cosine("king", "man")))
    assert "king" not in [word for word, _ in FOUR.neighbours("king", 4)]
    assert FOUR.neighbours(FOUR["king"], 1)[0][0] == "king"  # a vector forbids nothing
    assert FOUR.analogy("man", "king", "woman")[0][0] == "queen"
    forbidden, free = FOUR.solve([("man", "king", "woman", "queen"), ("man", "king", "woman", "king"), ("far", "far", "king", "king")])
    assert forbidden.tolist() == [True, False, False]
    assert free.tolist() == [FOUR.analogy("man", "king", "woman", exclude=False)[0][0] == word for word in ("queen", "king")] + [True]
    assert FOUR.solve([("far", "far", "king", "man")], offset=0)[0].all()
    with pytest.raises(InputError, match="no vector for 'cat'"):
        FOUR["cat"]
    with pytest.raises(InputError, match="one vector a word"):
        WordVectors(["a"], np.zeros((2, 3)))


def test_correlation_with_ratings():
    pairs = [("man", "king", 9), ("man", "queen", 2), ("king", "queen", 5), ("man", "cat", 1)]
    rho, known = FOUR.correlation(pairs)
    assert (rho, known) == (1.0, 3)
    with pytest.raises(InputError, match="at least 3 pairs"):
        FOUR.correlation(pairs[:2])


def test_the_association_test():
    rng = np.random.default_rng(0)
    poles = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    vectors = np.repeat(poles, 5, 0) + 0.1 * rng.normal(size=(10, 3))
    words = WordVectors(list("abcdefghAB"), np.concatenate((vectors[:4], vectors[5:9], poles)))
    d, p = words.weat(list("abcd"), list("efgh"), ["A"], ["B"])
    assert d > 1.5
    assert p == pytest.approx(1 / 70)  # only the true halving of 8 words differs as much
    assert words.weat(list("efgh"), list("abcd"), ["A"], ["B"])[0] == pytest.approx(-d)
    assert words.weat(list("abef"), list("cdgh"), ["A"], ["B"])[1] > 0.2
    with pytest.raises(InputError, match="equally many words, 2 to 8"):
        words.weat(["a"], ["b"], ["A"], ["B"])


# -- what is known about words ------------------------------------------------------------------------------


def test_a_vocabulary():
    assert VOCABULARY.words[:3] == ["drinks", "milk", "needs"]
    assert VOCABULARY.count("cat") == 20
    assert VOCABULARY.count("dog") == 0
    assert VOCABULARY.encode(["cat", "dog"], unknown=True).tolist() == [VOCABULARY.index["cat"], -1]
    assert len(VOCABULARY.encode(["cat", "dog"])) == 1
    with pytest.raises(InputError, match="no word comes 5 times"):
        Vocabulary.of(["a", "b"])


@pytest.mark.skipif(not all(map(available, ("wordsim", "simlex", "analogies"))), reason="the data is not fetched")
def test_lists_of_pairs_and_analogies():
    assert len(word_pairs("wordsim")) == 353
    assert ("shore", "coast", 8.83) in word_pairs("simlex")
    assert len(word_pairs("simlex")) == 999
    questions = analogies()
    assert sum(map(len, questions.values())) == 19_544
    assert len(questions) == 14
    assert ("boy", "girl", "brother", "sister") in questions["family"]
    with pytest.raises(InputError, match="must be one of wordsim, simlex"):
        word_pairs("men")
