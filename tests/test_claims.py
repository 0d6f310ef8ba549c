"""The ledger: every rule is fed made-up measurements, true-looking and false, and its verdict must turn."""

import dataclasses
import importlib
import math
import pkgutil
import re

import pytest

from course_lib.checks import InputError
from course_lib.claims import CLAIMS, FAILS, HOLDS, UNTESTED, Ledger
from course_lib.measure import Ratio
from tests import claim_cases
from tests.claim_cases import TIE, WHEN

BY_FILE = {m.name: importlib.import_module(f"tests.claim_cases.{m.name}").CASES for m in pkgutil.iter_modules(claim_cases.__path__)}
CASES = {number: cases for part in BY_FILE.values() for number, cases in part.items()}
COUNTERFACTUAL = {34: dict(recurrent_slowdown=2.8)}  # nobody can measure what might have been: its verdict never turns
ALL = [(number, cases[0][0] | changed, verdict) for number, cases in CASES.items() for changed, verdict in cases]
PART_7 = BY_FILE["part7"]


def is_kind(verdict, kind):
    return verdict.startswith(WHEN) if kind == WHEN else verdict == kind


@pytest.mark.parametrize("file", BY_FILE)
def test_every_rule_has_its_cases_and_can_turn(file):
    rules = {number for number, claim in CLAIMS.items() if claim.rule.__module__ == f"course_lib.claims.{file}"} - set(COUNTERFACTUAL)
    assert set(BY_FILE[file]) == rules, "a new rule needs cases: what makes it hold, and what makes it fall"
    for number, cases in BY_FILE[file].items():
        assert len({verdict for _, verdict in cases}) >= 2, f"claim {number} never turns"


def test_every_rule_belongs_to_a_file_of_cases():
    assert set(CASES) | set(COUNTERFACTUAL) == set(CLAIMS)


@pytest.mark.parametrize(("number", "measured", "verdict"), ALL, ids=[f"{n}-{v}-{i}" for i, (n, _, v) in enumerate(ALL)])
def test_the_verdict_follows_the_measurement(number, measured, verdict):
    entry = Ledger().enter(number, **measured)
    assert is_kind(entry.verdict, verdict), entry.verdict
    assert not re.search(r"\bnan\b", entry.measured)
    assert 20 < len(entry.measured) < 400
    assert CLAIMS[number].source


@pytest.mark.parametrize("number", CASES)
def test_a_measurement_that_is_missing_gives_no_verdict(number):
    measured = CASES[number][0][0]
    for name, value in measured.items():
        if isinstance(value, (float, Ratio)):
            missing = Ratio(math.nan, math.nan, math.nan) if isinstance(value, Ratio) else math.nan
            assert Ledger().enter(number, **measured | {name: missing}).verdict == UNTESTED


@pytest.mark.parametrize(("number", "measured"), COUNTERFACTUAL.items())
def test_a_counterfactual_has_no_verdict(number, measured):
    assert Ledger().enter(number, **measured).verdict == UNTESTED


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
    for k, (number, cases) in enumerate(PART_7.items(), 1):
        ledger.enter(number, **cases[0][0])
        text = ledger.table()._repr_html_()
        assert text.startswith("<details>") == (k > 10)
        assert text.count("<tr>") == 1 + k + len({CLAIMS[n].heading for n in ledger.entries})
    assert ledger.table(collapsed=False)._repr_html_().startswith("<table")
    for claim in (CLAIMS[number] for number in PART_7):
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


def test_the_best_count_is_named():
    assert "best n-gram (5 tokens) 1.50" in Ledger().enter(43, **CASES[43][0][0]).measured


def test_claims_of_the_whole_list_stand_in_the_articles_order():
    ledger = Ledger()
    ledger.enter(43, **CASES[43][0][0])
    ledger.enter(4, error=0.0)
    ledger.enter(1, **CASES[1][0][0])
    assert [e.claim.number for e in ledger.table().entries] == [1, 4, 43]
