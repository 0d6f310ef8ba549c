"""The experiments behind the course's statements: three seeds each, recorded as CSV files beside the code.

A notebook runs one seed live and draws it over the record:

    live("adding", T=50)           # one seed, one learning rate, seconds
    recorded("adding")             # three seeds, every learning rate, from course_lib/recorded/adding.csv
    summary(recorded("adding"))    # solved by how many seeds, after how many steps

`python -m course_lib evidence [NAME …]` measures again and rewrites the records.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from course_lib.checks import InputError, require_choice
from course_lib.evidence import attention, decoders, domains, embeddings, encoders, limits, llm, recurrent

__all__ = ["EXPERIMENTS", "live", "record", "recorded", "summary", "add_arguments", "run"]

_MODULES = (recurrent, embeddings, attention, encoders, decoders, llm, domains, limits)
EXPERIMENTS = {name: run for module in _MODULES for name, run in module.EXPERIMENTS.items()}  # name → function(seed, sweep, …) → table
FOLDER = Path(__file__).parent.parent / "recorded"


def live(name: str, seed: int = 0, **settings) -> pd.DataFrame:
    """One seed of an experiment with its one learning rate: a tidy table. Raises InputError for an unknown name."""
    return EXPERIMENTS[require_choice("name", name, EXPERIMENTS)](seed=seed, sweep=False, **settings)


def recorded(name: str, folder: Path | None = None) -> pd.DataFrame:
    """The recorded table of an experiment, every row with device, torch version, threads, seed and date.

    Raises InputError where none was recorded.
    """
    path = (folder or FOLDER) / f"{require_choice('name', name, EXPERIMENTS)}.csv"
    if not path.exists():
        raise InputError(f"nothing is recorded for {name}; run python -m course_lib evidence {name}")
    return pd.read_csv(path)


def record(name: str, seeds: Sequence[int] = (0, 1, 2), folder: Path | None = None) -> Path:
    """Run an experiment with every seed and learning rate, and replace its record. Gives the file's path."""
    experiment = EXPERIMENTS[require_choice("name", name, EXPERIMENTS)]
    table = pd.concat([experiment(seed=seed, sweep=True).assign(seed=seed) for seed in seeds], ignore_index=True)
    stamp = {"device": _device(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    table = table.assign(**stamp, date=datetime.date.today().isoformat())
    path = (folder or FOLDER) / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    table.to_csv(part, index=False, float_format="%.5g")
    os.replace(part, path)
    return path


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A training experiment, one row a task, T, model and learning rate: how many seeds, how many of them
    solved it, and the medians of the last step, the seconds and the last score."""
    by = ["task", "T", "model", "lr"]
    last = table[~table.duplicated([*by, "seed"], keep="last")]
    groups = last.assign(solved=last.outcome == "solved").groupby(by, sort=False)
    return groups.agg(seeds=("seed", "nunique"), solved=("solved", "sum"), step=("step", "median"), seconds=("seconds", "median"), score=("score", "median")).reset_index()


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {platform.machine()}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m course_lib evidence`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"experiments to run again (default: all): {', '.join(EXPERIMENTS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--folder", type=Path, default=None, help="where the CSV files go (default: into the package)")


def run(args: argparse.Namespace) -> int:
    """Measure the chosen experiments again. Raises InputError for an unknown name before anything runs."""
    names = [require_choice("NAME", name, EXPERIMENTS) for name in args.names or EXPERIMENTS]
    for name in names:
        print(f"{name}: {record(name, args.seeds, args.folder).name}")
    return 0
