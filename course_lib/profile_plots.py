"""Plots of how a call spends its time and memory: peak memory, roofline, timeline."""

from __future__ import annotations

import numpy as np
import pandas as pd

from course_lib.checks import require
from course_lib.plotting import critical_path_plot, label_ends, log_axes, seconds_text
from course_lib.race.contestants import CONTESTANTS
from course_lib.style import INK, MUTED, Plot, in_words, look_of, styled

__all__ = ["PLOTS", "memory_plot", "roofline_plot", "timeline_plot", "bytes_text"]


def bytes_text(count: float) -> str:
    """Bytes with a unit that suits: 1234567 → "1.2 MB"."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{float(f'{count / scale:.2g}'):g} {unit}"
    return f"{count:.0f} B"


@styled
def memory_plot(rows: pd.DataFrame, height: float = 3.4) -> Plot:
    """Peak bytes held during a call against T; columns contestant, T, peak_bytes."""
    require(len(rows) > 0, "there are no rows to plot yet")
    plot = Plot(height=height)
    ax, ends = plot.subplots(), []
    for name, group in rows.groupby("contestant", sort=False):
        ax.plot(group["T"], group["peak_bytes"], **look_of(name).line())
        ends.append((CONTESTANTS[name].label, group["T"].iloc[-1], group["peak_bytes"].iloc[-1], look_of(name).color))
    ax.margins(y=0.12)
    log_axes(ax, rows["T"], bytes_text)
    ax.set_ylabel("peak memory of one call")
    ax.set_title("Memory held at once, beyond weights and inputs")
    label_ends(ax, ends)
    longest = rows[rows["T"] == rows["T"].max()]
    plot.alt = "Line plot, log axes: peak memory against T. At the longest: " + ", ".join(
        f"{CONTESTANTS[n].label} {bytes_text(b)}" for n, b in zip(longest["contestant"], longest["peak_bytes"])
    )
    return plot


@styled
def roofline_plot(rows: pd.DataFrame, height: float = 3.8) -> Plot:
    """FLOP/s reached against FLOPs per byte moved, under this machine's two roofs; rows of profile_roofline."""
    require(len(rows) > 0, "there are no rows to plot yet")
    plot = Plot(height=height)
    ax = plot.subplots()
    peak, traffic = rows[["peak_flops_per_s", "peak_bytes_per_s"]].iloc[0]
    intensity, reached = rows["flops"] / rows["bytes_moved"], rows["flops"] / rows["median_s"]
    x = np.geomspace(min(intensity.min(), peak / traffic) / 3, max(intensity.max(), peak / traffic) * 3, 100)
    ax.plot(x, np.minimum(peak, x * traffic), color=INK, lw=2)
    for name, i, r in zip(rows["contestant"], intensity, reached):
        ax.plot(i, r, **(look_of(name).line() | {"linestyle": "", "markersize": 8}))
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(reached.min() / 4, peak * 3)
    ax.yaxis.set_major_formatter(lambda v, _: f"{v / 1e9:g}")
    ax.set_xlabel("FLOPs per byte moved")
    ax.set_ylabel("GFLOP/s reached")
    ax.set_title(f"Under this machine's roofs, T = {int(rows['T'].iloc[0]):,}")
    ax.annotate("memory roof", (x[4], x[4] * traffic), (14, 0), textcoords="offset points", va="center", color=MUTED)
    ax.annotate("compute roof", (x[-1], peak), (0, 5), textcoords="offset points", ha="right", color=MUTED)
    label_ends(ax, [(f"{CONTESTANTS[n].label}: {b}-bound", i, r, look_of(n).color) for n, b, i, r in zip(rows["contestant"], rows["bound"], intensity, reached)])
    plot.alt = "Roofline plot. " + "; ".join(
        f"{CONTESTANTS[n].label} reaches {f:.0%} of the compute roof, {b}-bound" for n, f, b in zip(rows["contestant"], rows["compute_fraction"], rows["bound"])
    )
    return plot


@styled
def timeline_plot(rows: pd.DataFrame) -> Plot:
    """What ran when: each contestant's operations as bars on one time axis; rows of profile_timeline."""
    require(len(rows) > 0, "there are no rows to plot yet")
    names = list(dict.fromkeys(rows["contestant"]))
    plot = Plot(height=1.3 + 0.62 * len(names))
    ax, words = plot.subplots(), []
    for lane, name in enumerate(names):
        group = rows[rows["contestant"] == name]
        ax.broken_barh(
            list(zip(group["start_us"], np.maximum(group["duration_us"], 0.4))), (lane - 0.3, 0.6), facecolors=look_of(name).color, edgecolors="white", linewidth=0.25
        )
        end = (group["start_us"] + group["duration_us"]).max()
        words.append(f"{CONTESTANTS[name].label}: {len(group)} operations in {seconds_text(end * 1e-6)}")
        ax.annotate(f"{len(group)} operations, {seconds_text(end * 1e-6)}", (end, lane), (5, 0), textcoords="offset points", va="center", color=in_words(look_of(name).color))
    ax.set_yticks(range(len(names)), [CONTESTANTS[n].label for n in names])
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlim(0, 1.32 * (rows["start_us"] + rows["duration_us"]).max())
    ax.set_xlabel("time since the first operation (µs)")
    ax.set_title(f"What really ran, T = {int(rows['T'].iloc[0])}: every bar is one operation")
    plot.alt = "Timeline of executed operations. " + "; ".join(words)
    return plot


PLOTS = {"memory": memory_plot, "critical path": critical_path_plot, "roofline": roofline_plot, "timeline": timeline_plot}
