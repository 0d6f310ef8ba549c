"""Part 4."""

from course_lib.claims import FAILS, HOLDS
from tests.claim_cases import FASTER, SLOWER, TIE, WHEN

CASES = {
    "4.1": [(dict(by_hand=1e-7, torch=1e-6), HOLDS), (dict(torch=0.1), FAILS), (dict(by_hand=0.1), FAILS)],
    "4.2": [
        (dict(layers=12, with_residual=0.9, without=0.25, baseline=0.2, alike=1.0), HOLDS),
        (dict(without=0.6), WHEN), (dict(without=0.88), FAILS), (dict(with_residual=0.25), FAILS),
    ],
    "4.3": [
        (dict(layers=24, before=[0.1, 0.2], after=[0.1, 0.5], learnt_before=0.9, learnt_after=0.4), HOLDS),
        (dict(learnt_after=0.9), WHEN), (dict(before=[0.9]), FAILS),
    ],
    "4.4": [
        (dict(without=0.0, moved={"learned": 0.2, "rotary": 0.1}), HOLDS), (dict(without=0.1), FAILS), (dict(moved={"learned": 0.2, "rotary": 0.0}), FAILS),
    ],
    "4.5": [
        (dict(seeds=3, right={"none": 0.2, "learned": 0.98, "rotary": 0.97}), HOLDS),
        (dict(right={"none": 0.2, "learned": 0.98, "rotary": 0.5}), WHEN), (dict(right={"none": 0.96, "learned": 0.98}), FAILS),
    ],
    "4.6": [(dict(encoder=0.3, decoder=0.0), HOLDS), (dict(encoder=0.0), FAILS), (dict(decoder=0.1), FAILS)],
    "4.7": [
        (dict(seeds=3, both=[3.6, 3.7], left=[4.2, 4.3], next_word=[4.1, 4.2]), HOLDS),
        (dict(next_word=[3.4, 3.6]), WHEN), (dict(next_word=[3.65, 4.0]), WHEN), (dict(left=[3.65, 4.0]), FAILS),
    ],
    "4.8": [
        (dict(network=[3.4, 3.5], counted={"frequency": 5.0, "word before": 4.3, "word before and after": 3.7}), HOLDS), (dict(network=[3.5, 4.0]), WHEN), (dict(network=[4.0, 4.5]), FAILS),
    ],
    "4.9": [
        (dict(seeds=3, steps=600, encoder=0.98, one_layer=0.8, two_layers=0.85), HOLDS), (dict(two_layers=0.97), WHEN), (dict(one_layer=0.97), FAILS),
    ],
    "4.10": [
        (dict(blocks={"BERT": 12, "DistilBERT": 6}, computed={"BERT": 109.5, "DistilBERT": 66.4}, published={"BERT": 110, "DistilBERT": 66}), HOLDS),
        (dict(blocks={"BERT": 12, "DistilBERT": 24}), WHEN), (dict(computed={"BERT": 90.0, "DistilBERT": 66.0}), FAILS),
    ],
    "4.11": [
        (dict(word="bank", first_layer=0.5, last_layer=1.0, clear=4, unclear=0), HOLDS), (dict(unclear=2), WHEN), (dict(last_layer=0.7), FAILS),
    ],
    "4.12": [(dict(questions=30, by_meaning=24, by_words=13, no_word=9), HOLDS), (dict(by_words=24), FAILS), (dict(no_word=0), FAILS)],
    "4.13": [
        (dict(model="MiniLM", sentences=28, subject=0.6, subject_rule=0.3, adjective=0.95, adjective_rule=0.8), HOLDS),
        (dict(adjective_rule=0.95), WHEN), (dict(subject_rule=0.6, adjective_rule=0.95), FAILS),
    ],
    "4.14": [
        (dict(T=256, loop_over_encoder=SLOWER, fused_over_encoder=SLOWER, device="cpu"), HOLDS),
        (dict(fused_over_encoder=TIE), WHEN), (dict(fused_over_encoder=FASTER), WHEN), (dict(loop_over_encoder=FASTER), FAILS),
    ],
}  # fmt: skip
