"""The ledger: each claim of the series, what was measured here, and the verdict that the measurement gives.

A verdict is never typed in. Every claim has a rule, a plain function from measurements to a verdict,
and the tests feed it false measurements to see the verdict turn. Beside it stands the primary source.
Claims are numbered as in the course's list of Part 7; they are told in the course's own words.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from course_lib.checks import require
from course_lib.measure import Ratio

__all__ = ["Ledger", "Entry", "HOLDS", "FAILS", "UNTESTED", "when"]

HOLDS, FAILS, UNTESTED = "holds", "does not hold", "cannot be tested"
COLOURS = {"holds when": "#8a5a00", HOLDS: "#00704a", FAILS: "#b00020", UNTESTED: "#555555"}


def when(condition: str) -> str:
    """The verdict of a claim that is true under a condition."""
    return f"holds when {condition}"


@dataclass(frozen=True)
class Claim:
    number: int | str  # of Part 7's list; claims of other parts are "1.1", "2.3" …
    heading: str  # the article's heading it stands under
    text: str
    source: str
    rule: Callable[..., tuple[str, str]]


@dataclass(frozen=True)
class Entry:
    """One line of the ledger. Shows itself as a small table; as plain text, claim and verdict."""

    claim: Claim
    measured: str
    verdict: str

    def _repr_html_(self) -> str:
        return _html_table([self])

    def __repr__(self) -> str:
        return f"Claim {self.claim.number}: {self.verdict}\n" + textwrap.fill(self.measured, 100, initial_indent="  ", subsequent_indent="  ")


CLAIMS: dict[int | str, Claim] = {}


def claim(number: int | str, heading: str, text: str, source: str):
    """Decorator: this function is the rule of claim `number`. It takes measurements and returns (measured, verdict)."""

    def register(rule):
        CLAIMS[number] = Claim(number, heading, text, source, rule)
        return rule

    return register


class Ledger:
    """A notebook's ledger. `enter` adds a line (again: replaces it) and shows it; `table()` shows them all."""

    def __init__(self):
        self.entries: dict[int | str, Entry] = {}

    def enter(self, number: int | str, **measured) -> Entry:
        """Decide claim `number` from its measurements (see `course_lib.claims` for what each rule takes)."""
        require(number in CLAIMS, f"there is no rule for claim {number}; there are rules for {', '.join(map(str, CLAIMS))}")
        numbers = (getattr(value, "median", value) for value in measured.values() if isinstance(value, (Ratio, float)))
        if any(math.isnan(number) for number in numbers):
            found = "a contestant could not be measured on this machine (too slow, or too large)", UNTESTED
        else:
            found = CLAIMS[number].rule(**measured)
        entry = Entry(CLAIMS[number], *found)
        self.entries[number] = entry
        return entry

    def table(self, collapsed: bool | None = None) -> LedgerTable:
        """All entries under the article's headings; collapsed by default when there are more than ten."""
        numbers = [number for number in CLAIMS if number in self.entries]
        if all(isinstance(number, int) for number in numbers):  # Part 7's list, whose rules stand in several files
            numbers.sort()
        entries = [self.entries[number] for number in numbers]
        return LedgerTable(entries, len(entries) > 10 if collapsed is None else collapsed)


@dataclass(frozen=True)
class LedgerTable:
    entries: list[Entry]
    collapsed: bool

    def _repr_html_(self) -> str:
        table = _html_table(self.entries, headings=True)
        count = len(self.entries)
        return f"<details><summary><b>The ledger: {count} claims</b> (open)</summary>{table}</details>" if self.collapsed else table

    def __repr__(self) -> str:
        return "\n".join(f"{e.claim.number:>3}  {e.verdict}" for e in self.entries)


def _html_table(entries, headings=False) -> str:
    rows, last = [], None
    for e in entries:
        if headings and e.claim.heading != last:
            last = e.claim.heading
            rows.append(f"<tr><th colspan='5' scope='colgroup' style='text-align:left;padding-top:10px'>{html.escape(last)}</th></tr>")
        kind = next(k for k in COLOURS if e.verdict.startswith(k))
        cells = (str(e.claim.number), html.escape(e.claim.text), html.escape(e.measured), f"<b style='background:#fff;color:{COLOURS[kind]};padding:1px 4px'>{html.escape(e.verdict)}</b>", html.escape(e.claim.source))
        rows.append("<tr>" + "".join(f"<td style='text-align:left;vertical-align:top'>{c}</td>" for c in cells) + "</tr>")
    head = "".join(f"<th scope='col' style='text-align:left'>{h}</th>" for h in ("#", "Claim", "Measured here", "Verdict", "Source"))
    return f"<table style='max-width:960px'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


# -- words for measurements: the same on every machine where the fact is the same ----------------------


def grows(order: str) -> str:
    """A growth in words."""
    return "does not grow with T" if order == "1" else f"grows like {order}"


def times(ratio) -> str:
    return f"{ratio.median:.2g}×" + (" (a tie)" if ratio.tie else "")


def power(value: float) -> str:
    """1.2e-07 → "under 1e-06": the same text on every machine."""
    if value == 0:
        return "0"
    return f"under 1e{len(f'{1 / value:.0f}') * -1 + 1:+03d}".replace("e+00", "e0") if value < 1 else f"{value:.1g}"
