"""Time series: what comes in the next months, from the numbers so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from course_lib.checks import require, require_choice, require_int
from course_lib.data import open_file
from course_lib.tasks.task import Baseline, Batch, Task

__all__ = ["SERIES", "Series", "forecast", "load_series"]

SERIES = {"co2": ("parts per million", 12), "sunspots": ("sunspot number", 11)}  # name → unit, season


@dataclass(frozen=True)
class Series:
    """One number a time step, with the length of its season and where the unseen end begins."""

    name: str
    unit: str
    season: int
    values: np.ndarray  # (n,)

    @property
    def split(self) -> int:
        """The last fifth is for testing."""
        return round(0.8 * len(self.values))


def load_series(name: str) -> Series:
    """"co2": monthly means at Mauna Loa, 1958–2001; "sunspots": yearly means, 1700–2008. Both public domain."""
    unit, season = SERIES[require_choice("name", name, SERIES)]
    table = pd.read_csv(open_file(name))
    if name == "co2":
        weekly = pd.Series(table.co2.to_numpy(), pd.to_datetime(table.date.astype(str)))
        return Series(name, unit, season, weekly.resample("MS").mean().interpolate().to_numpy())
    return Series(name, unit, season, table.iloc[:, 1].to_numpy(float))


def forecast(series: Series, T: int = 48, horizon: int = 12) -> Task:
    """At every step say the next `horizon` numbers, from at most T of them.

    Inputs (B, T, 2): the change since the step before, and the level, both in units of the training part's
    spread of changes. Targets (B, T, horizon): each later number minus the present one, in the same units.
    The first season of every piece does not count: too little has been seen. Held out are pieces that end in the last fifth.
    """
    T, horizon = require_int("T", T, series.season + 1), require_int("horizon", horizon)
    x = torch.tensor(series.values)
    require(series.split > T + horizon, f"T + horizon must be below the {series.split} training steps, got {T + horizon}")
    change = x[1:] - x[:-1]  # (n−1,)
    spread = change[: series.split - 1].std()  # of the training part alone
    level = (x[1:] - x[: series.split].mean()) / (x[: series.split].std())
    inputs = torch.stack((change / spread, level), -1).float()  # (n−1, 2)
    ahead = torch.stack([x[1 + h : len(x) - horizon + h] - x[1:-horizon] for h in range(1, horizon + 1)], -1)  # (n−1−horizon, horizon)
    ahead = (ahead / spread).float()

    def draw_from(first, last):  # where a piece may end
        def draw(B, T, generator):
            end = torch.randint(max(first, T), last + 1, (B, 1), generator=generator)
            where = end - T + torch.arange(T)  # (B, T)
            mask = (torch.arange(T) >= series.season).expand(B, T)
            return Batch(inputs[where], ahead[where], mask)

        return draw

    train_end = series.split - 1 - horizon  # no target of a training piece lies in the unseen end
    still = ahead[train_end:].square().mean().item()
    baseline = Baseline(still, "no change")
    return Task(series.name, draw_from(T, train_end), T, None, 2, horizon, "mse", baseline, 0.0, draw_from(series.split, len(ahead)))
