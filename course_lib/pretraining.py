"""A small language model of the course's corpus: one recipe for the notebook's minute, the terminal and the shipped model.

    text = read_text(V=512)                                    # byte-pair tokens; the last 200,000 characters held out
    model = small_decoder(text.V)
    curves = pretrain(model, text, steps=1200, bf16=bf16_is_fast())
    held_out_nats(model, text.validation), ngram_nats(text)    # nats a token, against counting
    model, bpe, about = load_small()                           # the one that comes with the course
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import InputError, require, require_int
from course_lib.models import Decoder, TransformerConfig
from course_lib.models.baselines import NGram
from course_lib.models.bpe import BPE
from course_lib.packed import pack, unpack
from course_lib.tasks import load_corpus, next_token
from course_lib.training import fit

__all__ = ["Text", "read_text", "small_decoder", "pretrain", "bf16_is_fast", "held_out_nats", "ngram_nats", "write", "save_small", "load_small"]

SHIPPED = Path(__file__).parent / "recorded" / "small_lm.safetensors"


@dataclass(frozen=True)
class Text:
    """A corpus as tokens, its end held out. `note` is "" or says that another text stands in for the corpus."""

    bpe: BPE
    train: Tensor  # ids
    validation: Tensor
    characters: int  # of the held-out text
    note: str = ""

    @property
    def V(self) -> int:
        return len(self.bpe)

    @property
    def characters_per_token(self) -> float:
        return self.characters / len(self.validation)


@lru_cache(maxsize=2)
def read_text(V: int = 512) -> Text:
    """The course's corpus in byte-pair tokens that were learnt on its training part alone (a few seconds)."""
    corpus = load_corpus()
    bpe = BPE.train(corpus.train, V)
    train, validation = (torch.tensor(bpe.encode(part)) for part in (corpus.train, corpus.validation))
    return Text(bpe, train, validation, len(corpus.validation), corpus.note)


def small_decoder(V: int = 512, D: int = 128, N: int = 2, H: int = 4, T: int = 64, seed: int = 0, **switches) -> Decoder:
    """A small decoder with today's parts (rotary positions, RMSNorm, squared ReLU) unless `switches` say otherwise.

    Its first weights are four times the usual size (init_std 0.08): in a run of a minute that counts.
    """
    today = dict(positions="rotary", norm_kind="rms", activation="relu2", bias=False, zero_init=True, init_std=0.08)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Decoder(TransformerConfig(V=V, D=D, N=N, H=H, T_max=T, **today | switches))


def pretrain(model: Decoder, text: Text, steps: int = 1200, B: int = 16, lr: float = 6e-3, **settings) -> pd.DataFrame:
    """Train `model` to say the next token, in pieces of its own T_max; curves and `settings` are those of `fit`."""
    require(model.config.V == text.V, f"the model has V = {model.config.V}, and the text {text.V} tokens")
    task = next_token(text.train, text.validation, text.V, model.config.T_max)
    recipe = dict(betas=(0.9, 0.98), warmup=min(50, steps // 10), decay="linear", weight_decay=0.1, every=100)
    return fit(model, task, steps, B=B, lr=lr, **recipe | settings)


def bf16_is_fast() -> bool:
    """Can this processor multiply bfloat16 numbers itself (where it only imitates them, they are slower than float32)?"""
    if torch.cuda.is_available():
        return torch.cuda.get_device_capability() >= (8, 0)
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


@torch.no_grad()
def held_out_nats(model: Decoder, ids: Tensor) -> float:
    """Mean nats a token over a whole text (n ids). Windows of T_max overlap by half, so each token but the first ones
    is predicted from at least T_max/2 before it."""
    T = model.config.T_max
    half, device = T // 2, next(model.parameters()).device
    require(len(ids) > T, f"the text must hold more than T_max = {T} tokens, got {len(ids)}")
    pieces = ids.unfold(0, T + 1, half).to(device)  # (n, T+1)
    total, count = 0.0, 0
    for first, some in zip(range(0, len(pieces), 64), pieces.split(64)):
        nats = F.cross_entropy(model(some[:, :-1]).mT, some[:, 1:], reduction="none")  # (64, T)
        kept = [nats[:, T - half :].sum(), nats[0, : T - half].sum() if first == 0 else nats.new_zeros(())]
        total += sum(kept).item()
        count += len(some) * half + (T - half if first == 0 else 0)
    return total / count


def ngram_nats(text: Text, orders: Sequence[int] = (2, 3, 4, 5, 6)) -> dict[int, float]:
    """Nats a token on the held-out text by counting, for each order."""
    train, unseen = [text.train.tolist()], [text.validation.tolist()]
    return {n: NGram(n, text.V).fit(train).nats(unseen) for n in orders}


def write(model: Decoder, bpe: BPE, prompt: str, new: int = 60, temperature: float = 0.8, top_p: float | None = 0.95, seed: int | None = 0) -> str:
    """The prompt and `new` tokens more. What no longer fits into the model's context is forgotten."""
    ids = bpe.encode(prompt)
    require(len(ids) > 0, "the prompt is empty; give at least one letter")
    T, end = model.config.T_max, len(ids) + require_int("new", new)
    device = next(model.parameters()).device
    while len(ids) < end:
        past = ids[-(T // 2) :]
        count = min(end - len(ids), T - len(past))
        out = model.generate(torch.tensor([past], device=device), count, temperature, top_p=top_p, seed=None if seed is None else seed + len(ids))
        ids += out[0, len(past) :].tolist()
    return bpe.decode(ids)


def save_small(path: str | Path, model: Decoder, bpe: BPE, about: dict) -> None:
    """Weights in eight bits, config, tokenizer and what `about` says (the command that made it) in one file (packed.py)."""
    pack(path, model, about | {"config": asdict(model.config), "bpe": bpe.to_json()})


def load_small(path: str | Path = SHIPPED) -> tuple[Decoder, BPE, dict]:
    """(model, tokenizer, about) of a file of `save_small`; by default the model that comes with the course."""
    what = "a small language model of this course"
    weights, about = unpack(path, what)
    try:
        bpe, model = BPE.from_json(about.pop("bpe")), Decoder(TransformerConfig(**about.pop("config")))
        model.load_state_dict(weights)
    except (KeyError, ValueError, TypeError, RuntimeError):
        raise InputError(f"{Path(path).name} is not {what}") from None
    return model.eval(), bpe, about
