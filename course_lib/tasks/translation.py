"""A toy translation: English phrases into a small French in which every adjective follows its noun.

    the small black cat sees a king  →  le chat noir petit voit un roi

Word for word but for the order, so that one can say which word of the source each translated word comes
from: what an alignment must find. (True French puts some adjectives before the noun and bends them.)
Shapes: batch B, length S of a source and T of its translation, each padded with 0; vocabulary V.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.checks import require
from course_lib.tasks.task import Baseline, Batch, Task

__all__ = ["FRENCH", "S_MAX", "WORDS", "decode_words", "encode_words", "source_places", "toy_translation", "translate"]

ARTICLES = {"the": "le", "a": "un"}
ADJECTIVES = {"black": "noir", "white": "blanc", "green": "vert", "small": "petit", "round": "rond", "old": "vieux"}
NOUNS = {"cat": "chat", "dog": "chien", "king": "roi", "book": "livre", "horse": "cheval", "boy": "garçon", "bread": "pain"}
VERBS = {"sees": "voit", "wants": "veut", "takes": "prend", "loves": "aime"}
FRENCH = ARTICLES | ADJECTIVES | NOUNS | VERBS
WORDS = ["·", *FRENCH, *FRENCH.values()]  # id 0 opens and ends a translation, and pads
ID = {word: i for i, word in enumerate(WORDS)}
S_MAX = 9  # article, two adjectives, noun, verb, article, two adjectives, noun


def source_places(english: Sequence[str]) -> list[int]:
    """The place in the source of each word of its translation: a noun comes before its adjectives, nearest first."""
    places, waiting = [], []
    for place, word in enumerate(english):
        require(word in FRENCH, f"{word!r} is not in the toy vocabulary; it knows {', '.join(FRENCH)}")
        if word in ADJECTIVES:
            waiting.append(place)
        else:
            places += [place, *reversed(waiting)]
            waiting = []
    return places + waiting


def translate(english: Sequence[str]) -> list[str]:
    """The right translation of words of the toy vocabulary. Raises InputError for another word."""
    return [FRENCH[english[place]] for place in source_places(english)]


def encode_words(words: Sequence[str]) -> Tensor:
    """Words of either language → ids (1, T)."""
    unknown = [word for word in words if word not in ID]
    require(not unknown, f"{unknown[0] if unknown else ''!r} is not in the toy vocabulary")
    return torch.tensor([[ID[word] for word in words]])


def decode_words(ids: Tensor) -> list[str]:
    """ids (T,) → words, up to the first boundary."""
    words = [WORDS[i] for i in ids.tolist()]
    return words[: words.index("·")] if "·" in words else words


def toy_translation() -> Task:
    """Translate phrases of 5 to 9 words: a task for an encoder and a decoder.

    inputs (B, 19): the source, padded to S = 9, and what the decoder reads, the boundary and then the true
    words before each answer (teacher forcing). Answers (B, 10): the translated words and the closing boundary.
    Baseline accuracy 1/8: a phrase has 7 words and a boundary on average, and no word is more frequent.
    """
    kinds = [torch.tensor([ID[word] for word in kind]) for kind in (ARTICLES, ADJECTIVES, NOUNS, VERBS)]
    shift = len(FRENCH)

    def pick(kind, B, n, generator):
        return kind[torch.rand(B, len(kind), generator=generator).argsort(1)[:, :n]]  # (B, n), no word twice

    def phrase(B, generator):
        count = torch.randint(3, (B, 1), generator=generator)  # of adjectives
        words = torch.cat((pick(kinds[0], B, 1, generator), pick(kinds[1], B, 2, generator), pick(kinds[2], B, 1, generator)), 1)  # (B, 4)
        keep = torch.tensor([True, False, False, True]) | (torch.tensor([9, 0, 1, 9]) < count)
        return words * keep, words[:, [0, 3, 2, 1]] * keep[:, [0, 3, 2, 1]]  # 0 where there is no word

    def packed(words, length):
        order = (words == 0).int().argsort(stable=True, dim=1)  # real words first, in their order
        words = words.gather(1, order)
        return torch.nn.functional.pad(words, (0, length - words.shape[1]))

    def draw(B, T, generator):
        (subject, sujet), (thing, objet) = phrase(B, generator), phrase(B, generator)
        verb = pick(kinds[3], B, 1, generator)
        source = packed(torch.cat((subject, verb, thing), 1), S_MAX)  # (B, 9)
        answer = torch.cat((sujet, verb, objet), 1)
        answer = packed(torch.where(answer > 0, answer + shift, 0), S_MAX + 1)  # (B, 10)
        mask = torch.cat((torch.ones(B, 1, dtype=torch.bool), answer[:, :-1] > 0), 1)  # the words and one boundary
        return Batch(torch.cat((source, answer.roll(1, 1)), 1), answer, mask)

    V = len(WORDS)
    baseline = Baseline(1 / 8, "always the same word: one boundary in 8 answers")
    return Task("toy translation", draw, S_MAX + 1, V, None, V, "accuracy", baseline, 0.99)
