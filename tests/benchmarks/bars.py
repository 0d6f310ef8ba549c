"""What a benchmark reports: a ratio with its middle half, beside the bar it is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from course_lib.measure import Ratio, compare, measure_time


@dataclass(frozen=True)
class Bar:
    """One figure of a benchmark. `ratio` is peer ÷ course: above 1 the course's own is faster."""

    name: str
    what: str
    ratio: Ratio
    floor: float
    moonshot: float
    at_most: bool = False  # the figure should be small (an error), not large

    @property
    def verdict(self) -> str:
        reached = (lambda goal: self.ratio.median <= goal) if self.at_most else (lambda goal: self.ratio.median >= goal)
        return "moonshot" if reached(self.moonshot) else "bar" if reached(self.floor) else "short"


def side_by_side(own: Callable, peers: dict[str, Callable], rounds: int = 15) -> dict[str, Ratio]:
    """Time all in shuffled rounds of one run; peer ÷ own for each peer."""
    timings = measure_time({"own": own, **peers}, rounds=rounds)
    return {name: compare(timings[name], timings["own"]) for name in peers}


def assert_equal(name: str, own: torch.Tensor, peer: torch.Tensor, tolerance: float = 1e-4) -> None:
    """The gate: nothing is timed before it has been shown to compute the same."""
    error = ((own - peer).abs().max() / peer.abs().max()).item()
    if not error <= tolerance:
        raise SystemExit(f"{name}: outputs differ by {error:.1e}, so there is nothing to compare")
