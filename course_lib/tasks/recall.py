"""Two tasks that ask one thing: can a model look something up in what it has just read?

    associative recall   a 7 d 2 b 9 … then  d? a? …          which value stood behind this key
    induction            a list of random symbols, again and again: what came next, last time

Shapes: batch B, length T, vocabulary V.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import require, require_int
from course_lib.tasks.task import Baseline, Batch, Task

__all__ = ["associative_recall", "induction", "repeated"]


def _drawn_once(B: int, n: int, of: int, generator) -> Tensor:
    """n different numbers out of 0 … of−1 in random order, B times.  # (B, n)"""
    return torch.rand(B, of, generator=generator).argsort(1)[:, :n]


def associative_recall(pairs: int = 6, keys: int = 16, values: int = 16) -> Task:
    """Read `pairs` keys, each followed by its value; then name the value of every key, asked in random order.

    ids (B, 3·pairs): keys 0 … keys−1, values above them. An answer (B, 3·pairs) is a value's id, counted at the
    questions alone, and never shown: what counts is looking up, not copying an answer seen before.
    Baseline accuracy 1/pairs: naming one of the values that were shown. After multi-query associative
    recall, Arora et al. 2023 (Zoology, arXiv 2312.04927).
    """
    require_int("pairs", pairs, 2)
    require(pairs <= min(keys, values), f"keys and values must be at least as many as pairs, got {keys} and {values} for {pairs} pairs")

    def draw(B, T, generator):
        require(3 * pairs == T, f"T must be {3 * pairs}: {pairs} pairs and a question for each, got {T}")
        key = _drawn_once(B, pairs, keys, generator)  # (B, pairs)
        value = keys + _drawn_once(B, pairs, values, generator)  # (B, pairs)
        order = _drawn_once(B, pairs, pairs, generator)  # (B, pairs)
        shown = torch.stack((key, value), 2).flatten(1)  # (B, 2·pairs): k₁ v₁ k₂ v₂ …
        inputs = torch.cat((shown, key.gather(1, order)), 1)  # (B, 3·pairs)
        targets = torch.cat((shown, value.gather(1, order)), 1)
        return Batch(inputs, targets, (torch.arange(T) >= 2 * pairs).expand(B, T))

    V = keys + values
    baseline = Baseline(1 / pairs, f"naming one of the {pairs} values shown")
    return Task("associative recall", draw, 3 * pairs, V, None, V, "accuracy", baseline, 0.99, least_T=3 * pairs)


def repeated(B: int, period: int, T: int, V: int, generator: torch.Generator | None = None) -> Tensor:
    """`period` different random symbols out of V, said again and again: ids (B, T)."""
    require(1 <= require_int("period", period) <= V, f"period must lie in 1 … V = {V}, got {period}")
    return _drawn_once(B, period, V, generator)[:, torch.arange(T) % period]


def induction(T: int = 48, V: int = 32) -> Task:
    """Predict the next symbol of a list that repeats itself, after a period that differs from batch to batch.

    ids (B, T); the next id (B, T) counts from the second round on, where each symbol has been met once. The
    period is T/4 … T/2, so no fixed distance answers: one must find the symbol's last place and read on.
    Baseline accuracy 1/V. After the repeated random tokens of Olsson et al. 2022 (arXiv 2209.11895).
    """
    require_int("T", T, 8)
    require(V >= T // 2, f"V must be at least T/2 = {T // 2}: the symbols of a round are all different, got {V}")

    def draw(B, T, generator):
        period = int(torch.randint(T // 4, T // 2 + 1, (), generator=generator))
        ids = repeated(B, period, T + 1, V, generator)  # (B, T+1)
        return Batch(ids[:, :-1], ids[:, 1:], (torch.arange(T) >= period).expand(B, T))

    return Task("induction", draw, T, V, None, V, "accuracy", Baseline(1 / V, f"guessing one of {V}"), 0.99, least_T=8)
