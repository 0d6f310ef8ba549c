"""Learning curves over their recorded evidence, and what a cell's gates do over a text."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import NullFormatter, NullLocator

from course_lib.checks import require
from course_lib.plotting import label_ends
from course_lib.style import MUTED, Plot, look_of, styled
from course_lib.tasks.task import Task

__all__ = ["gate_plot", "learning_plot"]

SCORE = {"mse": "squared error", "accuracy": "share right", "nats": "nats a letter"}


@styled
def learning_plot(task: Task, recorded: pd.DataFrame, live: pd.DataFrame | None = None, lr: float = 1e-2, height: float = 3.2) -> Plot:
    """Scores against training steps at one learning rate: recorded seeds thin, today's run thick.

    Shows the models of `live`, or all of the record's where there is none; both are tables of
    course_lib.evidence. Dashed: the task's baseline. A curve ends where the task was solved.
    """
    rows = recorded[(recorded["task"] == task.name) & (recorded["T"] == task.T) & (recorded["lr"] == lr)]
    names = list(dict.fromkeys((rows if live is None else live)["model"]))
    require(len(rows) > 0, f"nothing is recorded for {task.name} with T = {task.T} at a learning rate of {lr:g}")
    plot = Plot(height=height)
    ax, ends = plot.subplots(), []
    for name, mark in zip(names, "os^DvPX"):
        look = look_of(name)
        for _, run in rows[rows["model"] == name].groupby("seed"):
            ax.plot(run["step"], run["score"], color=look.color, lw=0.8, alpha=0.55, marker=mark, ms=3.5, markevery=[-1])
            last = run.iloc[-1]
        if live is not None:
            run = live[(live["model"] == name) & (live["T"] == task.T)]
            ax.plot(run["step"], run["score"], color=look.color, lw=2.2, marker=mark, ms=7, markevery=[-1])
            last = run.iloc[-1]
        ends.append((name, last["step"], last["score"], look.color))
    ax.axhline(task.baseline.value, color=MUTED, lw=1.2, ls="--")
    ax.annotate("knowing nothing", (1, task.baseline.value), (-3, -3), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right", va="top", color=MUTED)
    if task.metric == "accuracy":
        ax.set_ylim(0, 1.15)
    else:
        ax.set_yscale("log")
        ax.set_yticks([y for y in (1e-3, 1e-2, 0.1, 1) if ax.get_ylim()[0] <= y <= ax.get_ylim()[1]])
        ax.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("training steps")
    ax.set_ylabel(SCORE[task.metric] + " on unseen sequences")
    ax.set_title(f"{task.name.capitalize()}, T = {task.T}" + ("" if live is None else ": this run (thick), three recorded seeds (thin)"))
    label_ends(ax, ends, gap=0.085)
    counts = rows.groupby(["model", "seed"])["outcome"].last().eq("solved").groupby("model").agg(["sum", "count"])
    plot.alt = f"Learning curves, {task.name}, T = {task.T}. Recorded: " + "; ".join(f"{n} solved by {counts['sum'][n]} of {counts['count'][n]} seeds" for n in names if n in counts.index)
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
