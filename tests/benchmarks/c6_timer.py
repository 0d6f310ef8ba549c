"""C6: the course's timer against torch.utils.benchmark on the same callables: how far their medians lie apart."""

import numpy as np
import torch
from torch.utils.benchmark import Timer

from course_lib.measure import Ratio, measure_time
from course_lib.models import RNN, MultiHeadAttention
from tests.benchmarks.bars import Bar


def bars():
    a = torch.randn(256, 256)
    x, rnn, attention = torch.randn(8, 64, 128), RNN(128, 128), MultiHeadAttention(128, 4)
    for name, call in {"matrix product": lambda: a @ a, "RNN loop": lambda: rnn(x), "attention": lambda: attention(x, causal=True)}.items():
        timer = Timer("call()", globals={"call": call}, num_threads=torch.get_num_threads())
        repeats = max(1, round(5e-3 / timer.timeit(3).median))
        apart = []
        for _ in range(15):  # in turns, so that a machine that changes speed changes both
            own = measure_time(call, rounds=5).median_s
            theirs = float(np.median([timer.timeit(repeats).median for _ in range(5)]))
            apart.append(own / theirs)
        low, median, high = np.percentile(apart, (25, 50, 75))
        nearest, farthest = sorted((abs(low - 1), abs(high - 1)))
        yield Bar("C6", f"timer ÷ torch's on {name}, distance from 1", Ratio(abs(median - 1), 0.0 if low <= 1 <= high else nearest, farthest), 0.05, 0.02, at_most=True)
