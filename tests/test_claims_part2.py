"""Part 2's rules are fed made-up measurements, true-looking and false, and each verdict must turn."""

import math

import pytest

from course_lib.claims import CLAIMS, FAILS, HOLDS, UNTESTED, Ledger
from course_lib.measure import Ratio

WHEN = "holds when"
SLOWER, TIE, FASTER = Ratio(3.0, 2.5, 3.5), Ratio(1.0, 0.9, 1.1), Ratio(0.5, 0.4, 0.6)
OWN = [number for number, claim in CLAIMS.items() if claim.rule.__module__.endswith("part2")]

# claim → measurements, verdict; then what changes in them, and the verdict that it turns to
CASES = {
    "2.1": [(dict(error=1e-7, gradient_error=1e-6), HOLDS), (dict(error=0.1), FAILS), (dict(gradient_error=0.1), FAILS)],
    "2.2": [
        (dict(whole=2.3, pinned={"input": 2.4, "forget": 3.9, "output": 3.2}), HOLDS),
        (dict(pinned={"input": 2.3, "forget": 3.9, "output": 3.2}), WHEN), (dict(pinned={"input": 2.3, "forget": 2.29}), FAILS),
    ],
    "2.3": [
        (dict(shut_at_boundary=0.5, shut_elsewhere=0.0, cost_at_boundary=0.001, cost_everywhere=0.2), HOLDS),
        (dict(cost_at_boundary=-0.001), HOLDS), (dict(cost_at_boundary=0.1), FAILS), (dict(shut_at_boundary=0.0), FAILS),
    ],
    "2.4": [
        (dict(lag=100, rnn=1e-23, default=1e-20, opened=1.8), WHEN), (dict(default=0.5), HOLDS), (dict(opened=1e-9), FAILS),
    ],
    "2.5": [
        (dict(seeds=3, adding={"RNN": 0, "LSTM": 3}, recall={"RNN": 1, "LSTM": 0, "LSTM bias 3": 3}), WHEN),
        (dict(recall={"RNN": 1, "LSTM": 3}), HOLDS), (dict(adding={"RNN": 3, "LSTM": 3}), FAILS), (dict(recall={"RNN": 1, "LSTM": 0}), FAILS),
    ],
    "2.6": [
        (dict(T=30, seeds=3, bias_1=0, bias_3=3, chrono=3), FAILS), (dict(bias_1=3), HOLDS), (dict(bias_3=0), FAILS), (dict(bias_3=0, chrono=0), FAILS),
    ],
    "2.7": [
        (dict(gru_parameters=75, lstm_parameters=100, seeds=3, gru_solved=3, lstm_solved=3, gru_steps=300.0, lstm_steps=750.0), HOLDS),
        (dict(gru_solved=1), FAILS), (dict(gru_steps=2000.0), FAILS), (dict(gru_parameters=100), FAILS),
    ],
    "2.8": [(dict(lstm_growth="T", gru_growth="T", scan_growth="log T"), WHEN), (dict(scan_growth="T"), HOLDS), (dict(lstm_growth="1"), FAILS)],
    "2.9": [(dict(error=1e-7, T=64, scan_growth="log T"), HOLDS), (dict(error=0.1), FAILS), (dict(scan_growth="T"), FAILS)],
    "2.10": [
        (dict(T=1024, doubling_over_loop=FASTER, chunk_over_loop=FASTER), HOLDS),
        (dict(doubling_over_loop=TIE), WHEN), (dict(doubling_over_loop=SLOWER, chunk_over_loop=TIE), FAILS),
    ],
}  # fmt: skip
ALL = [(number, cases[0][0] | changed, verdict) for number, cases in CASES.items() for changed, verdict in cases]


def test_every_rule_has_its_cases_and_can_turn():
    assert set(CASES) == set(OWN)
    for number, cases in CASES.items():
        assert len({verdict for _, verdict in cases}) >= 2, f"claim {number} never turns"


@pytest.mark.parametrize(("number", "measured", "verdict"), ALL, ids=[f"{n}-{v}-{i}" for i, (n, _, v) in enumerate(ALL)])
def test_the_verdict_follows_the_measurement(number, measured, verdict):
    entry = Ledger().enter(number, **measured)
    assert entry.verdict.startswith(WHEN) if verdict == WHEN else entry.verdict == verdict, entry.verdict
    assert 20 < len(entry.measured) < 400
    assert CLAIMS[number].source


@pytest.mark.parametrize("number", CASES)
def test_a_measurement_that_is_missing_gives_no_verdict(number):
    measured = CASES[number][0][0]
    for name, value in measured.items():
        if isinstance(value, (Ratio, float)):
            missing = Ratio(math.nan, math.nan, math.nan) if isinstance(value, Ratio) else math.nan
            assert Ledger().enter(number, **measured | {name: missing}).verdict == UNTESTED
