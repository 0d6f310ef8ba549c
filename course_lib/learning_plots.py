"""Learning curves over their recorded evidence, and what a cell's gates do over a text."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import NullFormatter, NullLocator

from course_lib.checks import require
from course_lib.plotting import label_ends
from course_lib.style import INK, MUTED, Plot, look_of, styled
from course_lib.tasks.task import Task

__all__ = ["bar_plot", "gate_plot", "learning_plot", "lengths_plot"]

SCORE = {"mse": "squared error", "accuracy": "share right", "nats": "nats"}


@styled
def learning_plot(task: Task, recorded: pd.DataFrame, live: pd.DataFrame | None = None, lr: float = 1e-2, height: float = 3.2) -> Plot:
    """Scores against training steps at one learning rate: recorded seeds thin, today's run thick.

    Both are tables of course_lib.evidence. Dashed: the task's baseline. A curve ends where the task was solved.
    """
    rows = recorded[(recorded["task"] == task.name) & (recorded["T"] == task.T) & (recorded["lr"] == lr)]
    names = list(dict.fromkeys(rows["model"]))
    require(len(rows) > 0, f"nothing is recorded for {task.name} with T = {task.T} at a learning rate of {lr:g}")
    plot = Plot(height=height)
    ax, ends = plot.subplots(), []
    for name, mark in zip(names, "os^DvPX"):
        look = look_of(name)
        for _, run in rows[rows["model"] == name].groupby("seed"):
            ax.plot(run["step"], run["score"], color=look.color, lw=0.8, alpha=0.55, marker=mark, ms=3.5, markevery=[-1])
            last = run.iloc[-1]
        if live is not None and name in set(live["model"]):
            run = live[(live["model"] == name) & (live["T"] == task.T)]
            ax.plot(run["step"], run["score"], color=look.color, lw=2.2, marker=mark, ms=7, markevery=[-1])
            last = run.iloc[-1]
        ends.append((name, last["step"], last["score"], look.color))
    ax.axhline(task.baseline.value, color=MUTED, lw=1.2, ls="--")
    low = task.metric == "accuracy" and task.baseline.value < 0.12  # no room between the line and the axis
    place = dict(xytext=(-3, 3), va="bottom") if low else dict(xytext=(-3, -3), va="top")
    ax.annotate("knowing nothing", (1, task.baseline.value), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right", color=MUTED, **place)
    if task.metric == "accuracy":
        ax.set_ylim(0, 1.25)  # room for the names of those that reach 1
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    elif task.metric == "mse":
        ax.set_yscale("log")
        ax.set_yticks([y for y in (1e-3, 1e-2, 0.1, 1) if ax.get_ylim()[0] <= y <= ax.get_ylim()[1]])
        ax.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("training steps")
    ax.set_ylabel(SCORE[task.metric] + " on unseen sequences")
    ax.set_title(f"{task.name[0].upper() + task.name[1:]}, T = {task.T}" + ("" if live is None else ": this run (thick), three recorded seeds (thin)"))
    label_ends(ax, ends, gap=0.085)
    counts = rows.groupby(["model", "seed"])["outcome"].last().eq("solved").groupby("model").agg(["sum", "count"])
    plot.alt = f"Learning curves, {task.name}, T = {task.T}. Recorded: " + "; ".join(f"{n} solved by {counts['sum'][n]} of {counts['count'][n]} seeds" for n in names if n in counts.index)
    return plot


@styled
def bar_plot(bars: dict[str, float], y: str, title: str, marks: dict[str, list[float]] | None = None, colors: dict[str, str] | None = None, height: float = 2.6) -> Plot:
    """One bar a name with its value (up to twelve bars); `marks` puts ticks (recorded seeds) on a bar. A name may come again with spaces after it."""
    plot = Plot(height=height)
    ax = plot.subplots()
    shades = [(colors or {}).get(name, look_of(name).color if look_of(name).color != INK else "#9a9a9a") for name in bars]
    ax.bar(range(len(bars)), bars.values(), 0.7, color=shades)
    for i, (name, value) in enumerate(bars.items()):
        ax.plot([i] * len((marks or {}).get(name, [])), (marks or {}).get(name, []), "_", color=INK, ms=22, mew=1.4)
        if len(bars) <= 12:
            ax.annotate(f"{value:.2f}", (i, max([value, *(marks or {}).get(name, [])])), (0, 3), textcoords="offset points", ha="center")
    ax.set_xticks(range(len(bars)), [name.strip() for name in bars])
    ax.grid(visible=False, which="major", axis="x")
    ax.margins(y=0.15)
    ax.set_ylabel(y)
    ax.set_title(title)
    plot.alt = f"Bars: {title}. " + "; ".join(f"{name.strip()} {value:.2f}" for name, value in bars.items())
    return plot


@styled
def lengths_plot(live: dict[str, list[float]], lengths: list[int], records: list[pd.DataFrame], trained_to: int, prediction: str | None = None) -> Plot:
    """Share right against length: this run thick, recorded runs thin; shaded: the lengths trained on. records: columns model, T, score, seed."""
    plot = Plot(height=3.4)
    ax, ends = plot.subplots(), []
    ax.axvspan(min(lengths), trained_to, color="#eeeeee", lw=0)
    for table in records:
        runs = [c for c in ("model", "positions", "lr", "seed") if c in table]
        for (name, *_), run in table.groupby(runs):
            ax.plot(run["T"], run["score"], color=look_of(name).color, lw=0.8, alpha=0.6, marker=".", ms=4)
        if name not in live:
            ends.append((f"{name} ({len(table.groupby(runs))} recorded runs)", run["T"].iloc[-1], run["score"].iloc[-1], look_of(name).color))
    for name, scores in live.items():
        ax.plot(lengths, scores, color=look_of(name).color, lw=2.4, marker="o", ms=6)
        ends.append((name, lengths[-1], scores[-1], look_of(name).color))
    ax.axhline(0.5, color=MUTED, lw=1.2, ls="--")
    ends.append(("guessing", lengths[-1], 0.5, MUTED))
    ax.text(min(lengths) * 1.05, 0.42, f"trained on\n(≤ {trained_to})", color=MUTED)
    ax.set_xscale("log", base=2)
    ax.set_xticks(lengths, [f"{T}" for T in lengths])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(0.4, 1.04)
    ax.set_xlabel("length of the sequence (bits)" + (f"          your guess at 100: {prediction}" if prediction else ""))
    ax.set_ylabel("share of right answers")
    ax.set_title("Parity: the last answer, at lengths never trained on")
    label_ends(ax, ends, gap=0.085)
    plot.alt = f"Line plot: share of right answers against length, trained on at most {trained_to}. " + "; ".join(f"{name} {score:.0%} at {T}" for name, T, score, _ in ends[:-1])
    return plot


@styled
def gate_plot(letters: str, gates: dict[str, list[list[float]]]) -> Plot:
    """Each gate as a heat map, a column a letter and a row a unit: title → values 0…1 of shape (T, D). Units sorted."""
    plot = Plot(height=0.9 + 1.45 * len(gates))
    axes = plot.subplots(len(gates), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (title, values) in zip(axes, gates.items()):
        units = sorted(zip(*values), key=lambda unit: sum(v for v, c in zip(unit, letters) if c == "·"))
        image = ax.imshow(units, cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        ax.set_title(title, loc="left")
        ax.set_yticks([])
        ax.set_ylabel(f"{len(units)} units")
        ax.grid(visible=False)
    axes[-1].set_xticks(range(len(letters)), list(letters))
    axes[-1].xaxis.set_minor_locator(NullLocator())
    axes[-1].tick_params("x", length=0)
    axes[-1].set_xlabel("the letter being read (· is the boundary between two names)")
    bar = plot.colorbar(image, ax=list(axes), shrink=0.5, ticks=[0, 1])
    bar.ax.set_yticklabels(["0 closed", "1 open"])
    plot.alt = f"Heat maps over the letters of {letters}, one for each gate, a row for each unit: " + ", ".join(gates)
    return plot
