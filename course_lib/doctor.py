"""`python -m course_lib doctor`: what is here, what this machine can do, and one sentence for each thing to mend.

It must also run where things are broken, so nothing outside Python's own library is imported at the top.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["CHECKS", "add_arguments", "findings", "run"]

LEAST_PYTHON = (3, 11)
LIBRARY = ("torch", "numpy", "pandas", "scipy", "matplotlib", "ipywidgets", "psutil", "tqdm", "platformdirs", "safetensors", "tokenizers")
NOTEBOOK = ("jupyterlab", "ipykernel", "nbval")
INSTALL = "`make lab`, or `python -m pip install -r requirements.txt`"
ROOM = 1_000_000_000  # bytes that the data with its models, unpacked, and a notebook's own files may take
PORT = 8888  # where JupyterLab opens
WIDGETS_IN_PAGE = {8: 5, 7: 3}  # ipywidgets' major version → that of its half in JupyterLab's page
WINDOWS_ROOM = 110  # letters: what a course folder's path may take where Windows allows 260 and packages are deep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Check this machine: versions, devices, speed, data."
    parser.add_argument("--quick", action="store_true", help="leave out measuring the machine's speed")


def run(args: argparse.Namespace) -> int:
    """Print what is here and what to mend; 1 if something keeps the notebooks from running, else 0."""
    print("Software")
    _line("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in (*LIBRARY, *NOTEBOOK):
        _line(name, _version(name) or "missing")
    if not (missing_packages() or torch_does_not_load()):
        _machine(args.quick)
    found = findings()
    to_mend = [sentence for stops, sentence in found if stops]
    print("To mend first" if to_mend else "Nothing keeps the notebooks from running.")
    for sentence in to_mend:
        print(f"  - {sentence}")
    if len(to_mend) < len(found):
        print("Good to know")
        for sentence in (sentence for stops, sentence in found if not stops):
            print(f"  - {sentence}")
    return int(bool(to_mend))


def findings() -> list[tuple[bool, str]]:
    """(does it keep the notebooks from running?, one sentence with the remedy) for everything that is amiss here."""
    said = []
    for check, stops in CHECKS.items():
        sentence = check()
        if sentence:
            said.append((stops, sentence))
    return said


# -- one check each: a sentence with the remedy, or None ----------------------------------------------------------


def wrong_python() -> str | None:
    if sys.version_info[:2] >= LEAST_PYTHON:
        return None
    least = ".".join(map(str, LEAST_PYTHON))
    return f"The course needs Python {least} or newer and this is {platform.python_version()}: install a newer one and name it, as in `make lab PYTHON=python3.12`."


def missing_packages() -> str | None:
    missing = [name for name in LIBRARY if not importlib.util.find_spec(name)]
    return f"This Python lacks {', '.join(missing)}: install what the course needs with {INSTALL}, and run doctor with that same Python (.venv/bin/python)." if missing else None


def torch_does_not_load() -> str | None:
    try:
        importlib.import_module("torch")
    except ModuleNotFoundError:  # missing_packages says so
        return None
    except (ImportError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        mend = "install Microsoft's Visual C++ Redistributable" if platform.system() == "Windows" else f"install it again with {INSTALL}"
        return f"PyTorch is installed but does not load ({reason}): {mend}."
    return None


def widgets_not_in_page() -> str | None:
    """Sliders have two halves, one in Python and one in JupyterLab's page; a missing half shows as plain text."""
    if not (_version("jupyterlab") and _version("ipywidgets")):
        return None
    from jupyter_core.paths import jupyter_path

    here = int(_version("ipywidgets").split(".")[0])
    for folder in jupyter_path("labextensions"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            half = json.loads((Path(folder) / "@jupyter-widgets" / "jupyterlab-manager" / "package.json").read_text(encoding="utf-8"))
            if int(half["version"].split(".")[0]) == WIDGETS_IN_PAGE.get(here, here):
                return None
    return f"JupyterLab's page cannot show sliders (its half of ipywidgets {_version('ipywidgets')} is not installed beside it): run {INSTALL}, start JupyterLab again and reload the page."


def disk_full() -> str | None:
    for what, folder in {"this folder": Path.cwd(), "the data (COURSE_CACHE moves it)": _cache(), "temporary files": Path(tempfile.gettempdir())}.items():
        disk = shutil.disk_usage(_existing(folder))
        if disk.total and disk.free < ROOM:
            return f"The disk for {what} has only {disk.free / 1e6:,.0f} MB left: free at least {ROOM / 1e9:.0f} GB, or move to a disk that has it."
    return None


def read_only() -> str | None:
    for what, folder in {"This folder": Path.cwd(), "The data's folder (COURSE_CACHE moves it)": _existing(_cache())}.items():
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            if error.errno == errno.ENOSPC:  # no room: disk_full says so
                return None
            return f"{what}, {folder}, cannot be written to: copy the course to a folder of your own, such as your home folder, and start it there."
    return None


def windows_path() -> str | None:
    """Two ways in which a Windows path goes wrong: too long for Windows, or given to a Linux that cannot read it."""
    named = os.environ.get("COURSE_CACHE", "")
    if platform.system() != "Windows":
        if re.match(r"[A-Za-z]:[\\/]", named):
            return f"COURSE_CACHE is {named}, a Windows path that means nothing to this system: write it in this system's way, in WSL as /mnt/{named[0].lower()}/… ."
        return None
    here = str(Path.cwd())
    if len(here) > WINDOWS_ROOM:
        return f"This folder's path has {len(here)} letters and Windows allows 260 with all that lies in it: move the course to a short one, such as C:\\course."
    return None


def port_taken() -> str | None:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), timeout=0.5):
        return f"Port {PORT} is in use, most likely by a JupyterLab that is open already: look for its browser tab, or take another port with `make lab PORT={PORT + 1}`."
    return None


def no_data() -> str | None:
    try:
        from course_lib.data import TABLE, available

        missing = [name for name in TABLE if not available(name)]
    except ImportError:  # missing_packages says so
        return None
    if not missing:
        return None
    what = "None of the data is here" if len(missing) > len(TABLE) / 2 else f"Of the data, {', '.join(missing)} is not here"
    return f"{what} (the notebooks run and leave those sections out): get it with `python -m course_lib fetch`, or without internet from a packed stick with `python -m course_lib fetch --from FOLDER`."


def gpu_unused() -> str | None:
    """Why torch does not use a GPU: there is none, torch was built without CUDA, or the driver is too old for it."""
    with contextlib.suppress(ImportError, OSError):
        import torch

        if torch.cuda.is_available():
            return None
        driver = _driver()
        if driver is None:
            return "No NVIDIA GPU here, so the CPU does everything: the notebooks are made for that, and to see a GPU's times open one on Colab and choose Runtime → Change runtime type → GPU."
        if torch.version.cuda is None:
            return "This machine has an NVIDIA GPU but this PyTorch was built for the CPU only: put the CUDA build in its place, with the line that pytorch.org/get-started gives for your system."
        if driver and _numbers(driver) < _numbers(torch.version.cuda):
            return f"The NVIDIA driver is too old (it serves CUDA up to {driver}, this PyTorch needs {torch.version.cuda}): update the driver from nvidia.com/drivers and restart the machine."
        return "There is an NVIDIA GPU that torch cannot reach: restart the machine, and if `nvidia-smi` still shows no GPU, install the driver from nvidia.com/drivers again."
    return None


# check → does what it finds keep the notebooks from running?
CHECKS = {
    wrong_python: True,
    missing_packages: True,
    torch_does_not_load: True,
    widgets_not_in_page: True,
    disk_full: True,
    read_only: True,
    windows_path: True,
    port_taken: False,
    no_data: False,
    gpu_unused: False,
}


# -- what the checks look at ----------------------------------------------------------------------------------------


def _machine(quick: bool) -> None:
    import psutil
    import torch

    from course_lib.data import TABLE, available
    from course_lib.measure import available_memory, ceilings, device_name, resolve_device

    print("Devices")
    _line("cpu", f"{device_name('cpu')}, {os.cpu_count()} cores, {available_memory() / 1e9:.1f} of {psutil.virtual_memory().total / 1e9:.1f} GB free, torch uses {torch.get_num_threads()} threads")
    gpu = torch.cuda.is_available()
    _line("cuda", f"{device_name('cuda')}, {available_memory('cuda') / 1e9:.1f} GB free, CUDA {torch.version.cuda}" if gpu else "none that torch can use")
    _line("disk", f"{shutil.disk_usage('.').free / 1e9:.1f} GB free here")
    if not quick:
        device = resolve_device("auto")
        _line("speed", str(ceilings(device)))
        if gpu:
            _line("", str(ceilings(device, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16)))
    print("Data (python -m course_lib fetch)")
    for name in TABLE:
        _line(name, "here" if available(name) else "not here")


def _line(name: str, text: str) -> None:
    print(f"  {name:<14}{text}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cache() -> Path:
    try:
        from course_lib.data import cache_folder
    except ImportError:
        return Path.home()
    return cache_folder()


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _driver() -> str | None:
    """The newest CUDA that the NVIDIA driver serves, "" if it does not say; None where there is no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        said = subprocess.run([program], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"CUDA Version:\s*([\d.]+)", said)
    return found[1] if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
