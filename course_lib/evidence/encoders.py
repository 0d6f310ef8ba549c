"""Part 4: what residuals, norms and positions do, sorting by encoder and BiLSTM, hidden words from one side and from both.

Every function takes a seed and gives a tidy table. `sweep` is there for the interface's sake: one learning rate is enough here.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from course_lib.checks import require_choice
from course_lib.models import Block, Decoder, Encoder, TransformerConfig
from course_lib.models.baselines import NGram
from course_lib.models.heads import Bidirectional, SequenceModel
from course_lib.tasks import Words, load_corpus, masked_words, next_token, sorting
from course_lib.tasks.masked import MASK, RARE
from course_lib.training import fit

__all__ = ["BLANKS", "EXPERIMENTS", "SORTERS", "Text", "blank_model", "counted_blanks", "deep_encoder", "encoder_with_readout", "gradient_by_layer", "score_blanks"]

RATE = 3e-3  # of the sorting runs, for everybody alike; not tuned for each


def encoder_with_readout(V: int, D_out: int, **switches) -> nn.Sequential:
    """An Encoder and a linear layer: ids (B, T) → scores (B, T, D_out). switches: as of TransformerConfig."""
    config = TransformerConfig(V=V, **{"D": 64, "N": 2, "H": 4, "T_max": 64} | switches)
    return nn.Sequential(Encoder(config), nn.Linear(config.D, D_out))


# -- sorting -----------------------------------------------------------------------------------------------

SORTERS = {  # of about 100,000 weights each, for V numbers
    "encoder": lambda V: encoder_with_readout(V, V, positions="sinusoidal"),
    "BiLSTM": lambda V: SequenceModel(Bidirectional(64, 160), V, embed=V),
    "BiLSTM, 2 layers": lambda V: SequenceModel([Bidirectional(64, 96), Bidirectional(96, 96)], V, embed=V),
}


def _sort(name: str, model: nn.Module, seed: int, lr: float, steps: int, progress: bool = False) -> pd.DataFrame:
    task = sorting()
    curves = fit(model, task, steps, lr=lr, seed=seed, B=64, decay="linear", progress=progress)
    outcome = "solved" if task.solved(curves.score.iloc[-1]) else curves.attrs["outcome"]
    return curves.assign(task=task.name, T=task.T, model=name, lr=lr, metric=task.metric, outcome=outcome)


def sort_race(seed: int = 0, sweep: bool = False, models: Sequence[str] = tuple(SORTERS), steps: int = 600) -> pd.DataFrame:
    """Eight numbers put in order, by an encoder and by BiLSTMs of as many weights."""
    tables = []
    for name in models:
        torch.manual_seed(seed)
        tables.append(_sort(name, SORTERS[name](sorting().V), seed, RATE, steps, progress=not sweep))
    return pd.concat(tables, ignore_index=True)


def sort_positions(seed: int = 0, sweep: bool = False, kinds: Sequence[str] = ("none", "sinusoidal", "learned", "rotary", "relative"), steps: int = 600) -> pd.DataFrame:
    """The encoder of the sorting race with each kind of position. Last rows only."""
    tables = []
    for kind in kinds:
        torch.manual_seed(seed)
        tables.append(_sort(kind, encoder_with_readout(sorting().V, sorting().V, positions=kind), seed, RATE, steps).tail(1))
    return pd.concat(tables, ignore_index=True)


# -- residuals and norms ---------------------------------------------------------------------------------------


class WithoutResidual(Block):
    """A block that passes on what its layers say, and not what came in."""

    def _add(self, x: Tensor, change: Tensor, norm: nn.Module) -> Tensor:
        return change if self.norm == "pre" else norm(change)


class Bare(Block):
    """Nor does it norm anything."""

    def _add(self, x: Tensor, change: Tensor, norm: nn.Module) -> Tensor:
        return change


DEEP = {"pre-norm": ("pre", Block), "post-norm": ("post", Block), "no residual": ("post", WithoutResidual), "neither": ("post", Bare)}


def deep_encoder(kind: str, V: int, N: int = 12, D: int = 32, H: int = 4) -> nn.Sequential:
    """A tall, narrow encoder with a readout, its weights as Glorot & Bengio 2010 start them. kind: one of DEEP."""
    norm, block_class = DEEP[require_choice("kind", kind, DEEP)]
    model = encoder_with_readout(V, V, D=D, N=N, H=H, norm=norm, positions="sinusoidal")
    for block in model[0].blocks:
        block.__class__ = block_class
        for weight in block.parameters():
            if weight.ndim == 2:
                nn.init.xavier_uniform_(weight)
    return model


def gradient_by_layer(kind: str, N: int = 24, seed: int = 0) -> list[float]:
    """How long the gradient of the sorting loss is in each block's feed-forward weights, before any training: N numbers."""
    torch.manual_seed(seed)
    task = sorting()
    model = deep_encoder(kind, task.V, N)
    batch = task.batch(64, generator=torch.Generator().manual_seed(seed))
    task.loss(model(batch.inputs), batch).backward()
    return [block.feed_forward[0].weight.grad.norm().item() for block in model[0].blocks]


def gradients_by_layer(seed: int = 0, sweep: bool = False, N: int = 24) -> pd.DataFrame:
    """gradient_by_layer of every kind: columns model, layer (1 … N), gradient."""
    return pd.concat([pd.DataFrame({"model": kind, "layer": range(1, N + 1), "gradient": gradient_by_layer(kind, N, seed)}) for kind in DEEP], ignore_index=True)


def deep_sorting(seed: int = 0, sweep: bool = False, N: int = 12, steps: int = 400) -> pd.DataFrame:
    """Sorting by twelve narrow blocks: with the norm before, with the norm after, and without residuals. Last rows only."""
    tables = []
    for kind in ("pre-norm", "post-norm", "no residual"):
        torch.manual_seed(seed)
        tables.append(_sort(kind, deep_encoder(kind, sorting().V, N), seed, 1e-3, steps).tail(1))
    return pd.concat(tables, ignore_index=True)


# -- hidden words ----------------------------------------------------------------------------------------------

BLANKS = {  # name → (sees the words to come, learns by hidden words): otherwise by always saying the next word
    "both sides": (True, True), "left side only": (False, True), "next word": (False, False),
}  # fmt: skip


class Text:
    """The course corpus as ids of its 1,000 most frequent words, and 2,000 blanks in the part that nobody trains on.

    A blank is the word in the middle of a piece of T = 32 words; a model is asked for it by `score_blanks`.
    """

    def __init__(self, known: int = 1000, T: int = 32, blanks: int = 2000):
        corpus = load_corpus()
        self.words, self.T = Words(corpus.train, known), T
        self.train, self.validation = self.words.encode(corpus.train), self.words.encode(corpus.validation)
        stream = torch.tensor(self.validation)
        starts = torch.arange(0, len(stream) - T, max(1, (len(stream) - T) // (3 * blanks)))
        starts = starts[stream[starts + T // 2] > RARE][:blanks]
        self.blanks = stream[starts[:, None] + torch.arange(T)]  # (blanks, T)


def blank_model(kind: str, V: int, T: int = 32, D: int = 64) -> nn.Module:
    """Two layers that name hidden words (or the next one): ids (B, T) → logits (B, T, V). kind: one of BLANKS."""
    both, hidden = BLANKS[require_choice("kind", kind, BLANKS)]
    switches = dict(D=D, N=2, H=4, T_max=T, positions="rotary")
    if not hidden:
        return Decoder(TransformerConfig(V=V, **switches))
    model = encoder_with_readout(V, V, **switches)
    model[1].weight = model[0].embedding.weight  # the readout asks how well each word's own vector fits (Press & Wolf 2017)
    model[0].causal = not both
    return model


def train_blanks(kind: str, text: Text, steps: int = 800, seed: int = 0, lr: float = 6e-3, **options) -> tuple[nn.Module, pd.DataFrame]:
    """A model of `blank_model` trained on the text; its curves are those of its own task."""
    V = len(text.words)
    make = masked_words if BLANKS[kind][1] else next_token
    torch.manual_seed(seed)
    model = blank_model(kind, V, text.T)
    return model, fit(model, make(text.train, text.validation, V, text.T), steps, lr=lr, warmup=50, decay="linear", every=100, seed=seed, **options)


@torch.no_grad()
def score_blanks(model: nn.Module, kind: str, blanks: Tensor) -> tuple[float, float]:
    """Nats and share right for the middle word of each row of `blanks` (n, T), which the model does not see."""
    middle = blanks.shape[1] // 2
    read, answer = blanks.clone(), blanks[:, middle]  # (n, T), (n,)
    read[:, middle] = MASK
    at = middle if BLANKS[kind][1] else middle - 1  # who says the next word says it one place before
    logits = torch.cat([model(rows)[:, at] for rows in read.split(500)])  # (n, V)
    logits[:, : RARE + 1] = -torch.inf  # it is known to be a word
    return nn.functional.cross_entropy(logits, answer).item(), (logits.argmax(-1) == answer).float().mean().item()


def counted_blanks(text: Text) -> dict[str, tuple[float, float]]:
    """The same blanks by counting: how often words come at all, after the word before, before the word after, and both.

    Both: P(w | left) · P(w | right) / P(w), as if the neighbours knew nothing of each other.
    """
    V, middle = len(text.words), text.T // 2
    single = NGram(1, V).fit([text.train]).probabilities()  # (V,)
    after, before = (NGram(2, V).fit([ids]) for ids in (text.train, text.train[::-1]))
    left, word, right = text.blanks[:, middle - 1 : middle + 2].unbind(1)  # each (n,)
    tables = {}
    for name, model, neighbour in (("left", after, left), ("right", before, right)):
        rows = {int(w): torch.from_numpy(model.probabilities([int(w)])) for w in neighbour.unique()}
        tables[name] = torch.stack([rows[int(w)] for w in neighbour])  # (n, V)
    frequency = torch.from_numpy(single).expand(len(word), V)
    guesses = {"frequency": frequency, "word before": tables["left"], "word after": tables["right"], "word before and after": tables["left"] * tables["right"] / frequency}
    found = {}
    for name, p in guesses.items():
        p = p.clone()
        p[:, : RARE + 1] = 0
        p = p / p.sum(1, keepdim=True)
        nats = -p.gather(1, word[:, None]).log().mean().item()
        found[name] = (nats, (p.argmax(1) == word).double().mean().item())
    return found


def blanks(seed: int = 0, sweep: bool = False, steps: Sequence[int] | int = 800, kinds: Sequence[str] = tuple(BLANKS)) -> pd.DataFrame:
    """The middle word of unseen pieces: counting, and models of both budgets of training. Columns model, steps, nats, right, seconds."""
    text = Text()
    rows = [{"model": name, "steps": 0, "nats": nats, "right": right, "seconds": 0.0} for name, (nats, right) in counted_blanks(text).items()]
    for budget in (steps,) if isinstance(steps, int) else steps:
        for kind in kinds:
            model, curves = train_blanks(kind, text, budget, seed, progress=False)
            nats, right = score_blanks(model, kind, text.blanks)
            rows.append({"model": kind, "steps": budget, "nats": nats, "right": right, "seconds": curves.seconds.iloc[-1]})
    return pd.DataFrame(rows)


EXPERIMENTS = {
    "sorting": sort_race,
    "sorting_positions": sort_positions,
    "gradients_by_layer": gradients_by_layer,
    "deep_sorting": deep_sorting,
    "blanks": blanks,
}
