"""Diagrams of the architectures, drawn by code so that they share one look and can be changed."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from course_lib.checks import require
from course_lib.style import INK, MUTED, PARALLEL, SEQUENTIAL, Plot, styled

__all__ = ["SENTENCE", "draw_attention", "draw_rnn", "draw_weights", "fading_gradient", "filmstrip", "lstm_cell", "matrices_beside", "rnn_beside_attention", "step_by_step", "unrolled_rnn"]

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


def draw_weights(ax, words: Sequence[str], weights, shown: bool = True, numbers: bool = True) -> None:
    """The attention matrix as a heat map: row t says how much word t takes from each word."""
    T = len(words)
    ax.imshow(weights if shown else [[0.0] * T] * T, cmap="Blues", vmin=0, vmax=1)
    ax.set_xticks(range(T), words)
    ax.set_yticks(range(T), words)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    if max(map(len, words)) > 4:  # wider than its column
        ax.tick_params("x", labelrotation=45)
    ax.set_xticks([t - 0.5 for t in range(T + 1)], minor=True)
    ax.set_yticks([t - 0.5 for t in range(T + 1)], minor=True)
    ax.grid(visible=False, which="major")
    ax.grid(visible=True, which="minor", color="white" if shown else "#dddddd", lw=1.2)
    ax.tick_params(which="minor", length=0)
    ax.spines[:].set_visible(False)
    if shown and numbers:
        for t, row in enumerate(weights):
            for s, weight in enumerate(row):
                ax.text(s, t, f"{weight:.2f}", ha="center", va="center", fontsize=9, color="white" if weight > 0.55 else INK)


@styled
def matrices_beside(matrices: dict[str, Sequence[Sequence[float]]], words: Sequence[str], numbers: bool = False) -> Plot:
    """Up to three (T, T) matrices of values 0…1 beside each other: who reads whom. title → matrix."""
    require(1 <= len(matrices) <= 3, f"matrices must hold 1 to 3, got {len(matrices)}")
    plot = Plot(6.5, 1.1 + 6.0 / max(2, len(matrices)))
    axes = plot.subplots(1, len(matrices), squeeze=False)[0]
    for ax, (title, matrix) in zip(axes, matrices.items()):
        draw_weights(ax, words, matrix, numbers=numbers)
        ax.set_title(title, pad=8)
    plot.alt = "Heat maps, a row for each word that reads and a column for each word read: " + "; ".join(matrices)
    return plot


@styled
def step_by_step(words: Sequence[str], weights, step: int) -> Plot:
    """Above, the RNN after `step` words; below, attention: nothing before the first step, all of it from then on."""
    T = len(words)
    plot = Plot(6.5, 5.0)
    top, bottom = plot.subplots(2, 1, height_ratios=(1.65, 3.3))
    _empty_axes(top, f"RNN: step {step} of {T}" + (", one word at a time" if step < T else ": only now has it read the sentence"))
    draw_rnn(top, words, step)
    draw_weights(bottom, words, weights, shown=step > 0)
    bottom.set_title("Attention: not started" if not step else "Attention: every word to every word, done in step 1", pad=8)
    plot.alt = f"After step {step}: the RNN has filled {step} of {T} hidden states; attention's {T} by {T} matrix is {'complete' if step else 'empty'}."
    return plot


@styled
def filmstrip(words: Sequence[str], weights) -> Plot:
    """All steps as one picture, for pages that cannot run widgets: the RNN's chain row by row, attention at the end."""
    T = len(words)
    plot = Plot(6.5, 0.42 * T + 3.5)
    rows = plot.subplots(T + 1, 1, height_ratios=[1] * T + [6])
    for step, ax in enumerate(rows[:T], start=1):
        _empty_axes(ax, "")
        ax.set_aspect("auto")
        for t, word in enumerate(words):
            color = SEQUENTIAL if t < step else "#bbbbbb"
            ax.text(t, 0, word, ha="center", va="center", fontsize=9, color="white" if t < step else MUTED,
                    bbox={"boxstyle": "round,pad=0.3", "facecolor": color if t < step else "white", "edgecolor": color})  # fmt: skip
            if t and t < step:
                _arrow(ax, (t - 0.62, 0), (t - 0.38, 0), SEQUENTIAL, 1.8)
        ax.set_xlim(-1.6, T - 0.4)
        ax.set_ylim(-1, 1)
        ax.text(-1.55, 0, f"RNN, step {step}", va="center", fontsize=9, color=SEQUENTIAL)
    draw_weights(rows[T], words, weights)
    rows[T].set_title("Attention, step 1: every word to every word", color=PARALLEL, pad=8)
    plot.alt = f"Filmstrip: an RNN reads {' '.join(words)} in {T} steps, one more word lit in each row; below, attention's whole {T} by {T} matrix, complete in one step."
    return plot


@styled
def lstm_cell() -> Plot:
    """One step of an LSTM: the cell's straight line above, the state and the input below, three gates between."""
    plot = Plot(6.5, 3.2)
    ax = plot.subplots()
    _empty_axes(ax, "One step of an LSTM: a line that is only scaled and added to")
    cell, gate = "#009E73", "#E9A100"
    rail, base = 2.6, 0.0
    _arrow(ax, (-0.9, rail), (6.9, rail), cell, 3.4)
    for x, text in ((-0.95, "$c_{t-1}$"), (7.25, "$c_t$")):
        ax.text(x, rail, text, ha="center" if x > 0 else "right", va="center", color=cell, fontsize=12)
    for x, sign in ((0.8, "×"), (2.9, "+")):
        ax.add_patch(Circle((x, rail), 0.2, facecolor="white", edgecolor=cell, lw=2, zorder=4))
        ax.text(x, rail, sign, ha="center", va="center", color=cell, fontsize=12, zorder=5)
    for x, y, text, what, color in (
        (0.8, 0.85, "$f$", "forget gate\nσ, 0…1", gate), (2.3, 0.85, "$i$", "input gate\nσ, 0…1", gate),
        (3.5, 0.85, "$g$", "candidate\ntanh, −1…1", INK), (5.0, 0.85, "$o$", "output gate\nσ, 0…1", gate),
    ):  # fmt: skip
        _node(ax, x, y, text, color)
        ax.text(x, y - 0.36, what, ha="center", va="top", fontsize=9, color=color if color == INK else "#7A5200")
        _arrow(ax, (x, base - 0.42), (x, base - 0.1), MUTED, 1.0)
    ax.add_patch(Circle((2.9, 1.75), 0.2, facecolor="white", edgecolor=INK, lw=1.4, zorder=4))
    ax.add_patch(Circle((5.9, 1.45), 0.2, facecolor="white", edgecolor=INK, lw=1.4, zorder=4))
    for x, y in ((2.9, 1.75), (5.9, 1.45)):
        ax.text(x, y, "×", ha="center", va="center", fontsize=12, zorder=5)
    for start, end in (
        ((0.8, 1.1), (0.8, 2.4)), ((2.4, 1.08), (2.78, 1.58)), ((3.4, 1.08), (3.02, 1.58)), ((2.9, 1.95), (2.9, 2.4)),
        ((5.9, rail), (5.9, 1.66)), ((5.2, 1.0), (5.73, 1.35)), ((6.1, 1.45), (6.9, 1.45)),
    ):  # fmt: skip
        _arrow(ax, start, end, INK, 1.2)
    ax.text(6.02, 2.05, "tanh", fontsize=9, va="center", color=INK)
    ax.text(7.25, 1.45, "$h_t$", ha="center", va="center", fontsize=12, color=SEQUENTIAL)
    ax.plot([-0.6, 5.0], [base - 0.42] * 2, color=MUTED, lw=1.4)
    ax.text(-0.7, base - 0.42, "$x_t,\\ h_{t-1}$", ha="right", va="center", fontsize=12, color=SEQUENTIAL)
    ax.set_xlim(-1.8, 7.6)
    ax.set_ylim(-0.65, 2.95)
    plot.alt = (
        "Diagram of an LSTM cell. Above, the old cell state runs straight to the new one: multiplied by the forget gate, then the input gate times "
        "the candidate is added. All gates read the input and the last state; the output gate times tanh of the cell gives the new state."
    )
    return plot


@styled
def unrolled_rnn(words: Sequence[str] = SENTENCE) -> Plot:
    """The same RNN twice: as one cell with a loop, and unrolled, a copy of the cell for every word."""
    plot = Plot(6.5, 2.0)
    ax = plot.subplots()
    _empty_axes(ax, "One cell, used again at every step … and the same thing unrolled")
    draw_rnn(ax, words)
    _word(ax, -2.2, 0, "$x_t$")
    _arrow(ax, (-2.2, 0.25), (-2.2, 1.0 - RADIUS), MUTED, 1.0)
    _node(ax, -2.2, 1.0, "$h$", SEQUENTIAL)
    _arrow(ax, (-1.98, 1.12), (-1.98, 0.88), SEQUENTIAL, 2.4, bend=-2.6)
    ax.text(-1.05, 0.62, "=", ha="center", va="center", fontsize=16, color=INK)
    ax.set_xlim(-2.7, len(words) - 0.4)
    plot.alt = f"Left, one cell h that reads a word and, by an arrow back to itself, its own last state. Right, the same cell drawn {len(words)} times in a chain over {' '.join(words)}."
    return plot


@styled
def fading_gradient(words: Sequence[str], kept: dict[str, Sequence[float]]) -> Plot:
    """The gradient on its way back along the chain; title → share of it that is left at lag 0, 1, 2 …

    Arrows run from the last word back to the first, and are as thick as what is left of the gradient.
    """
    T = len(words)
    require(2 <= T <= 9, f"words must hold 2 to 9 words, got {T}")
    plot = Plot(6.5, 1.75 * len(kept))
    for ax, (title, shares) in zip(plot.subplots(len(kept), 1, squeeze=False)[:, 0], kept.items()):
        _empty_axes(ax, title)
        for t, word in enumerate(words):
            share = float(shares[T - 1 - t])
            shade = min(1.0, 0.06 + 0.94 * share)
            _word(ax, t, 0, word)
            if t < T - 1:
                _arrow(ax, (t + 1 - RADIUS, 0.85), (t + RADIUS, 0.85), SEQUENTIAL, 0.4 + 6 * min(share, 1.3), alpha=shade)
            ax.add_patch(Circle((t, 0.85), RADIUS, facecolor="white", edgecolor="none", zorder=3))
            ax.add_patch(Circle((t, 0.85), RADIUS, facecolor=SEQUENTIAL, edgecolor=SEQUENTIAL, alpha=shade, lw=1.2, zorder=3))
            ax.text(t, 1.27, f"{share:.0%}" if share >= 0.01 else f"{share:.1%}", ha="center", va="center", fontsize=9, color=INK)
        ax.text(T - 0.6, 0.85, "error", va="center", fontsize=9, color=INK)
        ax.set_xlim(-0.6, T + 0.2)
        ax.set_ylim(-0.3, 1.45)
    plot.alt = "Chains of states with arrows from the last word back to the first, as thick as what is left of the gradient. " + "; ".join(
        f"{title}: {float(shares[T - 1]):.1%} reaches {words[0]!r}" for title, shares in kept.items()
    )
    return plot
