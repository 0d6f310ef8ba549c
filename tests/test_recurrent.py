"""The recurrent cells: every schedule of a cell gives the same numbers, and the same ones as torch.nn."""

import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_lib.checks import InputError
from course_lib.models import GRU, LSTM, RNN, MinGRU
from course_lib.models.scan import scan_chunk, scan_doubling, scan_loop

CELLS = {
    "rnn": RNN,
    "rnn-relu": lambda *a, **k: RNN(*a, nonlinearity="relu", **k),
    "lstm": LSTM,
    "gru": GRU,
    "mingru": MinGRU,
    "mingru-positive": lambda *a, **k: MinGRU(*a, positive=True, **k),
}
PAIRS = [(name, schedule) for name, make in CELLS.items() for schedule in make(1, 1).schedules if schedule != "loop"]
LIBRARY = {RNN: nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU}
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 19), st.integers(1, 4), st.integers(1, 5))  # B, T, D_in, D


def tensors(state):
    """The tensors of a state: h, or h and c."""
    return list(state) if isinstance(state, tuple) else [state]


def random_state(cell, B, dtype=torch.float64):
    """Random tensors of a cell's state, to be differentiated too."""
    zeros = tensors(cell.initial_state(torch.zeros(B, cell.D_in, dtype=dtype)))
    return tuple(torch.randn_like(z).requires_grad_() for z in zeros)


def run(cell, x, state, schedule):
    """Outputs, final state, and gradients of a random scalar w.r.t. input, state and parameters."""
    y, last = cell(x, state if len(state) == 2 else state[0], schedule=schedule)
    outputs = [y, *tensors(last)]
    generator = torch.Generator().manual_seed(1)
    scalar = sum((o * torch.randn(o.shape, generator=generator, dtype=o.dtype)).sum() for o in outputs)
    return outputs + list(torch.autograd.grad(scalar, [x, *state, *cell.parameters()]))


def close(ours, theirs, tolerance=1e-12):
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=tolerance, atol=tolerance)


def relative(error, truth):
    return (error.abs().max() / truth.abs().max()).item()


# -- the schedules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
@given(shape=SHAPES)
def test_schedule_equals_step_loop(name, schedule, shape):
    B, T, D_in, D = shape
    cell = CELLS[name](D_in, D, dtype=torch.float64)
    x = torch.randn(B, T, D_in, dtype=torch.float64, requires_grad=True)
    state = random_state(cell, B)
    close(run(cell, x, state, schedule), run(cell, x, state, "loop"))


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_a_state_that_is_left_out_is_zero(name, schedule):
    cell, x = CELLS[name](3, 4, dtype=torch.float64), torch.randn(2, 7, 3, dtype=torch.float64)
    zero = tuple(torch.zeros_like(s) for s in random_state(cell, 2))
    close([cell(x, schedule=schedule)[0]], [cell(x, zero if len(zero) == 2 else zero[0])[0]])


@pytest.mark.parametrize("name", CELLS)
def test_step_repeated_is_the_loop(name):
    cell, x, state, ys = CELLS[name](3, 4), torch.randn(2, 6, 3), None, []
    for t in range(6):
        state = cell.step(x[:, t], state)
        ys.append(cell.output(state))
    y, last = cell(x)
    close([torch.stack(ys, 1), *tensors(state)], [y, *tensors(last)], 1e-6)


@pytest.mark.parametrize(("name", "schedule"), [(n, "loop") for n in CELLS] + PAIRS)
@given(cut=st.integers(1, 10))
def test_state_carried_over_a_split_sequence(name, schedule, cut):
    cell, x = CELLS[name](3, 4, dtype=torch.float64), torch.randn(2, 11, 3, dtype=torch.float64)
    first, state = cell(x[:, :cut], schedule=schedule)
    second, last = cell(x[:, cut:], state, schedule=schedule)
    whole, whole_last = cell(x, schedule=schedule)
    close([torch.cat((first, second), 1), *tensors(last)], [whole, *tensors(whole_last)])


@pytest.mark.parametrize(("name", "schedule"), [(n, "loop") for n in CELLS] + PAIRS)
def test_inputs_in_any_memory_order_and_without_gradients(name, schedule):
    cell = CELLS[name](4, 5)
    x = torch.randn(4, 9, 3).permute(2, 1, 0)  # (3, 9, 4), no axis contiguous
    state = tuple(torch.randn(5, 3).t() for _ in random_state(cell, 3))
    state = state if len(state) == 2 else state[0]
    with torch.no_grad():
        y, last = cell(x, state, schedule=schedule)
        dense = state if isinstance(state, tuple) else (state,)
        dense = tuple(s.contiguous() for s in dense)
        wanted, wanted_last = cell(x.contiguous(), dense if len(dense) == 2 else dense[0])
    assert not y.requires_grad
    close([y, *tensors(last)], [wanted, *tensors(wanted_last)], 1e-5)


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_a_gradient_given_to_the_state_alone(name, schedule):
    """A loss on the last state only: nothing flows in through y."""
    cell = CELLS[name](3, 4, dtype=torch.float64)
    x = torch.randn(2, 7, 3, dtype=torch.float64, requires_grad=True)
    grads = [torch.autograd.grad(sum(s.square().sum() for s in tensors(cell(x, schedule=way)[1])), [x, *cell.parameters()]) for way in ("loop", schedule)]
    close(*grads)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "mingru"])
def test_hand_written_gradients_against_finite_differences(name):
    cell = CELLS[name](2, 3, dtype=torch.float64)
    x, state = torch.randn(2, 5, 2, dtype=torch.float64, requires_grad=True), random_state(cell, 2)
    fastest = cell.schedules[-1] if name == "mingru" else "hoisted"
    assert torch.autograd.gradcheck(lambda x, *s: cell(x, s if len(s) == 2 else s[0], schedule=fastest)[0], (x, *state))


# -- torch.nn -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LIBRARY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_round_trip_to_torch_and_back(kind, dtype):
    theirs = LIBRARY[kind](3, 5, batch_first=True, dtype=dtype)
    ours = kind.from_torch(theirs)
    x = torch.randn(2, 7, 3, dtype=dtype)
    y, last = theirs(x)
    for cell in (ours, kind.from_torch(ours.to_torch())):
        own, own_last = cell(x)
        close([own, *tensors(own_last)], [y, *(s[0] for s in tensors(last))], 1e-6)
    ours.weight_ih.data.zero_()
    assert theirs.weight_ih_l0.abs().sum() > 0  # copied, not shared


def test_relu_survives_the_round_trip():
    ours = RNN.from_torch(nn.RNN(2, 3, nonlinearity="relu", batch_first=True))
    assert ours.to_torch().nonlinearity == "relu"
    assert (ours(torch.randn(2, 4, 2))[0] >= 0).all()


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_the_fused_kernel_follows_its_cell(name):
    """After a fused call the cell is copied, pickled, converted, loaded: fused must still mean *these* weights."""
    cell, x = CELLS[name](3, 4), torch.randn(2, 5, 3)
    cell(x, schedule="fused")
    assert not any("kernel" in key for key in cell.state_dict())
    assert len(list(cell.parameters())) == 4

    def agrees(cell, x=x):
        close([cell(x, schedule="fused")[0]], [cell(x)[0]], 1e-5)

    copied = copy.deepcopy(cell)
    with torch.no_grad():
        cell.weight_hh.mul_(2)
    agrees(cell)
    agrees(copied)
    assert not torch.equal(copied.weight_hh, cell.weight_hh)
    agrees(pickle.loads(pickle.dumps(cell)))
    other = CELLS[name](3, 4)
    cell.load_state_dict(other.state_dict())
    agrees(cell)
    cell.load_state_dict(CELLS[name](3, 4).state_dict(), assign=True)
    agrees(cell)
    cell.weight_ih = nn.Parameter(torch.randn_like(cell.weight_ih))
    agrees(cell)
    agrees(cell.double(), x.double())
    agrees(cell.float())
    torch.optim.SGD(cell.parameters(), 0.1).step()
    agrees(cell)


# -- scans --------------------------------------------------------------------------------------------------


def heinsen_scan(log_a, log_b, log_h0):
    """A peer from another source: the scan in log space (Heinsen 2023, arXiv 2311.06281), for positive numbers."""
    total = torch.nn.functional.pad(log_a.cumsum(1), (0, 0, 1, 0))  # (B, T+1, D)
    inner = torch.cat((log_h0.unsqueeze(1), log_b), 1) - total
    return (total + inner.logcumsumexp(1)).exp()[:, 1:]  # (B, T, D)


@given(shape=SHAPES, chunk=st.integers(1, 25))
def test_scans_agree(shape, chunk):
    B, T, _, D = shape
    a, b = torch.randn(2, B, T, D, dtype=torch.float64).requires_grad_().unbind(0)
    h0 = torch.randn(B, D, dtype=torch.float64, requires_grad=True)
    dh = torch.randn(B, T, D, dtype=torch.float64)
    results = []
    for scan in (scan_loop, scan_doubling, scan_chunk, lambda *args: scan_chunk(*args, chunk=chunk)):
        h = scan(a, b, h0)
        results.append([h, *torch.autograd.grad(h, [a, b, h0], dh)])
    for result in results[1:]:
        close(result, results[0], 1e-10)


@pytest.mark.parametrize("chunk", range(1, 20))
def test_every_chunk_size(chunk):
    a, b, h0 = torch.rand(2, 17, 3), torch.randn(2, 17, 3), torch.randn(2, 3)
    close([scan_chunk(a, b, h0, chunk)], [scan_loop(a, b, h0)], 1e-6)


@pytest.mark.parametrize("schedule", ["hoisted", "doubling", "chunk"])
def test_mingru_against_the_scan_in_log_space(schedule):
    cell = MinGRU(3, 4, positive=True, dtype=torch.float64)
    x, h0 = torch.randn(2, 33, 3, dtype=torch.float64), torch.rand(2, 4, dtype=torch.float64) + 0.1
    a, b = cell.decay_and_input(cell.project(x))
    y, _ = cell(x, h0, schedule=schedule)
    assert (y > 0).all()
    close([y], [heinsen_scan(a.log(), b.log(), h0.log())], 1e-10)


@pytest.mark.parametrize("T", [1, 127, 1024, 4096])
@pytest.mark.parametrize("schedule", ["loop", "doubling", "chunk"])
def test_mingru_in_float32_is_exact_to_a_millionth(T, schedule):
    cell, x = MinGRU(8, 8), torch.randn(2, T, 8)
    with torch.no_grad():
        y, _ = cell(x, schedule=schedule)
        truth, _ = copy.deepcopy(cell).double()(x.double())
    assert relative(y.double() - truth, truth) < 1e-6


# -- one sentence for a mistake -----------------------------------------------------------------------------

X = torch.zeros(2, 5, 3)
BAD = [
    ("D_in", lambda: RNN(0, 4)),
    ("D", lambda: LSTM(3, -1)),
    ("D", lambda: GRU(3, 2.5)),
    ("D_in", lambda: MinGRU(True, 4)),
    ("nonlinearity", lambda: RNN(3, 4, nonlinearity="sine")),
    ("schedule", lambda: RNN(3, 4)(X, schedule="doubling")),
    ("schedule", lambda: MinGRU(3, 4)(X, schedule="fused")),
    ("schedule", lambda: LSTM(3, 4)(X, schedule=None)),
    ("x must", lambda: RNN(3, 4)(X[0])),
    ("x must", lambda: RNN(3, 4)([[1.0]])),
    ("width 3", lambda: GRU(3, 4)(torch.zeros(2, 5, 4))),
    ("T must", lambda: LSTM(3, 4)(torch.zeros(2, 0, 3))),
    ("state", lambda: RNN(3, 4)(X, torch.zeros(1, 4))),
    ("state", lambda: LSTM(3, 4)(X, torch.zeros(2, 4))),
    ("state", lambda: LSTM(3, 4)(X, (torch.zeros(2, 4), None))),
    ("state", lambda: GRU(3, 4)(X, (torch.zeros(2, 4), torch.zeros(2, 4)))),
    ("state", lambda: MinGRU(3, 4).step(X[:, 0], torch.zeros(2, 5))),
    ("x_t", lambda: RNN(3, 4).step(X)),
    ("from_torch", lambda: RNN.from_torch(nn.LSTM(3, 4))),
    ("from_torch", lambda: LSTM.from_torch(nn.LSTM(3, 4, num_layers=2))),
    ("from_torch", lambda: GRU.from_torch(nn.GRU(3, 4, bias=False))),
    ("from_torch", lambda: MinGRU.from_torch(nn.GRU(3, 4))),
    ("MinGRU", lambda: MinGRU(3, 4).to_torch()),
    ("chunk", lambda: scan_chunk(X, X, X[:, 0], chunk=0)),
    ("a and b", lambda: scan_loop(X, X[:, :2], X[:, 0])),
    ("h0", lambda: scan_doubling(X, X, X[0])),
    ("T must", lambda: scan_chunk(X[:, :0], X[:, :0], X[:, 0])),
]


@pytest.mark.parametrize(("named", "call"), BAD, ids=[f"{i}-{named}" for i, (named, _) in enumerate(BAD)])
def test_a_mistake_gets_one_sentence(named, call):
    with pytest.raises(InputError) as error:
        call()
    text = str(error.value)
    assert named in text
    assert "\n" not in text
    assert len(text) < 300
