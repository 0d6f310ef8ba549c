"""The ledger of the course, and the rules that decide its claims, one file a part."""

from course_lib.claims import part1, part2, part3, part4, part5, part6, part7, part7_impact, part8  # noqa: F401  (registers their rules)
from course_lib.claims.ledger import CLAIMS, FAILS, HOLDS, UNTESTED, Entry, Ledger, claim, when

__all__ = ["CLAIMS", "Entry", "FAILS", "HOLDS", "Ledger", "UNTESTED", "claim", "when"]
