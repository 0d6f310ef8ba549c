"""The course corpus: markup out, prose in, and something to read where it is not fetched."""

import re

import pytest
import torch

from course_lib.checks import InputError
from course_lib.data import available
from course_lib.tasks import load_corpus, next_token, text


@pytest.fixture(scope="module")
def manual():
    return text.Corpus(text._manual(), text.MISSING)


@pytest.mark.parametrize(
    ("markup", "prose"),
    [
        ("'''Ada''' was a [[mathematician|lover of numbers]] and [[England|English]].", "Ada was a lover of numbers and English."),
        ("Born{{cite|a {{nested}} one}} in London<ref name=x>a book</ref> in 1815<ref name=y />.", "Born in London in 1815."),
        ("A[[File:a.jpg|thumb|see [[b]] and [[c|d]]]] picture &amp;amp; [http://a.b its words].", "A picture & its words."),
        ("The {| class=x\n| cell {| inner\n|}\n|} table ({{lang}}) is , gone<!-- not\nread -->.", "The table is, gone."),
    ],
)
def test_markup_becomes_prose(markup, prose):
    filler = " " + "word " * 20 + "end."
    assert text._prose(markup + filler) == prose + filler


def test_headings_lists_and_short_lines_are_left_out():
    long = "x" * 90
    assert text._prose(f"== {long} ==\n* {long}\n# {long}\nshort\n{long}\n\n: {long}") == long


@pytest.mark.skipif(not available("corpus"), reason="the corpus is not fetched: python -m course_lib fetch corpus")
def test_the_corpus_is_clean_and_large():
    corpus = load_corpus()
    assert corpus.note == ""
    assert len(corpus.pages) == 101
    assert len(corpus.words) > 380_000
    assert not re.search(r"\{\{|\}\}|\[\[|\]\]|</?ref|&lt;|&amp;|\{\||'''", corpus.text)
    assert "Anarchism" in corpus.pages


def test_without_the_corpus_the_manual_stands_in(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    load_corpus.cache_clear()
    try:
        corpus = load_corpus()
    finally:
        load_corpus.cache_clear()
    assert "fetch corpus" in corpus.note
    assert len(corpus.words) > 30_000


def test_the_end_is_held_out(manual):
    assert manual.train + manual.validation == manual.text
    assert len(manual.validation) == len(manual.text) // 4


def test_words_and_sentences():
    corpus = text.Corpus({"a": "Don't panic: the sun rose at 6 a.m. over it. Nobody had expected that at all.\n\nShort one."})
    assert corpus.words == ["don't", "panic", "the", "sun", "rose", "at", "a", "m", "over", "it", "nobody", "had", "expected", "that", "at", "all", "short", "one"]
    assert corpus.sentences == ["Don't panic: the sun rose at 6 a.m. over it.", "Nobody had expected that at all."]


def test_next_token_shifts_by_one_and_keeps_the_held_out_part_apart():
    task = next_token(range(50), range(50, 100), V=100, T=8)
    batch = task.batch(32, generator=torch.Generator().manual_seed(0))
    assert (batch.targets == batch.inputs + 1).all()
    assert int(batch.targets.max()) < 50 <= int(task.batch(32, held_out=True).inputs.min())
    assert task.baseline.value > 0


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(([1, 2], [1] * 90, 5, 8), "train"), (([1] * 90, [1], 5, 8), "validation"), (([9] * 90, [1] * 90, 5, 8), "0 … 4"), (([1] * 90, [1] * 90, 5, 0), "T must")],
)
def test_bad_text_is_one_sentence(arguments, what):
    with pytest.raises(InputError, match=what):
        next_token(*arguments)
