"""What is known about words: people's ratings of pairs, analogy questions, and a vocabulary to count with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from course_lib.checks import InputError, require, require_choice, require_int
from course_lib.data import open_file

__all__ = ["Vocabulary", "analogies", "word_pairs"]


@dataclass(frozen=True)
class Vocabulary:
    """The words of a text, the most frequent first, with their counts."""

    words: list[str]
    counts: list[int]

    @classmethod
    def of(cls, text: Sequence[str], least: int = 5) -> Vocabulary:
        """Every word that comes at least `least` times. Raises InputError if none does."""
        found = [(word, n) for word, n in Counter(text).most_common() if n >= require_int("least", least)]
        require(len(found) > 0, f"no word comes {least} times in this text")
        return cls(*(list(column) for column in zip(*found)))

    @cached_property
    def index(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def count(self, word: str) -> int:
        """How often a word comes; 0 for one that is not in the vocabulary."""
        return self.counts[self.index[word]] if word in self.index else 0

    def encode(self, text: Sequence[str], unknown: bool = False) -> np.ndarray:
        """Ids of the words in order; words outside are left out, or, with `unknown`, given as −1.  # (T,)"""
        ids = np.fromiter((self.index.get(word, -1) for word in text), dtype=np.int64, count=len(text))
        return ids if unknown else ids[ids >= 0]


def word_pairs(name: str) -> list[tuple[str, str, float]]:
    """(word, word, mean rating 0…10) of "wordsim", 353 pairs (related?), or "simlex", 999 pairs (similar?), lower case.

    Raises DataMissing where the file is not fetched.
    """
    path = open_file(require_choice("name", name, ("wordsim", "simlex")))
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return [(a.lower(), b.lower(), float(rating)) for a, b, rating in rows]


def analogies() -> dict[str, list[tuple[str, str, str, str]]]:
    """Kind of relation → its questions (a, b, c, d): a is to b as c is to d, lower case. Mikolov et al. 2013.

    Raises DataMissing where the file is not fetched.
    """
    questions: dict[str, list] = {}
    for line in open_file("analogies").read_text(encoding="utf-8").splitlines():
        if line.startswith(":"):
            kind = questions.setdefault(line[1:].strip(), [])
        elif line.strip():
            four = tuple(line.lower().split())
            if len(four) != 4:
                raise InputError(f"an analogy has four words, got {line!r}")
            kind.append(four)
    return questions
