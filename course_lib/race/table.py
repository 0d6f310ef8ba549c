"""The race's table on disk: one CSV with units in its column names, replaced whole and at once.

A race may be killed at any moment: the file then holds the rows of every length that was finished,
and the same command goes on from there.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from course_lib.checks import InputError, require
from course_lib.measure import Ratio
from course_lib.race.contestants import CONTESTANTS

__all__ = ["COLUMNS", "empty_table", "load_race", "load_table", "ratio_at", "save_table"]

COLUMNS = (
    "contestant", "pass", "T", "B", "D", "H", "device", "dtype", "threads", "median_s", "iqr_s", "runs", "status",
    "width", "fairness", "q1_s", "q3_s", "first_call_s", "baseline", "ratio", "ratio_q1", "ratio_q3",
    "parameters", "flops", "estimate_bytes", "detail", "device_name", "torch", "date",
)  # fmt: skip
# What two runs must share for their rows to stand in one table.
SETTINGS = ("pass", "B", "width", "H", "fairness", "device", "dtype", "threads", "device_name", "torch")
TEXT = ("contestant", "pass", "device", "dtype", "status", "fairness", "baseline", "detail", "device_name", "torch", "date")


def empty_table() -> pd.DataFrame:
    return pd.DataFrame(columns=list(COLUMNS))


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Write beside the file, flush to disk, then take its place: a reader never sees half a table."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        try:
            with open(temporary, "w", newline="", encoding="utf-8") as file:
                table.to_csv(file, index=False)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"cannot write the race's CSV {path}: {error.strerror or error}") from None


def load_table(path: Path, settings: dict | None = None) -> pd.DataFrame:
    """Read a race's CSV; with `settings`, also check that its rows were measured under them.

    Raises InputError when the file is not such a table, or was measured otherwise.
    """
    try:
        cut = not path.read_bytes().endswith(b"\n")  # the last row is not whole
        table = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=[""])
    except OSError as error:
        raise InputError(f"cannot read the race's CSV {path}: {error.strerror or error}") from None
    except (ValueError, UnicodeDecodeError):  # pandas' parser errors are ValueErrors
        raise InputError(f"{path} is not a race's CSV, or it is damaged; move it away or name another file") from None
    numbers = [c for c in COLUMNS if c not in TEXT]
    whole = list(table.columns) == list(COLUMNS) and all(pd.api.types.is_numeric_dtype(table[c]) or table[c].isna().all() for c in numbers)
    if cut or not whole or table[["contestant", "T", "status", "date", *SETTINGS]].isna().any().any():
        raise InputError(f"{path} is not a race's CSV, or it is damaged; move it away or name another file")
    table[list(TEXT)] = table[list(TEXT)].fillna("").astype(str)
    strangers = sorted(set(table["contestant"]) - set(CONTESTANTS))
    if strangers:
        raise InputError(f"{path} holds a contestant {strangers[0]!r} that this version of the course does not know")
    for name, wanted in (settings or {}).items():
        found = set(table[name]) - {wanted}
        if found:
            raise InputError(f"{path} was measured with {name}={found.pop()}, not {name}={wanted}; name another file to keep both")
    return table


def load_race(path: str | Path) -> pd.DataFrame:
    """A race's saved table. Raises InputError when the file is missing, damaged, or something else."""
    path = Path(path)
    if not os.path.exists(path):
        raise InputError(f"there is no file {path}")
    return load_table(path)


def ratio_at(table: pd.DataFrame, contestant: str, T: int) -> Ratio:
    """How many times the baseline's time a contestant took at T, with its quartiles; NaN where it could not be run."""
    row = table[(table["contestant"] == contestant) & (table["T"] == T)]
    require(len(row) == 1, f"{contestant} at T={T} is not in this table")
    return Ratio(*row[["ratio", "ratio_q1", "ratio_q3"]].iloc[0].astype(float))
