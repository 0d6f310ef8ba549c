"""Part 7's comparisons of whole kinds of model: who keeps track of a state, and who learns text faster by which clock."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import nn

from course_lib.checks import require_choice
from course_lib.measure import measure_time
from course_lib.models import GRU, LSTM, RNN, Decoder, MinGRU, TransformerConfig
from course_lib.models.heads import SequenceModel
from course_lib.pretraining import read_text, small_decoder
from course_lib.tasks import next_token
from course_lib.tasks.synthetic import swaps
from course_lib.training import evaluate, fit

__all__ = ["EXPERIMENTS"]

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
    """Three models of about the same number of weights."""
    return {
        "Transformer": small_decoder(V),
        "LSTM": SequenceModel([LSTM(128, 180), LSTM(180, 180)], V, embed=V),
        "MinGRU": SequenceModel([MinGRU(128, 300), MinGRU(300, 300), MinGRU(300, 300)], V, embed=V),
    }


def text_by_clock(seed: int = 0, sweep: bool = False, steps: int = 800, B: int = 8, T: int = 64) -> pd.DataFrame:
    """The corpus read by a Transformer, an LSTM and MinGRU of about the same size: nats a token against steps and seconds.

    The LSTM runs fused; `loop_s` is what a training step takes with its step loop, measured beside `step_s`.
    """
    text, tables = read_text(), []
    task = next_token(text.train, text.validation, text.V, T)
    for name in _readers(text.V):
        for lr in (2e-3, 5e-3, 1e-2) if sweep else (5e-3,):
            torch.manual_seed(seed)
            model = _readers(text.V)[name]
            size = sum(p.numel() for p in model.parameters())
            curves = fit(model, task, steps, B=B, lr=lr, warmup=50, decay="linear", betas=(0.9, 0.98), seed=seed, every=50, progress=False)
            loop_s = _step_seconds(model, task, B, "loop") if isinstance(model, SequenceModel) else float("nan")
            step_s = _step_seconds(model, task, B, None)
            tables.append(curves.assign(model=name, lr=lr, parameters=size, step_s=step_s, loop_s=loop_s)[lambda c, r=lr: (c.step == steps) | (r == 5e-3)])
    return pd.concat(tables, ignore_index=True)


def _step_seconds(model: nn.Module, task, B: int, schedule: str | None, rounds: int = 7) -> float:
    """The median seconds of forward and backward on one batch."""
    if isinstance(model, SequenceModel):
        model.schedule = schedule
    batch = task.batch(B)
    timing = measure_time({"step": lambda: task.loss(model(batch.inputs), batch).backward()}, rounds=rounds)["step"]
    if isinstance(model, SequenceModel):
        model.schedule = None
    return timing.median_s


EXPERIMENTS = {"state_tracking": state_tracking, "text_by_clock": text_by_clock}
