"""Part 8's pictures: pretraining against counting, the switches since 2017, budgets of compute, and the family tree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.ticker import NullFormatter

from course_lib.plotting import label_ends
from course_lib.style import INK, MUTED, PARALLEL, SEQUENTIAL, Plot, styled

__all__ = ["pretraining_plot", "switch_plot", "isoflop_plot", "token_plot", "lineage"]


@styled
def pretraining_plot(curves: pd.DataFrame, counts: dict[int, float], height: float = 3.4) -> Plot:
    """Nats a token on unseen text against seconds of training; dashed: n-grams of each order."""
    plot = Plot(height=height)
    ax = plot.subplots()
    ax.plot(curves["seconds"], curves["score"], color=PARALLEL, lw=2.2, marker="o", ms=5)
    last = curves.iloc[-1]
    ends = [("your decoder", last["seconds"], last["score"], PARALLEL)]
    for order, nats in counts.items():
        ax.axhline(nats, color=MUTED, lw=1.1, ls="--")
        ends.append((f"{order}-gram", last["seconds"], nats, MUTED))
    ax.set_xlabel("seconds of training on this machine")
    ax.set_ylabel("nats a token, unseen text")
    ax.set_title("A minute of pretraining, beside counting")
    label_ends(ax, ends)
    plot.alt = f"Learning curve: {curves['score'].iloc[0]:.2f} to {last['score']:.2f} nats a token in {last['seconds']:.0f} s; " + ", ".join(f"{n}-gram {x:.2f}" for n, x in counts.items())
    return plot


@styled
def switch_plot(table: pd.DataFrame, live: pd.DataFrame | None = None, base: str = "GPT-2's parts", height: float = 2.9) -> Plot:
    """Nats with each switch minus nats without: a dot for every recorded seed, a diamond for today's run. Left is better."""
    plot = Plot(height=height)
    ax = plot.subplots()
    names = [name for name in dict.fromkeys(table["model"]) if name != base]
    nats = table.pivot(index="seed", columns="model", values="nats")
    for i, name in enumerate(names):
        change = nats[name] - nats[base]
        color = PARALLEL if change.mean() < 0 else SEQUENTIAL
        ax.plot(change, [i] * len(change), "o", color=color, ms=7, alpha=0.75)
        ax.plot([change.mean()], [i], "|", color=color, ms=22, mew=2)
        if live is not None and name in set(live["model"]):
            now = live.set_index("model")["nats"]
            ax.plot([now[name] - now[base]], [i], "D", mfc="white", mec=INK, ms=7, mew=1.4)
    ax.axvline(0, color=INK, lw=1)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("change of the loss, nats a token (left of the line: better)")
    ax.set_title("One switch at a time, against GPT-2's parts" + ("" if live is None else " (diamond: this run)"))
    means = (nats[names].sub(nats[base], axis=0)).mean()
    plot.alt = f"Dots: change of the loss by each switch over {len(nats)} seeds. " + "; ".join(f"{name} {means[name]:+.3f}" for name in names)
    return plot


@styled
def isoflop_plot(table: pd.DataFrame, fit: dict, height: float = 3.5) -> Plot:
    """Loss against size, a curve for each budget of compute, its lowest point marked."""
    plot = Plot(height=height)
    ax, ends = plot.subplots(), []
    shades = ("#56B4E9", "#0072B2", "#003E63", "#222222")
    for (budget, rows), shade, marker, P, nats in zip(table.groupby("budget"), shades, "os^D", fit["parameters"], fit["nats"]):
        mean = rows.groupby("parameters")["nats"].mean()
        ax.plot(rows["parameters"], rows["nats"], marker, color=shade, ms=5, alpha=0.7)
        x = np.log(mean.index.to_numpy(float))
        smooth = np.linspace(x[0], x[-1], 60)
        curve = np.polyval(np.polyfit(x, mean.to_numpy(), 2), smooth)
        ax.plot(np.exp(smooth), curve, color=shade, lw=1.6)
        ax.plot([P], [nats], "*", color="#D55E00", ms=15, zorder=4)
        ends.append((f"{budget:.0e} FLOPs", np.exp(smooth[-1]), curve[-1], shade))
    ax.set_xscale("log")
    sizes = sorted(set(table["parameters"]))
    ax.set_xticks(sizes, [f"{P / 1000:.0f}k" for P in sizes])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("parameters")
    ax.set_ylabel("nats a token, unseen text")
    ax.set_title("The same compute, spent on models of five sizes")
    label_ends(ax, ends)
    plot.alt = "Curves of loss against parameters: " + "; ".join(f"with {C:.0e} FLOPs best at {P / 1000:.0f}k parameters, {x:.2f} nats" for C, P, x in zip(fit["budgets"], fit["parameters"], fit["nats"]))
    return plot


@styled
def token_plot(pieces: Sequence[str], p: Sequence[float], title: str, height: float = 2.5) -> Plot:
    """The probability of each token that was said, in order."""
    plot = Plot(height=height)
    ax = plot.subplots()
    ax.bar(range(len(p)), p, 0.72, color=PARALLEL)
    for i, value in enumerate(p):
        ax.annotate(f"{value:.2f}", (i, value), (0, 2), textcoords="offset points", ha="center", fontsize=9)
    ax.set_xticks(range(len(p)), [piece.strip() or "␣" for piece in pieces])
    ax.set_ylim(0, 1.12)
    ax.set_ylabel("probability")
    ax.grid(visible=False, axis="x")
    ax.set_title(title)
    plot.alt = f"Bars, {title}: " + ", ".join(f"{piece.strip() or 'space'} {value:.2f}" for piece, value in zip(pieces, p))
    return plot


FAMILY = {  # name → column, row, colour; the dashed ones have no recurrent layer and are not their ancestors
    "RNN\n1990": (0, 2, SEQUENTIAL), "LSTM\n1997": (1, 2, SEQUENTIAL), "word\nvectors\n2013": (2.4, 0, MUTED), "attention\nin RNNs\n2014": (2.4, 1, PARALLEL),
    "Trans-\nformer\n2017": (3.9, 1, INK), "GPT\n2018": (5, 2, INK), "BERT\n2018": (5, 0, INK), "GPT-3\n2020": (6, 2, INK), "Instruct-\nGPT\n2022": (7, 2, INK),
    "ChatGPT,\nClaude,\nGemini": (8, 2, INK), "Llama,\nSmolLM2": (8, 1, INK), "search by\nmeaning": (6, 0, INK),
}  # fmt: skip
DESCENT = [  # from, to, whether its layers live on (solid) or only its question (dashed)
    ("RNN\n1990", "LSTM\n1997", True), ("LSTM\n1997", "attention\nin RNNs\n2014", True), ("word\nvectors\n2013", "Trans-\nformer\n2017", True),
    ("attention\nin RNNs\n2014", "Trans-\nformer\n2017", False), ("Trans-\nformer\n2017", "GPT\n2018", True), ("Trans-\nformer\n2017", "BERT\n2018", True),
    ("BERT\n2018", "search by\nmeaning", True), ("GPT\n2018", "GPT-3\n2020", True), ("GPT-3\n2020", "Instruct-\nGPT\n2022", True),
    ("Instruct-\nGPT\n2022", "ChatGPT,\nClaude,\nGemini", True), ("GPT-3\n2020", "Llama,\nSmolLM2", True),
]  # fmt: skip


@styled
def lineage() -> Plot:
    """Who came from whom, from the RNN to the chat models: solid where layers live on, dashed where the idea did without them."""
    plot = Plot(width=7.4, height=2.8)
    ax = plot.subplots()
    ax.set_axis_off()
    for start, end, solid in DESCENT:
        (x0, y0, _), (x1, y1, _) = FAMILY[start], FAMILY[end]
        ax.add_patch(FancyArrowPatch((x0 + 0.42, y0), (x1 - 0.42, y1), arrowstyle="-|>", mutation_scale=9, color=MUTED, lw=1.3, ls="-" if solid else (0, (3, 2)), shrinkA=0, shrinkB=0))
    for name, (x, y, color) in FAMILY.items():
        ax.add_patch(FancyBboxPatch((x - 0.38, y - 0.3), 0.76, 0.6, boxstyle="round,pad=0.03", facecolor="white", edgecolor=color, lw=1.5, zorder=3))
        ax.text(x, y, name, ha="center", va="center", fontsize=9 if max(map(len, name.split("\n"))) < 9 else 8, color=color, zorder=4)
    ax.set_xlim(-0.5, 8.5)
    ax.set_ylim(-0.45, 2.45)
    ax.set_title("Who came from whom: attention was kept, recurrence left behind")
    plot.alt = "Family tree: RNN to LSTM to attention in RNNs; from there, dashed, to the Transformer of 2017, which has no recurrent layer; from it GPT, GPT-3, InstructGPT and the chat models; BERT and search; Llama and SmolLM2"
    return plot
