"""Surnames, letter by letter: a language small enough to learn in a minute.

The 88,799 surnames of the 1990 US census, each once, or any file of yours with one word a line.
A name is written between two boundaries: "\\n", which is id 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from course_lib.checks import require
from course_lib.data import open_file
from course_lib.tasks.task import Baseline, Batch, Task

__all__ = ["Characters", "Names", "load_names", "names_in_a_row", "surnames"]


class Characters:
    """A character vocabulary: "\\n" is id 0, the letters follow in alphabetical order."""

    def __init__(self, letters: Iterable[str]):
        self.letters = "\n" + "".join(sorted(set(letters) - {"\n"}))
        self._id = {letter: i for i, letter in enumerate(self.letters)}

    def __len__(self) -> int:
        return len(self.letters)

    def encode(self, text: str) -> list[int]:
        """Text → ids. Raises InputError for a character outside the vocabulary."""
        for letter in text:
            require(letter in self._id, f"{letter!r} is not in the vocabulary {self.letters[1:]!r}")
        return [self._id[letter] for letter in text]

    def decode(self, ids: Iterable[int]) -> str:
        """Ids → text. Raises InputError for an id outside 0 … V−1."""
        ids = [int(i) for i in ids]
        for i in ids:
            require(0 <= i < len(self), f"ids must lie in 0 … {len(self) - 1}, got {i}")
        return "".join(self.letters[i] for i in ids)


@dataclass(frozen=True)
class Names:
    """Training and validation names (each name in one of them) and their characters."""

    train: list[str]
    validation: list[str]
    characters: Characters

    def sequences(self, names: Sequence[str]) -> list[list[int]]:
        """Each name as ids with the closing boundary, ready for an n-gram model."""
        return [self.characters.encode(name + "\n") for name in names]

    def padded(self, names: Sequence[str]) -> Batch:
        """Names as one batch: inputs "\\nada", targets "ada\\n", the shorter ones padded and masked.  # (B, T)"""
        rows = self.sequences(names)
        lengths = torch.tensor([len(row) for row in rows])  # (B,)
        mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)  # (B, T)
        targets = torch.zeros(mask.shape, dtype=torch.long)
        targets[mask] = torch.tensor([i for row in rows for i in row])
        return Batch(targets.roll(1, 1), targets, mask)  # the last column is all boundary: rolled, it opens the names


def load_names(path: str | Path | None = None, validation: float = 0.1, seed: int = 0) -> Names:
    """The names of a file (default: the census), lower case, shuffled by `seed` and split.

    The first word of every line counts, once, if it is all letters. Raises InputError when `validation`
    leaves no name on one side.
    """
    lines = Path(path or open_file("surnames")).read_text(encoding="utf-8").splitlines()
    words = (line.split()[0].lower() for line in lines if line.strip())
    names = list(dict.fromkeys(word for word in words if word.isalpha()))
    size = round(len(names) * validation)
    require(0 < size < len(names), f"validation must leave names on both sides, got {validation} of {len(names)} names")
    order = np.random.default_rng(seed).permutation(len(names))
    shuffled = [names[i] for i in order]
    return Names(shuffled[size:], shuffled[:size], Characters("".join(names)))


def surnames(names: Names | None = None) -> Task:
    """Predict each next letter of a surname: ids (B, T), T the longest name of the batch (or cut at a given T).

    Loss in nats a letter, the closing boundary included. Baseline: letter frequencies alone, on the
    validation names. The goal 0 is never reached: training runs all its steps.
    """
    names = load_names() if names is None else names
    train, validation = names.padded(names.train), names.padded(names.validation)
    V = len(names.characters)
    count = train.targets[train.mask].bincount(minlength=V) + 1.0
    nats = -(count / count.sum()).log()[validation.targets[validation.mask]].mean().item()

    def draw_from(part):
        def draw(B, T, generator):
            rows = torch.randint(len(part.inputs), (B,), generator=generator)
            T = min(T, int(part.mask[rows].sum(1).max()))
            return Batch(*(x[rows, :T] for x in part))  # (B, T)

        return draw

    longest = max(train.inputs.shape[1], validation.inputs.shape[1])
    return Task("surnames", draw_from(train), longest, V, None, V, "nats", Baseline(nats, "letter frequencies alone"), 0.0, draw_from(validation))


def names_in_a_row(names: Names, T: int = 64) -> Task:
    """Predict each next letter of a stream of surnames: pieces of T letters, cut anywhere, one "\\n" between names.

    Unlike in `surnames`, a model must find out itself where a name ends and the next, unrelated one begins.
    """

    def draw_from(part):
        stream = torch.tensor([i for row in names.sequences(part) for i in row])

        def draw(B, T, generator):
            start = torch.randint(len(stream) - T, (B, 1), generator=generator)
            piece = stream[start + torch.arange(T + 1)]  # (B, T+1)
            return Batch(piece[:, :-1], piece[:, 1:])

        return draw

    alone = surnames(names)
    return Task("names in a row", draw_from(names.train), T, alone.V, None, alone.D_out, "nats", alone.baseline, 0.0, draw_from(names.validation))
