"""G1: fused causal attention, forward, bf16: the share of what matrix products reach on this GPU. B·T = 32k, 16 heads."""

import torch
from torch.nn import functional as F

from course_lib.measure import ceilings, measure_time
from tests.benchmarks.bars import Bar
from tests.benchmarks.gpu import setting, share_of

H = 16


def bars():
    s = setting()
    peak = ceilings(s.device, s.dtype).flops_per_s
    tokens = s.size(32_768, 256)
    for d, floor, moonshot in ((128, 0.60, 0.75), (64, 0.45, 0.60)):
        for T in s.size((4096, 8192, 16384), (128,)):
            query, key, value = torch.randn(3, tokens // T, H, T, d, device=s.device, dtype=s.dtype)
            flops = 2 * (tokens // T) * H * T * T * d  # QKᵀ and the weighted mean, 2 each, of which the mask leaves half
            with torch.no_grad():
                timing = measure_time(lambda q=query, k=key, v=value: F.scaled_dot_product_attention(q, k, v, is_causal=True), s.rounds)
            yield Bar("G1", f"fused attention, head {d}, T={T}, share of the matrix peak", share_of(peak, flops, timing), floor, moonshot)
