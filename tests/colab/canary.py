"""Does the course still leave Colab's packages alone? `python -m tests.colab.canary [FREEZE]`

Compares a list of Colab's versions (the saved one, or the output of `pip freeze` there) with the lower
bounds in pyproject.toml. Exit status 1, with one line for each package that an install would replace.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
SAVED = HERE / "versions.txt"


def read_versions(path: Path = SAVED) -> dict[str, str]:
    """name → version from lines such as `numpy==2.1.3  # 2026-08`, or `torch @ https://…/torch-2.11.0%2Bcu128-…whl`."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([\w.-]+)==([\w.+!-]+)|([\w.-]+) @ \S*?/\3-(\d+(?:\.\d+)*)", line.strip()):
            found[canonicalize_name(match[1] or match[3])] = match[2] or match[4]
    return found


def bounds() -> list[Requirement]:
    """What the library asks for."""
    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(line) for line in project["dependencies"]]


def replaced(versions: dict[str, str], asked: list[Requirement]) -> list[str]:
    """A line for each package of `versions` that does not satisfy what is `asked`."""
    return [
        f"{asks.name} {versions[canonicalize_name(asks.name)]} would be replaced: the course asks for {asks.specifier}"
        for asks in asked
        if canonicalize_name(asks.name) in versions and not asks.specifier.contains(versions[canonicalize_name(asks.name)], prereleases=True)
    ]


def main(arguments: list[str]) -> int:
    path = Path(arguments[0]) if arguments else SAVED
    versions = read_versions(path)
    lines = replaced(versions, bounds())
    unknown = [asks.name for asks in bounds() if canonicalize_name(asks.name) not in versions]
    for line in lines:
        print(line)
    print(f"{path.name}: {len(versions)} packages, {len(lines)} would be replaced" + (f"; would be added: {', '.join(unknown)}" if unknown else ""))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
