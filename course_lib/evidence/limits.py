"""Part 7's comparisons of whole kinds of model: who keeps track of a state, and who learns text faster by which clock."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import nn

from course_lib.checks import require_choice
from course_lib.measure import measure_time, resolve_device
from course_lib.models import GRU, LSTM, RNN, Decoder, MinGRU, TransformerConfig
from course_lib.models.heads import SequenceModel
from course_lib.pretraining import read_text, small_decoder
from course_lib.tasks import next_token
from course_lib.tasks.synthetic import swaps
from course_lib.training import evaluate, fit

__all__ = ["EXPERIMENTS", "seconds_a_step"]

TRACKERS = {  # name → (build, its learning rates; the first is what a single run uses)
    "RNN": (lambda: SequenceModel(RNN(16, 128), 120, embed=4), (3e-3,)),
    "GRU": (lambda: SequenceModel(GRU(16, 128), 120, embed=4), (1e-2,)),
    "Transformer, 2 layers": (lambda: Decoder(TransformerConfig(V=120, D=64, N=2, H=4, T_max=100, positions="none")), (3e-3, 1e-3)),
    "Transformer, 4 layers": (lambda: Decoder(TransformerConfig(V=120, D=64, N=4, H=4, T_max=100, positions="rotary")), (3e-3, 1e-3)),
}


def state_tracking(
    seed: int = 0, sweep: bool = False, models: Sequence[str] = tuple(TRACKERS), steps: int = 3000, lengths: Sequence[int] = (5, 10, 20, 40, 60, 80, 100)
) -> pd.DataFrame:
    """The order of five things after each swap, trained on 20 swaps, asked at every length: right answers."""
    rows = []
    for name in models:
        build, rates = TRACKERS[require_choice("models", name, TRACKERS)]
        for lr in rates if sweep else rates[:1]:
            torch.manual_seed(seed)
            model = build()
            seconds = fit(model, swaps(20), steps, lr=lr, seed=seed, B=64, decay="linear", every=steps, progress=False).seconds.iloc[-1]
            rows += [{"model": name, "lr": lr, "trained_to": 20, "T": T, "score": evaluate(model, swaps(T), seed=seed), "seconds": seconds} for T in lengths]
    return pd.DataFrame(rows)


def _readers(V: int) -> dict[str, nn.Module]:
    """Three models of the same number of weights, to within 1%."""
    return {
        "Transformer": small_decoder(V),
        "LSTM": SequenceModel([LSTM(128, 143), LSTM(143, 143)], V, embed=V),
        "MinGRU": SequenceModel([MinGRU(128, 232), MinGRU(232, 232), MinGRU(232, 232)], V, embed=V),
    }


def text_by_clock(seed: int = 0, sweep: bool = False, steps: int = 800, B: int = 8, T: int = 64) -> pd.DataFrame:
    """The corpus read by a Transformer, an LSTM and MinGRU of the same size: nats a token against training steps.

    How long a step takes depends on the machine: `seconds_a_step` measures it there.
    """
    text, tables = read_text(), []
    task = next_token(text.train, text.validation, text.V, T)
    for name in _readers(text.V):
        for lr in (5e-3, 1e-2) if sweep else (5e-3,):
            torch.manual_seed(seed)
            model = _readers(text.V)[name]
            size = sum(p.numel() for p in model.parameters())
            curves = fit(model, task, steps, B=B, lr=lr, warmup=50, decay="linear", betas=(0.9, 0.98), seed=seed, every=50, progress=False)
            tables.append(curves.assign(model=name, lr=lr, parameters=size))
    return pd.concat(tables, ignore_index=True)


def seconds_a_step(V: int = 512, B: int = 8, T: int = 64, rounds: int = 5) -> dict[str, float]:
    """What a training step (forward and backward) of these models takes here, on the GPU where there is one.

    Names as in `text_by_clock`, and "LSTM, step loop"; the others run as they run fastest.
    """
    device, models = resolve_device(), _readers(V)
    ids = torch.randint(V, (B, T), device=device)
    looped = SequenceModel(list(models["LSTM"].cells), V, embed=V, schedule="loop")

    def step(model):
        return lambda: model(ids).logsumexp(-1).mean().backward()

    calls = {name: step(model.to(device)) for name, model in (models | {"LSTM, step loop": looped}).items()}
    return {name: timing.median_s for name, timing in measure_time(calls, rounds).items()}


EXPERIMENTS = {"state_tracking": state_tracking, "text_by_clock": text_by_clock}
