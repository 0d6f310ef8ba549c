"""The doctor names each likely failure in one sentence with its remedy; each is provoked, most of them for real."""

import collections
import contextlib
import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from course_lib import doctor
from course_lib.__main__ import main

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def quiet_port(monkeypatch):
    """JupyterLab may be open on the machine that runs the tests; look at a port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setattr(doctor, "PORT", probe.getsockname()[1])


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """`driver("12.2")` puts an nvidia-smi on the PATH that says so; None takes every nvidia-smi away."""

    def install(serves):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setenv("PATH", str(tmp_path))
        if serves is not None:
            program = tmp_path / "nvidia-smi"
            program.write_text(f"#!/bin/sh\necho '| NVIDIA-SMI 535.104.05   {serves} |'\n")
            program.chmod(program.stat().st_mode | stat.S_IEXEC)

    return install


def is_one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and not re.search(r"[.!?] [A-Z]", text.rstrip(". ")) and ":" in text


def told(name: str) -> str:
    """What the doctor says of this check, which must be one sentence, in the list and on the screen."""
    sentence = getattr(doctor, name)()
    assert sentence, f"{name} was provoked and found nothing"
    assert is_one_sentence(sentence), sentence
    assert sentence in [said for _, said in doctor.findings()]
    return sentence


# -- the ten, provoked ----------------------------------------------------------------------------------------


def test_no_gpu(driver):
    driver(None)
    assert "the notebooks are made for that" in told("gpu_unused")


def test_a_torch_for_the_cpu_on_a_gpu_machine(driver, monkeypatch):
    driver("CUDA Version: 12.2")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "built for the CPU only" in told("gpu_unused")


@pytest.mark.parametrize(("serves", "needs", "old"), [("11.4", "12.6", True), ("12.2", "12.10", True), ("13.0", "13.0", False), ("13.0", "12.6", False)])
def test_an_old_driver(driver, monkeypatch, serves, needs, old):
    driver(f"CUDA Version: {serves}")
    monkeypatch.setattr(torch.version, "cuda", needs)
    said = told("gpu_unused")
    assert (f"serves CUDA up to {serves}, this PyTorch needs {needs}" in said) == old
    assert ("cannot reach" in said) != old


def test_a_driver_that_says_nothing(driver, monkeypatch):
    driver("failed because it couldn't communicate with the NVIDIA driver")
    monkeypatch.setattr(torch.version, "cuda", "12.6")
    assert "cannot reach" in told("gpu_unused")


def test_a_gpu_that_works_needs_no_word(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert doctor.gpu_unused() is None


@pytest.mark.parametrize("page", [None, "3.1.1", "not a version"])
def test_widgets_missing_in_the_page(monkeypatch, tmp_path, page):
    import jupyter_core.paths

    assert doctor.widgets_not_in_page() is None, "here they are installed"
    if page:
        half = tmp_path / "@jupyter-widgets" / "jupyterlab-manager" / "package.json"
        half.parent.mkdir(parents=True)
        half.write_text(f'{{"version": "{page}"}}')
    monkeypatch.setattr(jupyter_core.paths, "jupyter_path", lambda *parts: [str(tmp_path)])
    assert "cannot show sliders" in told("widgets_not_in_page")


def test_a_taken_port(monkeypatch):
    assert doctor.port_taken() is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(doctor, "PORT", port)
        assert f"make lab PORT={port + 1}" in told("port_taken")


def test_a_full_disk(monkeypatch):
    assert doctor.disk_full() is None
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage(10**11, 10**11 - 10**7, 10**7))
    assert "only 10 MB left" in told("disk_full")


def test_no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "not there yet"))
    assert "fetch --from FOLDER" in told("no_data")
    assert not list(tmp_path.iterdir()), "a check leaves nothing behind"


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 10, 13)])
def test_a_wrong_python(monkeypatch, version):
    monkeypatch.setattr(doctor.sys, "version_info", version)
    monkeypatch.setattr(doctor.platform, "python_version", lambda: ".".join(map(str, version)))
    said = told("wrong_python")
    assert f"this is 3.{version[1]}" in said
    monkeypatch.setattr(doctor.sys, "version_info", (3, 13, 0))
    assert doctor.wrong_python() is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has one of its own")
def test_a_windows_path_where_it_means_nothing(monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", "D:\\course\\data")
    assert "in WSL as /mnt/d/" in told("windows_path")
    monkeypatch.setenv("COURSE_CACHE", "/mnt/d/course/data")
    assert doctor.windows_path() is None


def test_a_path_too_long_for_windows(monkeypatch):
    monkeypatch.setattr(doctor.platform, "system", lambda: "Windows")
    monkeypatch.setattr(doctor.Path, "cwd", lambda: doctor.Path("C:/Users/Somebody With A Long Name/OneDrive/" + "Documents/" * 10))
    assert "such as C:\\course" in doctor.windows_path()
    monkeypatch.setattr(doctor.Path, "cwd", lambda: doctor.Path("C:/course"))
    assert doctor.windows_path() is None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc, where not even the administrator can write, has one only on Linux")
def test_a_read_only_folder(monkeypatch):
    monkeypatch.chdir("/proc")
    assert "This folder, /proc, cannot be written to" in told("read_only")


# -- where much is broken at once --------------------------------------------------------------------------------


def test_it_runs_in_a_python_that_has_nothing(tmp_path):
    """A Python of its own library alone: the very state of somebody who has not installed anything yet."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"COURSE_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); from course_lib.__main__ import main; sys.exit(main(['doctor']))"], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert "This Python lacks torch, numpy" in done.stdout
    assert "pip install -r requirements.txt" in done.stdout


def test_a_torch_that_does_not_load(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("raise OSError('[WinError 126] The specified module could not be found. Error loading c10.dll')")
    script = "from course_lib.__main__ import main; import sys; sys.exit(main(['doctor', '--quick']))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "PyTorch is installed but does not load ([WinError 126]" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_what_stops_the_course_comes_first_and_decides_the_exit_status(monkeypatch, capsys, driver):
    driver(None)
    assert main(["doctor", "--quick"]) == 0
    assert "Nothing keeps the notebooks from running." in capsys.readouterr().out
    monkeypatch.setenv("COURSE_CACHE", "C:\\data")
    with contextlib.chdir(ROOT):
        assert main(["doctor", "--quick"]) == 1
    out = capsys.readouterr().out
    assert out.index("To mend first") < out.index("COURSE_CACHE is C:") < out.index("Good to know") < out.index("No NVIDIA GPU")
