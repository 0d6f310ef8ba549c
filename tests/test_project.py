"""The files that must agree with each other: pins and bounds, badges and the repository's one address."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["repository"].removeprefix("https://github.com/")


def pins():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {line.split("==")[0]: line.split("==")[1].strip() for line in lines if "==" in line and not line.startswith("#")}


def test_the_library_asks_for_lower_bounds_only():
    for line in PROJECT["dependencies"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", line), line


def test_the_pins_satisfy_the_bounds_and_cover_them():
    pinned = pins()
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        assert requirement.name in pinned, f"{requirement.name} is not pinned"
        assert requirement.specifier.contains(pinned[requirement.name])


def test_environment_is_the_requirements():
    assert "-r requirements.txt" in (ROOT / "environment.yml").read_text(encoding="utf-8")


def test_every_address_is_the_one_in_pyproject():
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "notebooks").glob("*.ipynb"))]:
        text = path.read_text(encoding="utf-8")
        found += re.findall(r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)/blob", text)
        found += re.findall(r"mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)/", text)
        found += re.findall(r"git\+https://github\.com/([\w.-]+/[\w.-]+)", text)
    assert len(found) >= 3
    assert set(found) == {REPOSITORY}


def test_the_readme_names_only_files_that_are_there():
    for path in (ROOT / "README.md", *sorted((ROOT / "notebooks").glob("*.md"))):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_top_level_holds_what_was_agreed():
    known = {
        "README.md", "requirements.txt", "environment.yml", "pyproject.toml", "Makefile", "LICENSE", "course_lib", "notebooks", "tests",
    }  # fmt: skip
    seen = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and not path.name.endswith(".egg-info")}
    assert seen <= known | {"build"}
