"""Timing one can teach from: warm-up, shuffled rounds, medians, and ratios taken round by round.

One call is rarely long enough to time, and one timing is never enough to trust. So each callable runs
in blocks of ≥ 5 ms, all callables take turns in a new random order each round (a machine that slows
down then slows them all), and what is compared is the ratio within a round. Python's `timeit` runs
the blocks (garbage collector off), and its clock is read when a GPU has finished what it was given.
"""

from __future__ import annotations

import random
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from course_lib.checks import require, require_int

__all__ = ["Timing", "Ratio", "measure_time", "compare", "synchronised_clock", "OverBudget"]

NOISY = 0.10  # IQR ÷ median above which the machine, not the code, is being measured


def synchronised_clock() -> float:
    """timeit's clock in seconds, read when a GPU in use has finished all it was given.

    As torch.utils.benchmark.timer, whose import takes 0.2 s (it brings setuptools along).
    """
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return timeit.default_timer()


class OverBudget(RuntimeError):
    """A call takes longer than the time allowed for it. `name` says which one, where several are timed."""

    def __init__(self, name: str, needed_s: float, budget_s: float):
        super().__init__(f"five runs would take {needed_s:.1f} s; the budget is {budget_s:g} s")
        self.name = name


@dataclass(frozen=True)
class Timing:
    """Seconds per call, one figure a round; and the first call, which pays for what later ones reuse."""

    seconds: tuple[float, ...]
    first_call_s: float

    @property
    def median_s(self) -> float:
        return float(np.median(self.seconds))

    @property
    def quartiles_s(self) -> tuple[float, float]:
        low, high = np.percentile(self.seconds, (25, 75))
        return float(low), float(high)

    @property
    def iqr_s(self) -> float:
        """The interquartile range: the middle half of the rounds lies within it."""
        low, high = self.quartiles_s
        return high - low

    @property
    def runs(self) -> int:
        return len(self.seconds)

    @property
    def noisy(self) -> bool:
        """True when the spread is over 10% of the median: then measure again on a quieter machine."""
        return self.iqr_s > NOISY * self.median_s


@dataclass(frozen=True)
class Ratio:
    """How many times as long one callable takes as another: median and quartiles of the per-round ratios."""

    median: float
    low: float
    high: float

    @property
    def tie(self) -> bool:
        """True when the middle half of the ratios spans 1: neither is called faster."""
        return self.low <= 1 <= self.high

    def __str__(self) -> str:
        return f"{self.median:.2f}× [{self.low:.2f}, {self.high:.2f}]" + (" (tie)" if self.tie else "")


def compare(slow: Timing, fast: Timing) -> Ratio:
    """Time of `slow` ÷ time of `fast`, round by round. Both must come from one `measure_time` call."""
    require(slow.runs == fast.runs, f"compare needs timings of the same rounds, got {slow.runs} and {fast.runs}")
    low, median, high = np.percentile(np.divide(slow.seconds, fast.seconds), (25, 50, 75))
    return Ratio(float(median), float(low), float(high))


def measure_time(
    calls: Callable | Mapping[str, Callable],
    rounds: int = 15,
    min_block_s: float = 5e-3,
    budget_s: float | None = None,
    seed: int = 0,
    tick: Callable[[int, int], None] | None = None,
) -> Timing | dict[str, Timing]:
    """Time one callable, or several side by side (a mapping name → callable), on CPU or CUDA.

    rounds: how often each is timed; a round runs every callable once, in shuffled order.
    min_block_s: a block repeats its call until it lasts about this long (one that took ten times as long is cut).
    budget_s: seconds each callable may take; fewer rounds are run when needed, and OverBudget is raised
      for one that does not even fit five.
    tick(done, of): called after every block, so that a caller can show progress, or stop by raising.
    Returns a Timing, or a dict of them when given a mapping.
    """
    if callable(calls):
        return measure_time({"": calls}, rounds, min_block_s, budget_s, seed, tick)[""]
    require(len(calls) > 0, "calls must hold at least one callable")
    rounds = require_int("rounds", rounds)
    require(min_block_s > 0, f"min_block_s must be > 0, got {min_block_s}")

    first, timers, repeats = {}, {}, {}
    for name, call in calls.items():
        timers[name] = timeit.Timer(call, timer=synchronised_clock)
        first[name] = timers[name].timeit(1)
        if tick:
            tick(0, rounds * len(calls))
        once = _warm_up(timers[name], first[name])
        repeats[name] = max(1, round(min_block_s / once))
        block_s = once * repeats[name]
        if budget_s is not None and 5 * block_s > budget_s:
            raise OverBudget(name, 5 * block_s, budget_s)
        if budget_s is not None:
            rounds = int(min(rounds, max(5, budget_s / block_s)))

    seconds = {name: [] for name in calls}
    order, shuffle, done = list(calls), random.Random(seed), 0
    spent = 0.0
    for turn in range(rounds):
        if budget_s is not None and turn >= 5 and spent > budget_s * len(calls):
            break  # the machine has slowed down since the first calls
        shuffle.shuffle(order)
        for name in order:
            block_s = timers[name].timeit(repeats[name])
            seconds[name].append(block_s / repeats[name])
            if block_s > 10 * min_block_s:  # another program has taken the cores: shorter blocks, so that Stop is heard
                repeats[name] = max(1, int(repeats[name] * min_block_s / block_s))
            spent, done = spent + block_s, done + 1
            if tick:
                tick(done, rounds * len(calls))
    return {name: Timing(tuple(seconds[name]), first[name]) for name in calls}


def _warm_up(timer: timeit.Timer, first: float, spend_s: float = 0.02, most: int = 10) -> float:
    """Run until caches, allocator and thread pool have settled; seconds of the quickest call."""
    times, spent = [], 0.0
    while not times or (spent < spend_s and len(times) < most):
        times.append(timer.timeit(1))
        spent += times[-1]
    return max(min(times), 1e-9)
