"""`python -m course_lib doctor`: what is here, what this machine can do, and what to do about what is missing."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil

import psutil
import torch

from course_lib.data import TABLE, available
from course_lib.measure import available_memory, ceilings, device_name, resolve_device

LIBRARY = ("numpy", "pandas", "matplotlib", "ipywidgets")
NOTEBOOK = ("jupyterlab", "ipykernel", "nbval")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Check this machine: versions, devices, speed, data."
    parser.add_argument("--quick", action="store_true", help="leave out measuring the machine's speed")


def run(args: argparse.Namespace) -> int:
    print("Software")
    _line("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    _line("torch", f"{torch.__version__}, {torch.get_num_threads()} threads")
    for name in LIBRARY:
        _line(name, _version(name) or f"missing: pip install {name}")
    for name in NOTEBOOK:
        _line(name, _version(name) or "missing (only notebooks need it): pip install -r requirements.txt")

    print("Devices")
    _line("cpu", f"{device_name('cpu')}, {os.cpu_count()} cores, {available_memory() / 1e9:.1f} of {psutil.virtual_memory().total / 1e9:.1f} GB free")
    _line("cuda", _cuda_text())
    _line("disk", f"{shutil.disk_usage('.').free / 1e9:.1f} GB free here")
    if not args.quick:
        device = resolve_device("auto")
        _line("speed", str(ceilings(device)))
        if device.type == "cuda":
            _line("", str(ceilings(device, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16)))

    print("Data (python -m course_lib fetch)")
    for name in TABLE:
        _line(name, "here" if available(name) else f"not here: python -m course_lib fetch {name}")
    return 0


def _line(name: str, text: str) -> None:
    print(f"  {name:<14}{text}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cuda_text() -> str:
    if torch.cuda.is_available():
        return f"{device_name('cuda')}, {available_memory('cuda') / 1e9:.1f} GB free, CUDA {torch.version.cuda}"
    if shutil.which("nvidia-smi") and torch.version.cuda is None:
        return "there is an NVIDIA driver, but this torch was built for the CPU only: install the CUDA build of torch"
    if torch.version.cuda is None:
        return "none: this torch was built for the CPU (all notebooks run on it)"
    return "none that torch can use (all notebooks run on the CPU)"

