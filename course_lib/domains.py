"""Five fields, one class: images, music, code, time series and proteins read by the course's own Encoder and Decoder.

    model, curves = train("images")     # up to a minute on two cores
    model = trained("images")           # the one that comes with the course, made by `python -m course_lib domains images`
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from course_lib.checks import InputError, require_choice
from course_lib.models import Decoder, Encoder, TransformerConfig
from course_lib.models.adapter import Adapter
from course_lib.models.bpe import BPE
from course_lib.models.pairs import PairModel
from course_lib.packed import pack, unpack
from course_lib.tasks import next_token
from course_lib.tasks.code import load_code
from course_lib.tasks.images import digits
from course_lib.tasks.music import VOCABULARY, chorales
from course_lib.tasks.proteins import completion, contacts
from course_lib.tasks.series import forecast, load_series
from course_lib.tasks.task import Task
from course_lib.training import fit

__all__ = ["DOMAINS", "Domain", "add_arguments", "code_task", "keep", "run", "train", "trained"]

FOLDER = Path(__file__).parent / "recorded"
TODAY = dict(positions="rotary", norm_kind="rms", activation="relu2", bias=False, zero_init=True)


@dataclass(frozen=True)
class Domain:
    """What is learnt, by what, and how. `build` gives a fresh model, `task` what it learns from."""

    task: Callable[[], Task]
    build: Callable[..., nn.Module]
    steps: int
    settings: dict = field(default_factory=dict)
    V: int = 0  # of a tokenizer that the checkpoint must bring


def _images(**changes) -> Adapter:
    return Adapter(4, Encoder(TransformerConfig(None, 48, 2, 4, 16, D_ff=96, dropout=0.1, **changes)), 10, pool=True)


def _series() -> Adapter:
    return Adapter(2, Decoder(TransformerConfig(None, 32, 2, 4, 64, dropout=0.1)), 12)


@lru_cache(maxsize=1)
def code_task() -> tuple[Task, BPE, list[int], list[int]]:
    """Predict each next token of Python source: (task, tokenizer of 512 tokens, training ids, held-out ids)."""
    train_text, unseen_text = load_code()
    bpe = BPE.train(train_text, 512)
    ids, unseen = bpe.encode(train_text), bpe.encode(unseen_text)
    return next_token(ids, unseen, len(bpe), 96, "code"), bpe, ids, unseen


LANGUAGE = dict(betas=(0.9, 0.98), warmup=30, decay="linear", weight_decay=0.1)
DOMAINS: dict[str, Domain] = {
    "images": Domain(lambda: digits(part="test", train="train+validation"), _images, 3700, dict(B=32, lr=3e-3, warmup=50, decay="linear", weight_decay=0.05)),
    "music": Domain(lambda: chorales()[0], lambda: Decoder(TransformerConfig(VOCABULARY, 96, 2, 4, 128, dropout=0.1, **TODAY)), 700, dict(B=16, lr=6e-3, **LANGUAGE)),
    "code": Domain(lambda: code_task()[0], lambda: Decoder(TransformerConfig(512, 128, 2, 4, 96, **TODAY)), 900, dict(B=12, lr=6e-3, **LANGUAGE), V=512),
    "co2": Domain(lambda: forecast(load_series("co2")), _series, 600, dict(B=32, lr=3e-3, warmup=20, decay="linear", weight_decay=0.1)),
    "sunspots": Domain(lambda: forecast(load_series("sunspots")), _series, 300, dict(B=32, lr=3e-3, warmup=20, decay="linear", weight_decay=0.1)),
    "contacts": Domain(contacts, lambda triangle=True: PairModel(14, 16, 1, 2, Encoder(TransformerConfig(2, 32, 2, 4, 14, dropout=0.2)), triangle=triangle), 500, dict(B=32, lr=3e-3, warmup=20, decay="linear", weight_decay=0.1)),
    "completion": Domain(completion, lambda triangle=True: PairModel(14, 24, 2, 1, D_in=2, triangle=triangle), 600, dict(B=32, lr=3e-3, warmup=20, decay="linear")),
}


def train(name: str, seed: int = 0, progress: bool = True, model: nn.Module | None = None, **settings) -> tuple[nn.Module, pd.DataFrame]:
    """Train the domain's model (or another one on the same task) with its recipe: (model, curves of `fit`).

    Raises InputError for an unknown name, DataMissing where the domain's data are not fetched.
    """
    domain = DOMAINS[require_choice("name", name, DOMAINS)]
    if model is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = domain.build()
    settings = {"steps": domain.steps, "every": 100} | domain.settings | settings
    curves = fit(model, domain.task(), settings.pop("steps"), seed=seed, progress=progress, **settings)
    return model.eval(), curves


def trained(name: str, path: Path | None = None) -> tuple[nn.Module, dict]:
    """The model that comes with the course, and what made it (command, date, versions, score; a tokenizer for code).

    Raises InputError where there is none, or the file is not one of these.
    """
    domain = DOMAINS[require_choice("name", name, DOMAINS)]
    path = path or FOLDER / f"{name}.safetensors"
    if not path.exists():
        raise InputError(f"there is no trained model for {name}; make one with python -m course_lib domains {name}")
    weights, about = unpack(path, f"a trained model of {name}")
    model = domain.build()
    try:
        model.load_state_dict(weights)
    except RuntimeError:
        raise InputError(f"{path.name} is not a trained model of {name}") from None
    return model.eval(), about


def keep(name: str, model: nn.Module, curves: pd.DataFrame, path: Path | None = None) -> Path:
    """Write a model beside the recorded results, with the command that made it."""
    about = {"command": f"python -m course_lib domains {name}", "date": datetime.date.today().isoformat(), "torch": torch.__version__}
    about |= {"metric": curves.attrs["metric"], "score": float(curves.score.iloc[-1]), "steps": int(curves.step.iloc[-1])}
    if DOMAINS[name].V:
        about["bpe"] = code_task()[1].to_json()
    return pack(path or FOLDER / f"{name}.safetensors", model, about)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m course_lib domains`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"models to train and keep in the package (default: all): {', '.join(DOMAINS)}")


def run(args: argparse.Namespace) -> int:
    """Train and keep the models. Raises InputError for an unknown name before anything runs."""
    names = [require_choice("NAME", name, DOMAINS) for name in args.names or DOMAINS]
    for name in names:
        model, curves = train(name)
        print(f"{keep(name, model, curves).name}: {curves.attrs['metric']} {curves.score.iloc[-1]:.4g}", flush=True)
    return 0
