"""The ledger: every rule is fed made-up measurements, true-looking and false, and its verdict must turn."""

import dataclasses
import math
import re

import pytest

from course_lib.checks import InputError
from course_lib.claims import CLAIMS as ALL_CLAIMS
from course_lib.claims import FAILS, HOLDS, UNTESTED, Ledger
from course_lib.measure import Ratio

WHEN = "holds when"
SLOWER, TIE, FASTER = Ratio(3.0, 2.5, 3.5), Ratio(1.0, 0.9, 1.1), Ratio(0.5, 0.4, 0.6)

CLAIMS = {n: claim for n, claim in ALL_CLAIMS.items() if claim.rule.__module__.endswith("part7")}  # the other parts have their own file

# claim → measurements, verdict; then what changes in them, and the verdict that it turns to
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
    38: [(dict(tokens=20, forwards=20), HOLDS), (dict(forwards=1), FAILS)],
    39: [
        (dict(read_per_s=1000.0, write_per_s=100.0, write_batched_per_s=400.0), HOLDS),
        (dict(read_per_s=150.0), FAILS), (dict(write_batched_per_s=100.0), FAILS),
    ],
    40: [(dict(error=1e-6), HOLDS), (dict(error=1e-3), FAILS)],
}  # fmt: skip
ALL = [(number, cases[0][0] | changed, verdict) for number, cases in CASES.items() for changed, verdict in cases]


def is_kind(verdict, kind):
    return verdict.startswith(WHEN) if kind == WHEN else verdict == kind


def test_every_rule_has_its_cases_and_can_turn():
    assert set(CASES) == set(CLAIMS), "a new rule needs cases here: what makes it hold, and what makes it fall"
    for number, cases in CASES.items():
        assert len({verdict for _, verdict in cases}) >= 2, f"claim {number} never turns"


@pytest.mark.parametrize(("number", "measured", "verdict"), ALL, ids=[f"{n}-{v}-{i}" for i, (n, _, v) in enumerate(ALL)])
def test_the_verdict_follows_the_measurement(number, measured, verdict):
    entry = Ledger().enter(number, **measured)
    assert is_kind(entry.verdict, verdict), entry.verdict
    assert "nan" not in entry.measured
    assert 20 < len(entry.measured) < 400
    assert CLAIMS[number].source


@pytest.mark.parametrize("number", CASES)
def test_a_measurement_that_is_missing_gives_no_verdict(number):
    measured = CASES[number][0][0]
    for name, value in measured.items():
        if isinstance(value, Ratio):
            value = Ratio(math.nan, math.nan, math.nan)
        elif isinstance(value, float):
            value = math.nan
        else:
            continue
        assert Ledger().enter(number, **measured | {name: value}).verdict == UNTESTED


def test_the_ledger_keeps_one_line_a_claim_in_order():
    ledger = Ledger()
    ledger.enter(12, error=0.0)
    ledger.enter(4, error=1.0)
    assert ledger.enter(4, error=0.0).verdict == HOLDS
    assert [entry.claim.number for entry in ledger.table().entries] == [4, 12]
    assert repr(ledger.table()) == "  4  holds\n 12  holds"
    with pytest.raises(InputError, match="no rule for claim 999"):
        ledger.enter(999, error=0.0)


def test_a_table_of_more_than_ten_is_collapsed():
    ledger = Ledger()
    for k, (number, cases) in enumerate(CASES.items(), 1):
        ledger.enter(number, **cases[0][0])
        text = ledger.table()._repr_html_()
        assert text.startswith("<details>") == (k > 10)
        assert text.count("<tr>") == 1 + k + len({CLAIMS[n].heading for n in ledger.entries})
    assert ledger.table(collapsed=False)._repr_html_().startswith("<table")
    for claim in CLAIMS.values():
        assert text.count(f"<td style='text-align:left;vertical-align:top'>{claim.number}</td>") == 1


def test_html_is_escaped_and_its_tags_are_balanced():
    entry = Ledger().enter(7, device="<script>alert('&')</script>", step_time_growth=1.0, fused_over_attention=TIE)
    text = entry._repr_html_()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    wrong = dataclasses.replace(entry, claim=dataclasses.replace(entry.claim, text="1 < 2 & 3", source="<b>"))._repr_html_()
    assert "1 &lt; 2 &amp; 3" in wrong
    assert "<b></td>" not in wrong
    for tag in ("table", "thead", "tbody", "tr", "td", "th", "b"):
        assert len(re.findall(rf"<{tag}[ >]", text)) == text.count(f"</{tag}>")


def test_each_kind_of_verdict_has_its_colour():
    examples = {HOLDS: (4, dict(error=0.0)), FAILS: (4, dict(error=1.0)), WHEN: (19, dict(tokens=1, forwards=1)), UNTESTED: (4, dict(error=math.nan))}
    colours = {kind: re.search(r"color:(#\w+)", Ledger().enter(n, **m)._repr_html_()).group(1) for kind, (n, m) in examples.items()}
    assert len(set(colours.values())) == 4


@pytest.mark.parametrize(("error", "text"), [(0, "0"), (1.2e-7, "under 1e-06"), (8.7e-7, "under 1e-06"), (3e-3, "under 1e-02"), (0.5, "under 1e0"), (2.0, "2")])
def test_differences_are_told_the_same_on_every_machine(error, text):
    assert Ledger().enter(40, error=error).measured.endswith(f"at most {text}")


def test_plain_text_for_terminals():
    lines = repr(Ledger().enter(12, error=0.0)).splitlines()
    assert lines[0] == "Claim 12: holds"
    assert all(line.startswith("  ") and len(line) <= 100 for line in lines[1:])
