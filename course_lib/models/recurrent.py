"""Recurrent cells: RNN, LSTM, GRU and MinGRU.

Each cell is one `step`, split where the sequence allows it: `project` looks at the input alone, so it
can be done for all T at once; `update` needs the state before, so it cannot. A *schedule* says how the
steps of a sequence are run. All schedules of a cell give the same numbers:

    loop      step after step, as the equations are written
    hoisted   `project` for all T in one product, then only the updates one after the other
    fused     torch.nn's own kernel (cuDNN on a GPU), with these very weights
    doubling, chunk   MinGRU only: no loop over T at all, but a scan (see scan.py)

Shapes: batch B, length T, input width D_in, width D, gates G. Weights are laid out as in torch.nn:
weight_ih (G·D, D_in), weight_hh (G·D, D).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from operator import is_

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import require, require_choice, require_int, require_sequence
from course_lib.models.bptt import GRUSteps, LSTMSteps, RNNSteps
from course_lib.models.scan import scan_chunk, scan_doubling, scan_loop

__all__ = ["RNN", "LSTM", "GRU", "MinGRU"]


class Recurrent(nn.Module, ABC):
    """What all cells share. A subclass gives its gates, its `update`, and its fast `_hoisted` loop."""

    gates: int  # G: how many blocks of D rows the weights have
    library: type[nn.RNNBase] | None = None  # the same model in torch.nn
    schedules = ("loop", "hoisted", "fused")
    options: dict = {}  # what torch.nn's constructor must also be told

    def __init__(self, D_in: int, D: int, device=None, dtype=None):
        super().__init__()
        self.D_in, self.D = require_int("D_in", D_in), require_int("D", D)
        rows, bound = self.gates * D, 1 / math.sqrt(D)

        def weight(*shape):
            return nn.Parameter(torch.empty(shape, device=device, dtype=dtype).uniform_(-bound, bound))

        self.weight_ih, self.weight_hh = weight(rows, D_in), weight(rows, D)
        self.bias_ih, self.bias_hh = weight(rows), weight(rows)

    def extra_repr(self) -> str:
        return f"{self.D_in}, {self.D}"

    # -- one step ---------------------------------------------------------------------------------------

    def project(self, x: Tensor) -> Tensor:
        """The input's share of the gates, for one step or for all of them: (…, D_in) → (…, G·D)."""
        return F.linear(x, self.weight_ih, self.bias_ih)  # (…, G·D)

    @abstractmethod
    def update(self, projected: Tensor, state):
        """From one step's projected input (B, G·D) and the state before it, the state after it."""

    def step(self, x_t: Tensor, state=None):
        """One time step: x_t (B, D_in), state before → state after (for the LSTM the pair h, c), each (B, D)."""
        require(x_t.ndim == 2 and x_t.shape[1] == self.D_in, f"x_t must have shape (B, {self.D_in}), got {tuple(x_t.shape)}")
        return self.update(self.project(x_t), self.check_state(state, x_t))

    def output(self, state) -> Tensor:
        """What the cell shows of its state to the layer above: h (B, D)."""
        return state

    def initial_state(self, x: Tensor):
        """Zeros (B, D) on x's device, in x's dtype."""
        return x.new_zeros(x.shape[0], self.D)

    def check_state(self, state, x: Tensor):
        if state is None:
            return self.initial_state(x)
        shape = (x.shape[0], self.D)
        good = isinstance(state, Tensor) and tuple(state.shape) == shape
        require(good, f"state must be a tensor of shape {shape}, got {_describe(state)}")
        return state

    # -- a whole sequence -------------------------------------------------------------------------------

    def forward(self, x: Tensor, state=None, schedule: str = "loop"):
        """x (B, T, D_in) → y (B, T, D) and the state after the last step. Raises InputError on a wrong shape."""
        require_choice("schedule", schedule, self.schedules)
        require_sequence("x", x, self.D_in)
        require(x.is_floating_point(), f"x must hold floating-point numbers, got {x.dtype}; turn ids into vectors first")
        state = self.check_state(state, x)
        return getattr(self, f"_{schedule}")(x, state)

    def _loop(self, x, state):
        ys = []
        for x_t in x.unbind(1):  # T steps, each waiting for the one before
            state = self.update(self.project(x_t), state)
            ys.append(self.output(state))
        return torch.stack(ys, 1), state  # (B, T, D)

    def _fused(self, x, state):
        kernel = self.__dict__.get("_kernel")
        if kernel is None or not all(map(is_, kernel._flat_weights, self._parameters.values())):  # none yet, or weights replaced
            kernel = self.__dict__["_kernel"] = self._share_weights()  # not a submodule: its weights are ours
        y, state = kernel(x, self._to_library_state(state))
        return y, self._from_library_state(state)

    # -- to and from torch.nn ---------------------------------------------------------------------------

    def _share_weights(self) -> nn.RNNBase:
        kernel = self.library(self.D_in, self.D, batch_first=True, device="meta", dtype=self.weight_ih.dtype, **self.options)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            setattr(kernel, f"{name}_l0", getattr(self, name))
        if self.weight_ih.is_cuda:
            kernel.flatten_parameters()  # cuDNN wants them side by side in memory
        return kernel

    def _apply(self, *args, **kwargs):
        self.__dict__.pop("_kernel", None)  # moved to another device or dtype: build it anew
        return super()._apply(*args, **kwargs)

    def __getstate__(self):
        return {key: value for key, value in self.__dict__.items() if key != "_kernel"}

    @staticmethod
    def _to_library_state(state):
        return state.unsqueeze(0)  # (1, B, D)

    @staticmethod
    def _from_library_state(state):
        return state.squeeze(0)  # (B, D)

    @classmethod
    def from_torch(cls, module: nn.RNNBase) -> Recurrent:
        """This cell with the weights of a one-layer torch.nn module copied in. Raises InputError if it is another kind."""
        require(cls.library is not None and type(module) is cls.library, f"{cls.__name__}.from_torch takes a torch.nn.{cls.__name__}, got {type(module).__name__}")
        plain = module.num_layers == 1 and not module.bidirectional and module.bias and not module.proj_size
        require(plain, f"{cls.__name__}.from_torch takes one layer, one direction, with biases and no projection")
        weight = module.weight_ih_l0
        options = {"nonlinearity": module.nonlinearity} if cls is RNN else {}
        cell = cls(module.input_size, module.hidden_size, device=weight.device, dtype=weight.dtype, **options)
        with torch.no_grad():
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(cell, name).copy_(getattr(module, f"{name}_l0"))
        return cell

    def to_torch(self) -> nn.RNNBase:
        """The torch.nn module (batch_first) with these weights copied in."""
        require(self.library is not None, f"torch.nn has no {type(self).__name__}")
        module = self.library(self.D_in, self.D, batch_first=True, device=self.weight_ih.device, dtype=self.weight_ih.dtype, **self.options)
        with torch.no_grad():
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(module, f"{name}_l0").copy_(getattr(self, name))
        return module


class RNN(Recurrent):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh). Elman, "Finding structure in time", 1990.

    `nonlinearity="relu"` puts a ReLU in tanh's place (Le, Jaitly & Hinton 2015; see initialise.identity).

    >>> y, h = RNN(3, 5)(torch.zeros(2, 7, 3))      # y (2, 7, 5), h (2, 5)
    """

    gates, library = 1, nn.RNN

    def __init__(self, D_in: int, D: int, nonlinearity: str = "tanh", device=None, dtype=None):
        require_choice("nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(D_in, D, device, dtype)
        self.options = {"nonlinearity": nonlinearity}
        self.activation = getattr(torch, nonlinearity)

    def update(self, projected, state):
        return self.activation(projected + F.linear(state, self.weight_hh, self.bias_hh))  # (B, D)

    def _hoisted(self, x, state):
        projected = F.linear(x.transpose(0, 1), self.weight_ih, self.bias_ih + self.bias_hh)  # (T, B, D)
        y = RNNSteps.apply(projected, state, self.weight_hh, self.options["nonlinearity"])
        return y.transpose(0, 1), y[-1]  # (B, T, D)


class LSTM(Recurrent):
    """Long short-term memory: a cell c that is kept, and three gates that write, forget and show it.

        i, f, o = σ(…)   g = tanh(…)   c_t = f⊙c_{t−1} + i⊙g   h_t = o⊙tanh(c_t)

    State: the pair (h, c). Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000.
    """

    gates, library = 4, nn.LSTM

    def update(self, projected, state):
        h, c = state
        i, f, g, o = (projected + F.linear(h, self.weight_hh, self.bias_hh)).chunk(4, -1)  # each (B, D)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()  # (B, D)
        return o.sigmoid() * c.tanh(), c

    def output(self, state):
        return state[0]

    def initial_state(self, x):
        zeros = x.new_zeros(x.shape[0], self.D)
        return zeros, zeros

    def check_state(self, state, x):
        if state is None:
            return self.initial_state(x)
        shape = (x.shape[0], self.D)
        good = isinstance(state, (tuple, list)) and len(state) == 2 and all(isinstance(s, Tensor) and tuple(s.shape) == shape for s in state)
        require(good, f"state must be a pair (h, c) of tensors of shape {shape}, got {_describe(state)}")
        return tuple(state)

    def _hoisted(self, x, state):
        def candidate_last(rows):  # from torch.nn's order i, f, g, o to i, f, o, g
            i_f, g, o = rows.split((2 * self.D, self.D, self.D))
            return torch.cat((i_f, o, g))

        bias = candidate_last(self.bias_ih + self.bias_hh)
        projected = F.linear(x.transpose(0, 1), candidate_last(self.weight_ih), bias)  # (T, B, 4D)
        y, c = LSTMSteps.apply(projected, *state, candidate_last(self.weight_hh))
        return y.transpose(0, 1), (y[-1], c)  # (B, T, D)

    @staticmethod
    def _to_library_state(state):
        return tuple(s.unsqueeze(0) for s in state)  # (1, B, D)

    @staticmethod
    def _from_library_state(state):
        return tuple(s.squeeze(0) for s in state)  # (B, D)


class GRU(Recurrent):
    """Gated recurrent unit: two gates and no separate cell.

        r, z = σ(…)   n = tanh(W_in x + b_in + r⊙(W_hn h + b_hn))   h_t = (1−z)⊙n + z⊙h_{t−1}

    Cho et al. 2014; the reset gate stands after the product, as in torch.nn and cuDNN.
    """

    gates, library = 3, nn.GRU

    def update(self, projected, state):
        r_x, z_x, n_x = projected.chunk(3, -1)  # each (B, D)
        r_h, z_h, n_h = F.linear(state, self.weight_hh, self.bias_hh).chunk(3, -1)
        r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
        n = (n_x + r * n_h).tanh()
        return (1 - z) * n + z * state  # (B, D)

    def _hoisted(self, x, state):
        gate_bias, bias_n = self.bias_hh.split((2 * self.D, self.D))
        bias = self.bias_ih + F.pad(gate_bias, (0, self.D))  # b_hn stays inside the reset gate's product
        projected = F.linear(x.transpose(0, 1), self.weight_ih, bias)  # (T, B, 3D)
        y = GRUSteps.apply(projected, state, self.weight_hh, bias_n)
        return y.transpose(0, 1), y[-1]  # (B, T, D)


class MinGRU(Recurrent):
    """A GRU whose gate and candidate no longer look at the state, so that its loop becomes a scan.

        z = σ(W_z x_t + b_z)   n = g(W_n x_t + b_n)   h_t = (1−z)⊙h_{t−1} + z⊙n

    Feng et al., "Were RNNs all we needed?", 2024 (arXiv 2410.01201), without the reset gate. g is the
    identity, or with `positive=True` the paper's g(v) = v + ½ for v ≥ 0, σ(v) below: then a positive h0
    keeps every state positive, as a scan in log space needs.
    """

    gates = 2
    schedules = ("loop", "hoisted", "doubling", "chunk")

    def __init__(self, D_in: int, D: int, positive: bool = False, device=None, dtype=None):
        super().__init__(D_in, D, device, dtype)
        del self.weight_hh, self.bias_hh  # nothing looks at the state
        self.positive = positive

    def decay_and_input(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        """The recurrence h_t = a_t⊙h_{t−1} + b_t: projected (…, 2D) → a = 1−z and b = z⊙n, each (…, D)."""
        gate, candidate = projected.chunk(2, -1)
        z = gate.sigmoid()
        if self.positive:
            candidate = torch.where(candidate >= 0, candidate + 0.5, candidate.sigmoid())
        return 1 - z, z * candidate

    def update(self, projected, state):
        a, b = self.decay_and_input(projected)
        return a * state + b  # (B, D)

    def _scan(self, scan, x, state):
        h = scan(*self.decay_and_input(self.project(x)), state)  # (B, T, D)
        return h, h[:, -1]

    def _hoisted(self, x, state):
        return self._scan(scan_loop, x, state)

    def _doubling(self, x, state):
        return self._scan(scan_doubling, x, state)

    def _chunk(self, x, state):
        return self._scan(scan_chunk, x, state)


def _describe(state) -> str:
    if isinstance(state, Tensor):
        return f"a tensor of shape {tuple(state.shape)}"
    if isinstance(state, (tuple, list)):
        return f"{len(state)} items"
    return type(state).__name__
