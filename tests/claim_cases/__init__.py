"""Made-up measurements for every rule of course_lib.claims, one file for each file of rules.

CASES: claim → [(measurements, verdict), then (what changes in them, the verdict that it turns to), …]
"""

from course_lib.measure import Ratio

WHEN = "holds when"
SLOWER, TIE, FASTER = Ratio(3.0, 2.5, 3.5), Ratio(1.0, 0.9, 1.1), Ratio(0.5, 0.4, 0.6)
