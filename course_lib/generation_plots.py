"""What comes next and what it costs: bars of next-token probabilities, and time and memory against position."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.ticker import NullLocator

from course_lib.checks import require
from course_lib.plotting import label_ends, seconds_text
from course_lib.profile_plots import bytes_text
from course_lib.style import INK, MUTED, Plot, styled

__all__ = ["cost_plot", "next_token_plot"]

DRAWN, LEFT_OUT = "#0072B2", "#d9d9d9"
LOOKS = {"with cache": ("#0072B2", "-"), "without cache": ("#D55E00", (0, (5, 2))), "LSTM": ("#009E73", (0, (4, 1.5, 1, 1.5)))}


@styled
def next_token_plot(tokens: Sequence[str], model: Sequence[float], settings: dict[str, Sequence[float]], title: str = "") -> Plot:
    """What the model says (grey) and what is drawn from (blue), a bar a token and a picture for each setting.

    tokens: how each is written, likeliest first; model: their probabilities at temperature 1; settings: title → the
    probabilities after temperature and cuts. All pictures share one scale. Raises InputError for none or over four.
    """
    require(1 <= len(settings) <= 4, f"settings must hold 1 to 4, got {len(settings)}")
    columns = min(2, len(settings))
    rows = -(-len(settings) // columns)
    plot = Plot(6.5, 0.5 + (0.19 * len(tokens) + 0.75) * rows)
    axes = plot.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    place = range(len(tokens))
    for ax in axes.flat[len(settings) :]:
        ax.set_axis_off()
    most = max(max(model), *(max(p) for p in settings.values()))
    for ax, (name, p) in zip(axes.flat, settings.items()):
        ax.barh(place, model, 0.8, color=LEFT_OUT)
        ax.barh(place, p, 0.42, color=DRAWN)
        for i, (value, after) in enumerate(zip(model, p)):
            ax.annotate(f"{after:.0%}" if after > 0 else "–", (max(value, after), i), (3, 0), textcoords="offset points", va="center", fontsize=8, color=INK if after > 0 else MUTED)
        ax.set_title(name, fontsize=9.5)
        ax.set_yticks(place, [token.replace("$", r"\$") for token in tokens], fontsize=9)
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set_ylim(len(tokens) - 0.4, -0.6)
        ax.set_xlim(0, 1.16 * most)
        ax.grid(visible=False, axis="y", which="both")
        ax.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        ax.tick_params(axis="y", length=0)
    for ax in axes[-1]:
        ax.set_xlabel("probability of coming next")
    plot.suptitle((title + "\n" if title else "") + "grey: the model's own; blue: what is drawn from", x=0.02, ha="left", fontsize=9.5)
    told = (f"{name}: " + ", ".join(f"{token} {v:.0%}" for token, v in list(zip(tokens, p))[:4]) for name, p in settings.items())
    plot.alt = f"Bars of next-token probabilities{' after ' + title if title else ''}. " + "; ".join(told)
    return plot


@styled
def cost_plot(table: pd.DataFrame, prediction: str | None = None, label: str = "") -> Plot:
    """Time for each token and memory kept, against the token's position (columns model, position, seconds, bytes)."""
    plot = Plot(6.5, 3.5)
    left, right = plot.subplots(1, 2)
    ends, words = {"seconds": [], "bytes": []}, []
    for name, rows in table.groupby("model", sort=False):
        color, dashes = LOOKS[name]
        left.plot(rows["position"], rows["seconds"], color=color, ls=dashes, lw=2)
        ends["seconds"].append((name, rows["position"].iloc[-1], rows["seconds"].tail(5).median(), color))
        right.plot(rows["position"], rows["bytes"], color=color, ls=dashes, lw=2)
        ends["bytes"].append((name, rows["position"].iloc[-1], rows["bytes"].iloc[-1], color))
        words.append(f"{name} {seconds_text(rows['seconds'].tail(5).median())} and {bytes_text(rows['bytes'].iloc[-1])}")
    for ax, what, text, title in ((left, "seconds", seconds_text, "Time for one token"), (right, "bytes", bytes_text, "Kept in memory")):
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(lambda v, _, text=text: text(v))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set_xlabel("position of the token")
        ax.set_title(title)
        label_ends(ax, ends[what], gap=0.085)
    lines = [line for line in (f"Your guess: {prediction}" if prediction else "", label) if line]
    if lines:
        plot.supxlabel("\n".join(lines), fontsize=9, color=MUTED, x=0.01, ha="left")
    plot.alt = f"Two line plots against a token's position: time for it, and memory kept. At position {int(table['position'].max()):,}: " + "; ".join(words)
    return plot
