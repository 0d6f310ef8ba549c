"""What a hostile archive tries; its own hash is taken as right here, so only the second line of defence stands."""

import dataclasses
import random
import stat
import time
import zipfile

import pytest

from course_lib.data import DataMissing, archive, fetch, open_file
from course_lib.data.table import Item, Member


def hostile(world, name, write, path="a/words.txt", size=9500, count=1):
    target = world.shelf / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        write(wheel)
    member = Member(path, "words.txt", "0" * 64, size, count)
    return {"words": Item("words", "?", "?", (1,), world.as_carrier(target), (member,))}


def link(wheel):
    info = zipfile.ZipInfo("a/words.txt")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    wheel.writestr(info, "/etc/hostname")


def one(name, content):
    return lambda wheel: wheel.writestr(name, content)


def scores(*names):
    return lambda wheel: [wheel.writestr(name, "x") for name in names]


@pytest.mark.parametrize(
    ("write", "more", "says"),
    [
        (link, {}, "is a link"),
        (one("a/other.txt", "x"), {}, "is missing"),
        (one("../a/words.txt", "x"), {}, "is missing"),
        (one("a/words.txt", bytes(60_000_000)), {}, "is too big"),
        (one("a/words.txt", "x"), {}, "has other contents"),
        (one("a/words.txt", bytes(9500)), {}, "has other contents"),
        (scores("s/1.mxl", "s/../../2.mxl"), {"path": "s/*.mxl", "count": 2}, "1 files match"),
        (scores("s/1.mxl", "s/2.mxl", "s/3.mxl"), {"path": "s/*.mxl", "count": 2}, "3 files match"),
        (scores("s/1.mxl", "/s/2.mxl"), {"path": "s/*.mxl", "count": 2}, "1 files match"),
        (one("s/1.mxl", bytes(60_000_000)), {"path": "s/*.mxl", "count": 1}, "is too big"),
        (one("s/1.mxl", "x"), {"path": "s/*.mxl", "count": 1}, "has other contents"),
    ],
    ids=["link", "absent", "traversal", "bomb", "short", "wrong", "set traversal", "set surplus", "set absolute", "set bomb", "set wrong"],
)
def test_a_hostile_archive(world, write, more, says):
    table = hostile(world, "evil", write, **more)
    started = time.perf_counter()
    with pytest.raises(DataMissing) as error:
        fetch(source=world.shelf, table=table, progress=False)
    assert says in world.sentence(error)
    assert time.perf_counter() - started < 2
    assert world.in_cache() == {}
    assert not world.leavings()


def test_a_header_that_lies_about_the_size(world):
    table = hostile(world, "liar", one("a/words.txt", bytes(5_000_000)), size=100)
    path = world.shelf / table["words"].carrier.file
    path.write_bytes(path.read_bytes().replace((5_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    item = dataclasses.replace(table["words"], carrier=world.as_carrier(path))
    with pytest.raises(DataMissing) as error:
        fetch(source=world.shelf, table={"words": item}, progress=False)
    assert "does not hold what the course expects" in world.sentence(error)
    assert world.in_cache() == {}


def test_no_bytes_however_mangled_bring_more_than_a_sentence(world):
    path = world.shelf / "alpha-1.0-py3-none-any.whl"
    good, rng = path.read_bytes(), random.Random(1)
    for _ in range(150):
        content = bytearray(good)
        for _ in range(rng.randint(1, 12)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content[: rng.choice([len(content), rng.randrange(len(content))])])
        item = dataclasses.replace(world.table["words"], carrier=world.as_carrier(path))
        try:
            fetch(source=world.shelf, table={"words": item}, progress=False)
        except DataMissing as caught:
            said = str(caught)
        else:
            said = None  # the change fell on bytes that nobody reads
        if said is not None:
            assert "\n" not in said
            assert world.in_cache() == {}
        else:
            assert world.in_cache() == {"words/words.txt": world.content["a/words.txt"]}
            open_file("words", table=world.table).unlink()


def test_the_contents_are_never_run(world, monkeypatch):
    monkeypatch.setattr(archive.zipfile.ZipFile, "extractall", None)
    monkeypatch.setattr(archive.zipfile.ZipFile, "extract", None)
    fetch(table=world.table, progress=False)
    assert len(world.in_cache()) == 5
    assert "setup.py" not in " ".join(world.in_cache())
