"""What the machine really executed, and when: the timeline of one call, from torch's profiler."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import contextmanager

import pandas as pd
import torch
from torch.profiler import ProfilerActivity, profile

from course_lib.measure.timing import synchronised_clock

__all__ = ["timeline"]


def timeline(call: Callable, device="cpu") -> pd.DataFrame:
    """Operations of `call()` as they ran: columns name, start_us, duration_us, from the first one's start.

    On a GPU these are its kernels, on a CPU the outermost operations. Recording costs time of its own (a
    few µs each), so read the order and the gaps here, and the seconds off `measure_time`.
    """
    gpu = torch.device(device).type == "cuda"
    call()  # the first call pays for what later ones reuse
    activities = [ProfilerActivity.CUDA] if gpu else [ProfilerActivity.CPU]
    with _quiet(), profile(activities=activities) as recording:
        call()
        synchronised_clock()  # waits for the GPU
    kind = torch.autograd.DeviceType.CUDA if gpu else torch.autograd.DeviceType.CPU
    events = [e for e in recording.events() if e.device_type == kind and (gpu or e.cpu_parent is None)]
    rows = sorted((e.time_range.start, e.name, e.time_range.elapsed_us()) for e in events)
    start = rows[0][0] if rows else 0.0
    return pd.DataFrame([(name, at - start, took) for at, name, took in rows], columns=["name", "start_us", "duration_us"])


@contextmanager
def _quiet():
    """Keep the profiler's own lines, written below Python, off the page."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
