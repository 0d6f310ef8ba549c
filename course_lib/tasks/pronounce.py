"""Letters in, sounds out: how an English word is spoken, from CMUdict. What an encoder-decoder is for.

Source and target have different lengths and different alphabets, and no letter stands for one sound for good.
A batch holds both in one row, so that every `fit` and `evaluate` of the course fits it: the letters, padded to a
common width S, then the sounds as the decoder reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib.checks import require, require_int
from course_lib.data import open_file
from course_lib.tasks.names import Characters
from course_lib.tasks.task import Baseline, Batch, Task

__all__ = ["BEGIN", "END", "PAD", "Spellings", "load_spellings", "pronunciation"]

PAD, BEGIN, END = 0, 1, 2  # the first ids of the sounds


@dataclass(frozen=True)
class Spellings:
    """Words with how they are spoken: word → one or more lists of sounds, apart for training and validation."""

    train: dict[str, list[tuple[str, ...]]]
    validation: dict[str, list[tuple[str, ...]]]
    characters: Characters
    sounds: tuple[str, ...]  # ids 0, 1, 2 are padding, begin and end
    longest: tuple[int, int]  # letters, and sounds with the end mark

    def letters(self, words: Sequence[str]) -> Tensor:
        """Words as ids, padded with 0.  # (B, S)"""
        rows = [self.characters.encode(word) for word in words]
        require(all(0 < len(row) <= self.longest[0] for row in rows), f"a word must have 1 to {self.longest[0]} letters")
        return torch.tensor([row + [PAD] * (self.longest[0] - len(row)) for row in rows])

    def spoken(self, ids: Iterable[int]) -> tuple[str, ...]:
        """Ids as sounds, up to the end mark."""
        ids = [int(i) for i in ids]
        ids = ids[: ids.index(END)] if END in ids else ids
        return tuple(self.sounds[i] for i in ids if i > END)


def load_spellings(most_letters: int = 10, validation: float = 0.05, seed: int = 0) -> Spellings:
    """CMUdict's words of 2 to `most_letters` letters a … z, each with all its pronunciations, stress marks left out.

    Split by word, by `seed`. Raises DataMissing where the dictionary is not fetched.
    """
    require_int("most_letters", most_letters, least=2)
    require(0 < validation < 1, f"validation must lie between 0 and 1, got {validation}")
    spoken: dict[str, list[tuple[str, ...]]] = {}
    for line in open_file("phonemes", "cmudict.dict").read_text(encoding="utf-8").splitlines():
        word, *sounds = line.split("#")[0].split()
        word = re.sub(r"\(\d+\)$", "", word)
        if re.fullmatch(f"[a-z]{{2,{most_letters}}}", word):
            plain = tuple(sound.rstrip("012") for sound in sounds)
            if plain not in spoken.setdefault(word, []):
                spoken[word].append(plain)
    words = list(spoken)
    order = [words[i] for i in np.random.default_rng(seed).permutation(len(words))]
    cut = round(len(order) * validation)
    names = tuple(sorted({sound for ways in spoken.values() for way in ways for sound in way}))
    longest = max(len(way) for ways in spoken.values() for way in ways) + 1
    train, unseen = ({word: spoken[word] for word in part} for part in (order[cut:], order[:cut]))
    return Spellings(train, unseen, Characters("abcdefghijklmnopqrstuvwxyz"), ("", "▶", "■", *names), (most_letters, longest))


def pronunciation(words: Spellings | None = None) -> Task:
    """Say a word: inputs (B, S + T) letters then ▶ and the sounds so far, targets (B, S + T), counted at the sounds.

    Loss in nats a sound, the end mark included. A word's first pronunciation is the answer. Baseline: the
    sounds' frequencies alone. The goal 0 is never reached: training runs all its steps.
    """
    words = load_spellings() if words is None else words
    S, T = words.longest
    ids = {sound: i for i, sound in enumerate(words.sounds)}

    def table(part):
        answers = torch.tensor([[*(ids[s] for s in ways[0]), END, *[PAD] * (T - 1 - len(ways[0]))] for ways in part.values()])  # (n, T)
        begins = torch.full((len(answers), 1), BEGIN)
        letters = words.letters(list(part))  # (n, S)
        counted = torch.cat((torch.zeros_like(letters, dtype=torch.bool), answers != PAD), 1)  # (n, S+T)
        return Batch(torch.cat((letters, begins, answers[:, :-1]), 1), torch.cat((letters, answers), 1), counted)

    train, validation = table(words.train), table(words.validation)

    def draw_from(part):
        def draw(B, T, generator):
            rows = torch.randint(len(part.inputs), (B,), generator=generator)
            return Batch(*(x[rows] for x in part))

        return draw

    V = len(words.sounds)
    count = train.targets[train.mask].bincount(minlength=V) + 1.0
    nats = -(count / count.sum()).log()[validation.targets[validation.mask]].mean().item()
    return Task("pronunciation", draw_from(train), S + T, V, None, V, "nats", Baseline(nats, "the sounds' frequencies alone"), 0.0, draw_from(validation))
