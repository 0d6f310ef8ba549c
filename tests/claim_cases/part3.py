"""Part 3."""

from course_lib.claims import FAILS, HOLDS, UNTESTED
from tests.claim_cases import FASTER, SLOWER, TIE, WHEN

COUNTS = {"solid": (20, 1), "gas": (1, 20), "water": (15, 15)}
CASES = {
    "3.1": [(dict(V=10_000, pair=0.0, likest=0.0), HOLDS), (dict(pair=0.7), FAILS), (dict(likest=0.7), FAILS)],
    "3.2": [(dict(rho=0.5, shuffled=0.02, pairs=200), HOLDS), (dict(shuffled=0.4), FAILS), (dict(rho=0.1), FAILS)],
    "3.3": [
        (dict(D=100, V=7000, dense={"WordSim": 0.5, "SimLex": 0.3}, sparse={"WordSim": 0.4, "SimLex": 0.2}), HOLDS),
        (dict(sparse={"WordSim": 0.4, "SimLex": 0.3}), WHEN), (dict(sparse={"WordSim": 0.5, "SimLex": 0.3}), FAILS),
    ],
    "3.4": [
        (dict(predicting=[0.60, 0.58, 0.61], counting=0.5, words=390_000), HOLDS),
        (dict(predicting=[0.60, 0.51, 0.61]), FAILS), (dict(counting=0.7), FAILS),
    ],
    "3.5": [(dict(full=0.999, error=0.1, short=0.6, D=100), WHEN), (dict(short=0.995), HOLDS), (dict(full=0.7), FAILS)],
    "3.6": [
        (dict(questions=12_000, excluded=0.75, included=0.01, answer="queen", answer_included="king"), WHEN),
        (dict(answer_included="queen"), HOLDS), (dict(answer="prince"), FAILS),
    ],
    "3.7": [
        (dict(related={"a": 0.5, "b": 0.8}, similar={"a": 0.2, "b": 0.5}), WHEN),
        (dict(similar={"a": 0.45, "b": 0.75}), HOLDS), (dict(related={"a": 0.1, "b": 0.8}), FAILS),
    ],
    "3.8": [
        (dict(pair=("ice", "steam"), first="solid", second="gas", neither="water", counts=COUNTS, ratios={"solid": 9.0, "gas": 0.1, "water": 1.1}), HOLDS),
        (dict(ratios={"solid": 9.0, "gas": 0.1, "water": 5.0}), FAILS), (dict(ratios={"solid": 2.0, "gas": 0.1, "water": 1.0}), FAILS),
        (dict(counts=COUNTS | {"gas": (0, 1)}), UNTESTED),
    ],
    "3.9": [(dict(word="bank", table=1.0, same_sense=0.85, other_sense=0.75), HOLDS), (dict(other_sense=0.9), FAILS), (dict(table=0.8), FAILS)],
    "3.10": [
        (dict(effects={"maths": (1.0, 0.01), "careers": (0.9, 0.02)}), HOLDS),
        (dict(effects={"maths": (1.0, 0.01), "careers": (0.9, 0.2)}), WHEN), (dict(effects={"maths": (-1.0, 0.99)}), FAILS),
    ],
    "3.11": [(dict(reordered=0.0, rnn=0.4), WHEN), (dict(reordered=0.3), HOLDS), (dict(rnn=0.0), FAILS)],
    "3.12": [
        (dict(T=256, device="cpu", rnn_over_attention=SLOWER, mean_over_attention=FASTER), WHEN),
        (dict(mean_over_attention=SLOWER), HOLDS), (dict(mean_over_attention=TIE), HOLDS), (dict(rnn_over_attention=TIE), FAILS),
    ],
}  # fmt: skip
