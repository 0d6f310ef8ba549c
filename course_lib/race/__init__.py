"""The race: contestants × lengths → one tidy table, timed only after each proved its numbers right."""

from course_lib.race.contestants import CONTESTANTS, FAIRNESS, PASSES, Contestant
from course_lib.race.run import (
    DEFAULT_CONTESTANTS,
    DEFAULT_LENGTHS,
    RaceSettings,
    Stopped,
    load_race,
    race,
    ratio_at,
    settings_of,
)
from course_lib.race.table import COLUMNS

__all__ = [
    "COLUMNS", "CONTESTANTS", "Contestant", "DEFAULT_CONTESTANTS", "DEFAULT_LENGTHS", "FAIRNESS", "PASSES",
    "RaceSettings", "Stopped", "load_race", "race", "ratio_at", "settings_of",
]  # fmt: skip
