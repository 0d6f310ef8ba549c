"""Fill in the blank: words of a text are hidden, and a model names them from what stands around.

Devlin et al. 2019 (BERT), §3.1: of every 100 words 15 are chosen. Of these, 80% are replaced by [mask], 10% by
a random word, and 10% are left as they are; all of them must be named. Shapes: batch B, length T, vocabulary V.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from course_lib.checks import require, require_int
from course_lib.tasks.task import Baseline, Batch, Task

__all__ = ["MASK", "RARE", "Words", "hide", "masked_words"]

MASK, RARE = 0, 1  # ids: a hidden word, and any word outside the vocabulary


class Words:
    """The `known` most frequent words of a text and its marks: ids 2 … V−1, V = known + 2; 0 is [mask], 1 is [rare].

    Lower case; a number counts as one word. Raises InputError for a text with fewer words than `known`.
    """

    def __init__(self, text: str, known: int = 1000):
        count = Counter(self.split(text))
        require(len(count) >= require_int("known", known), f"known must be at most the text's {len(count)} different words, got {known}")
        self.words = ["[mask]", "[rare]", *(word for word, _ in count.most_common(known))]
        self._id = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    @staticmethod
    def split(text: str) -> list[str]:
        """"The cat's 2 o'clock nap." → the, cat's, 2, o'clock, nap, . and [mask] stays as it is."""
        return re.findall(r"\[mask\]|[^\W\d_]+(?:['’][^\W\d_]+)?|\d+|[.,;:()?!]", text.lower())

    def encode(self, text: str) -> list[int]:
        """Text → ids; [mask] is 0, a word that is not known 1."""
        return [self._id.get(word, RARE) for word in self.split(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """Ids → words with spaces between. Raises InputError for an id outside 0 … V−1."""
        ids = [int(i) for i in ids]
        require(all(0 <= i < len(self) for i in ids), f"ids must lie in 0 … {len(self) - 1}, got {ids}")
        return " ".join(self.words[i] for i in ids)


def hide(ids: Tensor, V: int, share: float = 0.15, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """The 80/10/10 rule: ids (B, T) → what the model reads (B, T), and True where a word was chosen (B, T).

    Only words are chosen, never [mask] or [rare]. Raises InputError unless 0 < share < 1.
    """
    require(0 < share < 1, f"share must lie between 0 and 1, got {share}")
    chance, kind = torch.rand(2, *ids.shape, generator=generator)  # each (B, T)
    chosen = (chance < share) & (ids > RARE)
    other = torch.randint(RARE + 1, V, ids.shape, generator=generator)
    read = torch.where(chosen & (kind < 0.8), MASK, ids)
    return torch.where(chosen & (kind >= 0.9), other, read), chosen


def masked_words(train: Sequence[int], validation: Sequence[int], V: int, T: int = 32, share: float = 0.15) -> Task:
    """Name the chosen words: ids (B, T) with `share` of the words hidden by the 80/10/10 rule, pieces cut anywhere.

    Loss in nats a chosen word; baseline: word frequencies alone. The goal 0 is never reached: training runs all
    its steps. Raises InputError for ids outside 0 … V−1 or a text shorter than T words.
    """
    require_int("T", T)
    streams = [torch.as_tensor(np.asarray(ids), dtype=torch.long) for ids in (train, validation)]  # (n,)
    for what, stream in zip(("train", "validation"), streams):
        require(len(stream) > T, f"{what} must hold more than T = {T} words, got {len(stream)}")
        require(int(stream.min()) >= 0 and int(stream.max()) < V, f"{what} must hold ids 0 … {V - 1}")
    count = streams[0].bincount(minlength=V) + 1.0
    count[: RARE + 1] = 0
    words = streams[1][streams[1] > RARE]
    nats = -(count / count.sum()).log()[words].mean().item()

    def draw_from(stream):
        def draw(B, T, generator):
            start = torch.randint(len(stream) - T, (B, 1), generator=generator)
            ids = stream[start + torch.arange(T)]  # (B, T)
            read, chosen = hide(ids, V, share, generator)
            return Batch(read, ids, chosen)

        return draw

    return Task("masked words", draw_from(streams[0]), T, V, None, V, "nats", Baseline(nats, "word frequencies alone"), 0.0, draw_from(streams[1]))
