"""Part 7: the race and what follows from it."""

from course_lib.claims import FAILS, HOLDS, UNTESTED
from course_lib.measure import Ratio
from tests.claim_cases import FASTER, SLOWER, TIE, WHEN

CASES = {
    2: [
        (dict(path_6=10, path_12=10, rnn_path_6=19, rnn_path_12=37, rnn_over_block=SLOWER), HOLDS),
        (dict(rnn_over_block=TIE), WHEN), (dict(rnn_over_block=FASTER), WHEN), (dict(path_12=16), FAILS),
    ],
    3: [
        (dict(states_changed=12, T=12, rnn_growth="T", scan_growth="log T"), WHEN),
        (dict(scan_growth="T"), HOLDS), (dict(rnn_growth="1"), FAILS), (dict(states_changed=1), FAILS),
    ],
    4: [(dict(error=1e-7), HOLDS), (dict(error=1e-2), FAILS)],
    5: [
        (dict(loop_over_hoisted=TIE, loop_over_scan=FASTER, scan_growth="T"), HOLDS),
        (dict(loop_over_hoisted=SLOWER), FAILS), (dict(loop_over_scan=SLOWER), FAILS), (dict(scan_growth="log T"), FAILS),
    ],
    7: [
        (dict(device="cuda", step_time_growth=1.1, fused_over_attention=SLOWER), HOLDS),
        (dict(step_time_growth=14.0), FAILS), (dict(device="cpu"), UNTESTED), (dict(fused_over_attention=FASTER), WHEN),
    ],
    9: [
        (dict(growth_in_T="1", path_1_layer=10, path_4_layers=40), WHEN),
        (dict(path_4_layers=10), HOLDS), (dict(growth_in_T="T"), FAILS),
    ],
    10: [(dict(error=1e-7, T=16), HOLDS), (dict(error=0.1), FAILS)],
    11: [
        (dict(open_share=1.0, masked_future=0.0, masked_share=0.5), WHEN),
        (dict(masked_future=1.0), FAILS), (dict(open_share=0.9), FAILS),
    ],
    12: [(dict(error=0.0), HOLDS), (dict(error=1.0), FAILS)],
    13: [
        (dict(naive_share=0.95, fused_share=0.92, naive_bound="compute"), HOLDS),
        (dict(naive_share=0.1, naive_bound="memory"), FAILS), (dict(fused_share=0.4), FAILS),
    ],
    15: [
        (dict(attention_gain=8.0, rnn_gain=1.5, tokens=4096), HOLDS),
        (dict(rnn_gain=12.0), WHEN), (dict(attention_gain=1.1), FAILS),
    ],
    16: [(dict(predictions=32, T=32, error=1e-6), HOLDS), (dict(predictions=1), FAILS), (dict(error=0.3), FAILS)],
    17: [
        (dict(product_flops=10**9, softmax_flops=0, softmax_time_share=0.3), WHEN),
        (dict(softmax_flops=10**6), HOLDS), (dict(product_flops=0), FAILS),
    ],
    18: [
        (dict(device="cuda", saturated_at=None, most=65536, long_growth=1.9), HOLDS),
        (dict(saturated_at=8192), WHEN), (dict(device="cpu", saturated_at=64), UNTESTED),
    ],
    19: [(dict(tokens=20, forwards=20), WHEN), (dict(forwards=5), FAILS)],
    20: [
        (dict(error=1e-6, T=256, rerun_over_cached=SLOWER), HOLDS),
        (dict(rerun_over_cached=TIE), WHEN), (dict(rerun_over_cached=FASTER), WHEN), (dict(error=0.01), FAILS),
    ],
    21: [
        (dict(device="cpu", lstm_over_cached=SLOWER, T=256, cache_bytes=10**6, state_bytes=1024), HOLDS),
        (dict(lstm_over_cached=TIE), FAILS), (dict(lstm_over_cached=FASTER), FAILS), (dict(lstm_over_cached=Ratio(2.5, 1.5, 3)), FAILS),
    ],
    23: [
        (dict(flops_growth="T²", time_factor=3.8, memory_growth="T²"), WHEN),
        (dict(flops_growth="T"), WHEN), (dict(flops_growth="T", memory_growth="T"), HOLDS),
    ],
    25: [
        (dict(attention_gradient=0.5, rnn_gradient=1e-9, lag=100, memory_growth="T²"), WHEN),
        (dict(memory_growth="T"), HOLDS), (dict(attention_gradient=1e-4), FAILS), (dict(rnn_gradient=0.4), FAILS),
    ],
    37: [(dict(encoder_growth="1", decoder_growth="1"), HOLDS), (dict(decoder_growth="T"), FAILS), (dict(encoder_growth="log T"), FAILS)],
    38: [(dict(tokens=20, forwards=20), WHEN), (dict(forwards=1), FAILS)],
    39: [
        (dict(read_per_s=1000.0, write_per_s=100.0, write_batched_per_s=400.0), HOLDS),
        (dict(read_per_s=150.0), FAILS), (dict(write_batched_per_s=100.0), FAILS),
    ],
    40: [(dict(error=1e-6), HOLDS), (dict(error=1e-3), FAILS)],
}  # fmt: skip
