"""Pictures of the five fields: digits cut into patches, a chorale as a piano roll, forecasts, folds, two clocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from course_lib.checks import require
from course_lib.plotting import label_ends
from course_lib.style import INK, MUTED, PARALLEL, SEQUENTIAL, Plot, look_of, styled
from course_lib.tasks.music import VOICES, piano_roll
from course_lib.tasks.series import Series

__all__ = ["clocks_plot", "digits_plot", "fold_plot", "forecast_plot", "piano_roll_plot"]

VOICE_COLOURS = ("#D55E00", "#A87900", "#009E73", "#0072B2")
FORETOLD = {"decoder": (PARALLEL, "o", "-"), "linear": (SEQUENTIAL, "s", "--"), "last season": (MUTED, "^", ":"), "no change": (MUTED, "v", "-.")}


@styled
def digits_plot(images: Tensor, said: Sequence[int], truth: Sequence[int], size: int = 2) -> Plot:
    """Images (n, Y, X) with the lines along which they are cut, what the model said, and the truth where it was wrong."""
    n = len(images)
    require(n == len(said) == len(truth), "images, said and truth must be equally many")
    plot = Plot(height=1.35)
    axes = plot.subplots(1, n, squeeze=False)[0]
    for ax, image, answer, right in zip(axes, images, said, truth):
        ax.imshow(image.numpy(), cmap="Greys", vmin=0, vmax=1)
        for line in range(size, image.shape[-1], size):
            ax.axvline(line - 0.5, color=PARALLEL, lw=0.7)
            ax.axhline(line - 0.5, color=PARALLEL, lw=0.7)
        ax.set_title(f"{answer}" if answer == right else f"{answer}, not {right}", color=INK if answer == right else SEQUENTIAL, loc="center")
        ax.set_axis_off()
    plot.alt = f"{n} handwritten digits cut into squares of {size} by {size}; the model says " + ", ".join(map(str, said))
    return plot


@styled
def piano_roll_plot(tokens: Sequence[int], given: int = 0, title: str = "") -> Plot:
    """A chorale: each voice's pitches over time; the first `given` tokens, Bach's own, on a grey ground."""
    roll = piano_roll(tokens)  # (columns, 4)
    require(len(roll) > 0, "the tokens hold no whole column of four voices")
    plot = Plot(height=3.0)
    ax = plot.subplots()
    if given:
        ax.axvspan(0, given / 8, color="#e6e6e6", lw=0)
        ax.text(given / 16, 0.99, "Bach", transform=ax.get_xaxis_transform(), ha="center", va="top", color=MUTED)
        ax.text((given / 8 + len(roll) / 2) / 2, 0.99, "the decoder", transform=ax.get_xaxis_transform(), ha="center", va="top", color=MUTED)
    for voice, (name, color) in enumerate(zip(VOICES, VOICE_COLOURS)):
        notes = roll[:, voice]
        for start in np.flatnonzero(notes > 0):
            held = notes[start + 1 :] < 0
            length = 1 + (len(held) if held.all() else int(held.argmin()))
            ax.barh(notes[start], length / 2 - 0.08, left=start / 2 + 0.04, height=0.9, color=color)
        sounding = np.abs(notes[notes != 0])
        if len(sounding):
            ax.annotate(name, (1, sounding[-1]), xycoords=("axes fraction", "data"), xytext=(5, 0), textcoords="offset points", va="center", color=color)
    ax.set_ylim(top=max(np.abs(roll).max() + 5, ax.get_ylim()[1]))
    ax.set_xlim(0, len(roll) / 2)
    ax.set_yticks([36, 48, 60, 72], ["C2", "C3", "C4", "C5"])
    ax.set_xlabel("quarter notes")
    ax.set_ylabel("pitch")
    ax.set_title(title)
    plot.alt = f"Piano roll of {len(roll) / 2:g} quarter notes in four voices" + (f", the first {given / 8:g} by Bach, the rest written by the decoder" if given else "")
    return plot


@styled
def forecast_plot(series: Series, origin: int, foretold: dict[str, Sequence[float]], before: int = 36) -> Plot:
    """The series up to step `origin`, what came, and what each model foretold from there."""
    plot = Plot(height=3.0)
    ax, ends = plot.subplots(), []
    horizon = len(next(iter(foretold.values())))
    steps = np.arange(origin - before, origin + horizon + 1)
    ax.plot(steps - origin, series.values[steps], color=INK, lw=1.4)
    ax.axvline(0, color=MUTED, lw=1.0, ls=":")
    for name, values in foretold.items():
        color, marker, dashes = FORETOLD[name]
        ax.plot(np.arange(1, horizon + 1), values, color=color, marker=marker, ls=dashes, ms=5)
        ends.append((name, horizon, values[-1], color))
    ends.append(("what came", horizon, series.values[origin + horizon], INK))
    unit = "months" if series.season == 12 else "years"
    ax.set_xlabel(f"{unit} from now")
    ax.set_ylabel(series.unit)
    ax.set_title({"co2": "CO₂ at Mauna Loa", "sunspots": "Sunspots"}[series.name] + f": one forecast of {horizon} {unit}")
    label_ends(ax, ends, gap=0.09)
    plot.alt = f"Line plot of {series.unit} over {unit}: {before} known, then {horizon} foretold by " + ", ".join(foretold)
    return plot


@styled
def fold_plot(beads: Sequence[int], place: np.ndarray, truth: Tensor, chance: Tensor) -> Plot:
    """A protein on the lattice, and which beads touch: below the diagonal what is true, above it what the model thinks.

    beads (N,) of 1 (H) and 0 (P), place (N, 2), truth (N, N), chance (N, N) of a contact.
    """
    plot = Plot(height=3.1)
    left, right = plot.subplots(1, 2, width_ratios=(1, 1))
    left.plot(*place.T, color=INK, lw=2, zorder=1)
    for i, j in np.argwhere(np.tril(truth.numpy())):
        left.plot(*place[[i, j]].T, color=SEQUENTIAL, lw=1.6, ls=":", zorder=1)
    for kind, face, name in ((1, INK, "H"), (0, "white", "P")):
        chosen = place[np.array(beads) == kind]
        left.scatter(*chosen.T, s=150, color=face, edgecolor=INK, zorder=2, label=name)
    for number, (x, y) in enumerate(place):
        left.text(x, y, f"{number + 1}", ha="center", va="center", fontsize=7, color="white" if beads[number] else INK, zorder=3)
    left.set_aspect("equal")
    left.margins(0.12)
    left.set_axis_off()
    left.set_title("the fold (dark: H; dotted: contacts)", loc="center")
    N = len(beads)
    shown = np.where(np.triu(np.ones((N, N), bool)), chance.numpy(), truth.numpy().astype(float))
    right.imshow(shown, cmap="Greys", vmin=0, vmax=1)
    right.plot([-0.5, N - 0.5], [-0.5, N - 0.5], color=PARALLEL, lw=1)
    right.set_xticks(range(1, N, 3), [f"{i + 1}" for i in range(1, N, 3)])
    right.set_yticks(range(1, N, 3), [f"{i + 1}" for i in range(1, N, 3)])
    right.grid(visible=False)
    right.set_xlabel("bead")
    right.set_title("below: true contacts; above: foretold", loc="center")
    plot.alt = f"A lattice protein of {N} beads with {int(truth.sum()) // 2} contacts, and a map of true contacts beside foretold chances"
    return plot


@styled
def clocks_plot(curves: dict[str, pd.Series], seconds: dict[str, float]) -> Plot:
    """Loss by two clocks: after as many training steps, and after as many seconds of this machine.

    curves: model → loss, indexed by step. seconds: a step of each; "LSTM, step loop" draws the LSTM a second time, dashed.
    """
    plot = Plot(height=3.3)
    left, right = plot.subplots(1, 2, sharey=True)
    ends = []
    for name, loss in curves.items():
        look = look_of(name)
        left.plot(loss.index, loss, color=look.color, marker="o", ms=3.5)
        right.plot(loss.index * seconds[name], loss, color=look.color, marker="o", ms=3.5)
        if f"{name}, step loop" in seconds:
            right.plot(loss.index * seconds[f"{name}, step loop"], loss, color=look.color, marker="s", ms=3.5, ls="--")
        ends.append((name, loss.index[-1], loss.iloc[-1], look.color))
    left.set_xlabel("training steps")
    left.set_ylabel("nats a token, unseen text")
    left.set_title("by steps", loc="center")
    right.set_xlabel("seconds of training, this machine")
    right.set_xscale("log")
    right.set_title("by seconds (dashed: loop)", loc="center")
    label_ends(left, ends, gap=0.09)
    plot.alt = "Two line plots of loss, against steps and against seconds: " + ", ".join(f"{name} ends at {score:.2f}" for name, _, score, _ in ends)
    return plot
