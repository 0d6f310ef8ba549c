"""The cache: where verified files lie, and how a notebook opens one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from course_lib.checks import require_choice
from course_lib.data.archive import DataMissing, sha256
from course_lib.data.table import TABLE, Item, Member

__all__ = ["available", "cache_folder", "is_whole", "open_file"]

_PACKAGE = Path(__file__).parent

# What this process has hashed: path → (size, time, file number, hash). Hashing a gigabyte takes seconds, so a file
# is read through once in a process, and again whenever the file system shows that it was touched.
_verified: dict[Path, tuple] = {}


def cache_folder() -> Path:
    """The folder of the fetched files: `COURSE_CACHE` where it is set, else the platform's cache directory."""
    named = os.environ.get("COURSE_CACHE")
    return Path(named).expanduser().absolute() if named else Path(platformdirs.user_cache_dir("course_lib", False))


def open_file(name: str, member: str | None = None, *, table: Mapping[str, Item] = TABLE) -> Path:
    """The path of a verified file of the course: `open_file("corpus")`, `open_file("minilm", "config.json")`.

    Where an item has several files and no `member` is asked for, the path is that of their folder. Every
    file's SHA-256 is checked, once a process and again when the file was touched.

    Raises InputError for an unknown name, DataMissing (saying what to run) where a file is absent or damaged.
    """
    item = table[require_choice("name", name, table)]
    members = {m.file: m for m in item.members}
    wanted = item.members if member is None else (members[require_choice("member", member, members)],)
    for one in wanted:
        _check(item, one)
    path = _locate(item, wanted[0])
    return path if len(wanted) == 1 else path.parent


def available(name: str, *, table: Mapping[str, Item] = TABLE) -> bool:
    """True if every file of `name` is here and whole. Never raises: a notebook asks before a section runs."""
    try:
        open_file(name, table=table)
    except Exception:  # whatever it is, the section that asked cannot run
        return False
    return True


def is_whole(path: Path, size: int, expected: str) -> bool:
    """True if the file at `path` has `size` bytes with the SHA-256 `expected`; raises OSError if it is not there."""
    facts = path.stat()
    if facts.st_size != size:
        return False
    touched = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, expected)
    if _verified.get(path) == touched:
        return True
    if sha256(path) != expected:
        return False
    _verified[path] = touched
    return True


def _locate(item: Item, member: Member) -> Path:
    return (_PACKAGE if item.carrier is None else cache_folder() / item.name) / member.file


def _check(item: Item, member: Member) -> None:
    mend = "install course_lib again" if item.carrier is None else f"run `python -m course_lib fetch {item.name}`"
    try:
        if is_whole(_locate(item, member), member.size, member.sha256):
            return
    except FileNotFoundError:
        raise DataMissing(f"The data set '{item.name}' is not here yet; {mend}") from None
    except OSError as error:
        raise DataMissing(f"The data set '{item.name}' cannot be read ({error.strerror}); {mend}") from error
    raise DataMissing(f"The data set '{item.name}' is damaged ({member.file} has another SHA-256); {mend}")
