"""C5: MinGRU's chunked scan against Heinsen's log-space scan and its own step loop, trained, D = 128, B = 8."""

import torch
from torch.nn import functional as F

from course_lib.measure import Ratio
from course_lib.models import MinGRU
from course_lib.models.scan import scan_chunk, scan_loop
from tests.benchmarks.bars import Bar, assert_equal, side_by_side
from tests.benchmarks.c4_recurrent import trained


def heinsen(a, b, h0):
    """h_t = a_t·h_{t−1} + b_t for positive numbers, by sums of logarithms (Heinsen 2023, arXiv 2311.06281)."""
    log_decay = F.pad(a.log().cumsum(1), (0, 0, 1, 0))  # (B, T+1, D)
    log_inputs = torch.cat((h0.log().unsqueeze(1), b.log()), 1)  # (B, T+1, D)
    return (log_decay + (log_inputs - log_decay).logcumsumexp(1)).exp()[:, 1:]


def bars():
    D, B = 128, 8
    for T in (256, 1024, 4096):
        x, layer, h0 = torch.randn(B, T, D), MinGRU(D, D, positive=True), torch.full((B, D), 0.5)
        assert_equal("C5", layer(x, h0, schedule="chunk")[0], heinsen(*layer.decay_and_input(layer.project(x)), h0), 1e-2)
        found = side_by_side(
            trained(lambda: layer(x, h0, schedule="chunk")[0]),
            {"heinsen": trained(lambda: heinsen(*layer.decay_and_input(layer.project(x)), h0)), "loop": trained(lambda: layer(x, h0)[0])},
            rounds=15 if T < 4096 else 7,
        )
        yield Bar("C5", f"chunked scan vs Heinsen's, T={T}", found["heinsen"], 2.7, 4.5)
        yield Bar("C5", f"chunked scan vs its step loop, T={T}", found["loop"], 1.4, 2.0)
        with torch.no_grad():
            a, b = layer.decay_and_input(layer.project(x))  # the same float32 numbers for both: it is the scan that is judged
            exact = scan_loop(a.double(), b.double(), h0.double())
            error = (scan_chunk(a, b, h0) - exact).abs().max().item()
        yield Bar("C5", f"largest error against a float64 loop, T={T}", Ratio(error, error, error), 1e-6, 3e-7, at_most=True)
