"""Part 7: history, benefits and other fields."""

from course_lib.claims import FAILS, HOLDS, UNTESTED
from tests.claim_cases import WHEN

COUNTS = {2: 2.0, 5: 1.5, 6: 1.6}
CASES = {
    1: [
        (dict(rnn_growth="T", convolution_growth="1", attention_growth="1"), WHEN),
        (dict(convolution_growth="T"), HOLDS), (dict(attention_growth="T"), FAILS),
    ],
    8: [
        (dict(device="cpu", equal_words=0.0, equal_seconds=0.4, loop_seconds=1.0), HOLDS),
        (dict(equal_words=0.1), WHEN), (dict(equal_seconds=0.01), WHEN), (dict(equal_seconds=-0.1, loop_seconds=0.01), FAILS),
    ],
    14: [(dict(rnn_hops=5, attention_hops=1, T=6), HOLDS), (dict(rnn_hops=1), FAILS), (dict(attention_hops=6), FAILS)],
    22: [
        (dict(device="cpu", loop=20.0, fused=8.0), HOLDS), (dict(fused=2.0), WHEN), (dict(fused=0.5), WHEN), (dict(loop=0.9, fused=0.5), FAILS),
    ],
    24: [
        (dict(naive_share=0.6, fused_share=0.8, device="cpu"), HOLDS), (dict(naive_share=0.1), WHEN), (dict(fused_share=0.3), FAILS),
    ],
    26: [
        (dict(scores={"recall": (0.4, 1.0)}), HOLDS), (dict(scores={"recall": (0.4, 1.0), "parity": (1.0, 0.5)}), WHEN),
        (dict(scores={"parity": (1.0, 0.5)}), FAILS), (dict(scores={"either": (1.0, 1.0)}), FAILS),
    ],
    27: [
        (dict(hops=1, before=0.1, after=0.9, chance=0.1), WHEN), (dict(before=0.9), HOLDS), (dict(after=0.1), FAILS), (dict(hops=9), FAILS),
    ],
    28: [(dict(recurrent=3.0, attention=2.99, what="MinGRU"), FAILS), (dict(recurrent=4.0), UNTESTED)],
    31: [(dict(chips=6144, chip_hours=8.4e6, P=2, error=1e-15), HOLDS), (dict(chips=1000), FAILS), (dict(error=0.1), FAILS)],
    32: [(dict(published=("data", "tensor"), cuts={"data": "the batch", "sequence": "the words"}), FAILS), (dict(published=("sequence",)), HOLDS)],
    35: [
        (dict(error=1e-7, with_positions=0.97, without=0.7), WHEN), (dict(without=0.97), HOLDS), (dict(error=0.5), FAILS),
    ],
    36: [
        (dict(verdicts={22: HOLDS, 23: HOLDS}), HOLDS), (dict(verdicts={22: HOLDS, 23: FAILS}), WHEN), (dict(verdicts={22: HOLDS, 23: FAILS, 41: FAILS}), FAILS),
        (dict(verdicts={22: "holds when it does", 23: FAILS}), WHEN), (dict(verdicts={22: FAILS, 23: UNTESTED}), FAILS),
    ],
    41: [
        (dict(vit=0.99, cnn=0.98, logistic=0.97, images=1000), HOLDS), (dict(vit=0.97), WHEN),
        (dict(vit=0.975, cnn=0.97, logistic=0.98), WHEN), (dict(vit=0.5), FAILS),
    ],
    42: [
        (dict(contacts=0.72, baseline=0.66, triangle=0.36, ablation=0.27), WHEN), (dict(triangle=0.27), HOLDS), (dict(contacts=0.6), FAILS),
    ],
    43: [(dict(decoder=1.0, counts=COUNTS), HOLDS), (dict(decoder=1.55), FAILS)],
    44: [
        (dict(errors={"a": {"decoder": 1.0, "linear": 2.0}, "b": {"decoder": 1.0, "linear": 2.0}}), HOLDS),
        (dict(errors={"a": {"decoder": 1.0, "linear": 2.0}, "b": {"decoder": 3.0, "linear": 2.0}}), WHEN),
        (dict(errors={"a": {"decoder": 3.0, "linear": 2.0}}), FAILS),
    ],
    45: [(dict(decoder=1.0, counts=COUNTS), HOLDS), (dict(decoder=2.0), FAILS)],
    46: [
        (dict(fitted=20, recurrent=1.0, attention=0.2, T=100, fit=1.0), FAILS),
        (dict(attention=1.0), HOLDS), (dict(recurrent=0.3), UNTESTED),
    ],
}  # fmt: skip
