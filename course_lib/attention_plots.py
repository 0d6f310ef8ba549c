"""Who looks at whom: attention as heat maps, one head or all of them, and curves against one number."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.ticker import NullFormatter, NullLocator

from course_lib.checks import require
from course_lib.plotting import label_ends
from course_lib.style import INK, MUTED, Plot, look_of, styled

__all__ = ["curves_plot", "heads_plot", "heat_map", "maps_beside", "strongest"]

NUMBERS_UP_TO = 11  # columns: with more of them the numbers would no longer fit their cells
SHADES = PowerNorm(0.5, 0, 1)  # small weights stay visible, and a shade means the same weight in every picture


def _matrix(weights, rows, columns) -> np.ndarray:
    matrix = np.asarray(weights, dtype=float)
    require(matrix.shape == (len(rows), len(columns)), f"weights must have shape ({len(rows)}, {len(columns)}), as many as words, got {matrix.shape}")
    return matrix


def _labels(words: Sequence[str]) -> list[str]:
    return [word.replace("$", r"\$") for word in words]  # matplotlib would read a formula


def _draw_map(ax, matrix, rows, columns, numbers: bool, size: float = 10):
    image = ax.imshow(matrix, cmap="Blues", norm=SHADES, aspect="equal", interpolation="nearest")
    ax.set_xticks(range(len(columns)), _labels(columns), rotation=45 if max(map(len, columns)) > 2 else 0, ha="left" if max(map(len, columns)) > 2 else "center", rotation_mode="anchor")
    ax.set_yticks(range(len(rows)), _labels(rows))
    ax.xaxis.tick_top()
    ax.xaxis.set_minor_locator(NullLocator())
    ax.tick_params(length=0, labelsize=size)
    ax.grid(visible=False)
    ax.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    ax.grid(visible=True, which="minor", color="#e4e4e4", lw=0.7)
    ax.tick_params(which="minor", length=0)
    ax.spines[:].set_visible(False)
    if numbers:
        for (t, s), weight in np.ndenumerate(matrix):
            text = "" if weight < 0.005 else f"{weight:.2f}".lstrip("0")
            ax.text(s, t, text, ha="center", va="center", fontsize=size, color="white" if weight > 0.45 else INK)
    return image


def strongest(weights, rows: Sequence[str], columns: Sequence[str], count: int = 8, row: int | None = None) -> list[tuple[str, str, float]]:
    """The largest weights of a map, of all words or of one `row`: (who looks, at whom, weight), largest first."""
    matrix = _matrix(weights, rows, columns)
    order = np.argsort(-matrix, axis=None, kind="stable")
    cells = ((t, s) for t, s in zip(*np.unravel_index(order, matrix.shape)) if row is None or t == row)
    return [(rows[t], columns[s], float(matrix[t, s])) for (t, s), _ in zip(cells, range(count))]


@styled
def heat_map(weights, rows: Sequence[str], columns: Sequence[str] | None = None, title: str = "") -> Plot:
    """One head: a row for each word that looks, a column for each word looked at; weights (T, S) of 0 … 1.

    columns: default, the same words as the rows. Numbers stand in the cells when they fit. The shade of a
    weight is the same in every picture (a square root, so that a tenth is still seen).
    """
    columns = rows if columns is None else columns
    matrix = _matrix(weights, rows, columns)
    T, S = matrix.shape
    cell = min(0.52, 5.0 / S, 7.0 / T)
    longest = max(map(len, columns))
    plot = Plot(6.5, cell * T + 0.95 + 0.065 * longest)
    ax = plot.subplots()
    image = _draw_map(ax, matrix, rows, columns, S <= NUMBERS_UP_TO, max(7.0, min(10.5, 62 * cell)))
    ax.set_ylabel("who looks")
    ax.set_xlabel("at whom")
    plot.suptitle(title, x=0.02, ha="left", fontsize=10.5, fontweight="bold")  # the axes of a short sentence are narrower than it
    bar = plot.colorbar(image, ax=ax, shrink=0.8, aspect=18, pad=0.03, ticks=[0, 0.05, 0.25, 0.5, 1])
    bar.ax.set_yticklabels(["0", "0.05", "0.25", "0.5", "1"])
    bar.ax.yaxis.set_minor_locator(NullLocator())
    top = "; ".join(f"{a} at {b} {w:.2f}" for a, b, w in strongest(matrix, rows, columns, 4))
    plot.alt = f"Heat map of attention{': ' + title if title else ''}, {T} words looking at {S}. Strongest: {top}"
    return plot


@styled
def maps_beside(maps: dict[str, tuple], height: float | None = None, words: bool = True) -> Plot:
    """Two or three heads beside each other: title → (weights (T, S), rows, columns). words: written at the edges, or left out."""
    require(2 <= len(maps) <= 3, f"maps must hold 2 or 3, got {len(maps)}")
    T = max(len(rows) for _, rows, _ in maps.values())
    plot = Plot(6.5, height or 1.0 + 5.4 / len(maps))
    for ax, (title, (weights, rows, columns)) in zip(plot.subplots(1, len(maps)), maps.items()):
        matrix = _matrix(weights, rows, columns)
        _draw_map(ax, matrix, rows, columns, False, 9 if T <= 18 else 7)
        if not words:
            ax.set_xticks([])
            ax.set_yticks([])
        ax.set_title(title, pad=8)
        ax.set_xlabel("at whom")
    plot.axes[0].set_ylabel("who looks")
    plot.alt = "Heat maps of attention: " + ". ".join(f"{title}: {', '.join(f'{a} at {b} {w:.2f}' for a, b, w in strongest(*m, count=3))}" for title, m in maps.items())
    return plot


@styled
def heads_plot(layers: Sequence, title: str = "", marked: Sequence[tuple[int, int]] = (), mark: str = "") -> Plot:
    """All heads of a model as small maps, a row a layer: N arrays (H, T, T). marked: (layer, head), from 1, framed.

    More than 6 layers of 12 heads are too many to read.
    """
    layers = [np.asarray(layer, dtype=float) for layer in layers]
    N, H = len(layers), layers[0].shape[0]
    require(1 <= N <= 6 and H <= 12, f"heads_plot shows up to 6 layers of 12 heads, got {N} of {H}")
    side = min(1.5, 6.0 / H)
    plot = Plot(6.5, 0.75 + N * (side + 0.12))
    axes = plot.subplots(N, H, squeeze=False)
    for n, layer in enumerate(layers):
        for h, matrix in enumerate(layer):
            ax = axes[n, h]
            ax.imshow(matrix, cmap="Blues", norm=SHADES, interpolation="nearest")
            ax.set_xticks([])
            ax.set_yticks([])
            ax.grid(visible=False)
            chosen = (n + 1, h + 1) in marked
            ax.spines[:].set(visible=True, color="#D55E00" if chosen else "#bbbbbb", linewidth=2.4 if chosen else 0.6)
            if not n:
                ax.set_title(f"{h + 1}" if H > 4 else f"head {h + 1}", loc="center", pad=3)
        axes[n, 0].set_ylabel(f"layer {n + 1}")
    plot.suptitle(title, x=0.02, ha="left", fontsize=10.5, fontweight="bold")
    named = ", ".join(f"layer {n} head {h}" for n, h in marked)
    plot.alt = f"Small heat maps of attention, {N} layers of {H} heads. {title}" + (f". Framed, {mark}: {named}" if marked else "")
    return plot


@styled
def curves_plot(
    x: Sequence[float], curves: dict[str, Sequence[float]], x_name: str, y_name: str, title: str, log: str = "", marks: dict[str, list] | None = None,
    line: tuple[str, float] | None = None, height: float = 3.2,
) -> Plot:  # fmt: skip
    """Values against one number: name → values at each x. log: "x", "y" or "xy". marks: name → (x, y) points of
    recorded runs, drawn small. line: a name and the height of a dashed line."""
    require(len(curves) > 0 and all(len(values) == len(x) for values in curves.values()), "each curve needs a value for every x")
    plot = Plot(height=height)
    ax, ends = plot.subplots(), []
    for i, (name, values) in enumerate(curves.items()):
        color = look_of(name).color if look_of(name).color != INK else f"C{i}"
        ax.plot(x, values, color=color, marker="osD^vP"[i % 6], linestyle=("-", "--", "-.", ":")[i % 4])
        points = (marks or {}).get(name, [])
        ax.plot([p[0] for p in points], [p[1] for p in points], ".", color=color, ms=5, alpha=0.6)
        ends.append((name, x[-1], values[-1], color))
    if "x" in log:
        ax.set_xscale("log", base=2)
        ax.set_xticks(list(x), [f"{v:,g}" for v in x])
        ax.xaxis.set_minor_locator(NullLocator())
    if "y" in log:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    if line is not None:
        ax.axhline(line[1], color=MUTED, lw=1.2, ls="--")
        ends.append((line[0], x[-1], line[1], MUTED))
    ax.set_xlabel(x_name)
    ax.set_ylabel(y_name)
    ax.set_title(title)
    ax.margins(y=0.1)
    label_ends(ax, ends, gap=0.085)
    plot.alt = f"Line plot: {y_name} against {x_name}. At {x[-1]:g}: " + ", ".join(f"{name} {_short(values[-1])}" for name, values in curves.items())
    return plot


def _short(value: float) -> str:
    return f"{value:.1e}" if value and not 1e-3 < math.fabs(value) < 1e4 else f"{value:.3g}"
