"""The real table, the files that are part of the package, and (slow) the real carriers."""

import bz2
import re
import subprocess
import sys
import zipfile
from pathlib import PurePosixPath

import pytest

from course_lib.data import TABLE, available, fetch, open_file
from course_lib.data.archive import sha256

ITEMS = list(TABLE.values())
HASH = re.compile(r"[0-9a-f]{64}")


@pytest.mark.parametrize("item", ITEMS, ids=TABLE)
def test_every_entry_is_well_formed(item):
    assert re.fullmatch(r"[a-z0-9-]+", item.name)
    assert item.what
    assert item.licence
    assert set(item.parts) <= set(range(1, 9))
    assert item.parts
    assert item.members
    for member in item.members:
        assert HASH.fullmatch(member.sha256)
        assert 0 < member.size < 200e6
        assert PurePosixPath(member.file).name == member.file, "one flat folder an item: no path to escape by"
        assert member.path.count("*") == (member.count > 1)
        assert bool(member.path) == (item.carrier is not None)
        assert not member.file.endswith((".pkl", ".pickle", ".pt", ".bin", ".py"))
    assert len({member.file for member in item.members}) == len(item.members)
    if item.carrier:
        wheel = item.carrier
        assert HASH.fullmatch(wheel.sha256)
        assert wheel.file.startswith(f"{wheel.package.replace('-', '_')}-{wheel.version}-")
        assert wheel.file.endswith(".whl"), "pip runs the setup.py of a source package to download it"


def test_names_and_carriers_are_told_apart_by_their_hashes():
    carriers = {item.carrier for item in ITEMS if item.carrier}
    assert len({carrier.sha256 for carrier in carriers}) == len({carrier.package for carrier in carriers}) == len(carriers)
    assert all(name == item.name for name, item in TABLE.items())
    assert [item.name for item in ITEMS if item.optional] == ["minilm", "smollm2"]


def test_the_package_itself_holds_the_small_files():
    surnames = open_file("surnames").read_text("ascii").split()
    assert len(surnames) == len(set(surnames)) == 88_799
    assert surnames[:3] == ["SMITH", "JOHNSON", "WILLIAMS"]
    assert open_file("sunspots").read_text("ascii").splitlines()[1] == "1700,5"
    assert len(open_file("sunspots").read_text("ascii").splitlines()) == 310
    assert open_file("co2").read_text("ascii").startswith("date,co2\n19580329,316.1\n")


def test_importing_the_data_needs_neither_torch_nor_a_notebook():
    code = "import sys, course_lib.data; print({'torch', 'numpy', 'pandas', 'IPython', 'ipywidgets'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"


def _content(name: str):
    if not available(name):
        pytest.skip(f"needs `python -m course_lib fetch {name}`")
    return open_file(name)


def test_what_the_fetched_files_hold():
    with bz2.open(_content("corpus")) as pages:
        assert pages.read().count(b"<page>") == 206
    assert sum(not line.startswith(":") for line in _content("analogies").read_text("utf-8").splitlines()) == 19_544
    assert sum(not line.startswith("#") for line in _content("simlex").read_text("utf-8").splitlines()) == 999
    assert sum(not line.startswith("#") for line in _content("wordsim").read_text("utf-8").splitlines()) == 353


def test_what_the_chorales_hold():
    with zipfile.ZipFile(_content("chorales")) as scores:
        assert len(scores.namelist()) == 408
        with zipfile.ZipFile(scores.open("bwv66.6.mxl")) as score:
            assert score.testzip() is None
            assert any(name.endswith(".xml") for name in score.namelist())


def test_what_the_phonemes_and_the_byte_pairs_hold():
    assert len(_content("phonemes").joinpath("cmudict.dict").read_text("utf-8").splitlines()) > 130_000
    assert len(_content("gpt2-bpe").joinpath("vocab.bpe").read_text("utf-8").splitlines()) == 50_001


@pytest.mark.slow
def test_a_real_download(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert fetch(["phonemes", "gpt2-bpe"], progress=False) == []
    for name in ("phonemes", "gpt2-bpe"):
        for member in TABLE[name].members:
            assert sha256(open_file(name, member.file)) == member.sha256
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gpt2-bpe", "phonemes"]
