"""Counting: chains, FLOPs, bytes and memory, by hand on small programs and by formula on the course's models."""

import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.measure import (
    available_memory,
    count_flops,
    critical_path,
    estimate_memory,
    growth,
    is_out_of_memory,
    peak_memory,
    trace,
)
from course_lib.race import CONTESTANTS
from course_lib.race.contestants import FAMILIES, make_call

X = torch.randn(4, 4)

# -- the longest chain, counted by hand ---------------------------------------------------------------------


def in_place():
    y = X.clone()  # 1
    y.mul_(2).add_(1)  # 3
    return y.relu_()  # 4


def out_arguments():
    a, b = torch.empty(4, 4), torch.empty(4, 4)
    torch.add(X, 1, out=a)  # 1
    torch.mul(a, 2, out=b)  # 2
    return torch.add(a, b)  # 3


def views():
    a = (X + 1).view(2, 8).t()[1:].unsqueeze(0).expand(3, 7, 2)  # 1
    return a.transpose(0, 1) * 2  # 2


def diamond():
    a = X + 1  # 1
    return (a * 2) + (a * 3)  # 2 and 2, then 3


def lopsided_diamond():
    a = X + 1  # 1
    return a + a.sin().cos().tan()  # 4, then 5


def written_through_a_view():
    buffer = torch.zeros(4)
    buffer[1:3].add_(X[0, :2].exp())  # 1, 2
    return buffer.sum()  # 3


def factories():
    a = torch.zeros(4, 4) + torch.ones(4, 4)  # 1
    return a + torch.arange(4.0)  # 2


def factories_by_example():
    deep = X.sin().sin().sin()  # 3
    fresh = [torch.zeros_like(deep), torch.ones_like(deep), deep.new_zeros(4, 4), deep.new_full((4, 4), 2.0), torch.randn_like(deep)]
    return sum(f + 1 for f in fresh[:1]) + fresh[1] + fresh[2] + fresh[3] + fresh[4]  # takes shapes, not numbers: 1 + 1 + 4


def several_results():
    values, order = X.sort()  # 1
    return values.sin() + order  # 2, 3


def backward():
    x = X.clone().requires_grad_()  # 1
    x.tanh().tanh().sum().backward()  # 2, 3, 4; and back from the second tanh, 4, through the first, 5


def backward_of_a_sum():
    x = X.clone().requires_grad_()  # 1
    (x + x).sum().backward()  # 2, 3; its gradient waits for nothing: 1


def foreach():
    a = [X + 1, X + 2]  # 1
    torch._foreach_mul_(a, 2.0)  # 2
    return a[0] + 1  # 3


@pytest.mark.parametrize(
    ("program", "chain", "operations"),
    [
        (lambda: None, 0, 0), (lambda: X + 1, 1, 1), (lambda: [X + 1, X + 2, X + 3], 1, 3), (in_place, 4, 4), (out_arguments, 3, 3),
        (views, 2, 2), (diamond, 3, 4), (lopsided_diamond, 5, 5), (written_through_a_view, 3, 3), (factories, 2, 2),
        (factories_by_example, 6, 9), (several_results, 3, 3), (foreach, 3, 4),
        (backward, 5, 6), (backward_of_a_sum, 3, 4),
    ],
)  # fmt: skip
def test_chain_and_operations_of_small_programs(program, chain, operations):
    found = trace(program)
    assert (found.critical_path, found.operations) == (chain, operations)
    assert critical_path(program) == chain


def test_memory_that_is_used_again_does_not_pass_on_its_depth():
    """A tensor made from a list may land where a deep one stood; it starts at 0 all the same."""

    def program():
        longest = []
        for _ in range(30):
            y = X
            for _ in range(5):
                y = y.sin()
            del y
            longest.append(torch.tensor([[1.0, 2.0]] * 2) + 1)
        return longest

    assert critical_path(program) == 5


def test_bytes_read_and_written():
    assert trace(lambda: X + X).bytes_moved == 3 * 64
    assert trace(lambda: X.t()).bytes_moved == 0
    row = torch.randn(1, 4)
    assert trace(lambda: row.expand(1000, 4) * 1).bytes_moved == 16 + 16_000  # read from its own four numbers


def test_a_trace_changes_no_result_and_ends_with_its_call():
    y = []
    trace(lambda: y.append(X @ X))
    assert torch.equal(y[0], X @ X)
    with pytest.raises(ZeroDivisionError):
        trace(lambda: 1 / 0)
    assert critical_path(lambda: X + 1) == 1


# -- how it grows with T ------------------------------------------------------------------------------------

LENGTHS = (8, 16, 32, 64, 128)


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("rnn-loop", "T"), ("lstm-loop", "T"), ("gru-loop", "T"), ("rnn-hoisted", "T"), ("lstm-hoisted", "T"), ("gru-hoisted", "T"),
        ("mean-scan", "1"), ("mingru-loop", "T"), ("mingru-doubling", "log T"), ("mingru-chunk", "√T"), ("attention-naive", "1"), ("attention-sdpa", "1"),
        ("transformer-block", "1"), ("attention-loop", "1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pass_", ["forward", "train"])
def test_longest_chain_of_every_contestant(name, order, pass_):
    lengths = (64, 256, 1024, 4096) if order == "√T" else LENGTHS  # a chunk is a power of two: whole steps of 4
    paths = [critical_path(make_call(CONTESTANTS[name], pass_, T, 1, 8, 2, "cpu", torch.float32)) for T in lengths]
    if name == "attention-loop" and pass_ == "train":
        order = "T"  # autograd adds the queries' gradients up one by one
    assert growth(lengths, paths) == order


FORMS = {"1": lambda T: 0 * T, "log T": math.log2, "√T": math.sqrt, "T": float, "T log T": lambda T: T * math.log2(T), "T²": lambda T: T * T}


@given(
    form=st.sampled_from(sorted(FORMS)), scale=st.floats(0.01, 1e6), start=st.floats(0, 2), first=st.integers(2, 5),
    points=st.integers(5, 8), noise=st.sampled_from([0, 0.002]), seed=st.integers(0, 99),
)  # fmt: skip
def test_growth_of_exact_and_slightly_noisy_curves(form, scale, start, first, points, noise, seed):
    lengths = [2 ** (first + k) for k in range(points)]
    rng, f = random.Random(seed), FORMS[form]
    y = [scale * (1 + start * f(lengths[0]) + f(T)) * (1 + noise * rng.uniform(-1, 1)) for T in lengths]
    assert growth(lengths, y) == form


def test_growth_refuses_what_cannot_settle_it():
    for lengths in ([16, 32, 64], [16, 20, 24, 28], [0, 1, 2, 16]):
        with pytest.raises(InputError, match="four or more lengths"):
            growth(lengths, lengths)
    with pytest.raises(InputError, match="a count for each"):
        growth([16, 32, 64, 128], [1, 2, 3])
    assert growth([16, 32, 64, 128], [0, 0, 0, 0]) == "1"


# -- FLOPs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [c.name for c in CONTESTANTS.values() if c.schedule != "fused" and not c.wrapper])
@pytest.mark.parametrize(("B", "T", "D", "H"), [(1, 8, 16, 4), (3, 17, 8, 2)])
def test_counted_flops_are_the_formula(name, B, T, D, H):
    contestant = CONTESTANTS[name]
    family, device = FAMILIES[contestant.family], ("cpu", torch.float32)
    wanted = family.flops(T, D, B)
    if name == "attention-loop":  # looks at the past alone: half of the pairs, and the diagonal
        wanted -= B * family.per_pair * D * T * (T - 1) // 2
    assert count_flops(make_call(contestant, "forward", T, B, D, H, *device)) == wanted
    if name != "attention-loop":
        back = count_flops(make_call(contestant, "train", T, B, D, H, *device)) / wanted
        assert back == pytest.approx(3, rel=0.2)
    assert sum(p.numel() for p in contestant.layer(D, H, *device).parameters()) == family.parameters(D)


# -- memory -------------------------------------------------------------------------------------------------

MB = 2**20 // 4  # float32 numbers in 1 MiB


def _chain():
    a = torch.zeros(MB)
    b = a + 1  # 2 MiB
    del a
    c = b + 1  # 2
    d = torch.cat((b, c))  # 4
    del b, c, d
    return torch.zeros(3 * MB)  # 3


def _views_and_in_place():
    a = torch.zeros(MB)
    b = a.view(2, -1).t()
    b.add_(1)
    return torch.mul(a, 2, out=a)


@pytest.mark.parametrize(("program", "mib"), [(_chain, 4), (_views_and_in_place, 1), (lambda: torch.zeros(2 * MB), 2), (lambda: None, 0)])
def test_peak_memory_of_programs_with_a_known_answer(program, mib):
    assert peak_memory(program) == mib * 2**20


def test_peak_memory_does_not_count_what_was_there_before():
    before = torch.zeros(4 * MB)
    assert peak_memory(lambda: before[: 2 * MB].add_(1)) == 0
    assert peak_memory(lambda: before[:MB] + 1) == 2**20


@pytest.mark.parametrize("pass_", ["forward", "train"])
@pytest.mark.parametrize("name", ["rnn-loop", "lstm-hoisted", "gru-fused", "mingru-chunk", "attention-naive", "attention-sdpa", "transformer-block"])
def test_estimated_memory_is_near_the_real_peak(name, pass_):
    def peak_at(T):
        return peak_memory(make_call(CONTESTANTS[name], pass_, T, 2, 32, 4, "cpu", torch.float32))

    assert 1 / 1.5 < estimate_memory(peak_at, 1024) / peak_at(1024) < 1.5


@given(c=st.tuples(*[st.integers(0, 1000)] * 3), T=st.integers(257, 5000))
def test_memory_that_grows_like_a_parabola_is_foreseen_exactly(c, T):
    def peak(T):
        return c[0] + c[1] * T + c[2] * T * T

    assert estimate_memory(peak, T) == pytest.approx(peak(T), rel=1e-6, abs=2)
    assert estimate_memory(peak, 100) == peak(100)  # short enough to be measured


def test_out_of_memory_is_told_from_other_errors():
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**60)
    assert is_out_of_memory(error.value)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert 0 < available_memory() < 2**50
