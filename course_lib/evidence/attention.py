"""Part 6: what attention can look up, which head does it, what √d is for, and whether weights explain.

As in evidence/recurrent.py every function takes a seed and gives a tidy table; `sweep=True` trains at all of
`RATES` and keeps of the others than `RATE` the last row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from course_lib.checks import require_choice
from course_lib.models import LSTM, Decoder, EncoderDecoder, MultiHeadAttention, TransformerConfig
from course_lib.models.heads import SequenceModel
from course_lib.tasks.recall import associative_recall, induction, repeated
from course_lib.tasks.task import Baseline, Batch, Task
from course_lib.tasks.translation import S_MAX, encode_words, source_places, toy_translation, translate
from course_lib.training import evaluate, fit

__all__ = ["EXPERIMENTS", "PHRASES", "READERS", "Pooled", "Translator", "decisive_word", "head_scores", "permuted", "share_aligned", "without_each_head", "without_scale"]

RATES, RATE = (1e-3, 3e-3, 1e-2), 1e-3


def _decoder(N: int) -> Callable[[Task], Decoder]:
    config = dict(D=64, N=N, H=2, D_ff=64, positions="rotary", init_std=0.05)
    return lambda task: Decoder(TransformerConfig(V=task.V, T_max=2 * task.T, **config))


READERS: dict[str, Callable[[Task], nn.Module]] = {  # name → model(task); widths of 64 throughout
    "two layers": _decoder(2),
    "one layer": _decoder(1),
    "LSTM": lambda task: SequenceModel(LSTM(32, 64), task.D_out, embed=task.V),
}


def _curves(model, task: Task, name: str, lr: float, seed: int, **settings) -> pd.DataFrame:
    curves = fit(model, task, lr=lr, seed=seed, **({"goal": True, "progress": False} | settings))
    return curves.assign(task=task.name, T=task.T, model=name, lr=lr, metric=task.metric, outcome=curves.attrs["outcome"])


def recall_of_pairs(seed: int = 0, sweep: bool = False, models: Sequence[str] = tuple(READERS), steps: int = 1000) -> pd.DataFrame:
    """Associative recall of 6 pairs: a Transformer of two layers, of one, and an LSTM; batches of 64."""
    task, tables = associative_recall(), []
    for name in models:
        for lr in RATES if sweep else (RATE,):
            torch.manual_seed(seed)
            curves = _curves(READERS[require_choice("model", name, READERS)](task), task, name, lr, seed, steps=steps, B=64)
            tables.append(curves if lr == RATE else curves.tail(1))
    return pd.concat(tables, ignore_index=True)


# -- heads --------------------------------------------------------------------------------------------------


@torch.no_grad()
def head_scores(model: Decoder, period: int = 20, rounds: int = 2, B: int = 16, seed: int = 1) -> dict[str, Tensor]:
    """Two habits of each head on repeated random symbols: "previous" and "induction", each (N, H), 0 … 1.

    previous    attention to the symbol just before, averaged over the places that have one
    induction   attention, in the later rounds, to the symbol that came next after this one the last time
                (prefix-matching score, Olsson et al. 2022)
    """
    T, V = period * rounds, model.config.V
    layers = model.attention_weights(repeated(B, period, T, V, torch.Generator().manual_seed(seed)))  # N × (B, H, T, T)
    t = torch.arange(T)
    last = t[period:]
    previous = [w[:, :, t[1:], t[1:] - 1].mean((0, 2)) for w in layers]  # (H,) each
    prefix = [w[:, :, last, last - period + 1].mean((0, 2)) for w in layers]
    return {"previous": torch.stack(previous), "induction": torch.stack(prefix)}  # (N, H)


def without_each_head(model: Decoder, task: Task) -> Tensor:
    """The task's score with one head at a time taken out (its answer times 0).  # (N, H)"""
    N, H = model.config.N, model.config.H
    batch = task.batch(256, generator=torch.Generator().manual_seed(2), held_out=True)
    scores = torch.zeros(N, H)
    with torch.no_grad():
        for n in range(N):
            for h in range(H):
                keep = torch.ones(N, H)
                keep[n, h] = 0
                scores[n, h] = task.score(model(batch.inputs, head_mask=keep), batch)
    return scores


def induction_heads(seed: int = 0, sweep: bool = False, steps: int = 600) -> pd.DataFrame:
    """Repeated random symbols: do they form, how sharp are they, and what does the model score without them."""
    task, rows = induction(), []
    for name in ("two layers", "one layer"):
        for lr in RATES if sweep else (3e-3,):
            torch.manual_seed(seed)
            model = READERS[name](task)
            curves = _curves(model, task, name, lr, seed, steps=steps, B=32)
            scores, without = head_scores(model), without_each_head(model, task)
            best = int(scores["induction"][-1].argmax())
            rows.append({
                "task": task.name, "T": task.T, "model": name, "lr": lr, "step": curves["step"].iloc[-1], "seconds": curves["seconds"].iloc[-1],
                "score": evaluate(model, task), "outcome": curves["outcome"].iloc[-1],
                "induction": scores["induction"][-1, best].item(), "previous": scores["previous"][0].max().item(),
                "without_induction_head": without[-1, best].item(), "without_another": without[-1, 1 - best].item(),
            })  # fmt: skip
    return pd.DataFrame(rows)


# -- √d -----------------------------------------------------------------------------------------------------


class _Unscaled(MultiHeadAttention):
    """Attention without the division by √d."""

    def project(self, x, memory=None):
        query, key, value = super().project(x, memory)
        return query * math.sqrt(self.d), key, value


def without_scale(model: Decoder) -> Decoder:
    """The same model, its scores no longer divided by √d (changed in place)."""
    for block in model.blocks:
        block.attention.__class__ = _Unscaled  # the same weights, another `project`
    return model


def scaling(seed: int = 0, sweep: bool = False, d: int = 64, steps: int = 400) -> pd.DataFrame:
    """Associative recall by one wide head a layer, with and without √d, started so that queries and keys have variance 1 or small."""
    task, tables = associative_recall(), []
    for start, std in (("variance 1", d**-0.5), ("small", 0.02)):
        for name in ("divided by √d", "not divided"):
            for lr in RATES[:2] if sweep else (RATE,):  # at the third, not even the usual form learnt the task
                torch.manual_seed(seed)
                config = TransformerConfig(V=task.V, D=d, N=2, H=1, D_ff=64, T_max=task.T, positions="rotary", init_std=std)
                model = Decoder(config) if name == "divided by √d" else without_scale(Decoder(config))
                curves = _curves(model, task, name, lr, seed, steps=steps, B=64).assign(start=start, d=d)
                tables.append(curves if lr == RATE else curves.tail(1))
    return pd.concat(tables, ignore_index=True)


# -- alignment ----------------------------------------------------------------------------------------------


class Translator(nn.Module):
    """An encoder and a decoder of one layer and one head, behind one input: the source and what the decoder reads."""

    def __init__(self, V: int, D: int = 64):
        super().__init__()
        self.both = EncoderDecoder(TransformerConfig(V=V, D=D, N=1, H=1, D_ff=2 * D, T_max=S_MAX + 1, init_std=0.05))

    def forward(self, ids: Tensor) -> Tensor:
        """(B, S + T) → (B, T, V); sources are padded with 0."""
        source = ids[:, :S_MAX]
        return self.both(source, ids[:, S_MAX:], source_mask=source > 0)

    @torch.no_grad()
    def write(self, source: Tensor) -> Tensor:
        """The likeliest translation, word by word: source (1, S) → what the decoder read, the boundary first (1, T)."""
        written = torch.zeros(1, 1, dtype=torch.long)
        while written.shape[1] <= S_MAX:
            word = self.both(source, written)[:, -1].argmax(-1, keepdim=True)  # (1, 1)
            if word.item() == 0:
                break
            written = torch.cat((written, word), 1)
        return written

    @torch.no_grad()
    def alignment(self, source: Tensor, written: Tensor) -> Tensor:
        """Where it looked when it wrote each word: source (1, S), written (1, T + 1) from the boundary on → (T, S)."""
        return self.both.attention_weights(source, written[:, :-1]).cross[0][0, 0]


def share_aligned(model: Translator, phrases: Sequence[str]) -> float:
    """The share of words whose largest weight lies on the source word that they translate, over right translations of these phrases."""
    right = []
    for phrase in phrases:
        words = phrase.split()
        looked = model.alignment(encode_words(words), encode_words(["·", *translate(words)])).argmax(-1)  # (T,)
        right += [a == b for a, b in zip(looked.tolist(), source_places(words))]
    return sum(right) / len(right)


PHRASES = (
    "the small black cat sees a king", "a king loves the old dog", "the boy wants a round green book", "a white horse takes the bread",
    "the old round dog wants a small white cat", "a green book loves the boy", "the king sees a black small horse", "a boy takes the green bread",
)  # fmt: skip


def alignment(seed: int = 0, sweep: bool = False, steps: int = 300) -> pd.DataFrame:
    """Toy translation: the share of right words, and how often the alignment points at the right source word."""
    task = toy_translation()
    torch.manual_seed(seed)
    model = Translator(task.V)
    curves = _curves(model, task, "Translator", 3e-3, seed, steps=steps, B=64, goal=False)
    return curves.tail(1).assign(aligned=share_aligned(model, PHRASES))


# -- do weights explain? -------------------------------------------------------------------------------------


def decisive_word(T: int = 16) -> Task:
    """Is the word after the marker a good or a bad one? ids (B, T) → one answer (B, 1). Other good and bad words stand around.

    ids: 0 the marker, 1 … 10 good, 11 … 20 bad, 21 … 40 neither.
    """

    def draw(B, T, generator):
        words = torch.randint(1, 41, (B, T), generator=generator)
        place = torch.randint(0, T - 1, (B, 1), generator=generator)
        word = torch.randint(1, 21, (B, 1), generator=generator)
        words = words.scatter(1, place, 0).scatter(1, place + 1, word)
        return Batch(words, (word > 10).long())

    return Task("decisive word", draw, T, 41, None, 2, "accuracy", Baseline(1 / 2, "guessing one of 2"), 0.99, least_T=2)


class Pooled(nn.Module):
    """Words → one answer, by a weighted mean of states. context: LSTMs in both directions (True), or each word alone.

    weights: "learned" (Bahdanau's score v·tanh(W h)), "uniform", or a function ids → (B, T) that guides it.
    """

    def __init__(self, V: int, context: bool = True, weights="learned", D: int = 32):
        super().__init__()
        self.embedding = nn.Embedding(V, D)
        self.cells = nn.ModuleList([LSTM(D, D), LSTM(D, D)]) if context else None
        self.alone = None if context else nn.Sequential(nn.Linear(D, 2 * D), nn.Tanh())
        self.score = nn.Sequential(nn.Linear(2 * D, D), nn.Tanh(), nn.Linear(D, 1, bias=False))
        self.out = nn.Linear(2 * D, 2)
        self.guide = weights

    def states(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)  # (B, T, D)
        if self.cells is None:
            return self.alone(x)  # (B, T, 2D)
        ahead, back = self.cells
        y = ahead(x, schedule="fused")[0]
        z = back(x.flip(1), schedule="fused")[0].flip(1)
        return torch.cat((y, z), -1)  # (B, T, 2D)

    def weights(self, ids: Tensor, states: Tensor | None = None) -> Tensor:
        """How much each word counts: (B, T), each row summing to 1."""
        if callable(self.guide):
            return self.guide(ids)
        if self.guide == "uniform":
            return torch.full(ids.shape, 1 / ids.shape[1])
        return self.score(self.states(ids) if states is None else states).squeeze(-1).softmax(-1)

    def forward(self, ids: Tensor, weights: Tensor | None = None) -> Tensor:
        """ids (B, T) → (B, 1, 2); `weights` (B, T) takes the place of its own."""
        states = self.states(ids)
        weights = self.weights(ids, states) if weights is None else weights
        return self.out(weights.unsqueeze(1) @ states)  # (B, 1, T) @ (B, T, 2D) → (B, 1, 2)


@torch.no_grad()
def permuted(model: Pooled, task: Task, tries: int = 10, seed: int = 3) -> dict[str, float]:
    """The model's weights shuffled among the words of each text: scores before and after, and what became of the answers.

    decided: the share of answers that stay the same; on_word, top: attention on the decisive word, and how
    often it is the largest. (After Jain & Wallace 2019, §4.2.1.)
    """
    generator = torch.Generator().manual_seed(seed)
    batch = task.batch(512, generator=generator)
    ids = batch.inputs
    weights, answers = model.weights(ids), model(ids)
    uniform = model(ids, torch.full(ids.shape, 1 / ids.shape[1]))
    scores, same = [], []
    for _ in range(tries):
        other = model(ids, weights.gather(1, torch.rand(ids.shape, generator=generator).argsort(1)))
        scores.append(task.score(other, batch))
        same.append((other.argmax(-1) == answers.argmax(-1)).float().mean().item())
    word = (ids == 0).int().argmax(1, keepdim=True) + 1  # (B, 1)
    return {
        "score": task.score(answers, batch), "permuted": sum(scores) / tries, "uniform": task.score(uniform, batch), "decided": sum(same) / tries,
        "on_word": weights.gather(1, word).mean().item(), "top": (weights.argmax(1, keepdim=True) == word).float().mean().item(),
    }  # fmt: skip


def explanation(seed: int = 0, sweep: bool = False, steps: int = 400) -> pd.DataFrame:
    """Jain & Wallace's shuffle and two tests of Wiegreffe & Pinter: a model that may not choose its weights, and
    a word-by-word network guided by the weights that another one learned."""
    task = decisive_word()
    torch.manual_seed(seed)
    model = Pooled(task.V)
    settings = dict(lr=3e-3, B=64, seed=seed, every=100, goal=True)
    fit(model, task, steps, **settings)
    row = permuted(model, task)
    model.requires_grad_(False)
    for name, context, weights in (("frozen_uniform", True, "uniform"), ("alone_uniform", False, "uniform"), ("alone_guided", False, model.weights)):
        torch.manual_seed(seed + 10)
        other = Pooled(task.V, context, weights)
        fit(other, task, steps, **settings)
        row[name] = evaluate(other, task)
    return pd.DataFrame([row])


EXPERIMENTS = {
    "associative_recall": recall_of_pairs,
    "induction": induction_heads,
    "scaling": scaling,
    "alignment": alignment,
    "explanation": explanation,
}
