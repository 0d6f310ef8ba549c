"""Part 8: what changed in the Transformer since 2017, one switch at a time; and scaling laws on five tiny sizes.

Seconds here are the processor's own (time.process_time on one thread), so that a busy machine does not count.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

from course_lib.checks import require
from course_lib.pretraining import held_out_nats, pretrain, read_text, small_decoder
from course_lib.scaling import Model

__all__ = ["EXPERIMENTS", "SWITCHES", "isoflop_fit", "recap"]

GPT2 = dict(positions="learned", norm_kind="layer", activation="gelu", bias=True, zero_init=False)
SWITCHES = {  # name → what it changes; SwiGLU's three matrices of 8/3·D hold as much as two of 4·D
    "GPT-2's parts": {},
    "rotary": dict(positions="rotary"),
    "RMSNorm": dict(norm_kind="rms"),
    "SwiGLU": dict(activation="swiglu", D_ff=256),
    "grouped-query": dict(H_kv=1),
    "all four": dict(positions="rotary", norm_kind="rms", activation="swiglu", D_ff=256, H_kv=1),
}
SCORED = 20_000  # tokens of the held-out text
WIDTHS, BUDGETS = (16, 24, 40, 64, 96), (5e10, 1e11, 2e11)


def switches(seed: int = 0, sweep: bool = False, names: tuple[str, ...] = tuple(SWITCHES), steps: int = 250) -> pd.DataFrame:
    """Each switch alone, and all together, on the same tokens (D = 96, two layers): loss, speed, size of the cache."""
    text, rows = read_text(512), []
    for name in names:
        model = small_decoder(512, D=96, N=2, H=4, T=64, seed=seed, **GPT2 | SWITCHES[name])
        began = time.process_time()
        pretrain(model, text, steps, B=8, lr=3e-3, seed=seed, every=steps, progress=False)
        seconds = time.process_time() - began
        H_kv = model.config.H_kv or model.config.H
        rows.append({
            "model": name, "parameters": sum(p.numel() for p in model.parameters()), "tokens": steps * 8 * 64, "tokens_per_s": steps * 8 * 64 / seconds,
            "cache_bytes_per_token": 2 * 2 * H_kv * 24 * 4, "nats": held_out_nats(model, text.validation[:SCORED]),
        })  # fmt: skip
    return pd.DataFrame(rows)


def scaling_laws(seed: int = 0, sweep: bool = False, widths: tuple[int, ...] = WIDTHS, budgets: tuple[float, ...] = BUDGETS) -> pd.DataFrame:
    """Five widths of a two-layer decoder, each trained to the same FLOPs (6 a weight and token): who is best with so much?"""
    text, rows = read_text(512), []
    for budget in budgets if sweep else budgets[:1]:
        for D in widths:
            model = small_decoder(512, D=D, N=2, H=2, T=64, seed=seed)
            described = Model("", 2, D, 2, 512, 64)
            steps = max(1, round(budget / described.training_flops(8 * 64)))
            pretrain(model, text, steps, B=8, lr=6e-3, seed=seed, every=steps, progress=False)
            rows.append({
                "budget": budget, "D": D, "parameters": described.parameters, "tokens": steps * 8 * 64, "nats": held_out_nats(model, text.validation[:SCORED])
            })  # fmt: skip
    return pd.DataFrame(rows)


def isoflop_fit(table: pd.DataFrame) -> dict:
    """For each budget a parabola of nats over log parameters, and the power laws through its lowest points.

    Hoffmann et al. 2022, approach 2. Gives {"budgets": …, "parameters": best size at each, "tokens": …, "nats": …,
    "inside": whether each lowest point lies between the sizes tried, "a": exponent of parameters ∝ C^a, "loss": of nats ∝ C^−loss}.
    """
    best: dict = {"budgets": [], "parameters": [], "tokens": [], "nats": [], "inside": []}
    for budget, rows in table.groupby("budget"):
        mean = rows.groupby("parameters")["nats"].mean()
        require(len(mean) >= 3, "a parabola needs at least three sizes for every budget")
        x = np.log(mean.index.to_numpy(float))
        c2, c1, c0 = np.polyfit(x, mean.to_numpy(), 2)
        lowest = -c1 / (2 * c2) if c2 > 0 else x[int(mean.to_numpy().argmin())]
        best["inside"].append(bool(c2 > 0 and x[0] <= lowest <= x[-1]))
        lowest = float(np.clip(lowest, x[0], x[-1]))
        best["budgets"].append(float(budget))
        best["parameters"].append(float(np.exp(lowest)))
        best["tokens"].append(float(budget / 6 / np.exp(lowest)))
        best["nats"].append(float(np.polyval([c2, c1, c0], lowest)))
    require(len(best["budgets"]) >= 2, "an exponent needs at least two budgets")
    log_C = np.log(best["budgets"])
    best["a"] = float(np.polyfit(log_C, np.log(best["parameters"]), 1)[0])
    best["loss"] = float(-np.polyfit(log_C, np.log(best["nats"]), 1)[0])
    return best


RECORDED = Path(__file__).parent.parent / "recorded"


def recap(folder: Path = RECORDED) -> pd.DataFrame:
    """The series in seven rows: what each part gave the language model, and the recorded measurement that shows it.

    Medians over the recorded seeds, each model at its best learning rate; a row whose record is missing says so.
    """

    def last(file, column="model", score="score", highest=True, **where):
        table = pd.read_csv(folder / f"{file}.csv")
        for name, value in where.items():
            table = table[table[name] == value]
        runs = [c for c in (column, "lr", "seed") if c in table]
        ends = table.groupby(runs, dropna=False)[score].last().groupby([c for c in runs if c != "seed"], dropna=False).median()
        return ends.groupby(column).agg("max" if highest else "min")

    def rnn():
        score = last("parity", T=100)
        return f"parity of 100 bits after training on 20: RNN {score['RNN']:.0%}"

    def lstm():
        score = last("recall", T=100)
        return f"a symbol recalled after 100 steps: RNN {score['RNN']:.0%}, LSTM with chrono start {score['LSTM chrono']:.0%}"

    def embeddings():
        score = last("embeddings", score="wordsim")
        return "agreement with people on word pairs: " + ", ".join(f"{name} ρ {score[name]:.2f}" for name in ("PPMI + SVD", "skip-gram"))

    def encoder():
        score = last("sorting")
        return f"sorting 8 numbers: encoder {score['encoder']:.0%}, BiLSTM {score['BiLSTM']:.0%}"

    def decoder():
        score = last("copying")
        return f"copying 20 symbols: decoder {score['Transformer']:.0%}, LSTM {score['LSTM']:.0%}"

    def attention():
        score = last("associative_recall")
        return f"six pairs recalled: two layers {score['two layers']:.0%}, LSTM {score['LSTM']:.0%}"

    def parallelism():
        table = pd.read_csv(folder / "race_2_cores_train.csv")
        seconds = table[(table["T"] == 1024) & (table["status"] == "ok")].set_index("contestant")["median_s"]
        loop, fused = (seconds[name] / seconds["attention-sdpa"] for name in ("lstm-loop", "lstm-fused"))
        return f"a training step at T = 1,024 on two cores, ÷ attention's: LSTM loop {loop:.1f}×, fused LSTM {fused:.1f}×"

    gave = {
        "1 RNN": ("the task: say what comes next", rnn), "2 LSTM": ("the additive path, now the residual", lstm),
        "3 Embeddings": ("tokens as vectors that can be learnt", embeddings), "4 Encoder": ("the block: attention, network, residual, norm", encoder),
        "5 Decoder": ("the machine itself", decoder), "6 Attention": ("looking things up in its own context", attention),
        "7 Parallelism": ("training on all tokens at once", parallelism),
    }  # fmt: skip
    rows = []
    for part, (what, measure) in gave.items():
        try:
            found = measure()
        except (FileNotFoundError, KeyError):
            found = "not recorded yet"
        rows.append({"part": part, "what it gave the language model": what, "measured in this course": found})
    return pd.DataFrame(rows).set_index("part")


EXPERIMENTS = {"switches": switches, "scaling_laws": scaling_laws}
