"""G4: the ladder: an LSTM as a Python loop, recorded as a CUDA graph, in cuDNN; and fused attention. Width 768, B=16, T=1,024, bf16."""

import torch
from torch.nn import functional as F

from course_lib.measure import compare, measure_time
from course_lib.models import LSTM
from course_lib.race.contestants import graphed
from tests.benchmarks.bars import Bar, assert_equal
from tests.benchmarks.gpu import setting


@torch.no_grad()
def bars():
    s = setting()
    D, B, T, H = s.size((768, 16, 1024, 12), (32, 2, 8, 4))
    torch.manual_seed(0)
    cell, x = LSTM(D, D, device=s.device, dtype=s.dtype), torch.randn(B, T, D, device=s.device, dtype=s.dtype)
    query, key, value = torch.randn(3, B, H, T, D // H, device=s.device, dtype=s.dtype)
    assert_equal("G4", cell(x)[0].float(), cell(x, schedule="fused")[0].float(), 0.1)
    ladder = {
        "loop": lambda: cell(x),
        "cuDNN": lambda: cell(x, schedule="fused"),
        "attention": lambda: F.scaled_dot_product_attention(query, key, value, is_causal=True),
    }
    if not s.small:
        ladder["graphed"] = graphed(lambda: cell(x))
    timings = measure_time(ladder, s.rounds)
    yield Bar("G4", "LSTM 768: Python loop vs cuDNN", compare(timings["loop"], timings["cuDNN"]), 50, 75)
    yield Bar("G4", "LSTM 768: cuDNN vs fused attention", compare(timings["cuDNN"], timings["attention"]), 8, 15)
    if not s.small:
        yield Bar("G4", "LSTM 768: Python loop vs the loop recorded", compare(timings["loop"], timings["graphed"]), 5, 10)
