"""Part 1."""

from course_lib.claims import FAILS, HOLDS
from tests.claim_cases import FASTER, SLOWER, TIE, WHEN

CASES = {
    "1.1": [(dict(task="XOR", step=150, score=0.46, baseline=0.69, goal=0.47), HOLDS), (dict(score=0.6), FAILS)],
    "1.2": [(dict(parameters_short=9, parameters_long=9, T_short=5, T_long=500), HOLDS), (dict(parameters_long=900), FAILS)],
    "1.3": [(dict(error=1e-7), HOLDS), (dict(error=0.1), FAILS)],
    "1.4": [
        (dict(lag=100, ratios={"a": 1e-9, "b": 1e5}), HOLDS), (dict(ratios={"a": 1e-9, "b": 0.2}), WHEN),
        (dict(ratios={"a": 0.5, "b": 2.0}), FAILS), (dict(ratios={"a": 1e-9}), HOLDS),
    ],
    "1.5": [
        (dict(task="adding", clipped=3, unclipped=1, seeds=3), HOLDS),
        (dict(unclipped=3), FAILS), (dict(clipped=2), FAILS), (dict(clipped=0, unclipped=0), FAILS),
    ],
    6: [
        (dict(cell="RNN", lag=100, default=1e-20, repair="identity", repaired=0.2), WHEN),
        (dict(repaired=1e-5), HOLDS), (dict(default=0.5), FAILS),
    ],
    "1.6": [
        (dict(network=8.7, counts={1: 19.2, 2: 13.0, 5: 8.8}), HOLDS),
        (dict(network=9.0), WHEN), (dict(network=14.0), FAILS),
    ],
    "1.7": [(dict(task="parity", trained_to=20, T=100, fitted=1.0, longer=1.0), HOLDS), (dict(longer=0.6), FAILS), (dict(fitted=0.5), FAILS)],
    "1.8": [
        (dict(T=256, loop_over_attention=SLOWER, hoisted_over_attention=SLOWER, device="cpu"), HOLDS),
        (dict(hoisted_over_attention=FASTER), WHEN), (dict(hoisted_over_attention=TIE), WHEN), (dict(loop_over_attention=FASTER), FAILS),
    ],
}  # fmt: skip
