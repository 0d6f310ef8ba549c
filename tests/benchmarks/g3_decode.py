"""G3: decoding one text: a recorded step (CUDA graph) against the same step launched anew, and against memory's speed."""

import torch

from course_lib.measure import ceilings, compare, measure_time
from course_lib.models import Decoder, TransformerConfig
from course_lib.models.fixed_decode import FixedSteps
from tests.benchmarks.bars import Bar
from tests.benchmarks.gpu import setting, share_of

TODAY = dict(positions="rotary", norm_kind="rms", activation="swiglu", bias=False)


def decoder(s, V, D, N, H, D_ff):
    torch.manual_seed(0)
    with torch.device(s.device):
        return Decoder(TransformerConfig(V, D, N, H, s.size(512, 32), D_ff=D_ff, **TODAY)).to(s.dtype).eval()


def bars():
    s = setting()
    new = s.size(128, 4)
    prompt = torch.randint(97, (1, s.size(64, 4)), device=s.device)
    model = decoder(s, *s.size((50_304, 768, 12, 12, 2048), (97, 32, 2, 2, 64)))
    graphed, eager = FixedSteps(model, prompt, new, graph=not s.small), FixedSteps(model, prompt, new)
    if not torch.equal(graphed.run(), eager.run()):
        raise SystemExit("G3: the recorded step writes other tokens, so there is nothing to compare")
    timings = measure_time({"graphed": graphed.run, "eager": eager.run}, s.rounds)
    yield Bar("G3", "recorded step vs the same launched anew, 124M", compare(timings["eager"], timings["graphed"]), 5.0, 8.0)
    model = decoder(s, *s.size((50_304, 1600, 48, 25, 4352), (97, 32, 2, 2, 64)))  # about 1.5 billion weights
    text = FixedSteps(model, prompt, new, graph=not s.small)
    read = sum(p.numel() * p.element_size() for p in model.parameters())  # bytes a token must fetch
    timing = measure_time(text.run, s.rounds)
    peak = ceilings(s.device, s.dtype).bytes_per_s
    yield Bar("G3", "1.5B weights: share of memory's speed", share_of(peak, read * (new - 1), timing), 0.60, 0.80)
