"""The interactive panels. Needs ipywidgets (7.7 or newer)."""

from course_lib.panels.race import RacePanel

__all__ = ["RacePanel"]
