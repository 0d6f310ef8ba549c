"""Parts 1 and 2: how far back recurrent cells learn, what they count, and what letters they foresee.

Every function takes a seed and gives a tidy table. `sweep=False` trains at the one learning rate `RATE`, as
a notebook does live; `sweep=True` tries all of `RATES`, so that "does not learn" is said of every one, and
keeps the whole curve at `RATE` only, of the others the last row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pandas as pd
import torch

from course_lib.models import GRU, LSTM, RNN, Decoder, TransformerConfig
from course_lib.models.baselines import NGram
from course_lib.models.heads import SequenceModel
from course_lib.models.initialise import chrono, forget_bias, gradient_by_lag, identity, orthogonal
from course_lib.models.recurrent import Recurrent
from course_lib.tasks import adding, delayed_recall, letters, load_names, parity, surnames, temporal_xor
from course_lib.tasks.task import Task
from course_lib.training import evaluate, fit

__all__ = ["CELLS", "EXPERIMENTS"]

CELLS: dict[str, Callable[[int, int, int], Recurrent]] = {  # name → cell(D_in, D, T)
    "RNN": lambda D_in, D, T: RNN(D_in, D),
    "RNN orthogonal": lambda D_in, D, T: orthogonal(RNN(D_in, D)),
    "RNN identity": lambda D_in, D, T: identity(RNN(D_in, D, nonlinearity="relu")),
    "LSTM": lambda D_in, D, T: LSTM(D_in, D),
    "LSTM bias 1": lambda D_in, D, T: forget_bias(LSTM(D_in, D), 1.0),
    "LSTM bias 3": lambda D_in, D, T: forget_bias(LSTM(D_in, D), 3.0),
    "LSTM chrono": lambda D_in, D, T: chrono(LSTM(D_in, D), T),
    "GRU": lambda D_in, D, T: GRU(D_in, D),
}
RATES, RATE = (1e-3, 3e-3, 1e-2, 3e-2), 1e-2


def gradients(seed: int = 0, sweep: bool = False, T: int = 101, D: int = 64, D_in: int = 8, every: int = 5) -> pd.DataFrame:
    """The gradient's size at every fifth lag 0 … T−1, relative to lag 0, of every fresh cell (models/initialise.py)."""
    tables = []
    for name, build in CELLS.items():
        torch.manual_seed(seed)
        ratio = gradient_by_lag(build(D_in, D, T - 1), T, generator=torch.Generator().manual_seed(seed))
        tables.append(pd.DataFrame({"model": name, "lag": range(0, T, every), "ratio": ratio[::every]}))
    return pd.concat(tables, ignore_index=True)


def _train(task: Task, name: str, seed: int, lr: float, steps: int, D: int, D_in: int = 8, **settings) -> tuple[SequenceModel, pd.DataFrame]:
    torch.manual_seed(seed)
    cell = CELLS[name](task.D_in or D_in, D, max(3, task.T))
    model = SequenceModel(cell, task.D_out, embed=task.V)
    curves = fit(model, task, steps, lr=lr, seed=seed, **settings)
    return model, curves.assign(task=task.name, T=task.T, model=name, lr=lr, metric=task.metric, outcome=curves.attrs["outcome"])


def _compare(tasks: Sequence[Task], models: Sequence[str], seed: int, sweep: bool, steps: int, D: int) -> pd.DataFrame:
    tables = []
    for task in tasks:
        for name in models:
            for lr in RATES if sweep else (RATE,):
                _, curves = _train(task, name, seed, lr, steps, D, goal=True)
                tables.append(curves if lr == RATE else curves.tail(1))
    return pd.concat(tables, ignore_index=True)


def elman(seed: int = 0, sweep: bool = False) -> pd.DataFrame:
    """Temporal XOR and the letters ba, dii, guuu, learnt by a plain RNN (Elman 1990)."""
    return _compare((temporal_xor(), letters()), ["RNN"], seed, sweep, 1500, D=16)


def adding_problem(seed: int = 0, sweep: bool = False, T: Sequence[int] = (50, 100), models: Sequence[str] = ("RNN", "LSTM", "GRU")) -> pd.DataFrame:
    """The adding problem at each length: who leaves the baseline 1/6, and after how many steps."""
    return _compare([adding(t) for t in _lengths(T)], models, seed, sweep, 2000, D=32)


def recall(seed: int = 0, sweep: bool = False, T: Sequence[int] = (30, 100), models: Sequence[str] = ("RNN", "LSTM", "LSTM bias 1", "LSTM bias 3", "LSTM chrono", "GRU")) -> pd.DataFrame:
    """Delayed recall at each delay: what the initialisation decides."""
    return _compare([delayed_recall(t) for t in _lengths(T)], models, seed, sweep, 2000, D=32)


def parity_lengths(seed: int = 0, sweep: bool = False, models: Sequence[str] = ("RNN", "LSTM", "GRU"), lengths: Sequence[int] = (5, 10, 20, 40, 60, 80, 100, 200)) -> pd.DataFrame:
    """Running parity, trained on at most 20 steps, then asked for the last step's answer at every length."""
    rows = []
    for name in models:
        model, curves = _train(parity(20, every_step=True), name, seed, RATE, 1000, D=32, T=(1, 20), B=64, decay="linear")
        seconds = curves.seconds.iloc[-1]
        rows += [{"model": name, "trained_to": 20, "T": t, "score": evaluate(model, parity(t), seed=seed), "seconds": seconds} for t in lengths]
    return pd.DataFrame(rows)


def parity_attention(seed: int = 0, sweep: bool = False, steps: int = 2000, lengths: Sequence[int] = (5, 10, 20, 40, 60, 80, 100, 200)) -> pd.DataFrame:
    """Running parity as above, asked of a causal Transformer of two layers, with each kind of position."""
    task, rows = parity(20, every_step=True), []
    for positions in ("none", "sinusoidal", "rotary"):
        for lr in (1e-3, 3e-4) if sweep else (3e-4,):
            torch.manual_seed(seed)
            model = Decoder(TransformerConfig(V=2, D=64, N=2, H=4, T_max=max(lengths), positions=positions))
            seconds = fit(model, task, steps, lr=lr, seed=seed, T=(1, 20), B=64, decay="linear").seconds.iloc[-1]
            scores = ((t, evaluate(model, parity(t), seed=seed)) for t in lengths)
            rows += [{"model": "Transformer", "positions": positions, "lr": lr, "trained_to": 20, "T": t, "score": s, "seconds": seconds} for t, s in scores]
    return pd.DataFrame(rows)


def clipping(seed: int = 0, sweep: bool = False, steps: int = 2000, T: int = 50) -> pd.DataFrame:
    """The adding problem by an identity-ReLU RNN whose gradients explode, with and without clipping (Pascanu et al. 2013)."""
    task, tables = adding(T), []
    for name, clip in (("clipped", 1.0), ("not clipped", None)):
        for lr in RATES if sweep else (3e-3,):
            torch.manual_seed(seed)
            model = SequenceModel(identity(RNN(2, 32, nonlinearity="relu"), std=0.1), 1)
            curves = fit(model, task, steps, lr=lr, seed=seed, clip=clip, goal=True)
            tables.append(curves.assign(task=task.name, T=T, model=name, lr=lr, metric=task.metric, outcome=curves.attrs["outcome"]))
    return pd.concat(tables, ignore_index=True)


def letters_of_surnames(seed: int = 0, sweep: bool = False, models: Sequence[str] = ("RNN", "LSTM", "GRU"), steps: int = 1500, orders: Sequence[int] = range(1, 7)) -> pd.DataFrame:
    """Nats a letter on all validation surnames: n-grams of each order beside recurrent models.

    `seed` draws the models' weights and batches; the split of the names stays the same.
    """
    names = load_names()
    task, unseen = surnames(names), names.padded(names.validation)
    counted = names.sequences(names.train), names.sequences(names.validation)
    rows = [{"model": f"{n}-gram", "nats": NGram(n, task.V).fit(counted[0]).nats(counted[1])} for n in orders]
    for name in models:
        for lr in (3e-3, RATE, 2e-2) if sweep else (RATE,):
            model, curves = _train(task, name, seed, lr, steps, D=128, D_in=32, B=128, every=250, decay="linear")
            rows.append({"model": name, "lr": lr, "nats": evaluate(model, task, unseen), "seconds": curves.seconds.iloc[-1]})
    table = pd.DataFrame(rows)
    return table.assign(perplexity=table.nats.map(math.exp))


def _lengths(T) -> Sequence[int]:
    return (T,) if isinstance(T, int) else T


EXPERIMENTS = {
    "gradients": gradients,
    "elman": elman,
    "adding": adding_problem,
    "recall": recall,
    "parity": parity_lengths,
    "parity_attention": parity_attention,
    "clipping": clipping,
    "surnames": letters_of_surnames,
}
