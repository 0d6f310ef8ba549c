"""How a recurrent cell starts decides how far back it can learn: initialisers, and the gradient they leave.

Each initialiser changes a cell in place and returns it: `cell = forget_bias(LSTM(8, 64), 1.0)`.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from course_lib.checks import require, require_int
from course_lib.models.recurrent import GRU, LSTM, RNN, Recurrent

__all__ = ["orthogonal", "identity", "forget_bias", "chrono", "gradient_by_lag"]


def _gate_rows(cell: Recurrent, gate: int) -> slice:
    return slice(gate * cell.D, (gate + 1) * cell.D)


@torch.no_grad()
def _set_gate_bias(cell: Recurrent, gate: int, value: Tensor | float) -> None:
    """One gate's bias. torch.nn adds two biases; here the input's carries the whole value, so the sum is exact."""
    rows = _gate_rows(cell, gate)
    cell.bias_ih[rows] = value
    cell.bias_hh[rows] = 0.0


@torch.no_grad()
def orthogonal(cell: Recurrent, gain: float = 1.0) -> Recurrent:
    """Every (D, D) block of the recurrent weights becomes gain × a random orthogonal matrix, biases zero.

    Such a matrix keeps lengths, so without the nonlinearity no gradient would shrink or grow.
    Saxe, McClelland & Ganguli 2014 (arXiv 1312.6120). Raises InputError for a cell without recurrent weights.
    """
    require(hasattr(cell, "weight_hh"), f"orthogonal needs a cell with recurrent weights, got {type(cell).__name__}")
    for gate in range(cell.gates):
        nn.init.orthogonal_(cell.weight_hh[_gate_rows(cell, gate)], gain)
    for bias in (cell.bias_ih, cell.bias_hh):
        bias.zero_()
    return cell


@torch.no_grad()
def identity(cell: RNN, scale: float = 1.0, std: float = 0.001) -> RNN:
    """The IRNN: recurrent weights scale × I, biases zero, input weights normal with standard deviation `std`.

    Le, Jaitly & Hinton 2015 (arXiv 1504.00941), who use it with `RNN(..., nonlinearity="relu")`: the state
    then starts out as a plain sum of all inputs. Raises InputError for a gated cell.
    """
    require(isinstance(cell, RNN), f"identity needs an RNN, got {type(cell).__name__}")
    cell.weight_hh.copy_(scale * torch.eye(cell.D))
    cell.weight_ih.normal_(0.0, std)
    for bias in (cell.bias_ih, cell.bias_hh):
        bias.zero_()
    return cell


def forget_bias(cell: LSTM, value: float = 1.0) -> LSTM:
    """The forget gate's whole bias (b_ih + b_hh) becomes `value`, so a fresh cell keeps about σ(value) a step.

    Gers, Schmidhuber & Cummins 2000; Jozefowicz, Zaremba & Sutskever 2015 recommend 1. Raises InputError
    for a cell without a forget gate.
    """
    require(isinstance(cell, LSTM), f"forget_bias needs an LSTM, got {type(cell).__name__}")
    _set_gate_bias(cell, 1, value)
    return cell


def chrono(cell: LSTM | GRU, T_max: int) -> LSTM | GRU:
    """Gate biases that let the units forget after 1 … T_max steps, each after its own: b_f = log U(1, T_max−1).

    The LSTM's input gate gets −b_f. In the GRU the update gate z is what keeps (h = (1−z)n + z·h_{t−1}), so
    z gets b_f. Tallec & Ollivier 2018 (arXiv 1804.11188), equation 16. Raises InputError for another cell
    or T_max < 3.
    """
    require(isinstance(cell, (LSTM, GRU)), f"chrono needs an LSTM or a GRU, got {type(cell).__name__}")
    keep = torch.empty(cell.D).uniform_(1, require_int("T_max", T_max, 3) - 1).log()  # (D,)
    _set_gate_bias(cell, 1, keep)  # the LSTM's f and the GRU's z both stand second
    if isinstance(cell, LSTM):
        _set_gate_bias(cell, 0, -keep)
    return cell


def gradient_by_lag(cell: Recurrent, T: int = 101, B: int = 16, generator: torch.Generator | None = None) -> list[float]:
    """How much of the last output's gradient reaches the input `lag` steps before: entry lag = 0 … T−1.

    The mean over B random sequences x ~ N(0, 1) of ‖∂⟨v, y_T⟩/∂x_{T−lag}‖ with v ~ N(0, I), divided by its
    value at lag 0. A cell that keeps nothing falls by a constant factor a step (Bengio, Simard & Frasconi
    1994; Pascanu, Mikolov & Bengio 2013). Computed in float64, for the numbers get very small.
    """
    require_int("T", T, 2)
    cell = copy.deepcopy(cell).double()
    device = cell.weight_ih.device
    x = torch.randn(B, T, cell.D_in, generator=generator, dtype=torch.float64).to(device).requires_grad_()
    v = torch.randn(B, cell.D, generator=generator, dtype=torch.float64).to(device)
    y, _ = cell(x, schedule="hoisted")  # (B, T, D)
    (dx,) = torch.autograd.grad((y[:, -1] * v).sum(), x)  # (B, T, D_in)
    by_step = dx.norm(dim=2).mean(0).flip(0)  # (T,)
    return (by_step / by_step[0]).tolist()
