"""`make bench`: run the benchmarks (all, or those named), print a table, append the figures to results.csv, draw them.

C1 … C8 are the CPU's, G1 … G5 a GPU's. Without a GPU a named G runs small, to show that it works, and leaves no figure.
"""

from __future__ import annotations

import datetime
import importlib
import sys
from pathlib import Path

import pandas as pd
import torch

from course_lib.measure import device_name
from course_lib.style import INK, PARALLEL, SEQUENTIAL, Plot, styled

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
README = HERE.parents[1] / "README.md"
START, END = "<!-- figures: written by make bench -->\n", "<!-- end of figures -->"
NAMES = sorted(path.stem for path in HERE.glob("[cg][0-9]*_*.py"))


def main(wanted: list[str]) -> int:
    on_gpu = torch.cuda.is_available()
    here = "g" if on_gpu else "c"  # what is measured where nothing is named
    names = [name for name in NAMES if name.split("_")[0] in wanted or (not wanted and name.startswith(here))]
    if not names:
        print(f"no such benchmark; there are {', '.join(name.split('_')[0] for name in NAMES)}", file=sys.stderr)
        return 2
    torch.set_num_threads(2)
    torch.manual_seed(0)
    rows = []
    for name in names:
        dry = name.startswith("g") and not on_gpu
        for bar in importlib.import_module(f"tests.benchmarks.{name}").bars():
            r = bar.ratio
            figure = f"{r.median:.1e}" if bar.at_most and r.median < 0.001 else f"{r.median:.3f}  [{r.low:.3f}, {r.high:.3f}]"
            sign = "≤" if bar.at_most else "≥"
            print(f"{bar.name}  {bar.what:<64} {figure:<24} {sign} {bar.floor:g} (moonshot {bar.moonshot:g})  {'dry run' if dry else bar.verdict}", flush=True)
            if dry:
                continue
            rows.append({
                "bar": bar.name, "what": bar.what, "median": r.median, "q1": r.low, "q3": r.high, "floor": bar.floor, "moonshot": bar.moonshot,
                "at_most": bar.at_most, "verdict": bar.verdict, "device": device_name("cuda" if name.startswith("g") else "cpu"), "threads": torch.get_num_threads(),
                "torch": torch.__version__, "date": datetime.date.today().isoformat(),
            })  # fmt: skip
    if not rows:
        return 0
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS, mode="a", header=not RESULTS.exists(), index=False)
    (HERE / "results.png").write_bytes(draw(table[~table["at_most"]]).png())
    text = README.read_text(encoding="utf-8")
    if START in text:
        before, rest = text.split(START)
        README.write_text(before + START + readme_table(pd.read_csv(RESULTS)) + END + rest.split(END)[1], encoding="utf-8")
    return 0


def readme_table(results: pd.DataFrame) -> str:
    """The latest figure of each line, as a table for the README."""
    latest = results.drop_duplicates(["bar", "what"], keep="last").sort_values("bar", kind="stable")
    lines = ["| | what | measured [middle half] | goal |", "|---|---|---|---|"]
    for row in latest.to_dict("records"):
        unit = " s" if "seconds" in row["what"] else "" if row["at_most"] or "share" in row["what"] or "utilisation" in row["what"] else "×"
        one = row["median"] if row["median"] >= 0.01 else float(f"{row['median']:.1e}")
        middle = "" if row["q1"] == row["q3"] else f" [{row['q1']:.3g}, {row['q3']:.3g}]"
        lines.append(f"| {row['bar']} | {row['what']} | {one:.3g}{unit}{middle} | {'≤' if row['at_most'] else '≥'} {row['floor']:g}{unit} |")
    where = latest.iloc[-1]
    return "\n".join([*lines, "", f"{where['device']}, {where['threads']} threads, torch {where['torch']}, {where['date']}."]) + "\n"


@styled
def draw(table: pd.DataFrame) -> Plot:
    """Every ratio with its middle half, beside its bar and its moonshot."""
    plot = Plot(7.5, 1.0 + 0.3 * len(table), alt="Ratios peer ÷ course with their bars")
    ax = plot.subplots()
    for y, row in enumerate(table.to_dict("records")):
        ax.plot([row["q1"], row["q3"]], [y, y], color=PARALLEL, lw=5, alpha=0.4, solid_capstyle="butt")
        ax.plot(row["median"], y, "o", color=PARALLEL)
        ax.plot(row["floor"], y, "|", color=INK, ms=12, mew=2)
        ax.plot(row["moonshot"], y, "|", color=SEQUENTIAL, ms=12, mew=2)
    ax.set_yticks(range(len(table)), table["bar"] + "  " + table["what"])
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:g}×")
    ax.set_xlabel("peer's time ÷ the course's (black: bar, orange: moonshot)")
    return plot


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
