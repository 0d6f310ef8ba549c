"""G5: MinGRU's scans against a GRU written as a Python loop, and nn.GRU beside it; trained, T=512, B=64, D=128."""

import torch

from course_lib.measure import compare, measure_time
from course_lib.models import GRU, MinGRU
from tests.benchmarks.bars import Bar
from tests.benchmarks.c4_recurrent import trained
from tests.benchmarks.gpu import setting


def bars():
    s = setting()
    T, B, D = s.size((512, 64, 128), (16, 2, 16))
    torch.manual_seed(0)
    x = torch.randn(B, T, D, device=s.device)
    cell, minimal = GRU(D, D, device=s.device), MinGRU(D, D, device=s.device)
    library = cell.to_torch()
    contestants = {
        "loop": trained(lambda: cell(x)[0]), "library": trained(lambda: library(x)[0]),
        "doubling": trained(lambda: minimal(x, schedule="doubling")[0]), "chunk": trained(lambda: minimal(x, schedule="chunk")[0]),
    }  # fmt: skip
    timings = measure_time(contestants, s.rounds)
    best = min(("doubling", "chunk"), key=lambda name: timings[name].median_s)
    yield Bar("G5", f"MinGRU ({best}) vs a GRU loop, T={T}", compare(timings["loop"], timings[best]), 175, 500)
    yield Bar("G5", f"MinGRU ({best}) vs nn.GRU, T={T}", compare(timings["library"], timings[best]), 1, 5)
