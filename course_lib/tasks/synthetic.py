"""Small made-up tasks, each asking one question of a sequence model, each with an exact baseline.

Shapes: batch B, length T, vocabulary V. Where the answer comes at certain steps only, the mask says where.
"""

from __future__ import annotations

import itertools
import math

import torch

from course_lib.checks import require, require_int
from course_lib.tasks.task import Baseline, Batch, Task

__all__ = ["temporal_xor", "letters", "adding", "delayed_recall", "parity", "copying", "sorting", "swaps"]


def _integers(high: int, shape, generator) -> torch.Tensor:
    return torch.randint(high, shape, generator=generator)


def _last(B: int, T: int) -> torch.Tensor:
    """The mask of the last step.  # (B, T)"""
    return (torch.arange(T) == T - 1).expand(B, T)


def _share(T: int, events) -> float:
    return sum(events) / T


# -- predict what comes next (Elman 1990) ----------------------------------------------------------------


def temporal_xor(T: int = 30) -> Task:
    """Predict the next bit of a stream in which every third bit is the XOR of the two before it.

    ids (B, T) → next bit (B, T). Only each third bit can be known, so the best possible loss is ln 2 times
    the share of the others: that is the goal (plus 2%). Elman 1990, "Finding structure in time".
    """

    def draw(B, T, generator):
        bits = _integers(2, (B, T // 3 + 1, 2), generator)  # (B, triples, 2)
        stream = torch.cat((bits, bits.sum(2, keepdim=True) % 2), 2).flatten(1)  # (B, 3·triples)
        return Batch(stream[:, :T], stream[:, 1 : T + 1])

    random_share = _share(T, (t % 3 != 2 for t in range(1, T + 1)))
    baseline = Baseline(math.log(2), "both bits equally likely: ln 2")
    return Task("temporal XOR", draw, T, 2, None, 2, "nats", baseline, 1.02 * random_share * math.log(2))


SYLLABLES = ("ba", "dii", "guuu")
LETTERS = "bdgaiu"


def letters(T: int = 30) -> Task:
    """Predict the next letter of random syllables ba, dii, guuu (ids index `LETTERS`).

    A consonant cannot be foreseen (ln 3), a vowel always can: the goal is ln 3 times the share of
    consonants (plus 2%). Baseline: the entropy of the letters' frequencies. Elman 1990.
    """
    ids = [[LETTERS.index(letter) for letter in syllable] for syllable in SYLLABLES]
    longest = max(map(len, ids))
    table = torch.tensor([syllable + [-1] * (longest - len(syllable)) for syllable in ids])  # (3, longest)

    def draw(B, T, generator):
        need = T // min(map(len, ids)) + 1
        rows = [row[row >= 0][: T + 1] for row in table[_integers(3, (B, need), generator)].flatten(1)]
        stream = torch.stack(rows)  # (B, T+1)
        return Batch(stream[:, :T], stream[:, 1:])

    # how likely a syllable starts at step n: it ends a syllable of 2, 3 or 4 letters that started before
    starts = [1.0]
    for n in range(1, T + 1):
        starts.append(sum(starts[n - len(syllable)] for syllable in ids if n >= len(syllable)) / 3)
    frequency = [0.0] * len(LETTERS)
    for n in range(1, T + 1):
        for syllable in ids:
            for place, letter in enumerate(syllable[: n + 1]):
                frequency[letter] += starts[n - place] / 3 / T
    entropy = -sum(p * math.log(p) for p in frequency if p > 0)
    baseline = Baseline(entropy, "knowing only how often each letter comes")
    return Task("letters", draw, T, 6, None, 6, "nats", baseline, 1.02 * math.log(3) * _share(T, starts[1:]))


# -- remember --------------------------------------------------------------------------------------------


def adding(T: int = 50) -> Task:
    """Add the two marked numbers: inputs (B, T, 2) = (value in [0, 1), marker), answer at the last step.

    One marker lies in each half. Baseline 1/6: the variance of a sum of two uniform numbers, which is the
    squared error of always answering 1. After Hochreiter & Schmidhuber 1997 in the form of Le et al. 2015.
    """

    def draw(B, T, generator):
        values = torch.rand(B, T, generator=generator)
        first = _integers(T // 2, (B, 1), generator)
        second = T // 2 + _integers(T - T // 2, (B, 1), generator)
        markers = torch.zeros(B, T).scatter_(1, torch.cat((first, second), 1), 1.0)
        answer = (values * markers).sum(1).view(B, 1, 1).expand(B, T, 1)
        return Batch(torch.stack((values, markers), 2), answer, _last(B, T))  # (B, T, 2)

    return Task("adding", draw, T, None, 2, 1, "mse", Baseline(1 / 6, "always answering 1: the variance 1/6"), 0.01, least_T=2)


def delayed_recall(T: int = 30, symbols: int = 8, distractors: int = 8) -> Task:
    """Name at the last step the symbol seen at the first; random distractors stand in between.

    ids (B, T): distractors 0 … distractors−1 (1: always the same blank), symbols above them; answer (B, T)
    in 0 … symbols−1, counted at the last step. Baseline accuracy 1/symbols. After the latch problem of
    Bengio, Simard & Frasconi 1994 and experiment 2 of Hochreiter & Schmidhuber 1997.
    """
    require_int("symbols", symbols, 2)
    require_int("distractors", distractors)

    def draw(B, T, generator):
        symbol = _integers(symbols, (B, 1), generator)
        between = _integers(distractors, (B, T - 1), generator)
        return Batch(torch.cat((distractors + symbol, between), 1), symbol.expand(B, T), _last(B, T))

    baseline = Baseline(1 / symbols, f"guessing one of {symbols}")
    return Task("delayed recall", draw, T, distractors + symbols, None, symbols, "accuracy", baseline, 0.99, least_T=2)


def copying(T: int = 10, symbols: int = 8, teacher_forcing: bool = False) -> Task:
    """Repeat T random symbols after a separator: ids (B, 2T), answers counted at the last T steps.

    Inputs: T symbols 1 … `symbols`, the separator 0, then T−1 blanks (0), or with `teacher_forcing` the
    answer so far, as a decoder sees it. Answer (B, 2T) in 0 … symbols−1. Baseline accuracy 1/symbols.
    Hochreiter & Schmidhuber 1997; Jelassi et al. 2024, "Repeat after me" (arXiv 2402.01032).
    """
    require_int("symbols", symbols, 2)

    def draw(B, T, generator):
        text = _integers(symbols, (B, T), generator)
        after = text[:, :-1] + 1 if teacher_forcing else torch.zeros(B, T - 1, dtype=torch.long)
        inputs = torch.cat((text + 1, torch.zeros(B, 1, dtype=torch.long), after), 1)  # (B, 2T)
        return Batch(inputs, text.repeat(1, 2), (torch.arange(2 * T) >= T).expand(B, 2 * T))

    baseline = Baseline(1 / symbols, f"guessing one of {symbols}")
    return Task("copying", draw, T, symbols + 1, None, symbols, "accuracy", baseline, 0.99)


# -- put in order -----------------------------------------------------------------------------------------


def sorting(T: int = 8, V: int = 32) -> Task:
    """Write T random numbers 0 … V−1 (repeats allowed) in rising order: ids (B, T) → answer (B, T), every place counted.

    Every answer depends on all inputs, wherever they stand. Baseline accuracy: the likeliest number of every
    place (the middle one of five random numbers is more often 15 than 0), from their exact distribution.
    """
    require_int("V", V, 2)

    def draw(B, T, generator):
        numbers = _integers(V, (B, T), generator)
        return Batch(numbers, numbers.sort(1).values)

    def at_most(k: int, v: int) -> float:  # P(the k-th smallest of T is ≤ v) = P(at least k of T are)
        p = (v + 1) / V
        return sum(math.comb(T, j) * p**j * (1 - p) ** (T - j) for j in range(k, T + 1))

    best = _share(T, (max(at_most(k, v) - (at_most(k, v - 1) if v else 0.0) for v in range(V)) for k in range(1, T + 1)))
    return Task("sorting", draw, T, V, None, V, "accuracy", Baseline(best, "the likeliest number of every place"), 0.99)


# -- keep count ------------------------------------------------------------------------------------------


def parity(T: int = 20, every_step: bool = False) -> Task:
    """Is the number of ones so far odd? ids (B, T) of bits; answer (B, T), counted at the last step or at every one.

    Baseline accuracy 1/2: the last bit flips the answer with probability one half. Train on short sequences
    (`fit(..., T=(1, 20))`), then ask about longer ones. Delétang et al. 2023 (arXiv 2207.02098).
    """

    def draw(B, T, generator):
        bits = _integers(2, (B, T), generator)
        return Batch(bits, bits.cumsum(1) % 2, None if every_step else _last(B, T))

    return Task("parity", draw, T, 2, None, 2, "accuracy", Baseline(1 / 2, "guessing one of 2"), 0.999)


def swaps(T: int = 20, things: int = 5) -> Task:
    """Things in a row, neighbours change places: which order are they in now? ids (B, T) of the place of each swap
    (0 … things−2), answer (B, T): the number of the order, of things!, after every swap.

    The last answer does not follow from counting the swaps: for five things, composing them is a problem that
    no stack of a fixed number of attention layers solves at every length unless TC⁰ = NC¹ (Barrington 1989;
    Merrill & Sabharwal 2023); a recurrent network needs to remember one of 120 orders. Baseline: the likeliest
    order after so many swaps, whatever they were.
    """
    things = require_int("things", things, 2)
    require(things <= 6, f"things must lie in 2 … 6, got {things}")
    orders = list(itertools.permutations(range(things)))
    number = {order: i for i, order in enumerate(orders)}

    def swapped(order, place):
        now = list(order)
        now[place], now[place + 1] = now[place + 1], now[place]
        return number[tuple(now)]

    after = torch.tensor([[swapped(order, place) for place in range(things - 1)] for order in orders])  # (orders, places)

    def draw(B, T, generator):
        places = _integers(things - 1, (B, T), generator)
        now, answers = torch.zeros(B, dtype=torch.long), []
        for place in places.unbind(1):
            now = after[now, place]  # (B,)
            answers.append(now)
        return Batch(places, torch.stack(answers, 1))

    n, chance, likeliest = len(orders), torch.eye(len(orders))[0], 0.0
    for _ in range(T):  # one step of the chain: each place is as likely as any other
        chance = torch.zeros(n).index_add_(0, after.flatten(), (chance / (things - 1)).repeat_interleave(things - 1))
        likeliest += chance.max().item() / T
    return Task("swaps", draw, T, things - 1, None, n, "accuracy", Baseline(likeliest, "the likeliest order after so many swaps"), 0.99)
