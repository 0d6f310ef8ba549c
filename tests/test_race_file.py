"""The race's CSV: killed and resumed, damaged, foreign, not writable; it is never half written and never overwritten."""

import json
import os
import subprocess
import sys

import pytest

from course_lib.checks import InputError
from course_lib.measure import Timing
from course_lib.race import load_race, race
from course_lib.race import run as race_run

TINY = dict(batch=2, width=16, heads=2, rounds=5, device="cpu", threads=1)
NAMES = ["rnn-loop", "mingru-chunk", "attention-sdpa"]


@pytest.fixture(autouse=True)
def no_clock(monkeypatch):
    """Here nothing is about time."""
    monkeypatch.setattr(race_run, "measure_time", lambda calls, rounds, **_: {name: Timing((1.0,) * rounds, 0.0) for name in calls})


@pytest.fixture
def saved(tmp_path):
    """A CSV of a finished race, 6 rows."""
    path = tmp_path / "race.csv"
    race(NAMES, [4, 8], csv=path, **TINY)
    return path


# One process, forked again and again: each child races and kills itself (SIGKILL, nothing can be tidied up) at
# the n-th progress report, or on its way to disk: before the data is flushed, before and after the old file is replaced.
KILLED = """
import os, signal, sys, json, random
import torch
from course_lib.race import race, load_race, run as race_run
from course_lib.measure import timing
torch.set_num_threads(1)
timing._warm_up = lambda timer, first: 1.0
csv, lengths, names = sys.argv[1], [4, 8, 16, 32], sys.argv[2].split(",")
settings = dict(batch=2, width=16, heads=2, rounds=5, device="cpu", threads=1, csv=csv)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dying(function, at, after=False):
    count = [0]
    def wrapped(*args, **kwargs):
        count[0] += 1
        if count[0] == at and not after:
            die()
        result = function(*args, **kwargs)
        if count[0] == at:
            die()
        return result
    return wrapped

rng, report = random.Random(0), []
moments = [("fsync", 1), ("replace", 1), ("after", 1), ("fsync", 2), ("replace", 1), ("after", 1)]
moments[2:2] = [("tick", rng.randint(1, 12)) for _ in range(6)]
for kind, at in moments:
    child = os.fork()
    if child == 0:
        tick = dying(lambda *_: None, at) if kind == "tick" else None
        if kind == "fsync":
            os.fsync = dying(os.fsync, at)
        if kind in ("replace", "after"):
            os.replace = dying(os.replace, at, kind == "after")
        race(names, lengths, tick=tick, **settings)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    rows = load_race(csv)["T"].tolist() if os.path.exists(csv) else None
    report.append([kind, os.WIFSIGNALED(status), rows])
table = race(names, lengths, **settings)
print(json.dumps({"killed": report, "rows": list(zip(table["T"].tolist(), table["contestant"])), "status": sorted(set(table["status"]))}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_race_killed_again_and_again_comes_to_its_end(tmp_path):
    path = tmp_path / "race.csv"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), ",".join(NAMES)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    kept = 0
    for kind, _, rows in found["killed"]:
        rows = rows or []
        assert len(rows) % len(NAMES) == 0, f"half a length after a kill at {kind}"
        assert len(rows) >= kept, f"rows lost by a kill at {kind}"
        kept = len(rows)
    assert sum(killed for _, killed, _ in found["killed"]) >= 6  # the others came to the end before their moment
    assert found["killed"][0][2] is None  # killed before there was a file
    assert [tuple(row) for row in found["rows"]] == [(T, name) for T in (4, 8, 16, 32) for name in NAMES]
    assert found["status"] == ["ok"]


def test_going_on_measures_only_what_is_missing(saved, monkeypatch):
    before, measured, seen = load_race(saved), [], []
    original = race_run.make_call
    monkeypatch.setattr(race_run, "make_call", lambda c, p, T, *a: measured.append((T, c.name)) or original(c, p, T, *a))
    table = race([*NAMES, "gru-fused"], [4, 8, 16], csv=saved, on_row=seen.append, **TINY)
    assert measured == [(4, "gru-fused"), (8, "gru-fused"), *((16, name) for name in [*NAMES, "gru-fused"])]
    assert len(seen) == len(table) == 12  # the old rows are reported too
    assert load_race(saved).iloc[:6].equals(before)
    measured.clear()
    race(NAMES, [4, 8], csv=saved, **TINY)
    assert measured == []


@pytest.mark.parametrize("other", [{"batch": 3}, {"width": 8}, {"heads": 4}, {"pass_": "train"}, {"fairness": "parameters"}, {"dtype": "float64"}, {"threads": 2}])
def test_other_settings_do_not_go_into_the_same_file(saved, other):
    content = saved.read_bytes()
    with pytest.raises(InputError, match=r"was measured with \S+=.+, not \S+=.+; name another file to keep both"):
        race(NAMES, [16], csv=saved, **TINY | other)
    assert saved.read_bytes() == content


def damaged(content: bytes) -> dict[str, bytes]:
    lines = content.splitlines(keepends=True)
    return {
        "empty": b"",
        "binary": bytes(range(256)) * 20,
        "picture": b"\x89PNG\r\n\x1a\n" + b"\0" * 500,
        "foreign": b"name,age\nAda,36\n",
        "text": b"Dear diary,\n\ntoday I raced.\n",
        "one column gone": b"\n".join(line.split(b",", 1)[1] for line in content.splitlines()),
        "words for numbers": content.replace(b",1.0,", b",fast,"),
        "cut in the last row": content[:-40],
        "cut in the last word": content[:-4],
        "cut after a few columns": b"".join(lines[:-1]) + b",".join(lines[-1].split(b",")[:14]),
        "cut in the header": content[:60],
        "no T": b"".join([lines[0], lines[1].replace(b",4,", b",,", 1)]),
        "no header": b"".join(lines[1:]),
    }


@pytest.mark.parametrize("how", list(damaged(b"a,b\nc,d\n")))
def test_a_damaged_or_foreign_file_is_refused_and_left_alone(saved, how):
    content = damaged(saved.read_bytes())[how]
    assert content != saved.read_bytes()
    saved.write_bytes(content)
    with pytest.raises(InputError, match=r"is not a race's CSV, or it is damaged; move it away or name another file"):
        race(NAMES, [4], csv=saved, **TINY)
    with pytest.raises(InputError, match="damaged"):
        load_race(saved)
    assert saved.read_bytes() == content
    assert [p.name for p in saved.parent.iterdir()] == ["race.csv"]


def test_places_where_no_file_can_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("here")
    for path in (tmp_path, tmp_path / "none" / "race.csv", tmp_path / "file" / "race.csv", tmp_path / ("x" * 300 + ".csv")):
        with pytest.raises(InputError, match="cannot (read|write) the race's CSV"):
            race(NAMES, [4], csv=path, **TINY)
    with pytest.raises(InputError, match="there is no file"):
        load_race(tmp_path / "none.csv")

    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refused)  # root may write everywhere, so the refusal is made up
    with pytest.raises(InputError, match="cannot write the race's CSV .*: Permission denied"):
        race(NAMES, [4], csv=tmp_path / "race.csv", **TINY)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_a_disk_that_fills_up_keeps_the_old_rows(saved, monkeypatch):
    content = saved.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        race(NAMES, [16], csv=saved, **TINY)
    assert saved.read_bytes() == content
    assert [p.name for p in saved.parent.iterdir()] == ["race.csv"]  # nothing half written is left behind


BAD = [
    ("contestants", dict(contestants=[])),
    ("unknown contestant 'gpt'", dict(contestants=["gpt"])),
    ("cannot generate", dict(contestants=["rnn-hoisted"], pass_="generate")),
    ("CUDA GPU", dict(contestants=["rnn-graph"])),
    ("lengths", dict(lengths=[])),
    ("T must be ≥ 1, got 0", dict(lengths=[16, 0])),
    ("T must be an integer", dict(lengths=[16.5])),
    ("batch", dict(batch=0)),
    ("divisible by heads", dict(width=10, heads=4)),
    ("pass must be one of", dict(pass_="backward")),
    ("fairness must be one of", dict(fairness="price")),
    ("device", dict(device="tpu")),
    ("dtype", dict(dtype="int8")),
    ("threads", dict(threads=0)),
    ("rounds", dict(rounds=0)),
    ("budget_s", dict(budget_s=0)),
    ("budget_s", dict(budget_s=float("nan"))),
    ("no width within 20%", dict(contestants=["transformer-block"], width=4, heads=4, fairness="parameters")),
]


@pytest.mark.parametrize(("named", "wrong"), BAD, ids=[f"{i}-{named}" for i, (named, _) in enumerate(BAD)])
def test_what_cannot_be_raced_gets_one_sentence_and_no_file(named, wrong, tmp_path):
    settings = dict(contestants=NAMES, lengths=[4], csv=tmp_path / "race.csv") | TINY | wrong
    with pytest.raises(InputError) as error:
        race(settings.pop("contestants"), settings.pop("lengths"), **settings)
    assert named in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
