"""Measuring: the stopwatch on a clock we hold, the ceilings and the roofline with made-up numbers."""

import gc
import timeit

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.measure import (
    Ceilings,
    OverBudget,
    Ratio,
    Timing,
    by_device,
    ceilings,
    compare,
    datasheet_peak,
    device_name,
    measure_time,
    resolve_device,
    roofline,
    timeline,
)
from course_lib.measure import timing as timing_module
from course_lib.models import RNN


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a call moves it: `clock.call(seconds)` makes such a call."""

    class Clock:
        now, log = 0.0, []

        def call(self, seconds, name=""):
            def run():
                self.log.append(name)
                self.now += seconds() if callable(seconds) else seconds

            return run

    clock = Clock()
    clock.log = []
    monkeypatch.setattr(timing_module, "synchronised_clock", lambda: clock.now)
    return clock


# -- the stopwatch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1e-6, 3e-4, 0.02, 2.0])
def test_a_steady_call_is_timed_exactly(clock, seconds):
    timing = measure_time(clock.call(seconds), rounds=7)
    assert timing.median_s == pytest.approx(seconds, rel=1e-6)
    assert timing.iqr_s == pytest.approx(0, abs=1e-6 * seconds)
    assert timing.runs == 7
    assert not timing.noisy


def test_the_first_call_is_kept_apart(clock):
    first = iter([5.0])
    timing = measure_time(clock.call(lambda: next(first, 0.01)))
    assert timing.first_call_s == pytest.approx(5.0)
    assert max(timing.seconds) == pytest.approx(0.01)


def test_blocks_last_as_long_as_asked(clock):
    measure_time(clock.call(1e-3, "a"), rounds=4, min_block_s=0.05)
    assert len(clock.log) == 1 + 10 + 4 * 50  # the first, the warm-up, and four blocks of 50 ms


def test_a_block_that_became_ten_times_as_long_is_cut(clock):
    """Another program takes the cores: 50 calls that were a block of 50 ms would be 50 s now."""
    calm, rounds = 1 + 10 + 50, 4
    timing = measure_time(clock.call(lambda: 1e-3 if len(clock.log) <= calm else 1.0), rounds=rounds, min_block_s=0.05)
    assert len(clock.log) == calm + 50 + 2 * 1
    assert timing.seconds == pytest.approx((1e-3, 1.0, 1.0, 1.0))


def test_several_take_turns_in_an_order_that_the_seed_decides(clock):
    def order(seed):
        clock.log.clear()
        measure_time({n: clock.call(0.006, n) for n in "abc"}, rounds=6, seed=seed)
        return clock.log[-18:]

    once = order(0)
    assert once == order(0)
    assert once != order(1)
    rounds = [once[i : i + 3] for i in range(0, 18, 3)]
    assert all(sorted(r) == ["a", "b", "c"] for r in rounds)
    assert len({tuple(r) for r in rounds}) > 1


def test_a_machine_that_slows_down_slows_both_and_spares_the_ratio(clock):
    def slowing(seconds):
        return lambda: seconds * (1 + 10 * clock.now)

    timings = measure_time({"slow": clock.call(slowing(0.012)), "fast": clock.call(slowing(0.006))}, rounds=30)
    assert timings["fast"].noisy
    ratio = compare(timings["slow"], timings["fast"])
    assert ratio.median == pytest.approx(2, rel=0.15)
    assert not ratio.tie


@given(times=st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=1, max_size=20))
def test_a_ratio_and_its_inverse(times):
    a, b = (Timing(tuple(column), 0.0) for column in zip(*times))
    forth, back = compare(a, b), compare(b, a)
    assert forth.low <= forth.median <= forth.high
    assert forth.tie == (forth.low <= 1 <= forth.high)
    assert compare(a, a) == Ratio(1, 1, 1)
    if len(times) % 4 == 1:  # then the quartiles are rounds, not means of two, and turn over exactly
        assert forth.median == pytest.approx(1 / back.median)
        assert forth.low == pytest.approx(1 / back.high)


def test_ties_and_noise_at_their_edges():
    assert Ratio(1.2, 1.0, 1.4).tie
    assert not Ratio(1.2, 1.001, 1.4).tie
    assert not Ratio(0.8, 0.7, 0.999).tie
    assert "(tie)" in str(Ratio(1.2, 0.9, 1.4))
    assert Timing((0.9, 1.0, 1.11, 1.3), 0).noisy
    assert not Timing((0.96, 1.0, 1.0, 1.04), 0).noisy


def test_over_budget_names_the_slow_one(clock):
    calls = {"quick": clock.call(0.01), "slow": clock.call(1.0)}
    with pytest.raises(OverBudget, match=r"5\.0 s; the budget is 3 s") as error:
        measure_time(calls, budget_s=3)
    assert error.value.name == "slow"


def test_a_small_budget_means_fewer_rounds_but_at_least_five(clock):
    assert measure_time(clock.call(1.0), rounds=15, budget_s=8).runs == 8
    assert measure_time(clock.call(1.0), rounds=15, budget_s=5).runs == 5
    assert measure_time(clock.call(1.0), rounds=15, budget_s=100).runs == 15
    assert measure_time(clock.call(1.0), rounds=3, budget_s=100).runs == 3


def test_no_budget_is_an_endless_one(clock):
    assert measure_time(clock.call(1.0), rounds=3, budget_s=float("inf")).runs == 3


def test_ticks_count_every_block_and_may_stop_it_all(clock):
    ticks = []
    measure_time({n: clock.call(0.01) for n in "ab"}, rounds=4, tick=lambda *t: ticks.append(t))
    assert ticks == [(0, 8), (0, 8)] + [(k, 8) for k in range(1, 9)]

    def stop(done, of):
        if done == 3:
            raise KeyboardInterrupt

    clock.log.clear()
    with pytest.raises(KeyboardInterrupt):
        measure_time(clock.call(0.01), rounds=50, tick=stop)
    assert len(clock.log) == 1 + 2 + 3


@pytest.mark.parametrize(
    ("named", "call"),
    [
        ("rounds", lambda: measure_time(print, rounds=0)),
        ("min_block_s", lambda: measure_time(print, min_block_s=0)),
        ("calls", lambda: measure_time({})),
        ("same rounds", lambda: compare(Timing((1.0,), 0), Timing((1.0, 1.0), 0))),
    ],
)
def test_a_mistake_gets_one_sentence(named, call):
    with pytest.raises(InputError, match=named):
        call()


def test_the_real_clock_and_the_garbage_collector():
    """On the true clock only what cannot depend on the machine's speed: order of size, and gc off inside."""
    collecting = []
    timing = measure_time(lambda: collecting.append(gc.isenabled()), rounds=2, min_block_s=1e-4)
    assert timing.median_s > 0
    assert not any(collecting)
    assert gc.isenabled()
    assert timing_module.synchronised_clock() <= timeit.default_timer() + 1


# -- the machine --------------------------------------------------------------------------------------------


def test_roofline_verdicts():
    limits = Ceilings("made up", "float32", 1, flops_per_s=100.0, bytes_per_s=10.0, launch_s=0.5)
    compute = roofline(1000, 10, 2, measured_s=20, limits=limits)
    assert (compute.compute_s, compute.memory_s, compute.launch_s) == (10, 1, 1)
    assert compute.bound == "compute"
    assert compute.fraction == compute.compute_fraction == 0.5
    memory = roofline(100, 100, 2, 40, limits)
    assert (memory.bound, memory.fraction, memory.compute_fraction) == ("memory", 0.25, 0.025)
    launch = roofline(100, 10, 40, 20, limits)
    assert (launch.bound, launch.fraction) == ("launch", 1.0)


def test_ceilings_are_measured_once_and_say_what_they_are(monkeypatch):
    from course_lib.measure import machine

    asked = []

    def fake(calls, rounds):
        asked.append(sorted(calls))
        return {"product": Timing((2.0,), 0), "copy": Timing((4.0,), 0), "launch": Timing((1e-6,), 0)}

    monkeypatch.setattr(machine, "measure_time", fake)
    machine._ceilings.cache_clear()
    found = ceilings("cpu")
    assert ceilings("cpu") is found
    machine._ceilings.cache_clear()
    assert asked == [["copy", "launch", "product"]]
    assert found.flops_per_s == 1024**3  # 2·1024³ operations in 2 s
    assert found.bytes_per_s == 2 * 2**24 * 4 / 4.0  # read and written
    assert "float32" in str(found)
    assert "1.0 µs" in str(found)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("Tesla T4", 65e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("NVIDIA L4", 121e12), ("NVIDIA H200", 989.4e12),
        ("NVIDIA H100 80GB HBM3", 989.4e12), ("NVIDIA H100 PCIe", 756e12), ("Tesla V100-SXM2-16GB", 125e12),
        ("NVIDIA L40S", None), ("NVIDIA T400", None), ("NVIDIA GeForce RTX 4090", None), ("Some CPU", None), ("", None),
    ],
)  # fmt: skip
def test_an_unknown_device_has_no_peak(name, peak):
    assert datasheet_peak(name) == peak


def test_resolve_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device() == resolve_device("cpu") == torch.device("cpu")
    for wrong in ("tpu", "", "mps", "meta", "cpu:x"):
        with pytest.raises(InputError, match="device must be auto, cpu or cuda"):
            resolve_device(wrong)
    with pytest.raises(InputError, match="sees no CUDA GPU"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto").type == resolve_device("cuda:0").type == "cuda"
    with pytest.raises(InputError, match="no device cuda:2; torch sees 2"):
        resolve_device("cuda:2")
    assert device_name("cpu").strip()


def test_the_timeline_lists_what_ran_in_order(capfd):
    x, cell = torch.randn(1, 5, 4), RNN(4, 4)
    with torch.no_grad():
        table = timeline(lambda: cell(x))
    assert list(table.columns) == ["name", "start_us", "duration_us"]
    assert table["start_us"].is_monotonic_increasing
    assert table["start_us"].iloc[0] == 0
    assert (table["name"] == "aten::tanh").sum() == 5
    assert len(timeline(lambda: None)) == 0
    assert capfd.readouterr().err == ""


def test_sizes_grow_where_there_is_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert by_device(cpu=[16], cuda=[16, 4096]) == [16]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert by_device(cpu=[16], cuda=[16, 4096]) == [16, 4096]
