"""SequenceModel: steps equal the whole pass, states carry over, generation reads what it writes."""

import pytest
import torch
from torch import nn

from course_lib.checks import InputError
from course_lib.models import GRU, LSTM, RNN, MinGRU
from course_lib.models.heads import Bidirectional, SequenceModel

CELLS = {"rnn": RNN, "lstm": LSTM, "gru": GRU, "mingru": MinGRU}


@pytest.mark.parametrize("cell", CELLS)
def test_steps_equal_the_whole_pass(cell):
    torch.manual_seed(0)
    model = SequenceModel([CELLS[cell](4, 6), CELLS[cell](6, 5)], 7, embed=7)
    ids = torch.randint(7, (3, 8))
    whole, last = model(ids, return_states=True)
    assert whole.shape == (3, 8, 7)
    states, outputs = None, []
    for t in range(8):
        output, states = model.step(ids[:, t], states)
        outputs.append(output)
    torch.testing.assert_close(torch.stack(outputs, 1), whole)
    for a, b in zip(states, last):
        torch.testing.assert_close(a, b)
    halves, states = model(ids[:, :3], return_states=True)
    torch.testing.assert_close(torch.cat((halves, model(ids[:, 3:], states)), 1), whole)


def test_numbers_go_in_without_an_embedding():
    model = SequenceModel(LSTM(2, 6), 1, schedule="loop")
    x = torch.randn(3, 5, 2)
    assert model(x).shape == (3, 5, 1)
    torch.testing.assert_close(SequenceModel.forward(model, x), model.head(model.cells[0](x)[0]))


def test_greedy_generation_equals_running_again():
    torch.manual_seed(1)
    model = SequenceModel(GRU(4, 16), 5, embed=5)
    text = torch.randint(5, (2, 3))
    written = model.generate(text, 6, temperature=0)
    for _ in range(6):
        text = torch.cat((text, model(text)[:, -1:].argmax(-1)), 1)
    assert torch.equal(written, text[:, 3:])


def test_sampling_repeats_by_seed_and_stays_stopped():
    torch.manual_seed(1)
    model = SequenceModel(RNN(4, 16), 5, embed=5)
    start = torch.zeros(40, 1, dtype=torch.long)
    a, b = (model.generate(start, 50, stop=0, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a, b)
    for row in a.tolist():
        first = row.index(0) if 0 in row else len(row)
        assert not any(row[first:])
    assert a.shape[1] < 50  # all rows had stopped before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SequenceModel([], 3), "cell must be a recurrent cell or a list of them"),
        (lambda: SequenceModel([RNN(2, 3), RNN(4, 3)], 3), "a cell reading width 4 cannot stand on one of width 3"),
        (lambda: SequenceModel(MinGRU(2, 3), 3, schedule="fused"), "schedule must be one of None, loop, hoisted, doubling, chunk; got 'fused'"),
        (lambda: SequenceModel(RNN(2, 3), 0), "D_out must be ≥ 1, got 0"),
        (lambda: SequenceModel(RNN(2, 3), 4, embed=4)(torch.zeros(2, 3)), r"inputs must be ids of shape \(B, T\)"),
        (lambda: SequenceModel(RNN(2, 3), 4)(torch.zeros(2, 5, 3)), r"x must have width 2"),
        (lambda: SequenceModel(RNN(2, 3), 4).generate(torch.zeros(1, 1), 3), "generate needs a model of ids"),
        (lambda: SequenceModel(RNN(2, 3), 4, embed=4).generate(torch.zeros(1, 1).long(), 3, temperature=-1), "temperature must be ≥ 0"),
    ],
)
def test_wrong_values_get_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_bidirectional_layer_equals_torch_with_copied_weights():
    torch.manual_seed(0)
    layer, theirs = Bidirectional(5, 8), nn.LSTM(5, 4, batch_first=True, bidirectional=True)
    for half, suffix in ((layer.rightward, ""), (layer.leftward, "_reverse")):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(half, name).data.copy_(getattr(theirs, f"{name}_l0{suffix}").data)
    x = torch.randn(3, 7, 5)
    for schedule in layer.schedules:
        torch.testing.assert_close(layer(x, schedule=schedule)[0], theirs(x)[0])
    changed = x.clone()
    changed[:, -1] += 1
    moved = (layer(changed)[0] - layer(x)[0]).detach().abs()[:, 0]
    assert moved[:, :4].max() == 0  # what has read from the left knows nothing of the last word yet
    assert moved[:, 4:].max() > 0


def test_a_bidirectional_model_answers_every_word_but_cannot_write_on():
    model = SequenceModel([Bidirectional(6, 8), Bidirectional(8, 8)], 7, embed=7)
    ids = torch.randint(7, (3, 9))
    assert model(ids).shape == (3, 9, 7)
    with pytest.raises(InputError, match="cannot go step by step"):
        model.generate(ids, 2)
    with pytest.raises(InputError, match="D must be even"):
        Bidirectional(4, 5)
    with pytest.raises(InputError, match="takes no state"):
        Bidirectional(4, 4)(torch.randn(1, 2, 4), torch.zeros(1, 4))
