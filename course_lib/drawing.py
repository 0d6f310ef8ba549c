"""Diagrams of the architectures, drawn by code so that they share one look and can be changed."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from course_lib.checks import require
from course_lib.style import INK, MUTED, PARALLEL, SEQUENTIAL, Plot, styled

__all__ = ["rnn_beside_attention", "SENTENCE"]

RADIUS = 0.25  # of a state's circle, where neighbours stand 1 apart
SENTENCE = ("The", "mat", "rested", "on", "the", "floor")


def _empty_axes(ax, title):
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.set_title(title)


def _arrow(ax, start, end, color, width=1.4, bend=0.0, alpha=1.0):
    ax.add_patch(FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=9, color=color, lw=width, alpha=alpha,
        connectionstyle=f"arc3,rad={bend}", shrinkA=0, shrinkB=1, zorder=2,
    ))  # fmt: skip


def _node(ax, x, y, text, color, filled=True):
    ax.add_patch(Circle((x, y), RADIUS, facecolor=color if filled else "white", edgecolor=color, lw=1.5, zorder=3))
    ax.text(x, y, text, ha="center", va="center", color="white" if filled else color, fontsize=9, zorder=4)


def _word(ax, x, y, text):
    ax.add_patch(FancyBboxPatch((x - 0.4, y - 0.19), 0.8, 0.38, boxstyle="round,pad=0.03", facecolor="#f3f3f3", edgecolor=MUTED, lw=0.8, zorder=3))
    ax.text(x, y, text, ha="center", va="center", fontsize=9, color=INK, zorder=4)


def draw_rnn(ax, words: Sequence[str] = SENTENCE, done: int | None = None) -> None:
    """An unrolled RNN on `ax`: the chain of hidden states is what must run in order. `done` steps are filled."""
    done = len(words) if done is None else done
    for t, word in enumerate(words):
        reached = t < done
        color = SEQUENTIAL if reached else "#cfcfcf"
        _word(ax, t, 0, word)
        _arrow(ax, (t, 0.25), (t, 1.0 - RADIUS), MUTED if reached else "#dddddd", 1.0)
        _node(ax, t, 1.0, f"$h_{t + 1}$", color, reached)
        if t:
            _arrow(ax, (t - 1 + RADIUS, 1.0), (t - RADIUS, 1.0), color, 2.4)
    ax.set_xlim(-0.6, len(words) - 0.4)
    ax.set_ylim(-0.3, 1.35)


def draw_attention(ax, words: Sequence[str] = SENTENCE, causal: bool = False) -> None:
    """Self-attention on `ax`: every output reads every word (or every earlier one), all at the same time."""
    for t, word in enumerate(words):
        _word(ax, t, 0, word)
        for s in range(len(words)):
            if not causal or s <= t:
                _arrow(ax, (s, 0.25), (t + 0.03 * (s - t), 1.45 - RADIUS), PARALLEL, 0.8, alpha=0.5)
        _node(ax, t, 1.45, f"$y_{t + 1}$", PARALLEL)
    ax.set_xlim(-0.6, len(words) - 0.4)
    ax.set_ylim(-0.3, 1.8)


@styled
def rnn_beside_attention(words: Sequence[str] = SENTENCE, causal: bool = False) -> Plot:
    """The unrolled RNN above, self-attention below: what waits (orange) and what does not (blue)."""
    require(1 <= len(words) <= 10, f"words must hold 1 to 10 words, got {len(words)}")
    T = len(words)
    plot = Plot(6.5, 4.1)
    top, bottom = plot.subplots(2, 1, height_ratios=(1.65, 2.1))
    _empty_axes(top, f"RNN: {T} steps, each waits for the one before")
    draw_rnn(top, words)
    _empty_axes(bottom, f"Self-attention: {T} outputs, none waits for another")
    draw_attention(bottom, words, causal)
    plot.alt = (
        f"Two diagrams over the words {' '.join(words)}. Above, an RNN: {T} hidden states in a chain of {T - 1} orange arrows. "
        "Below, self-attention: each output has blue arrows from the words directly, and no arrow between outputs."
    )
    return plot
