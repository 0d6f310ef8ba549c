"""Part 5: repeating what was read, and saying how a word is spoken. Tables as in evidence/recurrent.py."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from course_lib.models import GRU, LSTM, Decoder, EncoderDecoder, TransformerConfig
from course_lib.models.baselines import NGram
from course_lib.models.heads import SequenceModel
from course_lib.pretraining import Text, held_out_nats, ngram_nats, pretrain, read_text, small_decoder
from course_lib.tasks import Batch, Task, copying
from course_lib.tasks.pronounce import BEGIN, END, PAD, Spellings, load_spellings, pronunciation
from course_lib.training import fit

__all__ = ["EXPERIMENTS", "Pronouncer", "copier", "drift", "exactly_right", "repeating", "seconds_a_token", "ways_of_writing", "writer"]

SYMBOLS = 26
RATES, RATE = (1e-3, 3e-3, 1e-2), 3e-3
SPEAKING_RATE, SPEAKING = 5e-3, dict(B=64, betas=(0.9, 0.98), warmup=20, decay="linear", every=100)


def repeating(T: int = 20) -> Task:
    """`copying` as a decoder sees it: T random letters, a separator, the letters again; answers are ids as they are read."""
    task = copying(T, SYMBOLS, teacher_forcing=True)

    def draw(B, T, generator):
        batch = task.draw(B, T, generator)
        return Batch(batch.inputs, batch.targets + 1, batch.mask)

    return replace(task, draw=draw, D_out=task.V)


def copier(name: str, T_max: int = 256) -> nn.Module:
    """A fresh model for `repeating`: "Transformer" (2 layers of width 64), "LSTM" or "GRU" (of width 128), about 100,000 weights each."""
    V = SYMBOLS + 1
    if name == "Transformer":
        return Decoder(TransformerConfig(V, D=64, N=2, H=4, T_max=T_max, positions="rotary"))
    return SequenceModel({"LSTM": LSTM, "GRU": GRU}[name](64, 128), V, embed=V)


def copying_task(seed: int = 0, sweep: bool = False, T: int = 20, steps: int = 200, models: Sequence[str] = ("Transformer", "LSTM", "GRU")) -> pd.DataFrame:
    """Who learns to repeat T letters, and after how many steps (Jelassi et al. 2024). 64 sequences a step."""
    task, tables = repeating(T), []
    for name in models:
        for lr in RATES if sweep else (RATE,):
            torch.manual_seed(seed)
            model = copier(name)
            curves = fit(model, task, steps, B=64, lr=lr, seed=seed, goal=True, every=25)
            curves = curves.assign(task=task.name, T=T, model=name, lr=lr, metric=task.metric, outcome=curves.attrs["outcome"])
            tables.append(curves if lr == RATE else curves.tail(1))
    return pd.concat(tables, ignore_index=True)


class Pronouncer(nn.Module):
    """An encoder-decoder that takes a row of `pronunciation` apart: letters to the encoder, sounds to the decoder.

    `model.network` is the EncoderDecoder; both sides have width D, N layers, H heads.
    """

    def __init__(self, words: Spellings, D: int = 64, N: int = 1, H: int = 4):
        super().__init__()
        self.S, T = words.longest
        shape = dict(D=D, N=N, H=H, T_max=max(self.S, T) + 1)
        self.network = EncoderDecoder(TransformerConfig(V=len(words.characters), **shape), TransformerConfig(V=len(words.sounds), **shape))

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (B, S + T) → logits (B, S + T, V); those at the letters are zeros, for nothing is asked there."""
        letters, sounds = inputs[:, : self.S], inputs[:, self.S :]
        logits = self.network(letters, sounds, letters != PAD)  # (B, T, V)
        return torch.cat((logits.new_zeros(*letters.shape, logits.shape[-1]), logits), 1)

    def say(self, words: Spellings, texts: Sequence[str], **options) -> list[tuple[str, ...]]:
        """How the model would speak these words: a list of sounds each. Options as in `generate`."""
        letters = words.letters(texts)
        rows = self.network.generate(letters, words.longest[1], stop_tokens=[END], mask=letters != PAD, start=BEGIN, **options)
        return [words.spoken(row[1:]) for row in rows]

    def alignment(self, words: Spellings, word: str) -> tuple[tuple[str, ...], Tensor]:
        """The sounds the model gives a word, and which letters it looked at for each.  # T sounds, (T, letters)

        The weights are those of the last layer's cross-attention, averaged over its heads; the row of a sound is
        that of the step which produced it.
        """
        (sounds,) = self.say(words, [word])
        letters = words.letters([word])[:, : len(word)]
        ids = torch.tensor([[BEGIN, *(words.sounds.index(s) for s in sounds)]])[:, : max(1, len(sounds))]
        with torch.no_grad():
            cross = self.network.attention_weights(letters, ids).cross[-1]  # (1, H, T, S)
        return sounds, cross[0].mean(0)


def exactly_right(model: Pronouncer, words: Spellings, among: Sequence[str]) -> float:
    """The share of these validation words that the model speaks as the dictionary has them, in one of its ways."""
    said = model.say(words, among)
    return sum(sounds in words.validation[word] for word, sounds in zip(among, said)) / len(among)


def pronouncing(seed: int = 0, sweep: bool = False, steps: int = 1000) -> pd.DataFrame:
    """An encoder-decoder learns to speak: nats a sound, and the share of 1,000 unseen words that are right to the last sound."""
    words = load_spellings()
    task, tables = pronunciation(words), []
    for lr in (SPEAKING_RATE,):
        torch.manual_seed(seed)
        model = Pronouncer(words)
        curves = fit(model, task, steps, lr=lr, seed=seed, **SPEAKING)
        right = exactly_right(model, words, list(words.validation)[:1000])
        tables.append(curves.tail(1).assign(task=task.name, model="Transformer", lr=lr, right=right))
    return pd.concat(tables, ignore_index=True)


# -- a language model that writes --------------------------------------------------------------------------


def writer(text: Text, seed: int = 0):
    """The decoder of this part: 2 layers of width 128, a context of 128 tokens."""
    return small_decoder(text.V, T=128, seed=seed, init_std=0.1)


def text_continued(seed: int = 0, sweep: bool = False, budgets: Sequence[int] = (400, 800)) -> pd.DataFrame:
    """Held-out nats a token of n-grams and of the decoder after so many steps; then how it writes. Columns measure, model, steps, value."""
    text = read_text()
    rows = [{"measure": "held-out nats", "model": f"{n}-gram", "value": nats} for n, nats in ngram_nats(text, (1, 2, 3, 4, 5)).items()]
    for steps in budgets:
        model = writer(text, seed)
        seconds = pretrain(model, text, steps, B=8, seed=seed).seconds.iloc[-1]
        rows.append({"measure": "held-out nats", "model": "Transformer", "steps": steps, "value": held_out_nats(model, text.validation), "seconds": seconds})
        ways = ways_of_writing(model, text, seed=seed)
        rows += [{"measure": column, "model": way, "steps": steps, "value": found[column]} for way, found in ways.iterrows() for column in ways]
        found = drift(model, text, seed=seed)
        rows += [{"measure": f"judged nats, {place}", "model": what, "steps": steps, "value": found.loc[what, place]} for what in found.index for place in ("early", "late")]
    return pd.DataFrame(rows)


WAYS = {"greedy": {}, "8 beams": {"num_beams": 8}, "sampled": {"temperature": 1.0}, "top-p 0.9": {"temperature": 1.0, "top_p": 0.9}}


def ways_of_writing(model: Decoder, text: Text, prompts: int = 16, new: int = 64, seed: int = 0) -> pd.DataFrame:
    """How surprised a model is by its own text, and how often that text repeats itself, for each way of choosing tokens.

    Columns: surprise (nats a token), repeated (share of runs of four tokens that stood in the same text before).
    The last row is what people wrote after the same prompts. Holtzman et al. 2020, figures 2 and 9.
    """
    T = 32
    start = torch.randint(len(text.validation) - T - new, (prompts, 1), generator=torch.Generator().manual_seed(seed))
    real = text.validation[start + torch.arange(T + new)]  # (B, T + new)
    rows = {}
    for way, options in (*WAYS.items(), ("people", None)):
        ids = real if options is None else model.generate(real[:, :T], new, seed=seed, **options)
        with torch.no_grad():
            log_p = model(ids[:, :-1]).log_softmax(-1).gather(-1, ids[:, 1:, None])[:, T - 1 :]  # (B, new, 1)
        rows[way] = {"surprise": -log_p.mean().item(), "repeated": float(np.mean([_repeated(row) for row in ids[:, T:].tolist()]))}
    return pd.DataFrame.from_dict(rows, orient="index")


def _repeated(ids: list[int], n: int = 4) -> float:
    runs = list(zip(*(ids[i:] for i in range(n))))
    return 1 - len(set(runs)) / len(runs)


def drift(model: Decoder, text: Text, texts: int = 192, seed: int = 0) -> pd.DataFrame:
    """Does a text get stranger the longer the model goes on from its own words? Judged by a 3-gram of the training text.

    Rows "its own" and "people"; columns: nats a token in the first (early) and the last (late) 16 of 96 new tokens,
    and the standard error of late − early over the texts.
    """
    T, new, piece = 32, 96, 16
    judge = NGram(3, text.V).fit([text.train.tolist()])
    start = torch.randint(len(text.validation) - T - new, (texts, 1), generator=torch.Generator().manual_seed(seed))
    real = text.validation[start + torch.arange(T + new)]  # (B, T + new)
    rows = {}
    for what, ids in (("its own", model.generate(real[:, :T], new, temperature=1.0, seed=seed)), ("people", real)):
        sums = np.array([[judge.nats([row[:n]]) * n for n in (T, T + piece, T + new - piece, T + new)] for row in ids.tolist()])  # (B, 4)
        early, late = (sums[:, 1] - sums[:, 0]) / piece, (sums[:, 3] - sums[:, 2]) / piece  # (B,)
        rows[what] = {"early": early.mean(), "late": late.mean(), "error": (late - early).std() / texts**0.5}
    return pd.DataFrame.from_dict(rows, orient="index")


# -- what a token costs --------------------------------------------------------------------------------------


def seconds_a_token(T: int = 512, rounds: int = 3, seed: int = 0, V: int = 512) -> pd.DataFrame:
    """Seconds for each token while T are written, and bytes kept by then: with the cache, without it, and an LSTM of as many weights.

    Untrained weights (they cost the same), batch 1. Columns model, position, seconds (median of the rounds, which take turns), bytes.
    """
    torch.manual_seed(seed)
    decoder = Decoder(TransformerConfig(V, D=128, N=2, H=4, T_max=T + 1, positions="rotary", bias=False)).eval()
    cells = [LSTM(128, 157), LSTM(157, 157)]  # 8·D·(D_in + D) each: within 5% of the decoder's 12·128² a layer
    recurrent = SequenceModel(cells, V, embed=V).eval()
    c = decoder.config
    kept = {"with cache": 2 * c.N * c.D * 4, "without cache": 8, "LSTM": 0}  # bytes a token
    state = 4 * sum(2 * cell.D for cell in cells)

    def steps(name):
        if name != "LSTM":
            return decoder.stream(torch.zeros(1, 1, dtype=torch.long), T, use_cache=name == "with cache")
        return _step_by_step(recurrent, T)

    seconds: dict[str, list] = {name: [] for name in kept}
    for _ in range(rounds):
        for name, all_rounds in seconds.items():
            marks = [time.perf_counter()]
            marks += [time.perf_counter() for _ in steps(name)]
            all_rounds.append(np.diff(marks))
    tables = []
    for name, found in seconds.items():
        position = np.arange(1, T + 1)
        memory = kept[name] * position + (state if name == "LSTM" else 0)
        tables.append(pd.DataFrame({"model": name, "position": position, "seconds": np.median(found, 0), "bytes": memory}))
    table = pd.concat(tables, ignore_index=True)
    table.attrs["weights"] = {"decoder": sum(p.numel() for p in decoder.blocks.parameters()), "LSTM": sum(p.numel() for p in recurrent.cells.parameters())}
    return table


@torch.no_grad()
def _step_by_step(model: SequenceModel, T: int):
    ids, states = torch.zeros(1, dtype=torch.long), None
    for _ in range(T):
        logits, states = model.step(ids, states)
        ids = logits.argmax(-1)  # (B,)
        yield ids


EXPERIMENTS = {"copying": copying_task, "pronouncing": pronouncing, "writing": text_continued}
