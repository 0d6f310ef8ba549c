"""The good days: fetch, open, pack, take from a folder, the command line."""

import argparse
import os
import threading

import pytest

from course_lib.checks import InputError
from course_lib.data import (
    TABLE,
    DataMissing,
    add_arguments,
    available,
    cache_folder,
    download,
    fetch,
    open_file,
    pack,
    run,
)


def command(world, *words):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(list(words)), table=world.table)


def test_fetch_brings_everything_verified_and_nothing_else(world):
    assert fetch(table=world.table, progress=False) == []
    assert set(world.in_cache()) == {"words/words.txt", "pairs/pairs.txt", "scores/scores.zip", "model/weights.bin", "model/config.json"}
    assert world.in_cache()["words/words.txt"] == world.content["a/words.txt"]
    assert not world.leavings(), "carriers are deleted"
    assert all(available(name, table=world.table) for name in world.table)


def test_one_download_serves_all_items_of_a_carrier(world):
    fetch("words", table=world.table, progress=False)
    assert len(world.calls()) == 1
    assert available("pairs", table=world.table)
    assert not available("scores", table=world.table)


def test_pip_is_told_never_to_build_or_install(world):
    fetch("words", table=world.table, progress=False)
    assert "--no-deps --only-binary=:all:" in world.calls()[0]
    assert world.calls()[0].endswith("alpha==1.0")


def test_what_is_there_is_not_fetched_again(world):
    fetch(table=world.table, progress=False)
    calls = len(world.calls())
    (world.cache / "scores/scores.zip").unlink()
    fetch(table=world.table, progress=False)
    assert len(world.calls()) == calls + 1
    fetch(table=world.table, progress=False)
    assert len(world.calls()) == calls + 1


def test_small_leaves_out_the_optional(world):
    fetch(small=True, table=world.table, progress=False)
    assert available("scores", table=world.table)
    assert not available("model", table=world.table)


def test_open_file_gives_a_file_a_member_or_the_folder(world):
    fetch(table=world.table, progress=False)
    assert open_file("words", table=world.table).read_bytes() == world.content["a/words.txt"]
    assert open_file("model", "config.json", table=world.table).read_bytes() == b"{}"
    assert sorted(p.name for p in open_file("model", table=world.table).iterdir()) == ["config.json", "weights.bin"]


def test_the_cache_can_be_shared_by_a_class(world):
    fetch("words", table=world.table, progress=False)
    umask = os.umask(0)
    os.umask(umask)
    assert open_file("words", table=world.table).stat().st_mode & 0o777 == 0o666 & ~umask


def test_unknown_names_get_the_list(world):
    for call in (lambda: open_file("wrods", table=world.table), lambda: fetch("wrods", table=world.table)):
        with pytest.raises(InputError, match="name must be one of words, pairs, scores, model; got 'wrods'"):
            call()
    fetch(table=world.table, progress=False)
    with pytest.raises(InputError, match=r"member must be one of weights\.bin, config\.json"):
        open_file("model", "nothing", table=world.table)


@pytest.mark.parametrize("name", ["wrods", None, 7, ["words"]])
def test_available_never_raises(world, name):
    assert available(name, table=world.table) is False


def test_two_fetches_at_once_do_not_disturb_each_other(world):
    failures = []

    def one():
        try:
            fetch(table=world.table, progress=False)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(available(name, table=world.table) for name in world.table)


def test_the_cache_folder_moves_with_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("COURSE_CACHE")
    assert cache_folder().name == "course_lib"


def test_a_pack_serves_a_class_with_no_pip_at_all(world, tmp_path, monkeypatch):
    stick = tmp_path / "stick"
    assert pack(stick, table=world.table, progress=False) == []
    assert sorted(p.name for p in stick.iterdir()) == [f"{name}-1.0-py3-none-any.whl" for name in ("alpha", "beta", "gamma")]
    assert not world.cache.exists()
    calls = len(world.calls())
    pack(stick, table=world.table, progress=False)
    assert len(world.calls()) == calls, "what is packed and whole is not fetched again"
    monkeypatch.setattr(download, "_pip_command", lambda: ["/no/such/program"])
    assert fetch(source=stick, table=world.table, progress=False) == []
    assert all(available(name, table=world.table) for name in world.table)
    assert len(list(stick.iterdir())) == 3, "the stick is only read"


def test_wheels_are_packed_from_the_pins_without_the_course_itself(world, tmp_path, monkeypatch):
    pins = tmp_path / "requirements.txt"
    pins.write_text("torch==2.13.0\n-e .\n")
    monkeypatch.setattr(download, "_PINS", pins)
    assert command(world, "--pack", str(tmp_path / "stick"), "--wheels") == 0
    asked = (tmp_path / "stick/wheels/asked.txt").read_text().split()
    assert asked == ["torch==2.13.0", "setuptools>=68"]
    monkeypatch.setattr(download, "_PINS", tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"requirements\.txt"):
        pack(tmp_path / "stick", wheels=True, table=world.table, progress=False)


def test_the_command_line(world, capsys):
    assert command(world, "--list") == 0
    assert "no (optional)" in capsys.readouterr().out
    assert command(world, "words") == 0
    assert "every file verified" in capsys.readouterr().out
    assert command(world, "--small") == 0
    assert command(world, "--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [("yes" in line) for line in lines if line.startswith(("words", "pairs", "scores", "model"))] == [True, True, True, False]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["wrods"], "name must be one of"),
        (["--from", "/no/such/folder"], "There is no folder"),
        (["--pack", "a", "--from", "b"], "take one of them"),
        (["--wheels"], "--wheels goes with --pack"),
        (["words", "--small"], "--small goes without names"),
    ],
)
def test_wrong_arguments_get_one_sentence_and_code_2(world, capsys, words, says):
    assert command(world, *words) == 2
    out, error = capsys.readouterr()
    assert says in error
    assert (out, error.count("\n")) == ("", 1)


def test_a_missing_optional_carrier_is_no_failure(world, capsys):
    (world.shelf / "gamma-1.0-py3-none-any.whl").unlink()
    stick = str(world.shelf)
    assert command(world, "--from", stick) == 0
    error = capsys.readouterr().err
    assert error.startswith("Optional, and left out: ")
    assert error.count("\n") == 1
    assert command(world, "model", "--from", stick) == 2, "asked for by name, it is"


def test_the_real_list_prints(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(["--list"])) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in TABLE)
    with pytest.raises(DataMissing, match="python -m course_lib fetch corpus"):
        open_file("corpus")
