"""Initialisers do what their papers say, the ReLU RNN equals torch.nn's, and gradients by lag equal Jacobians."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn

from course_lib.checks import InputError
from course_lib.models import GRU, LSTM, RNN, MinGRU
from course_lib.models.initialise import chrono, forget_bias, gradient_by_lag, identity, orthogonal


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_every_schedule_of_the_rnn_equals_torch(nonlinearity):
    torch.manual_seed(0)
    cell = RNN(3, 5, nonlinearity, dtype=torch.float64)
    library = nn.RNN(3, 5, nonlinearity=nonlinearity, batch_first=True, dtype=torch.float64)
    library.load_state_dict(cell.to_torch().state_dict())
    x = torch.randn(4, 9, 3, dtype=torch.float64, requires_grad=True)
    h0 = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    v = torch.randn(4, 9, 5, dtype=torch.float64)

    def results(call, parameters):
        y, h = call()
        return [y, h, *torch.autograd.grad((y * v).sum() + h.sin().sum(), (x, h0, *parameters))]

    parameters = [getattr(library, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    expected = results(lambda: (lambda y, h: (y, h.squeeze(0)))(*library(x, h0.unsqueeze(0))), parameters)
    for schedule in cell.schedules:
        found = results(lambda s=schedule: cell(x, h0, schedule=s), list(cell.parameters()))
        for a, b in zip(found, expected):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    for other in (RNN.from_torch(library), pickle.loads(pickle.dumps(cell)), copy.deepcopy(cell)):
        torch.testing.assert_close(other(x, h0)[0], expected[0])
    assert type(cell.to_torch()) is nn.RNN
    assert cell.to_torch().nonlinearity == nonlinearity


def test_orthogonal_blocks():
    for cell in (RNN(3, 8), LSTM(3, 8), GRU(3, 8)):
        assert orthogonal(cell, gain=0.5) is cell
        for block in cell.weight_hh.split(8):
            torch.testing.assert_close(block @ block.t(), 0.25 * torch.eye(8))
        assert not cell.bias_ih.any()
        assert not cell.bias_hh.any()


def test_identity_adds_its_inputs_up():
    cell = identity(RNN(2, 4, "relu"))
    with torch.no_grad():
        cell.weight_ih.abs_()
    x = torch.rand(3, 50, 2)
    y, _ = cell(x)
    torch.testing.assert_close(y, (x @ cell.weight_ih.t()).cumsum(1))


def test_forget_bias_is_the_sum_of_both_biases():
    cell = LSTM(3, 8)
    before = (cell.bias_ih + cell.bias_hh).detach().clone()
    after = forget_bias(cell, 3.0).bias_ih + cell.bias_hh
    assert torch.equal(after[8:16], torch.full((8,), 3.0))
    assert torch.equal(after[:8], before[:8])
    assert torch.equal(after[16:], before[16:])
    with torch.no_grad():  # with nothing coming in, the cell keeps σ(3) of itself a step
        for weight in (cell.weight_ih, cell.weight_hh):
            weight.zero_()
        cell.bias_ih[16:24], cell.bias_hh[16:24] = 0.0, 0.0
        _, c = cell.step(torch.zeros(1, 3), (torch.zeros(1, 8), torch.ones(1, 8)))
    torch.testing.assert_close(c, torch.full((1, 8), 1 / (1 + math.exp(-3))))


def test_chrono_spreads_the_time_scales():
    for cell in (chrono(LSTM(3, 2000), 100), chrono(GRU(3, 2000), 100)):
        bias = (cell.bias_ih + cell.bias_hh).detach()[2000:4000]
        steps = bias.exp()  # uniform on 1 … 99
        assert steps.min() >= 0.99
        assert steps.max() <= 99.01
        assert steps.mean() == pytest.approx(50, abs=2)
        if isinstance(cell, LSTM):
            torch.testing.assert_close(cell.bias_ih[:2000], -bias)


@pytest.mark.parametrize("make", [lambda: RNN(2, 3), lambda: LSTM(2, 3), lambda: GRU(2, 3), lambda: MinGRU(2, 3)])
def test_gradient_by_lag_equals_the_jacobian(make):
    torch.manual_seed(0)
    cell = make()
    weights = copy.deepcopy(cell.state_dict())
    ratios = gradient_by_lag(cell, 6, B=2, generator=torch.Generator().manual_seed(4))
    assert cell.weight_ih.dtype == torch.float32
    assert all(torch.equal(weights[name], x) for name, x in cell.state_dict().items())

    generator = torch.Generator().manual_seed(4)
    x = torch.randn(2, 6, 2, generator=generator, dtype=torch.float64)
    v = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: cell.double()(x)[0][:, -1], x)  # (B, D, B, T, D_in)
    size = torch.stack([torch.einsum("d,dti->ti", v[b], jacobian[b, :, b]).norm(dim=1) for b in range(2)]).mean(0)
    assert ratios == pytest.approx([(size[5 - lag] / size[5]).item() for lag in range(6)])


def test_default_tanh_forgets_and_chrono_does_not():
    torch.manual_seed(0)
    assert gradient_by_lag(RNN(8, 64))[100] < 1e-15
    assert gradient_by_lag(chrono(LSTM(8, 64), 100))[100] > 1e-3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RNN(2, 3, "sine"), "nonlinearity must be one of tanh, relu; got 'sine'"),
        (lambda: orthogonal(MinGRU(2, 3)), "orthogonal needs a cell with recurrent weights, got MinGRU"),
        (lambda: identity(LSTM(2, 3)), "identity needs an RNN, got LSTM"),
        (lambda: forget_bias(GRU(2, 3)), "forget_bias needs an LSTM, got GRU"),
        (lambda: chrono(RNN(2, 3), 10), "chrono needs an LSTM or a GRU, got RNN"),
        (lambda: chrono(LSTM(2, 3), 2), "T_max must be ≥ 3, got 2"),
        (lambda: gradient_by_lag(RNN(2, 3), 1), "T must be ≥ 2, got 1"),
    ],
)
def test_wrong_values_get_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()
