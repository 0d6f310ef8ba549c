"""What the benchmarks G1 … G5 share: where they run, and how large. Without a GPU they run small, to show that they work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from course_lib.measure import Ratio, Timing, by_device


@dataclass(frozen=True)
class Setting:
    device: str
    dtype: torch.dtype
    rounds: int
    small: bool  # a dry run: its figures are no measurements

    def size(self, full, small):
        return small if self.small else full


def setting() -> Setting:
    return by_device(cpu=Setting("cpu", torch.float32, 3, True), cuda=Setting("cuda", torch.bfloat16, 15, False))


def share_of(peak_per_s: float, work: float, timing: Timing) -> Ratio:
    """work ÷ time ÷ peak, with quartiles over the rounds."""
    shares = work / np.array(timing.seconds) / peak_per_s
    return Ratio(float(np.median(shares)), *(float(q) for q in np.percentile(shares, (25, 75))))
