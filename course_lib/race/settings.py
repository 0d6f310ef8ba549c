"""The settings of a race: what must be equal for timings to be compared."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from course_lib.checks import require, require_choice, require_int
from course_lib.measure import device_name, resolve_device
from course_lib.race.contestants import FAIRNESS, PASSES, TOLERANCE

__all__ = ["DTYPES", "RaceSettings", "settings_of"]

MOST_THREADS = 256  # a library under torch dies, without a word, of very many
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in TOLERANCE}


@dataclass(frozen=True)
class RaceSettings:
    """Everything but contestants and lengths: what must be equal for timings to be compared."""

    batch: int
    width: int
    heads: int
    pass_: str
    fairness: str
    device: torch.device
    dtype: torch.dtype
    threads: int

    def columns(self) -> dict:
        """These settings as they stand in every row of the table."""
        return {
            "pass": self.pass_, "B": self.batch, "width": self.width, "H": self.heads, "fairness": self.fairness,
            "device": self.device.type, "dtype": str(self.dtype).removeprefix("torch."), "threads": self.threads,
            "device_name": device_name(self.device), "torch": torch.__version__,
        }  # fmt: skip


def settings_of(batch=8, width=128, heads=4, pass_="forward", fairness="width", device="auto", dtype="float32", threads=None) -> RaceSettings:
    """Check the settings of a race. Raises InputError, one sentence, for any that cannot be."""
    batch, width, heads = require_int("batch", batch), require_int("width", width), require_int("heads", heads)
    require(width % heads == 0, f"width D must be divisible by heads H, got D={width}, H={heads}")
    require_choice("pass", pass_, PASSES)
    require_choice("fairness", fairness, FAIRNESS)
    name = str(dtype).removeprefix("torch.")
    require_choice("dtype", name, DTYPES)
    threads = torch.get_num_threads() if threads is None else require_int("threads", threads)
    require(threads <= MOST_THREADS, f"threads must be ≤ {MOST_THREADS}, got {threads}")
    return RaceSettings(batch, width, heads, pass_, fairness, resolve_device(device), DTYPES[name], threads)
