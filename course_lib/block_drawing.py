"""The Transformer's block drawn, and what happens from layer to layer of a stack of them."""

from __future__ import annotations

from matplotlib.patches import Circle, FancyBboxPatch

from course_lib.checks import require
from course_lib.drawing import _arrow, _empty_axes
from course_lib.plotting import label_ends
from course_lib.style import INK, MUTED, PARALLEL, SEQUENTIAL, Plot, look_of, styled

__all__ = ["layers_plot", "transformer_block"]

NORM, FEED = "#666666", "#8A5A00"
RESIDUAL = SEQUENTIAL


def _box(ax, y, text, color, filled=True):
    ax.add_patch(FancyBboxPatch((-1.15, y - 0.27), 2.3, 0.54, boxstyle="round,pad=0.04", facecolor=color if filled else "white", edgecolor=color, lw=1.5, zorder=3))
    ax.text(0, y, text, ha="center", va="center", fontsize=10, color="white" if filled else color, zorder=4)


def _plus(ax, y):
    ax.add_patch(Circle((0, y), 0.19, facecolor="white", edgecolor=RESIDUAL, lw=2, zorder=4))
    ax.text(0, y, "+", ha="center", va="center", color=RESIDUAL, fontsize=13, zorder=5)


def _draw_block(ax, norm: str) -> None:
    """One block on `ax`, read from below: the way up through the layers, and beside it the way around each."""
    y, last = 0.0, -0.75
    ax.text(0, last - 0.2, "words, one vector each", ha="center", va="top", fontsize=9, color=MUTED)
    for text, color in (("attention", PARALLEL), ("feed-forward network", FEED)):
        split = last + 0.22
        y += 0.12  # room for the way around to begin
        rows = [(text, color, True), None, ("norm", NORM, False)] if norm == "post" else [("norm", NORM, False), (text, color, True), None]
        for row in rows:
            _arrow(ax, (0, last + 0.02), (0, y - (0.33 if row else 0.2)), INK, 1.2)
            if row is None:
                _plus(ax, y)
                ax.plot([0, 1.75, 1.75], [split, split, y], color=RESIDUAL, lw=2.4, zorder=1, solid_joinstyle="round")
                _arrow(ax, (1.75, y), (0.2, y), RESIDUAL, 2.4)
                last = y + 0.2
            else:
                _box(ax, y, *row)
                last = y + 0.33
            y += 0.98
    _arrow(ax, (0, last + 0.02), (0, y - 0.3), INK, 1.2)
    ax.text(0, y - 0.25, "to the next block", ha="center", va="bottom", fontsize=9, color=MUTED)
    ax.set_xlim(-1.7, 2.2)
    ax.set_ylim(-1.35, y + 0.2)


@styled
def transformer_block() -> Plot:
    """The block twice, read from below: as in 2017 and in BERT (norm after the sum), and as in GPT-2 (norm before)."""
    plot = Plot(6.5, 5.4)
    for ax, (norm, title) in zip(plot.subplots(1, 2), (("post", "Post-norm (2017, BERT)"), ("pre", "Pre-norm (GPT-2 and after)"))):
        _empty_axes(ax, title)
        _draw_block(ax, norm)
    plot.alt = (
        "Two diagrams of a Transformer block, read from below. In both, attention and then a feed-forward network, and around each an orange line, "
        "the residual, that is added to its output. Left, a norm stands after each sum; right, before each layer, so that the orange line runs through unchanged."
    )
    return plot


@styled
def layers_plot(
    lines: dict[str, list[float]], y: str, title: str, *, first: int = 0, colors: dict[str, str] | None = None, faint: tuple[str, ...] = (),
    record: dict[str, list[list[float]]] | None = None, log: bool = False, x: str = "layer", height: float = 3.4,
) -> Plot:  # fmt: skip
    """A line a name over the layers first, first + 1 …; `faint` ones thin and without their names; record: other runs of a name, thin."""
    require(len(lines) > len(faint), "lines must hold at least one line that is not faint")
    plot = Plot(height=height)
    ax, ends = plot.subplots(), []
    for i, (name, values) in enumerate(lines.items()):
        color = (colors or {}).get(name, look_of(name).color if look_of(name).color != INK else f"C{i}")
        layers = range(first, first + len(values))
        for run in (record or {}).get(name, []):
            ax.plot(layers, run, color=color, lw=0.8, alpha=0.55)
        strong = name not in faint
        ax.plot(layers, values, color=color, lw=2.2 if strong else 1.0, alpha=1 if strong else 0.6, marker="os^DvPX"[len(ends) % 7] if strong else None, ms=5)
        if strong:
            ends.append((name, layers[-1], float(values[-1]), color))
    if log:
        ax.set_yscale("log")
    elif min(map(min, lines.values())) < 0:
        ax.axhline(0, color=MUTED, lw=1, ls="--")
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_title(title)
    label_ends(ax, ends, gap=0.075)
    plot.alt = f"Line plot over the layers: {title}. At the last: " + "; ".join(f"{name} {value:.2g}" for name, _, value, _ in ends)
    return plot
