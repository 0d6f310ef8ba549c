"""Pictures of words: maps, associations, and how good their vectors are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from course_lib.checks import require, require_choice
from course_lib.models.embedding import WordVectors
from course_lib.plotting import label_ends
from course_lib.style import INK, MUTED, Plot, look_of, styled

__all__ = ["association_plot", "map_of_words", "scatter_plots", "trend_plot"]

HUES = ("#0072B2", "#D55E00", "#00704a", "#9C4F8A", "#A87900", "#222222", "#0091A8", "#B00020", "#5B5BD6", "#6B7A00")


@styled
def map_of_words(vectors: WordVectors, groups: dict[str, Sequence[str]], title: str, method: str = "pca", width: float = 6.5, height: float = 6.0) -> Plot:
    """Words as places on a plane, near where their vectors are near; each group in a colour and with its name in bold.

    method "pca": the two directions along which these words differ most (distances roughly kept); "tsne": near ones
    are kept near, the distances between islands mean nothing (van der Maaten & Hinton 2008). Words that would
    overlap are moved apart a little.
    """
    words = list(dict.fromkeys(word for group in groups.values() for word in group))
    require(len(words) >= 4, f"a map needs at least 4 words, got {len(words)}")
    points = vectors[words]  # (n, D)
    if require_choice("method", method, ("pca", "tsne")) == "pca":
        centred = points - points.mean(0)
        U, S, _ = np.linalg.svd(centred, full_matrices=False)
        place = U[:, :2] * S[:2] * np.sign(U[0, :2] + 1e-9)  # (n, 2); the first word always on the same side
    else:
        from sklearn.manifold import TSNE

        place = TSNE(2, perplexity=min(12, (len(words) - 1) / 3), metric="cosine", init="pca", random_state=7).fit_transform(points)
    place = (place - place.min(0)) / np.maximum(np.ptp(place, axis=0), 1e-9)  # (n, 2), 0…1
    boxes = np.array([[(0.078 if word in groups else 0.068) * len(word) / width + 0.012, 0.148 / height] for word in words])  # of 9 pt letters
    at = _apart(place, boxes)
    plot = Plot(width, height)
    ax = plot.subplots()
    for i, (name, group) in enumerate(groups.items()):
        for word in group:
            heavy = "bold" if word == name else "normal"
            ax.text(*at[words.index(word)], word, color=HUES[i % len(HUES)], fontsize=9, ha="center", va="center", fontweight=heavy)
    ax.set_xlim(*(f((at + sign * boxes / 2)[:, 0]) for f, sign in ((np.min, -1), (np.max, 1))))
    ax.set_ylim(*(f((at + sign * boxes / 2)[:, 1]) for f, sign in ((np.min, -1), (np.max, 1))))
    ax.set_axis_off()
    ax.set_title(title)
    plot.alt = f"Map of words: {title}. " + "; ".join(f"{name}: {', '.join(word for word in group if word != name)}" for name, group in groups.items())
    return plot


def _apart(place: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Places of the labels: pushed apart, a little at a time, until no two boxes overlap.  # (n, 2)"""
    at = place.copy()
    for _ in range(300):
        gap = at[:, None] - at[None]  # (n, n, 2)
        over = (boxes[:, None] + boxes[None]) / 2 - np.abs(gap)  # how deep each pair overlaps
        both = (over > 0).all(-1)
        np.fill_diagonal(both, False)
        if not both.any():
            break
        up = over[..., 1] * 1.5 <= over[..., 0]  # rather up and down: words are wide
        side = np.where(gap == 0, np.sign(np.arange(len(at))[:, None] - np.arange(len(at)))[..., None], np.sign(gap))
        push = np.stack((np.where(up, 0, over[..., 0]), np.where(up, over[..., 1], 0)), -1) * side * both[..., None]
        at += 0.5 * push.sum(1)
    return at


@styled
def association_plot(values: dict[str, float], left: str, right: str, title: str, height: float = 4.2) -> Plot:
    """Each word at its place between two poles: negative values lie to the left, positive ones to the right."""
    require(len(values) > 0, "there are no words to place")
    names = sorted(values, key=values.get)
    plot = Plot(height=height)
    ax = plot.subplots()
    for y, name in enumerate(names):
        color = "#D55E00" if values[name] < 0 else "#0072B2"
        ax.plot([0, values[name]], [y, y], color=color, lw=1.6)
        ax.plot(values[name], y, "o" if values[name] < 0 else "s", color=color, ms=5)
    ax.axvline(0, color=MUTED, lw=1)
    ax.set_yticks(range(len(names)), names)
    ax.grid(visible=False, axis="y")
    far = 1.15 * max(abs(v) for v in values.values())
    ax.set_xlim(-far, far)
    ax.set_xlabel(f"← nearer to {left}          difference of cosines          nearer to {right} →")
    ax.set_title(title)
    plot.alt = f"{title}. " + ", ".join(f"{name} {values[name]:+.2f}" for name in names)
    return plot


@styled
def trend_plot(recorded: pd.DataFrame, live: pd.DataFrame, level: float, pairs: int, height: float = 3.2) -> Plot:
    """Correlation with WordSim while skip-gram learns: this run thick, recorded seeds thin, what counting reaches dashed.

    Both tables: columns step, wordsim (the recorded one also seed). level: of PPMI + SVD.
    """
    plot, look = Plot(height=height), look_of("skip-gram")
    ax = plot.subplots()
    for _, run in recorded.groupby("seed"):
        ax.plot(run["step"], run["wordsim"], color=look.color, lw=0.8, alpha=0.6, marker=".", ms=4)
    ax.plot(live["step"], live["wordsim"], color=look.color, lw=2.4, marker="o", ms=6)
    ax.axhline(level, color=look_of("PPMI + SVD").color, lw=1.4, ls="--")
    ends = [("PPMI + SVD", ax.get_xlim()[1], level, look_of("PPMI + SVD").color), ("skip-gram, this run", live["step"].iloc[-1], live["wordsim"].iloc[-1], look.color)]
    if len(recorded):
        last = recorded[recorded["step"] == recorded["step"].max()]["wordsim"]
        ends.append((f"recorded, {len(last)} seeds", recorded["step"].max(), last.median(), look.color))
    ax.set_xlabel("training steps (of 2,048 words each)")
    ax.set_ylabel("correlation with people")
    ax.set_title(f"What skip-gram knows of {pairs} word pairs, while it learns")
    label_ends(ax, ends, gap=0.085)
    plot.alt = "Line plot: correlation with WordSim against training steps. " + "; ".join(f"{name} {y:.2f}" for name, _, y, _ in ends)
    return plot


@styled
def scatter_plots(panels: dict[str, tuple[np.ndarray, np.ndarray]], x: str, y: str, height: float = 3.2) -> Plot:
    """Side by side: title → (values on the x axis, values on the y axis), with the line on which both are equal."""
    plot = Plot(height=height)
    axes = plot.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    said = []
    for ax, (title, (a, b)) in zip(axes, panels.items()):
        ends = [min(np.min(a), np.min(b)), max(np.max(a), np.max(b))]
        ax.plot(ends, ends, color=MUTED, lw=1, ls="--")
        ax.plot(a, b, ".", color=look_of("skip-gram").color, ms=2.5, alpha=0.25, mec="none", rasterized=True)
        said.append(f"{title}: correlation {np.corrcoef(a, b)[0, 1]:.3f}")
        ax.set_title(title)
        ax.set_xlabel(x)
        ax.text(0.04, 0.93, f"correlation {np.corrcoef(a, b)[0, 1]:.3f}", transform=ax.transAxes, color=INK, bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1})
    axes[0].set_ylabel(y)
    plot.alt = f"Scatter plots of {y} against {x}. " + "; ".join(said)
    return plot
