"""Part 6."""

from course_lib.claims import FAILS, HOLDS, UNTESTED
from tests.claim_cases import FASTER, SLOWER, TIE, WHEN

CASES = {
    "6.1": [(dict(T=6, by_query=1, by_key=6, by_value=0, output_by_value=6), HOLDS), (dict(by_value=3), FAILS), (dict(by_query=6), FAILS)],
    "6.2": [(dict(H=4, error=1e-7, parameters=100, parameters_one=100), HOLDS), (dict(error=0.1), FAILS), (dict(parameters=400), FAILS)],
    "6.3": [
        (dict(d=1024, kept=0.9, lost=0.01, trained_d=64, solved=3, solved_without=0, small_without=0, seeds=3), HOLDS),
        (dict(small_without=3), WHEN), (dict(solved_without=3, small_without=3), WHEN), (dict(lost=0.8), FAILS), (dict(kept=0.1, lost=0.001), FAILS),
    ],
    "6.4": [
        (dict(open_share=1.0, window_share=0.4, growth="1", rnn_growth="T"), WHEN),
        (dict(window_share=1.0), HOLDS), (dict(open_share=0.9), FAILS), (dict(growth="T"), FAILS),
    ],
    "6.5": [(dict(error_without=1e-7, change_with=0.3), WHEN), (dict(error_without=0.3), HOLDS), (dict(change_with=1e-7), FAILS)],
    "6.6": [
        (dict(naive_growth="T²", fused_growth="T", T=1024, naive_bytes=10**9, fused_bytes=10**7, naive_over_fused=SLOWER), WHEN),
        (dict(fused_growth="T²"), HOLDS), (dict(naive_growth="T"), FAILS),
    ],
    "6.7": [
        (dict(T=256, loop_over_fused=SLOWER, loop_over_naive=SLOWER, device="cpu"), HOLDS),
        (dict(loop_over_naive=FASTER), WHEN), (dict(loop_over_naive=TIE), WHEN), (dict(loop_over_fused=TIE), FAILS),
    ],
    "6.8": [
        (dict(pairs=6, step=150, score=1.0, two=3, one=0, lstm=0, seeds=3, limit=1500), WHEN),
        (dict(one=3), HOLDS), (dict(score=0.5), FAILS), (dict(two=1), FAILS),
    ],
    "6.9": [
        (dict(layer=2, head=1, attention=0.9, score=1.0, without=0.1, without_another=0.98), HOLDS),
        (dict(without=0.6), WHEN), (dict(without=0.95), FAILS), (dict(attention=0.1), FAILS), (dict(without_another=0.05), FAILS),
    ],
    "6.10": [(dict(solved=True, aligned=[0.99, 1.0]), HOLDS), (dict(aligned=[0.8, 1.0]), WHEN), (dict(aligned=[0.2, 1.0]), FAILS), (dict(solved=False), FAILS)],
    "6.11": [
        (dict(score=1.0, top=[0.95, 0.99], frozen_uniform=0.6, permuted=0.6), HOLDS),
        (dict(frozen_uniform=0.99), WHEN), (dict(top=[0.0, 0.95]), FAILS),
    ],
    "6.12": [(dict(heads=72, cat=40, cat_when_mat=39, turned=0), FAILS), (dict(turned=5), UNTESTED)],
}  # fmt: skip
