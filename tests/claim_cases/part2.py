"""Part 2."""

from course_lib.claims import FAILS, HOLDS
from tests.claim_cases import FASTER, SLOWER, TIE, WHEN

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
