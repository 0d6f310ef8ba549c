"""The miniature of alignment: its dialogues, the DPO loss by hand, and that both steps do what they are for."""

import math

import pytest
import torch

from course_lib.alignment import (
    DOWN,
    END,
    FROWN,
    GO,
    PROMPT,
    SMILE,
    UP,
    answer_log_probability,
    behaviour,
    dpo_loss,
    examples,
    new_policy,
    prefer,
    tune,
)
from course_lib.checks import InputError


def test_a_dialogue():
    ids = examples(200, True, torch.Generator().manual_seed(0))
    assert ids.shape == (200, 10)
    for row in ids.tolist():
        assert row[0] in (UP, DOWN)
        assert row[4] == GO
        assert row[5:8] == sorted(row[1:4], reverse=row[0] == DOWN)
        assert row[8] in (SMILE, FROWN)
        assert row[9] == END
    copied = examples(5, False, torch.Generator().manual_seed(0), SMILE)
    assert torch.equal(copied[:, 1:4], copied[:, 5:8])
    assert (copied[:, 8] == SMILE).all()


def test_the_dpo_loss_by_hand():
    """Liked: from −2 to −1; disliked: from −2 to −3. Margin 1 − (−1) = 2, times 0.5 is 1, and −ln σ(1) = 0.3133."""
    one = [torch.tensor([x]) for x in (-1.0, -3.0, -2.0, -2.0)]
    assert dpo_loss(*one, beta=0.5).item() == pytest.approx(math.log(1 + math.exp(-1)))
    same = [torch.tensor([-1.0, -5.0])] * 4
    assert dpo_loss(*same).item() == pytest.approx(math.log(2))  # nothing has changed yet: a coin's toss
    with pytest.raises(InputError, match="beta"):
        dpo_loss(*one, beta=0)


def test_its_gradient_raises_the_liked_and_lowers_the_disliked():
    liked, disliked = torch.tensor([-2.0], requires_grad=True), torch.tensor([-2.0], requires_grad=True)
    dpo_loss(liked, disliked, torch.tensor([-2.0]), torch.tensor([-2.0]), beta=0.1).backward()
    assert liked.grad.item() == pytest.approx(-0.05)  # −β·σ(0)
    assert disliked.grad.item() == pytest.approx(0.05)


def test_the_answer_alone_is_scored():
    model = new_policy()
    ids = examples(3, True, torch.Generator().manual_seed(0))
    log_p = model(ids).log_softmax(-1)
    by_hand = [sum(log_p[b, t - 1, ids[b, t]] for t in range(PROMPT, 10)).item() for b in range(3)]
    assert answer_log_probability(model, ids).tolist() == pytest.approx(by_hand, rel=1e-4)


def test_tuning_makes_it_obey_and_preferences_make_it_smile():
    base = tune(new_policy(), obey=False, steps=250)
    tuned = tune(base, obey=True, steps=250)
    preferred = prefer(tuned)
    before, told, liked = (behaviour(model, 400) for model in (base, tuned, preferred))
    assert before["obeys"] < 0.35
    assert told["obeys"] > 0.8
    assert 0.35 < told["smiles"] < 0.65
    assert liked["smiles"] > 0.85
    assert liked["obeys"] > told["obeys"] - 0.1


def test_preferences_alone_make_it_forget_what_it_was_told():
    """Why `keep` is there: the margin of a pair says nothing about the three digits, which both answers share."""
    tuned = tune(tune(new_policy(), obey=False, steps=250), obey=True, steps=250)
    assert behaviour(prefer(tuned, keep=0.0), 400)["obeys"] < behaviour(prefer(tuned), 400)["obeys"] - 0.2
