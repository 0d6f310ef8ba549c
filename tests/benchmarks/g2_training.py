"""G2: a compiled bf16 training step of GPT-2 small and medium: model FLOPs utilisation, 6N + 12·L·d·T a token over the measured peak."""

import torch
from torch.nn import functional as F

from course_lib.measure import ceilings, measure_time
from course_lib.models import Decoder, TransformerConfig
from tests.benchmarks.bars import Bar
from tests.benchmarks.gpu import setting, share_of

GPT2 = {"small": (768, 12, 12), "medium": (1024, 24, 16)}  # D, N, H


def bars():
    s = setting()
    peak = ceilings(s.device, s.dtype).flops_per_s
    V, T, B = s.size(50_304, 97), s.size(1024, 16), s.size(16, 2)  # V a multiple of 64, as nanoGPT has it
    for name, (D, N, H) in GPT2.items():
        D, N, H = s.size((D, N, H), (32, 2, 2))
        floor, moonshot = (0.45, 0.55) if name == "small" else (0.50, 0.60)
        torch.manual_seed(0)
        model = Decoder(TransformerConfig(V, D, N, H, T, activation="gelu_tanh")).to(s.device)
        optimiser = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
        ids = torch.randint(V, (B, T + 1), device=s.device)

        def loss(model=model, ids=ids):
            with torch.autocast(ids.device.type, torch.bfloat16):
                return F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())

        run = loss if s.small else torch.compile(loss)

        def step(run=run, optimiser=optimiser):
            optimiser.zero_grad()
            run().backward()
            optimiser.step()

        weights = sum(p.numel() for p in model.parameters()) - model.positions.weight.numel()
        flops = B * T * (6 * weights + 12 * N * D * T)
        yield Bar("G2", f"GPT-2 {name}, compiled bf16 training step, utilisation", share_of(peak, flops, measure_time(step, s.rounds)), floor, moonshot)
