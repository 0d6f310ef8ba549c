"""Running the race: check, warm up, time side by side, write each length's rows down at once."""

from __future__ import annotations

import datetime
import gc
import math
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch

from course_lib.checks import require, require_int
from course_lib.measure import (
    OverBudget,
    available_memory,
    compare,
    estimate_memory,
    is_out_of_memory,
    measure_time,
    peak_memory,
    synchronised_clock,
)
from course_lib.race.contestants import (
    FAMILIES,
    Contestant,
    check_contestant,
    fair_width,
    find_contestant,
    make_call,
)
from course_lib.race.settings import settings_of
from course_lib.race.table import COLUMNS, SETTINGS, empty_table, load_table, save_table

__all__ = ["DEFAULT_CONTESTANTS", "DEFAULT_LENGTHS", "Stopped", "race"]

DEFAULT_CONTESTANTS = ("rnn-loop", "rnn-fused", "attention-sdpa")
DEFAULT_LENGTHS = (16, 32, 64, 128, 256, 512, 1024)


class Stopped(Exception):
    """The reader pressed Stop. What was measured until then is kept."""


def race(
    contestants: Sequence[str] = DEFAULT_CONTESTANTS,
    lengths: Sequence[int] = DEFAULT_LENGTHS,
    *,
    batch: int = 8,
    width: int = 128,
    heads: int = 4,
    pass_: str = "forward",
    fairness: str = "width",
    device: str = "auto",
    dtype: str = "float32",
    threads: int | None = None,
    rounds: int = 15,
    budget_s: float = 20.0,
    baseline: str = "attention-sdpa",
    csv: str | Path | None = None,
    on_row: Callable[[dict], None] | None = None,
    tick: Callable[[float, str], None] | None = None,
    stop: threading.Event | None = None,
) -> pd.DataFrame:
    """Time contestants (names in CONTESTANTS) side by side at each length T; one row each, seconds per call.

    pass_: "forward", "train" (forward + backward) or "generate" (T steps, each output fed back).
    fairness: equal "width", or each contestant as wide as needed to match the "parameters" or "flops"
      of an attention layer of that width.
    budget_s: seconds a contestant may take at one length; what would take longer is a row "over budget".
    csv: file that keeps the rows; an existing one with the same settings is resumed.
    on_row(row), tick(fraction done, what is going on), stop (an Event): for whoever watches.
    baseline: the contestant whose time the ratios are taken of, round by round (if it does not run: the first).
    A contestant that is wrong, too long or too large is a row with that status, never a crash.
    Raises InputError for anything that cannot be raced.
    """
    settings = settings_of(batch, width, heads, pass_, fairness, device, dtype, threads)
    require(len(contestants) > 0, "contestants must name at least one")
    require(len(lengths) > 0, "lengths must hold at least one T")
    lengths = sorted({require_int("T", T) for T in lengths})
    require(budget_s > 0, f"budget_s must be > 0, got {budget_s}")
    field = [find_contestant(name, pass_, settings.device) for name in dict.fromkeys(contestants)]
    for T in lengths if fairness == "flops" else lengths[:1]:
        for contestant in field:
            fair_width(contestant, width, heads, T, fairness)
    run = _Race(settings, field, lengths, require_int("rounds", rounds), budget_s, baseline, Path(csv) if csv else None, on_row, tick, stop)
    return run.go()


class _Race:
    def __init__(self, settings, field, lengths, rounds, budget_s, baseline, csv, on_row, tick, stop):
        self.settings, self.field, self.lengths = settings, field, lengths
        self.rounds, self.budget_s, self.baseline, self.csv = rounds, budget_s, baseline, csv
        self.on_row, self.tick, self.stop = on_row, tick, stop
        self.verdicts: dict[str, str | None] = {}  # name → what the gate found
        self.known_s: dict[str, tuple[int, float]] = {}  # name → last length and its median, to foresee the next
        self.memory: dict[str, Callable[[int], int]] = {}
        self.table = self._resume()

    def go(self) -> pd.DataFrame:
        threads = torch.get_num_threads()
        torch.set_num_threads(self.settings.threads)
        try:
            for i, T in enumerate(self.lengths):
                done = set(self.table.loc[self.table["T"] == T, "contestant"])
                todo = [c for c in self.field if c.name not in done]
                if todo:
                    self._keep(self._measure(T, todo, i))
            self._say(1.0, "done")
        except Stopped:
            pass
        finally:
            torch.set_num_threads(threads)
        return self.table

    # -- rows -------------------------------------------------------------------------------------------

    def _resume(self) -> pd.DataFrame:
        table = empty_table()
        if self.csv is None:
            return table
        if os.path.exists(self.csv):  # False, where Path.exists raises, for a name no file can have
            table = load_table(self.csv, {name: self.settings.columns()[name] for name in SETTINGS})
        else:
            save_table(table, self.csv)  # find out now, not after a minute, that it cannot be written
        for row in table.to_dict("records") if self.on_row else []:
            self.on_row(row)
        return table

    def _keep(self, rows: list[dict]) -> None:
        new = pd.DataFrame(rows, columns=list(COLUMNS))
        self.table = new if self.table.empty else pd.concat([self.table, new], ignore_index=True)
        if self.csv is not None:
            save_table(self.table, self.csv)
        for row in rows if self.on_row else []:
            self.on_row(row)

    def _row(self, contestant: Contestant, T: int, D: int, status: str, detail: str = "", **measured) -> dict:
        family = FAMILIES[contestant.family]
        factor = 3 if self.settings.pass_ == "train" else 1  # a backward pass is two more products per product
        return dict.fromkeys(COLUMNS, math.nan) | self.settings.columns() | {
            "contestant": contestant.name, "T": T, "D": D, "status": status, "detail": detail, "runs": 0,
            "baseline": "", "parameters": family.parameters(D), "flops": factor * family.flops(T, D, self.settings.batch),
            "date": datetime.date.today().isoformat(),
        } | measured  # fmt: skip

    # -- one length -------------------------------------------------------------------------------------

    def _measure(self, T: int, todo: list[Contestant], index: int) -> list[dict]:
        s = self.settings
        rows, calls, first, estimates = [], {}, {}, {}
        width_of = {c.name: fair_width(c, s.width, s.heads, T, s.fairness) for c in todo}
        for contestant in todo:
            name, D = contestant.name, width_of[contestant.name]
            self._say(index / len(self.lengths), f"T = {T:,}: warming up {contestant.label}")
            status, detail, estimates[name] = self._obstacle(contestant, T, D)
            if not status:
                call, seconds, status, detail = self._first_call(contestant, T, D)
            if status:
                rows.append(self._row(contestant, T, D, status, detail, estimate_bytes=estimates[name]))
            else:
                calls[name], first[name] = _named(name, call), seconds
        by_name = {c.name: c for c in todo}
        timings = {}
        while calls and not timings:
            try:
                timings = measure_time(calls, self.rounds, budget_s=self.budget_s, tick=lambda done, of: self._block(T, index, done, of))
                break
            except OverBudget as error:
                failed, status, detail = error.name, "over budget", str(error)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                failed, status, detail = error.contestant, "out of memory", "memory ran out while it was timed"
            del calls[failed]
            self._free()
            rows.append(self._row(by_name[failed], T, width_of[failed], status, detail, estimate_bytes=estimates[failed]))
        baseline = self.baseline if self.baseline in timings else next(iter(timings), "")
        for name, timing in timings.items():
            self.known_s[name] = T, timing.median_s
            ratio = compare(timing, timings[baseline])
            q1, q3 = timing.quartiles_s
            rows.append(self._row(
                by_name[name], T, width_of[name], "ok", "noisy: IQR over 10% of the median" if timing.noisy else "",
                median_s=timing.median_s, iqr_s=timing.iqr_s, runs=timing.runs, q1_s=q1, q3_s=q3, first_call_s=first[name],
                baseline=baseline, ratio=ratio.median, ratio_q1=ratio.low, ratio_q3=ratio.high, estimate_bytes=estimates[name],
            ))  # fmt: skip
        place = {c.name: i for i, c in enumerate(todo)}
        return sorted(rows, key=lambda row: place[row["contestant"]])

    def _obstacle(self, contestant: Contestant, T: int, D: int) -> tuple[str, str, float]:
        """Why this contestant must not be launched at T (status, detail), or ("", "") ; and the bytes it would take."""
        s, name = self.settings, contestant.name
        room, size = available_memory(s.device), s.dtype.itemsize
        weights = 2 * size * FAMILIES[contestant.family].parameters(D)  # and as much again for their gradients
        if weights > room / 1.5:
            return "out of memory", f"not launched: about {weights / 1e9:.1f} GB needed for its weights, {room / 1e9:.1f} GB free", float(weights)
        if name not in self.verdicts:
            self.verdicts[name] = check_contestant(contestant, s.pass_, D, s.heads, s.device, s.dtype)
        if self.verdicts[name]:
            return "wrong", self.verdicts[name], math.nan
        if name in self.known_s:
            known_T, seconds = self.known_s[name]
            power = 1 if contestant.recurrent and s.fairness == "width" else 2
            expected = 5 * seconds * (T / known_T) ** power
            if expected > self.budget_s:
                return "over budget", f"five runs would take about {expected:.0f} s; the budget is {self.budget_s:g} s", math.nan
        if size * s.batch * (64 * T * D + 8 * s.heads * T * T) < 0.1 * room:  # fits many times over
            return "", "", math.nan
        needed = self._estimate(contestant, T, D)
        if needed > room / 1.5:  # an estimate may be too small, and an operating system that runs out is not polite
            return "out of memory", f"not launched: about {needed / 1e9:.1f} GB needed, {room / 1e9:.1f} GB free", needed
        return "", "", needed

    def _estimate(self, contestant: Contestant, T: int, D: int) -> float:
        """Bytes at (T, B), from short runs of one and of two sequences."""
        s = self.settings

        def peak_at(length):
            one, two = (peak_memory(make_call(contestant, s.pass_, length, B, D, s.heads, s.device, s.dtype), s.device) for B in (1, 2))
            return one + max(0, two - one) * (s.batch - 1)

        inputs = 4 * s.batch * T * D * s.dtype.itemsize
        return float(estimate_memory(peak_at, T) + inputs)

    def _first_call(self, contestant: Contestant, T: int, D: int):
        """Build and run once. Returns call, seconds, status, detail."""
        s, ran_out = self.settings, False
        try:
            call = make_call(contestant, s.pass_, T, s.batch, D, s.heads, s.device, s.dtype)
            start = synchronised_clock()
            call()
            seconds = synchronised_clock() - start
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            ran_out = True
        if not ran_out:
            return call, seconds, "", ""
        call = None  # and only now, outside the except block, is the failed attempt's memory free to go
        self._free()
        return None, math.nan, "out of memory", "memory ran out while it ran"

    def _free(self) -> None:
        gc.collect()
        if self.settings.device.type == "cuda":
            torch.cuda.empty_cache()

    # -- those who watch --------------------------------------------------------------------------------

    def _block(self, T: int, index: int, done: int, of: int) -> None:
        text = f"T = {T:,}: measuring {done}/{of}" if done else f"T = {T:,}: warming up"
        self._say((index + done / of) / len(self.lengths), text)

    def _say(self, fraction: float, text: str) -> None:
        if self.stop is not None and self.stop.is_set():
            raise Stopped
        if self.tick is not None:
            self.tick(fraction, text)


def _named(name: str, call: Callable) -> Callable:
    """The call, whose error will say which contestant raised it."""

    def run():
        try:
            call()
        except BaseException as error:
            error.contestant = name
            raise

    return run
