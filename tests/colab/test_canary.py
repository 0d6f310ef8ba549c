"""An install on Colab replaces nothing: the saved list against the bounds, and pip itself asked without installing."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.colab.canary import SAVED, bounds, main, read_versions, replaced

ROOT = Path(__file__).parents[2]


def test_the_saved_list_satisfies_the_bounds():
    versions = read_versions()
    assert versions["ipywidgets"] == "7.7.1"
    assert replaced(versions, bounds()) == []
    assert main([]) == 0
    assert not {"jupyterlab", "ipykernel", "ipython", "notebook"} & {asks.name for asks in bounds()}


def test_the_canary_sings(tmp_path, capsys):
    """A list as pip freeze writes it, with an older numpy and a torch installed from an address."""
    freeze = tmp_path / "freeze.txt"
    freeze.write_text("# comment\nnumpy==1.25.2\ntorch @ https://x.org/whl/cu128/torch-2.11.0%2Bcu128-cp313-linux.whl#sha256=aa\nScikit_Learn==1.6.1\ngoogle-colab @ file:///c/google-colab-1.0.0.tar.gz\n")
    assert read_versions(freeze) == {"numpy": "1.25.2", "torch": "2.11.0", "scikit-learn": "1.6.1", "google-colab": "1.0.0"}
    assert main([str(freeze)]) == 1
    assert "numpy 1.25.2 would be replaced: the course asks for >=1.26" in capsys.readouterr().out
    assert replaced({"pandas": "3.0"}, [Requirement("pandas<3")])


def pip_would_install(versions: dict[str, str], folder: Path) -> dict[str, str]:
    """Ask pip what it would install for the course into an environment that says it has `versions`."""
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages") if sys.platform != "win32" else (folder / "Lib" / "site-packages",)
    for name, version in versions.items():
        about = packages / f"{name.replace('-', '_')}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (about / "INSTALLER").write_text("pip\n")
        (about / "RECORD").write_text("")
    report = folder / "report.json"
    command = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--dry-run", "-q", "--report", str(report), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return {one["metadata"]["name"].lower(): one["metadata"]["version"] for one in json.loads(report.read_text())["install"]}


@pytest.mark.slow
def test_pip_itself_would_replace_nothing_of_colab(tmp_path):
    versions = read_versions(SAVED)
    would = pip_would_install(versions, tmp_path / "colab")
    assert "course-lib" in would or "course_lib" in would
    assert not set(would) & set(versions), "Colab's own packages would be replaced"
    # and the same question does notice one that is too old
    old = pip_would_install(versions | {"tqdm": "4.0.0"}, tmp_path / "old")
    assert set(old) & set(versions) == {"tqdm"}
