"""`python -m course_lib race`: the race in a terminal, with a progress bar, a table and a picture."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from course_lib.checks import InputError, require
from course_lib.race.contestants import CONTESTANTS, FAIRNESS, PASSES
from course_lib.race.run import DEFAULT_CONTESTANTS, DEFAULT_LENGTHS, race
from course_lib.race.settings import DTYPES

PICTURES = (".png", ".svg", ".pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Time recurrent step loops against batched attention on this machine. Contestants: " + ", ".join(CONTESTANTS) + "."
    add = parser.add_argument
    add("--contestants", default=",".join(DEFAULT_CONTESTANTS), metavar="A,B,…", help="names, separated by commas (default: %(default)s)")
    add("--lengths", default=",".join(map(str, DEFAULT_LENGTHS)), metavar="T,T,…", help="sequence lengths T (default: %(default)s)")
    add("--batch", type=int, default=8, metavar="B", help="sequences at a time (default: %(default)s)")
    add("--width", type=int, default=128, metavar="D", help="width of a token (default: %(default)s)")
    add("--heads", type=int, default=4, metavar="H", help="attention heads (default: %(default)s)")
    add("--pass", dest="pass_", default="forward", metavar="PASS", help=f"{', '.join(PASSES)} (default: %(default)s)")
    add("--fairness", default="width", metavar="WHAT", help=f"what is made equal: {', '.join(FAIRNESS)} (default: %(default)s)")
    add("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    add("--dtype", default="float32", help=f"{', '.join(DTYPES)} (default: %(default)s)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: as many as torch would use)")
    add("--budget", type=float, default=20.0, metavar="S", help="seconds a contestant may take at one length (default: %(default)s)")
    add("--csv", type=Path, metavar="FILE", help="keep the rows here; an interrupted race goes on from them")
    add("--plot", type=Path, metavar="FILE", help="draw time against T into this .png, .svg or .pdf")


def run(args: argparse.Namespace) -> int:
    names = [name.strip() for name in args.contestants.split(",") if name.strip()]
    try:
        lengths = [int(T) for T in args.lengths.split(",")]
    except ValueError:
        raise InputError(f"lengths must be whole numbers separated by commas, got {args.lengths!r}") from None
    if args.plot is not None:
        _check_picture(args.plot)
    bar = None  # drawn at the first tick, once the settings are known to be good

    def tick(fraction, text):
        nonlocal bar
        if bar is None:
            bar = tqdm(total=1.0, bar_format="{desc:<52} |{bar}| {percentage:3.0f}%  {elapsed}", file=sys.stderr, mininterval=0.2)
        bar.set_description_str(text, refresh=False)
        bar.update(max(0.0, fraction - bar.n))

    try:
        table = race(
            names, lengths, batch=args.batch, width=args.width, heads=args.heads, pass_=args.pass_, fairness=args.fairness,
            device=args.device, dtype=args.dtype, threads=args.threads, budget_s=args.budget, csv=args.csv, tick=tick,
        )  # fmt: skip
    finally:
        if bar is not None:
            bar.close()
    print(terminal_table(table))
    if args.csv is not None:
        print(f"Rows kept in {args.csv}")
    if args.plot is not None:
        from course_lib.plotting import race_plot

        try:
            race_plot(table).savefig(args.plot, dpi=144, facecolor="white")
        except OSError as error:
            raise InputError(f"cannot write the plot {args.plot}: {error.strerror or error}") from None
        print(f"Plot drawn in {args.plot}")
    return 0


def terminal_table(table: pd.DataFrame) -> str:
    """Time per call, a row a length and a column a contestant; beside it how many times the baseline's time."""
    lines = []
    for T, rows in table.groupby("T"):
        cells = {"T": f"{T:,}"}
        for row in rows.to_dict("records"):
            cell = row["status"]
            if cell == "ok":
                cell = f"{row['median_s'] * 1e3:,.3f} ms ±{50 * row['iqr_s'] / row['median_s']:.0f}%"
                if row["contestant"] != row["baseline"]:
                    tie = row["ratio_q1"] <= 1 <= row["ratio_q3"]
                    cell += f"  {row['ratio']:.2f}×" + ("=" if tie else " ")
            cells[row["contestant"]] = cell
        lines.append(cells)
    text = pd.DataFrame(lines).fillna("").to_string(index=False)
    good = table[table["status"] == "ok"]
    notes = []
    if len(good) and good["contestant"].nunique() > 1:
        notes.append(f"×: time ÷ time of {good['baseline'].iloc[0]}, median of the rounds; = a tie (the middle half spans 1); ±: half the IQR.")
    notes += [f"{row['contestant']} at T = {row['T']:,}: {row['status']}: {row['detail']}" for row in table[table["status"] != "ok"].to_dict("records")]
    return "\n".join([text, *notes])


def _check_picture(path: Path) -> None:
    """Find out before the race, not after it, that the picture cannot be drawn."""
    require(path.suffix.lower() in PICTURES, f"the plot's name must end in {', '.join(PICTURES)}; got {path}")
    folder = path.parent if str(path.parent) else Path(".")
    writable = os.access(path if path.exists() else folder, os.W_OK) and not path.is_dir()
    require(folder.is_dir() and writable, f"cannot write the plot {path}: no such folder, or no permission")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("drawing a plot needs matplotlib: pip install matplotlib") from None
