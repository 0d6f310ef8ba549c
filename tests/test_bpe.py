"""Byte-pair encoding: by hand, without loss, and token for token what the library `tokenizers` makes of the same merges."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from course_lib.checks import InputError
from course_lib.models.bpe import BPE, PATTERN
from course_lib.tasks import text as corpus

TEXT = corpus.Corpus(corpus._manual()).text[:60_000] + " Überall straße, 東京 and naïve café; 3.14, 2026!"
BPE_512 = BPE.train(TEXT, 512)


def reference(bpe, split):
    """The same merges in `tokenizers`, which writes each byte as one printable character."""
    letters = pre_tokenizers.ByteLevel.alphabet()
    plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255]
    byte = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in plain)}
    assert set(byte.values()) == set(letters)
    names = ["".join(byte[b] for b in token) for token in bpe.tokens]
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, [(names[a], names[b]) for a, b in bpe.merges]))
    tokenizer.pre_tokenizer = split
    return lambda text: tokenizer.encode(text).ids


SAME_CUTS = reference(BPE_512, pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]))
GPT2_CUTS = reference(BPE_512, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True))
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def test_by_hand():
    bpe = BPE.train("low low low lower lowest", 256 + 4)
    # "lo" and "ow" both occur 5 times, and l comes before o; then low; then " low" (4 times) before anything with e
    assert [bpe.tokens[256 + i] for i in range(4)] == [b"lo", b"low", b" low", b" lowe"]
    assert bpe.encode("slow low") == [ord("s"), 257, 258]
    assert len(bpe) == 260


@given(ANY_TEXT)
def test_any_text_comes_back(text):
    assert BPE_512.decode(BPE_512.encode(text)) == text
    assert BPE().encode(text) == list(text.encode())


@given(ANY_TEXT)
def test_it_encodes_as_tokenizers_does(text):
    assert BPE_512.encode(text) == SAME_CUTS(text)


@given(st.text(st.characters(max_codepoint=127), max_size=80))
def test_on_ascii_the_cuts_are_gpt_2s(text):
    assert BPE_512.encode(text) == GPT2_CUTS(text)


def test_on_prose_both_agree_as_well():
    assert BPE_512.encode(TEXT) == SAME_CUTS(TEXT) == GPT2_CUTS(TEXT)
    assert len(BPE_512.encode(TEXT)) < 0.6 * len(TEXT)


@given(st.text("ab c", min_size=1, max_size=40), st.integers(0, 12))
def test_each_merge_is_of_the_most_frequent_pair(text, merges):
    """Against the plain way: count everything again after each merge."""
    words, expected = [list(p.encode()) for p in re.findall(PATTERN, text)], []
    for i in range(merges):
        pairs = [pair for word in words for pair in zip(word, word[1:])]
        if not pairs or max(map(pairs.count, pairs)) < 2:
            break
        best = min(set(pairs), key=lambda pair: (-pairs.count(pair), pair))
        for word in words:
            j = 0
            while j < len(word) - 1:
                if (word[j], word[j + 1]) == best:
                    word[j : j + 2] = [256 + i]
                j += 1
        expected.append(best)
    # a run such as aaa holds the pair aa twice, and both are counted, as in every published implementation
    assert BPE.train(text, 256 + merges).merges == expected


def test_it_survives_as_text():
    again = BPE.from_json(BPE_512.to_json())
    assert again.merges == BPE_512.merges
    assert again.encode(TEXT[:500]) == BPE_512.encode(TEXT[:500])


def test_half_a_character_shows_as_such():
    assert BPE().decode("é".encode()[:1]) == "�"


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: BPE.train("text", 255), "V must be ≥ 256"), (lambda: BPE.train(b"text", 300), "must be a string"),
        (lambda: BPE().encode("\ud800"), "half a character"), (lambda: BPE([(0, 300)]), "merge 0 must join two of the 256"),
        (lambda: BPE([(97, 98), (97, 98)]), "twice"), (lambda: BPE().decode([256]), "0…255"), (lambda: BPE().decode([-1]), "0…255"),
        (lambda: BPE.from_json("{}"), "no byte-pair encoding"), (lambda: BPE.from_json("["), "no byte-pair"), (lambda: BPE.from_json('{"merges":1}'), "no byte-pair"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(call, what):
    with pytest.raises(InputError, match=what):
        call()
