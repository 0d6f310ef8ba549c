"""Real text to learn from: 101 articles of English Wikipedia, or, where they are not fetched, Python's own manual."""

from __future__ import annotations

import bz2
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from xml.etree import ElementTree

import numpy as np
import torch

from course_lib.checks import require, require_int
from course_lib.data import available, open_file
from course_lib.tasks.task import Baseline, Batch, Task

__all__ = ["Corpus", "load_corpus", "next_token"]

HELD_OUT = 200_000  # characters at the end that no model trains on
MISSING = "The course corpus is not here, so Python's own manual stands in for it; run `python -m course_lib fetch corpus` for the real thing."


@dataclass(frozen=True)
class Corpus:
    """Plain text by page, paragraphs between blank lines. `note`: "" or one line saying what stands in for what."""

    pages: dict[str, str]  # title → text
    note: str = ""

    @cached_property
    def text(self) -> str:
        """All pages, in order, one blank line between paragraphs."""
        return "\n\n".join(self.pages.values()) + "\n"

    @property
    def train(self) -> str:
        """All but the end."""
        return self.text[: -min(HELD_OUT, len(self.text) // 4)]

    @property
    def validation(self) -> str:
        """The end, which no model trains on: 200,000 characters, or a quarter of a short text."""
        return self.text[len(self.train) :]

    @cached_property
    def words(self) -> list[str]:
        """Every word of the text in order, lower case, without punctuation and numbers."""
        return re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", self.text.lower())

    @cached_property
    def sentences(self) -> list[str]:
        """Every sentence of 5 to 40 words, as it stands."""
        pieces = (s for p in self.text.split("\n\n") for s in re.split(r"(?<=[a-z)\]][.!?])\s+(?=[A-Z])", p.replace("\n", " ")))
        return [s for s in pieces if 5 <= len(s.split()) <= 40 and s[0].isupper() and s[-1] in ".!?"]


@lru_cache(maxsize=1)
def load_corpus() -> Corpus:
    """The course corpus if it is fetched and whole, else the manual that comes with every Python (its `note` says so)."""
    return Corpus(_wikipedia()) if available("corpus") else Corpus(_manual(), MISSING)


def next_token(train: Sequence[int], validation: Sequence[int], V: int, T: int = 64, name: str = "next token") -> Task:
    """Predict each next token of a text given as ids: pieces of T tokens (B, T), cut anywhere.

    Loss in nats a token; baseline: token frequencies alone. The goal 0 is never reached: training runs all its
    steps. Raises InputError for ids outside 0 … V−1 or a text shorter than T + 1 tokens.
    """
    require_int("T", T)
    streams = [torch.as_tensor(np.asarray(ids), dtype=torch.long) for ids in (train, validation)]  # (n,)
    for what, stream in zip(("train", "validation"), streams):
        require(len(stream) > T, f"{what} must hold more than T = {T} tokens, got {len(stream)}")
        require(int(stream.min()) >= 0 and int(stream.max()) < V, f"{what} must hold ids 0 … {V - 1}")
    count = streams[0].bincount(minlength=V) + 1.0
    nats = -(count / count.sum()).log()[streams[1]].mean().item()

    def draw_from(stream):
        def draw(B, T, generator):
            require(len(stream) > T, f"T must be below the text's {len(stream)} tokens, got {T}")
            start = torch.randint(len(stream) - T, (B, 1), generator=generator)
            piece = stream[start + torch.arange(T + 1)]  # (B, T+1)
            return Batch(piece[:, :-1], piece[:, 1:])

        return draw

    return Task(name, draw_from(streams[0]), T, V, None, V, "nats", Baseline(nats, "token frequencies alone"), 0.0, draw_from(streams[1]))


# -- from MediaWiki's markup to prose ---------------------------------------------------------------------------------


def _wikipedia() -> dict[str, str]:
    pages = {}
    with bz2.open(open_file("corpus")) as file:
        for _, page in ElementTree.iterparse(file):
            if page.tag.endswith("}page"):
                title, text = page.findtext("{*}title"), page.findtext("{*}revision/{*}text")
                prose = _prose(text or "")
                if ":" not in title and prose:
                    pages[title] = prose
                page.clear()
    return pages


def _prose(markup: str) -> str:
    """The paragraphs of a page: no templates, tables, notes, headings, lists or files."""
    text = re.sub(r"<!--.*?-->|<(ref|math|gallery|timeline|code|pre)\b[^>]*?(/>|>.*?</\1>)", "", markup, flags=re.S)
    for innermost in (r"\{\{[^{}]*\}\}", r"\{\|(?:(?!\{\|).)*?\|\}"):
        before = None
        while before != text:
            before, text = text, re.sub(innermost, "", text, flags=re.S)
    text = re.sub(r"\[\[(?:[^\[\]|:]*:)(?:[^\[\]]|\[\[[^\[\]]*\]\])*\]\]", "", text)  # files, categories, other languages
    text = re.sub(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]", r"\1", text)  # [[page|words]]
    text = re.sub(r"\[\w+://\S+\s*([^\]]*)\]|<[^>]*>|'{2,}|__[A-Z]+__", r"\1", text)
    text = re.sub(r"[ \t\xa0]+", " ", html.unescape(html.unescape(text)))
    text = re.sub(r"\(\s*[,;]\s*", "(", text)  # what a template has left behind
    text = re.sub(r"\(\s*\)", "", text)
    text = re.sub(r" +([,.;:])", r"\1", re.sub(r" {2,}", " ", text))
    lines = (line.strip() for line in text.splitlines())
    broken = re.compile(r"\{\{|\}\}|\[\[|\]\]|\|\}")  # brackets that their author forgot to close
    return "\n\n".join(line for line in lines if len(line) >= 80 and line[0] not in "=*#:;|!{<[" and not broken.search(line))


def _manual() -> dict[str, str]:
    from pydoc_data.topics import topics  # the texts that help("topic") shows: English prose in every Python

    paragraphs = {title: [" ".join(p.split()) for p in text.split("\n\n")] for title, text in sorted(topics.items())}
    pages = {title: "\n\n".join(p for p in kept if len(p) >= 80 and p[0].isupper()) for title, kept in paragraphs.items()}
    return {title: page for title, page in pages.items() if page}
