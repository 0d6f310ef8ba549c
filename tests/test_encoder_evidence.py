"""Part 4's experiments in small: what the deep stacks are made of, how blanks are scored, where the grammar points."""

import math

import pytest
import torch
from torch import nn

from course_lib.checks import InputError
from course_lib.evidence import live
from course_lib.evidence.encoders import (
    BLANKS,
    DEEP,
    SORTERS,
    Text,
    blank_model,
    counted_blanks,
    deep_encoder,
    gradient_by_layer,
    score_blanks,
)
from course_lib.evidence.grammar import SENTENCES, best_offset, head_hits, places
from course_lib.tasks import Corpus
from course_lib.tasks.masked import MASK


def test_a_block_without_residual_forgets_what_came_in():
    for kind, keeps in (("pre-norm", True), ("post-norm", True), ("no residual", False), ("neither", False)):
        block = deep_encoder(kind, V=8, N=1)[0].blocks[0]
        for linear in (block.attention.out, block.feed_forward[2]):
            nn.init.zeros_(linear.weight)  # the layers now say nothing
        out = block(torch.randn(2, 5, 32))
        assert (out.abs().max() > 0.1) == keeps, kind
    with pytest.raises(InputError, match="kind must be one of"):
        deep_encoder("other", 8)


def test_with_neither_norm_nor_residual_the_gradient_is_gone():
    gradient = {kind: gradient_by_layer(kind, N=12) for kind in DEEP}
    assert {len(values) for values in gradient.values()} == {12}
    assert max(gradient["neither"]) < 1e-4 < min(gradient["post-norm"])


def test_the_sorters_are_of_one_size_and_run():
    sizes = [sum(p.numel() for p in build(32).parameters()) for build in SORTERS.values()]
    assert max(sizes) < 1.05 * min(sizes)
    assert live("sorting", steps=1, models=["encoder"])["model"].tolist() == ["encoder"]
    assert live("sorting_positions", steps=1, kinds=["rotary"])["score"].between(0, 1).all()


class Oracle(nn.Module):
    """Knows the text; says the word itself, or with `ahead` the next one."""

    def __init__(self, ids, V, ahead):
        super().__init__()
        self.ids, self.V, self.ahead, self.seen = ids, V, ahead, []

    def forward(self, ids):
        self.seen.append(ids)
        answer = self.ids.roll(-1, 1) if self.ahead else self.ids
        return 40.0 * nn.functional.one_hot(answer, self.V)


@pytest.mark.parametrize("kind", BLANKS)
def test_blanks_are_hidden_and_their_answer_is_looked_for_at_the_right_place(kind):
    ids = torch.randint(2, 9, (6, 8), generator=torch.Generator().manual_seed(0))
    oracle = Oracle(ids, 9, ahead=kind == "next word")
    nats, right = score_blanks(oracle, kind, ids)
    assert (round(nats, 6), right) == (0.0, 1.0)
    assert (oracle.seen[0][:, 4] == MASK).all()


@pytest.mark.parametrize("kind", BLANKS)
def test_who_must_not_see_the_words_to_come_does_not(kind):
    torch.manual_seed(0)
    model = blank_model(kind, 20, T=8)
    ids = torch.randint(2, 20, (1, 8))
    changed = ids.clone()
    changed[0, -1] = 2 if ids[0, -1] != 2 else 3
    moved = (model(changed) - model(ids))[0, :-1].abs().max().item()
    assert (moved > 0) == (kind == "both sides")


def test_counting_both_neighbours_is_counting(monkeypatch):
    sentence = "the cat sat on the mat and the dog sat on the rug . "
    made_up = Corpus({"t": sentence * 60})
    monkeypatch.setattr("course_lib.evidence.encoders.load_corpus", lambda: made_up)
    text = Text(known=8, T=8, blanks=50)
    counted = counted_blanks(text)
    assert set(counted) == {"frequency", "word before", "word after", "word before and after"}
    assert counted["word before and after"][0] < counted["word before"][0] < counted["frequency"][0] < math.log(9)


def test_the_grammar_points_at_words_that_are_there():
    for line in SENTENCES:
        sentence, pairs = line.rsplit(": ", 1)
        words = sentence.lower().rstrip(".").replace(",", "").split()
        for pair in pairs.split(", "):
            assert all(words.count(word) == 1 for word in pair.split(" < ")), line
    with pytest.raises(InputError, match="relation must be 0"):
        places(None, 2)


def test_hits_are_counted_among_words_other_than_itself():
    class Heads:
        def attention_weights(self, ids):
            weights = torch.zeros(1, 2, 5, 5)
            weights[0, 0, 3] = torch.tensor([0.5, 0.1, 0.2, 0.15, 0.05])  # apart from marks and itself: word 2
            weights[0, 1, 3] = torch.tensor([0.0, 0.6, 0.2, 0.1, 0.1])
            return [weights]

    hits = head_hits(Heads(), [([101, 7, 8, 9, 102], 3, 2)])
    assert hits.tolist() == [[[True, False]]]
    assert best_offset([([0] * 9, 5, 3), ([0] * 9, 3, 4)]).tolist() == [[False, True, False, False, False], [False] * 5]
