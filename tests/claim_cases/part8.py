"""Part 8."""

from course_lib.claims import FAILS, HOLDS, UNTESTED
from tests.claim_cases import FASTER, SLOWER, TIE, WHEN

FOUR = {"rotary": (-0.2, -0.1), "RMSNorm": (-0.01, -0.02), "SwiGLU": (-0.1, -0.1), "grouped-query": (-0.01, -0.01)}
CASES = {
    "8.1": [(dict(texts=5, lossless=5, characters_per_token=2.1, V=512), HOLDS), (dict(lossless=4), FAILS), (dict(characters_per_token=0.5), WHEN)],
    "8.2": [
        (dict(network=2.9, counts={4: 3.0, 5: 3.1}, shipped=2.7), HOLDS), (dict(network=3.05), WHEN), (dict(network=3.2), WHEN),
        (dict(network=3.1, shipped=3.05), FAILS),
    ],
    "8.3": [(dict(change=FOUR, tokens=1000), HOLDS), (dict(change=FOUR | {"RMSNorm": (-0.1, 0.1)}), WHEN), (dict(change={"rotary": (0.1, 0.1)}), FAILS)],
    "8.4": [(dict(cache_ratio=4.0, extra_nats=0.01, head_count=4, kv_heads=1), HOLDS), (dict(extra_nats=0.2), FAILS), (dict(cache_ratio=1.0), FAILS)],
    "8.5": [
        (dict(budgets=[1e10, 1e11], nats=[4.0, 3.5], exponent=0.06), WHEN), (dict(budgets=[1e10, 1e13]), HOLDS), (dict(nats=[3.5, 4.0]), FAILS),
    ],
    "8.6": [(dict(a=0.5, inside=[True, True], budgets=[1e10, 1e13]), HOLDS), (dict(a=0.73), FAILS), (dict(inside=[True, False]), UNTESTED), (dict(budgets=[1e10, 4e10]), UNTESTED)],
    29: [(dict(days=34.0, days_fused=34.9, days_loop=95.0, chips=1024), WHEN), (dict(days_fused=90.0), HOLDS), (dict(days_loop=36.0), FAILS)],
    30: [
        (dict(flops=3.14e23, published_flops=3.14e23, days=34.0, chips=1024), WHEN), (dict(days=5.0), HOLDS), (dict(days=900.0), FAILS),
        (dict(flops=4e23), FAILS),
    ],
    33: [
        (dict(models={"a": (175e9, 300e9), "b": (11e9, 15e12)}), WHEN), (dict(models={"a": (175e9, 300e9), "b": (11e9, 1e12)}), FAILS), (dict(models={"a": (2e12, 2e12)}), HOLDS),
    ],
    "8.7": [(dict(question="Capital?", said="Sydney", truth="Canberra", p_said=0.9, p_truth=0.01), FAILS), (dict(said="It is Canberra."), UNTESTED)],
    "8.8": [
        (dict(first=13.0, repeated=2.0, without=6.0, random=2.1, heads="L18H6"), HOLDS), (dict(repeated=12.5), FAILS), (dict(without=2.1), WHEN),
    ],
    "8.9": [(dict(tokens=20, ratio=SLOWER), HOLDS), (dict(ratio=FASTER), FAILS), (dict(ratio=TIE), FAILS)],
    "8.11": [
        (dict(ratio=SLOWER, small_bytes=10**8, large_bytes=5 * 10**8, nats=3.01, large_nats=3.0, chats=True), HOLDS), (dict(nats=3.1), WHEN),
        (dict(ratio=TIE), WHEN), (dict(ratio=FASTER), WHEN), (dict(ratio=TIE, nats=3.1), FAILS), (dict(chats=False), UNTESTED),
    ],
    "8.10": [
        (dict(obeys=(0.2, 0.95, 0.95), smiles=(0.5, 0.5, 0.98)), HOLDS), (dict(smiles=(0.5, 0.5, 0.5)), WHEN), (dict(obeys=(0.2, 0.95, 0.3)), WHEN),
        (dict(obeys=(0.2, 0.3, 0.3)), FAILS),
    ],
    47: [(dict(model="SmolLM2", recurrent_layers=0, attention_layers=30, chats=True), WHEN), (dict(recurrent_layers=2), HOLDS), (dict(chats=False), UNTESTED)],
}  # fmt: skip
