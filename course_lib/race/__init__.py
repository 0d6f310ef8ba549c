"""The race: contestants × lengths → one tidy table, timed only after each proved its numbers right."""

from course_lib.race.contestants import CONTESTANTS, FAIRNESS, PASSES, Contestant
from course_lib.race.run import DEFAULT_CONTESTANTS, DEFAULT_LENGTHS, Stopped, race
from course_lib.race.settings import RaceSettings, settings_of
from course_lib.race.table import COLUMNS, load_race, ratio_at

__all__ = [
    "COLUMNS", "CONTESTANTS", "Contestant", "DEFAULT_CONTESTANTS", "DEFAULT_LENGTHS", "FAIRNESS", "PASSES",
    "RaceSettings", "Stopped", "load_race", "race", "ratio_at", "settings_of",
]  # fmt: skip
