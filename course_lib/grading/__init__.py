"""Assignments: written as one source, released to students, checked by them, graded in a sandbox.

Importing this needs neither jupytext nor nbval; the commands `release`, `check` and `grade` say when they do.
"""

from course_lib.grading.values import public_rng, show

__all__ = ["check_here", "public_rng", "show"]


def check_here(name: str) -> None:
    """Run the public checks of assignment `name` from its own notebook: what the last cell calls."""
    from course_lib.grading.check import check_from_notebook

    check_from_notebook(name)
