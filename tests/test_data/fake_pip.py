"""Stands in for pip in the tests: copies from a folder, the way pip does, or fails the way pip does."""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

shelf, mode = Path(os.environ["FAKE_PIP_SHELF"]), os.environ.get("FAKE_PIP_MODE", "")
arguments = sys.argv[1:]
with open(shelf / "calls.log", "a") as log:
    log.write(" ".join(arguments) + "\n")
dest = Path(arguments[arguments.index("--dest") + 1])
fail = {
    "offline": "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\n"
    "ERROR: Could not find a version that satisfies the requirement x\nERROR: No matching distribution found for x",
    "full": "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
    "crash": "ERROR: Exception:\nTraceback (most recent call last):\nOSError: something strange.",
    "mute": "",
}
if mode in fail:
    sys.exit(fail[mode])
if "-r" in arguments:
    dest.mkdir(parents=True, exist_ok=True)
    shutil.copy(arguments[arguments.index("-r") + 1], dest / "asked.txt")
    sys.exit()
package, version = arguments[-1].split("==")
(wheel,) = shelf.glob(f"{package}-{version}-*.whl")
content = wheel.read_bytes()
if mode == "truncated":
    content = content[: len(content) // 2]
elif mode == "flipped":
    content = content[:100] + bytes([content[100] ^ 1]) + content[101:]
unfinished = Path(tempfile.mkdtemp()) / wheel.name
with open(unfinished, "wb") as file:
    for start in range(0, len(content), 1 << 16):
        file.write(content[start : start + (1 << 16)])
        file.flush()
        time.sleep(0.005 if mode == "slow" else 0)
shutil.move(unfinished, dest / ("other.whl" if mode == "other" else wheel.name))
