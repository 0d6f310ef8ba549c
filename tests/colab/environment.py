"""A Python with Colab's versions, laid over the packages of the one that runs the tests; made once, in build/colab."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("environment.txt")
FOLDER = ROOT / "build" / "colab"


def pins() -> dict[str, str]:
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def colab_python() -> Path:
    """The interpreter. What environment.txt does not name (torch above all) comes from the running Python's packages."""
    python = FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = FOLDER / "made-from.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == LIST.read_text(encoding="utf-8"):
        return python
    venv.create(FOLDER, with_pip=False, clear=True, symlinks=os.name != "nt")
    packages = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(FOLDER)}))
    # a .pth line that runs `addsitedir`, so that editable installs of the Python below are followed, too
    below = sysconfig.get_path("purelib")
    (packages / "zz_below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
    pretend = packages / "google" / "colab"  # by this module the panels know where they are
    pretend.mkdir(parents=True)
    (pretend / "__init__.py").write_text("")
    command = [sys.executable, "-m", "pip", "--python", str(FOLDER), "install", "-q", "-r", str(LIST)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    stamp.write_text(LIST.read_text(encoding="utf-8"), encoding="utf-8")
    return python


def surroundings(home: Path) -> dict[str, str]:
    """Environment variables for a Jupyter that keeps to `home`, with google.colab imported in every kernel, as on Colab."""
    own = {name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    startup = Path(own["IPYTHONDIR"]) / "profile_default" / "startup" / "00-colab.py"
    startup.parent.mkdir(parents=True, exist_ok=True)
    startup.write_text("import google.colab\n")
    return os.environ | own | {"OMP_NUM_THREADS": "1"}  # two notebooks run at once
