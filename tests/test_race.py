"""The race: tiny ones, sabotaged ones, interrupted ones."""

import functools
import threading

import pytest
import torch

from course_lib.measure import Timing, count_flops, measure_time, timing
from course_lib.models import GRU, LSTM, RNN, Block, MinGRU, MultiHeadAttention
from course_lib.race import COLUMNS, CONTESTANTS, FAIRNESS, PASSES, load_race, race
from course_lib.race import run as race_run
from course_lib.race.contestants import fair_width, make_call

TINY = dict(batch=2, width=16, heads=2, rounds=5, device="cpu", threads=1)
ON_CPU = [c for c in CONTESTANTS.values() if not c.wrapper]
THREE = ["rnn-loop", "lstm-fused", "attention-sdpa"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Blocks of one call and no warm-up: nothing here is about how fast anything is."""
    monkeypatch.setattr(timing, "_warm_up", lambda timer, first: 1.0)
    monkeypatch.setattr(race_run, "measure_time", functools.partial(measure_time, min_block_s=1e-9))


@pytest.fixture
def made_up_times(monkeypatch):
    """Instead of the clock: `times[contestant]` seconds a call (1 by default)."""
    times = {}

    def fake(calls, rounds, budget_s=None, tick=None):
        return {name: Timing((times.get(name, 1.0),) * rounds, 0.0) for name in calls}

    monkeypatch.setattr(race_run, "measure_time", fake)
    return times


# -- the table ----------------------------------------------------------------------------------------------


def test_the_table_has_its_columns_in_order_and_a_row_for_each():
    seen = []
    table = race(THREE, [16, 4], on_row=seen.append, **TINY)
    start = "contestant, pass, T, B, D, H, device, dtype, threads, median_s, iqr_s, runs, status"
    assert ", ".join(table.columns).startswith(start)
    assert tuple(table.columns) == COLUMNS
    assert list(zip(table["T"], table["contestant"])) == [(T, name) for T in (4, 16) for name in THREE]
    assert [row["contestant"] for row in seen] == list(table["contestant"])
    assert (table["runs"] == 5).all()
    assert (table["median_s"] > 0).all()
    assert (table["q1_s"] <= table["median_s"]).all()
    assert (table["median_s"] <= table["q3_s"]).all()
    assert (table["baseline"] == "attention-sdpa").all()
    assert (table[table["contestant"] == "attention-sdpa"]["ratio"] == 1).all()


@pytest.mark.parametrize("fairness", FAIRNESS)
@pytest.mark.parametrize("pass_", PASSES)
def test_every_contestant_runs_on_a_cpu_and_the_contest_is_fair(pass_, fairness):
    names = [c.name for c in ON_CPU if pass_ in c.passes]
    table = race(names, [8, 32], pass_=pass_, fairness=fairness, **TINY)
    assert set(table["status"]) == {"ok"}, table[["contestant", "status", "detail"]].to_string()
    for row in table.to_dict("records"):
        layer = CONTESTANTS[row["contestant"]].layer(row["D"], 2, "cpu", torch.float32)
        assert row["parameters"] == sum(p.numel() for p in layer.parameters())
    if fairness == "width":
        assert set(table["D"]) == {16}
    if fairness == "parameters":
        assert table["parameters"].between(0.8 * 1088, 1.2 * 1088).all()  # of attention of width 16: 4·16² + 4·16


@pytest.mark.parametrize("contestant", [c for c in ON_CPU if c.schedule != "fused" and c.name != "attention-loop"], ids=lambda c: c.name)
def test_equal_flops_are_equal_when_counted(contestant):
    def counted(contestant, D):
        return count_flops(make_call(contestant, "forward", 32, 1, D, 2, "cpu", torch.float32))

    own = counted(contestant, fair_width(contestant, 16, 2, 32, "flops"))
    assert own == pytest.approx(counted(CONTESTANTS["attention-sdpa"], 16), rel=0.2)


def test_ratios_are_taken_of_the_baseline(made_up_times):
    made_up_times.update({"rnn-loop": 6.0, "attention-sdpa": 2.0})
    ratios = race(THREE, [4], **TINY).set_index("contestant")["ratio"]
    assert ratios.to_dict() == {"rnn-loop": 3.0, "lstm-fused": 0.5, "attention-sdpa": 1.0}
    assert race(["lstm-fused", "rnn-loop"], [4], **TINY)["ratio"].tolist() == [1.0, 6.0]


# -- the gate -----------------------------------------------------------------------------------------------


def scaled(original):
    def wrong(self, *args, **kwargs):
        y, state = original(self, *args, **kwargs)
        return y * 1.001, state

    return wrong


def half_gradient(original):
    def wrong(self, *args, **kwargs):
        y, state = original(self, *args, **kwargs)
        return (y + y.detach()) / 2, state

    return wrong


def never_causal(original):
    return lambda self, x, *args, causal=False, **kwargs: original(self, x, *args, **kwargs)


def reversed_in_time(original):
    def wrong(self, x, state):
        y, state = original(self, x.flip(1), state)
        return y.flip(1), state

    return wrong


def drifting_step(original):
    return lambda self, x, state=None: original(self, x, state) * 1.001


@pytest.mark.parametrize(
    ("kind", "method", "sabotage", "name", "pass_", "says"),
    [
        (MinGRU, "_chunk", scaled, "mingru-chunk", "forward", "output of mingru-chunk differs"),
        (GRU, "_fused", scaled, "gru-fused", "train", "output of gru-fused differs"),
        (LSTM, "_hoisted", half_gradient, "lstm-hoisted", "train", "gradient of lstm-hoisted differs"),
        (MultiHeadAttention, "forward", never_causal, "attention-sdpa", "forward", "looks into the future"),
        (MultiHeadAttention, "forward", never_causal, "attention-naive", "train", "looks into the future"),
        (Block, "forward", never_causal, "transformer-block", "forward", "looks into the future"),
        (RNN, "_hoisted", reversed_in_time, "rnn-hoisted", "forward", "differs"),
        (RNN, "step", drifting_step, "rnn-loop", "generate", "output of rnn-loop differs"),
    ],
)
def test_the_gate_lets_no_wrong_contestant_through(monkeypatch, kind, method, sabotage, name, pass_, says):
    assert race([name], [4], pass_=pass_, **TINY)["status"].tolist() == ["ok"]
    monkeypatch.setattr(kind, method, sabotage(getattr(kind, method)))
    table = race([name, "gru-loop"], [4, 8], pass_=pass_, **TINY)
    own = table[table["contestant"] == name]
    assert own["status"].tolist() == ["wrong", "wrong"]
    assert own["median_s"].isna().all()
    assert says in own["detail"].iloc[0]
    assert table[table["contestant"] == "gru-loop"]["status"].tolist() == ["wrong" if kind is GRU else "ok"] * 2


# -- too long, too large ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_running_out_of_memory_is_a_row_and_the_race_goes_on(monkeypatch, error):
    def make(contestant, pass_, T, *args):
        def call():
            raise error

        return call if contestant.name == "lstm-fused" and T > 4 else make_call(contestant, pass_, T, *args)

    monkeypatch.setattr(race_run, "make_call", make)
    table = race(THREE, [4, 8, 16], **TINY)
    assert table["status"].tolist() == ["ok"] * 3 + ["ok", "out of memory", "ok"] * 2


def test_what_would_not_fit_is_not_launched(monkeypatch):
    monkeypatch.setattr(race_run, "available_memory", lambda device: 3_000_000)
    table = race(["rnn-fused", "attention-naive"], [8, 512], **TINY)
    assert table["status"].tolist() == ["ok", "ok", "ok", "out of memory"]
    assert table["detail"].iloc[3].startswith("not launched")
    assert table["estimate_bytes"].iloc[3] > 2e6


def test_weights_that_do_not_fit_are_a_row_too():
    """Not even built: a matrix of 2²¹ × 2²¹ numbers takes 17 TB."""
    table = race(["rnn-loop", "attention-sdpa"], [4], **TINY | {"width": 2**21})
    assert table["status"].tolist() == ["out of memory"] * 2


def test_another_error_is_not_hidden(monkeypatch):
    def broken(*args):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(race_run, "make_call", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        race(THREE, [4], **TINY)


def test_over_budget_is_a_row(made_up_times):
    table = race(["rnn-loop", "attention-sdpa"], [4, 8, 16], budget_s=15, **TINY)
    assert table["status"].tolist() == ["ok", "ok", "ok", "over budget", "ok", "over budget"]  # foreseen: 1 s times 2 (RNN) or 4, five runs
    assert table["detail"].iloc[3] == "five runs would take about 20 s; the budget is 15 s"


def test_a_first_length_over_budget():
    table = race(THREE, [4], budget_s=1e-9, **TINY)
    assert table["status"].tolist() == ["over budget"] * 3


# -- those who watch ----------------------------------------------------------------------------------------


def test_progress_rises_to_one_and_the_threads_are_given_back():
    fractions, threads = [], set()

    def tick(fraction, text):
        fractions.append(fraction)
        threads.add(torch.get_num_threads())
        assert text

    race(THREE, [4, 8], tick=tick, **TINY | {"threads": 2})
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert threads == {2}
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("where", ["before", "in the second length"])
def test_stop_keeps_the_rows(where, tmp_path):
    stop, seen = threading.Event(), []
    if where == "before":
        stop.set()

    def tick(fraction, text):
        if "T = 8: measuring 2" in text:
            stop.set()

    table = race(THREE, [4, 8, 16], stop=stop, tick=tick, on_row=seen.append, csv=tmp_path / "race.csv", **TINY)
    wanted = [] if where == "before" else THREE
    assert table["contestant"].tolist() == wanted
    assert len(seen) == len(load_race(tmp_path / "race.csv")) == len(wanted)
    assert torch.get_num_threads() == 1


def test_an_interrupt_leaves_rows_and_threads_in_order(tmp_path):
    def tick(fraction, text):
        if "T = 8" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        race(THREE, [4, 8], tick=tick, csv=tmp_path / "race.csv", **TINY | {"threads": 2})
    assert load_race(tmp_path / "race.csv")["T"].tolist() == [4, 4, 4]
    assert torch.get_num_threads() == 1


def test_memory_that_runs_out_while_timing_is_a_row_of_the_one_who_asked_for_it(monkeypatch):
    made, left = race_run.make_call, {"calls": 3}

    def greedy(contestant, *rest, **more):
        call = made(contestant, *rest, **more)

        def counted():
            left["calls"] -= 1
            if left["calls"] < 0:
                raise torch.OutOfMemoryError("CUDA out of memory")
            call()

        return counted if contestant.name == "lstm-fused" else call

    monkeypatch.setattr(race_run, "make_call", greedy)
    table = race(THREE, [8], **TINY).set_index("contestant")
    assert table["status"].to_dict() == {"rnn-loop": "ok", "lstm-fused": "out of memory", "attention-sdpa": "ok"}
