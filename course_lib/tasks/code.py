"""Python as a language: the standard library that every reader has."""

from __future__ import annotations

import sysconfig
from functools import lru_cache
from pathlib import Path

from course_lib.checks import require

__all__ = ["load_code"]

LEAST, MOST = 2_000, 120_000  # characters of a module that is worth reading


@lru_cache(maxsize=1)
def load_code(limit: int = 2_000_000) -> tuple[str, str]:
    """(source to learn from, held-out source) of this Python's own top-level modules, whole modules on either side.

    Every tenth module is held out; at most `limit` characters in all. Which modules there are depends on the
    version of Python. Raises InputError where the library comes without its sources.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    train, unseen, total = [], [], 0
    for number, path in enumerate(sorted(folder.glob("[a-z]*.py"))):
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if LEAST <= len(source) <= MOST and total + len(source) <= limit:
            total += len(source)
            (unseen if number % 10 == 5 else train).append(source)
    require(len(train) > 10 and len(unseen) > 0, "this Python comes without the sources of its standard library")
    return "\n\n".join(train), "\n\n".join(unseen)
