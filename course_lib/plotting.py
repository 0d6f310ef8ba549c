"""Tables in, plots out. Every function returns a `Plot` (a matplotlib Figure with alt text)."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from course_lib.checks import require
from course_lib.measure.counting import growth
from course_lib.race.contestants import CONTESTANTS
from course_lib.style import INK, MUTED, Plot, in_words, look_of, styled

__all__ = ["race_plot", "speedup_plot", "critical_path_plot", "crossovers", "caption", "gradient_plot", "label_ends", "log_axes", "seconds_text", "throughput_plot"]

LEAST_GRADIENT = 1e-20  # below it nothing is drawn: float32 could not hold it beside numbers near 1
PASS_TITLE = {"forward": "One forward pass", "train": "One training step (forward + backward)", "generate": "Generating T tokens, one by one"}


def seconds_text(seconds: float) -> str:
    """Three digits and a unit that suits: 0.00123 → "1.23 ms"."""
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{float(f'{seconds / scale:.3g}'):g} {unit}"
    return f"{seconds / 1e-9:.0f} ns"


def caption(table: pd.DataFrame) -> str:
    """Where and how a race was measured, in one line."""
    row = table.iloc[0]
    threads = f", {int(row['threads'])} threads" if row["device"] == "cpu" else ""
    return f"{row['device_name']}{threads} · {row['dtype']} · torch {row['torch']} · {row['date']}"


def crossovers(table: pd.DataFrame, slow: str, fast: str) -> list[float]:
    """Lengths T at which contestant `fast` overtakes `slow` or is overtaken (between measured lengths, on log axes)."""
    times = table[table["status"] == "ok"].pivot_table(index="T", columns="contestant", values="median_s")
    if slow not in times or fast not in times:
        return []
    times = times[[slow, fast]].dropna()
    T, gap = np.log2(times.index.to_numpy(float)), np.log(times[slow] / times[fast]).to_numpy()
    side = pd.Series(np.sign(gap)).replace(0, np.nan).ffill().to_numpy()  # equal times: still on the side it came from
    turns = np.flatnonzero(side[:-1] * side[1:] < 0)
    return [float(2 ** (T[i] + (T[i + 1] - T[i]) * gap[i] / (gap[i] - gap[i + 1]))) for i in turns]


def log_axes(ax, lengths, y_text) -> None:
    """Both axes logarithmic, one tick a length, y written out by `y_text`."""
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(sorted(set(lengths)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{int(round(v)):,}"))
    ax.xaxis.set_minor_locator(NullLocator())
    if not ax.lines:  # nothing could be run: any scale will do
        ax.set_ylim(1e-3, 1)
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(LogLocator(10, (1.0,) if high / low > 1e3 else (1.0, 2.0, 5.0), numticks=20))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: y_text(v)))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("sequence length T (tokens)")
    if len(set(lengths)) > 9:
        ax.tick_params("x", labelrotation=40)


def label_ends(ax, ends: list[tuple[str, float, float, str]], gap: float = 0.062):
    """Write each line's name at its right end, moved apart where ends lie close. ends: text, x, y, colour."""
    if not ends:
        return
    scale = np.log if ax.get_yscale() == "log" else np.asarray
    low, high = scale(ax.get_ylim())
    ends = sorted(ends, key=lambda end: end[2])
    place = [(scale(y) - low) / (high - low) for _, _, y, _ in ends]
    for _ in range(200):
        for i in range(len(place) - 1):
            overlap = gap - (place[i + 1] - place[i])
            if overlap > 1e-6:
                place[i] -= overlap / 2
                place[i + 1] += overlap / 2
    for (text, x, y, color), at in zip(ends, place):
        ax.annotate(
            text, (x, y), (1.03, at), textcoords="axes fraction", color=in_words(color), va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.6, "alpha": 0.6, "shrinkA": 1, "shrinkB": 3, "relpos": (0, 0.5)},
        )  # fmt: skip


def _draw_lines(ax, table, column, low, high):
    ends = []
    for name, rows in table[table["status"] == "ok"].groupby("contestant", sort=False):
        look, rows = look_of(name), rows.sort_values("T")
        ax.fill_between(rows["T"], rows[low], rows[high], color=look.color, alpha=0.18, lw=0)
        ax.plot(rows["T"], rows[column], **look.line())
        ends.append((CONTESTANTS[name].label, rows["T"].iloc[-1], rows[column].iloc[-1], look.color))
    return ends


def _mark_failures(ax, table):
    """Crosses at the top where a contestant could not be run, a row each, with its name and what went wrong."""
    lengths, bad = sorted(set(table["T"])), table[table["status"] != "ok"]
    for i, (name, rows) in enumerate(bad.groupby("contestant", sort=False)):
        y, look, T = 0.97 - 0.07 * i, look_of(name), sorted(rows["T"])
        ax.plot(T, [y] * len(T), "x", color=look.color, transform=ax.get_xaxis_transform(), ms=7, mew=2, clip_on=False)
        text = f"{CONTESTANTS[name].label}: {', '.join(dict.fromkeys(rows['status']))}"
        late = T[0] > lengths[len(lengths) // 2]  # then there is room on the left
        ax.annotate(
            text, (T[0] if late else T[-1], y), (-8 if late else 8, 0), xycoords=ax.get_xaxis_transform(), textcoords="offset points",
            ha="right" if late else "left", va="center", fontsize=9, color=in_words(look.color),
            bbox={"fc": "white", "ec": "none", "pad": 1, "alpha": 0.8},
        )  # fmt: skip


@styled
def race_plot(
    table: pd.DataFrame, prediction: str | None = None, guess: tuple[str, float] | None = None, height: float = 3.8, width: float = 6.5
) -> Plot:
    """Time against T on log axes, with the band of the middle half of the rounds.

    Marks where another contestant overtakes attention, and what could not be run. `prediction` is the
    reader's guess in words, shown beside the measurement; `guess` (contestant, factor) is drawn as a star:
    where that contestant would lie at the longest T if it beat the best other one by that factor.
    """
    require(len(table) > 0, "there are no rows to plot yet")
    plot, good = Plot(width, height), table[table["status"] == "ok"]
    ax = plot.subplots()
    ends = _draw_lines(ax, table, "median_s", "q1_s", "q3_s")
    if guess is not None:
        _draw_guess(ax, good, *guess)
    ax.margins(y=0.12)
    log_axes(ax, table["T"], seconds_text)
    first = table.iloc[0]
    ax.set_ylabel("time per call")
    ax.set_title(f"{PASS_TITLE[first['pass']]}: B = {int(first['B'])}, D = {int(first['width'])}{_fairness_text(first)}")
    for name, T in _meetings(table):
        times = good[good["contestant"] == name].sort_values("T")
        y = np.exp(np.interp(np.log(T), np.log(times["T"]), np.log(times["median_s"])))
        ax.plot(T, y, "o", ms=10, mfc="none", mec=INK, mew=1.2, zorder=5)
    _mark_failures(ax, table)
    label_ends(ax, ends)
    _footer(plot, _meetings_text(table), f"Your guess: {prediction}" if prediction else "", _widths_text(table), caption(table), room=3)
    plot.alt = f"Line plot, log axes: {PASS_TITLE[first['pass']].lower()}, time against sequence length. " + _ends_text(good)
    return plot


@styled
def speedup_plot(table: pd.DataFrame, height: float = 3.4) -> Plot:
    """Each contestant's time ÷ the baseline's, round by round, against T; under 1 it beats the baseline."""
    good = table[(table["status"] == "ok") & (table["ratio"] > 0)]
    require(len(good) > 0, "there are no ratios to plot yet")
    baseline = good["baseline"].iloc[0]
    good = good[(good["baseline"] == baseline) & (good["contestant"] != baseline)]
    plot = Plot(height=height)
    ax = plot.subplots()
    ends = _draw_lines(ax, good, "ratio", "ratio_q1", "ratio_q3")
    ax.axhline(1, color=look_of(baseline).color, lw=1.2)
    ax.margins(y=0.15)
    log_axes(ax, good["T"], lambda v: f"{v:g}×")
    label = CONTESTANTS[baseline].label
    ax.set_ylabel(f"time ÷ {label}")
    ax.set_title(f"Above the line {label} is faster, below it loses")
    label_ends(ax, [*ends, (label, ax.get_xlim()[1], 1.0, look_of(baseline).color)])
    _footer(plot, caption(table))
    plot.alt = f"Line plot: time relative to {label} against sequence length, with a line at 1."
    return plot


@styled
def throughput_plot(table: pd.DataFrame, height: float = 3.4) -> Plot:
    """Words per second against words in a batch, B·T; rows of races at several batch sizes."""
    good = table[table["status"] == "ok"].assign(words=lambda rows: rows["B"] * rows["T"])
    require(len(good) > 0, "there are no rows to plot yet")
    plot = Plot(height=height)
    ax, ends = plot.subplots(), []
    for name, rows in good.groupby("contestant", sort=False):
        rate = rows["words"] / rows["median_s"]
        ax.plot(rows["words"], rate, **look_of(name).line())
        ends.append((CONTESTANTS[name].label, rows["words"].iloc[-1], rate.iloc[-1], look_of(name).color))
    ax.margins(y=0.15)
    log_axes(ax, good["words"], lambda v: f"{v:,.0f}")
    ax.set_xlabel("words in the batch, B·T")
    ax.set_ylabel("words per second")
    ax.set_title(f"More words at once, up to a point (T = {int(good['T'].iloc[0])})")
    label_ends(ax, ends)
    _footer(plot, caption(good))
    plot.alt = "Line plot, log axes: words per second against words in a batch."
    return plot


@styled
def gradient_plot(by_lag: dict[str, list[float]], record: pd.DataFrame | None = None, limits: tuple[float, float] | None = None, height: float = 3.4) -> Plot:
    """Gradient of the last output in each earlier input, relative to lag 0; name → values at lag 0, 1, 2 …

    record: recorded values (columns model, lag, ratio) of the same names, drawn as dots. limits: of the upright axis.
    """
    require(len(by_lag) > 0, "there are no gradients to plot")
    plot = Plot(height=height)
    ax, ends = plot.subplots(), []
    marks = ("o", "s", "^", "D", "v", "P", "X", "d")
    for i, (name, values) in enumerate(by_lag.items()):
        look, values = look_of(name), np.maximum(values, 1e-30)
        color = look.color if look.color != INK else f"C{i}"
        every = max(1, len(values) // 8)
        ax.plot(range(len(values)), values, color=color, marker=marks[i % 8], linestyle=(look.linestyle, "--", "-.", ":")[i % 4], markevery=every)
        if record is not None:
            dots = record[(record["model"] == name) & (record["ratio"] > LEAST_GRADIENT)]
            ax.plot(dots["lag"], dots["ratio"], ".", color=color, ms=4, alpha=0.6)
        low, high = limits or (LEAST_GRADIENT, np.inf)
        seen = np.flatnonzero((values >= low) & (values <= high))  # a line that leaves the picture is named where it leaves
        ends.append((CONTESTANTS[name].label if name in CONTESTANTS else name, int(seen[-1]), float(values[seen[-1]]), color))
    ax.set_yscale("log")
    ax.set_ylim(limits or (max(ax.get_ylim()[0], LEAST_GRADIENT), ax.get_ylim()[1] * 3))
    ax.set_xlabel("lag: how many steps back the input lies")
    ax.set_ylabel("gradient ÷ gradient at lag 0")
    ax.set_title("How much of the past still counts in learning")
    label_ends(ax, ends)
    plot.alt = "Line plot, log axis: gradient against lag. " + "; ".join(f"{text}: {value:.0e} at lag {lag}" for text, lag, value, _ in ends)
    return plot


@styled
def critical_path_plot(counts: pd.DataFrame, height: float = 3.4) -> Plot:
    """Longest chain of dependent operations against T; columns contestant, T, critical_path."""
    require(len(counts) > 0, "there are no counts to plot")
    plot = Plot(height=height)
    ax = plot.subplots()
    ends, words = [], []
    for name, rows in counts.groupby("contestant", sort=False):
        look, rows = look_of(name), rows.sort_values("T")
        ax.plot(rows["T"], rows["critical_path"], **look.line())
        label = CONTESTANTS[name].label
        order = growth(rows["T"].tolist(), rows["critical_path"].tolist()) if len(rows) >= 4 else ""
        suffix = {"": "", "1": ": constant"}.get(order, f": grows like {order}")
        ends.append((label + suffix, rows["T"].iloc[-1], rows["critical_path"].iloc[-1], look.color))
        words.append(label + suffix)
    ax.margins(y=0.12)
    log_axes(ax, counts["T"], lambda v: f"{v:,.0f}")
    ax.set_ylabel("operations in the longest chain")
    ax.set_title("What must happen one after the other")
    label_ends(ax, ends)
    plot.alt = "Line plot, log axes: length of the longest chain of dependent operations against T. " + "; ".join(words) + "."
    return plot


def _draw_guess(ax, good, name: str, factor: float) -> None:
    last = good[good["T"] == good["T"].max()].set_index("contestant")["median_s"]
    if name in last and len(last) > 1:
        T, y = good["T"].max(), last.drop(name).min() / factor
        ax.plot(T, y, "*", ms=13, mfc="white", mec=look_of(name).color, mew=1.6, zorder=6)
        ax.annotate("your guess", (T, y), (-9, 0), textcoords="offset points", ha="right", va="center", color=in_words(look_of(name).color))


def _widths_text(table) -> str:
    """What equal parameters or FLOPs made of each contestant's width (at the longest T)."""
    if table["fairness"].iloc[0] == "width":
        return ""
    last = table[table["T"] == table["T"].max()]
    widths = ", ".join(f"{CONTESTANTS[name].label} {int(D)}" for name, D in zip(last["contestant"], last["D"]))
    return textwrap.fill(f"Widths: {widths}.", 92)


def _fairness_text(row) -> str:
    return "" if row["fairness"] == "width" else f", equal {'FLOPs' if row['fairness'] == 'flops' else 'parameters'}"


def _two_digits(T: float) -> int:
    return int(float(f"{T:.2g}"))


def _ends_text(good) -> str:
    if good.empty:
        return "Nothing was measured."
    longest = good[good["T"] == good["T"].max()]
    return f"At T = {longest['T'].iloc[0]:,}: " + ", ".join(f"{CONTESTANTS[n].label} {seconds_text(s)}" for n, s in zip(longest["contestant"], longest["median_s"])) + "."


def _meetings(table) -> list[tuple[str, float]]:
    """(contestant, T) wherever a recurrent contestant and fused attention change places."""
    names = table.loc[table["status"] == "ok", "contestant"].unique()
    return [(n, T) for n in names if CONTESTANTS[n].recurrent for T in crossovers(table, n, "attention-sdpa")]


def _meetings_text(table) -> str:
    places: dict[str, list[str]] = {}
    for name, T in _meetings(table):
        places.setdefault(CONTESTANTS[name].label, []).append(f"{_two_digits(T):,}")
    found = "; ".join(f"{label} at T ≈ {' and '.join(lengths)}" for label, lengths in places.items())
    return textwrap.fill(f"Circles: changes places with fused attention: {found}.", 92) if found else ""


def _footer(plot, *lines, room: int = 1):
    """Lines below the plot. `room` lines are kept even when there are fewer: a live plot must not change its height."""
    text = "\n".join(line for line in lines if line)
    missing = max(0, room - 1 - text.count("\n"))
    plot.set_figheight(plot.get_figheight() + 0.16 * (text.count("\n") + missing))
    plot.supxlabel(text + "\n " * missing, fontsize=9, color=MUTED, x=0.01, ha="left")
