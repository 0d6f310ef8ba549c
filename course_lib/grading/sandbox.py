"""Run one submission's questions where they can harm nothing, and take back what they showed.

On Linux with user namespaces: no network, own processes, own mount tree with Python and course_lib alone, no
capability. Elsewhere: limits and a fresh folder, with a warning. No expected value is on either side of the pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
MOST_ANSWER = 64 * 2**20
REDUCED = "this machine allows no user namespaces: submissions run with limits and in a fresh folder, but see its files and network"


def _packages() -> list[str]:
    """The folders in which what a submission may import lies."""
    return list(dict.fromkeys(str(Path(find_spec(name).origin).parent.parent) for name in ("torch", "numpy", "psutil") if find_spec(name)))


def _see() -> list[str]:
    """What the sandbox shows, read-only: Python, its packages, course_lib; no folder twice."""
    wanted = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives"]
    wanted += [sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent), *_packages(), str(HERE.parent)]
    kept: list[str] = []
    for path in wanted:
        if os.path.lexists(path) and not any(path == other or path.startswith(other + "/") for other in kept):
            kept.append(path)
    return kept


def shows(path: str | Path) -> bool:
    """Whether a submission could read `path`."""
    place = str(Path(path).resolve()) + "/"
    return any(place.startswith(str(Path(shown).resolve()) + "/") for shown in _see())


def _path() -> list[str]:
    return [str(HERE.parent.parent), *_packages()]


@cache
def isolation() -> str:
    """The strongest sandbox that starts on this machine, tried out: "root", "user" or "" where there is none.

    "root": the machine's root builds the sandbox and becomes a user without a name. "user": a user namespace.
    """
    trial = [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = {_path()!r}; import psutil, numpy, course_lib.grading.running"]
    for kind in ("root", "user") if sys.platform == "linux" else ():
        if kind == "root" and os.geteuid() != 0:
            continue
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            command = [*_sandbox(kind), *trial]
            if subprocess.run(command, cwd="/", env=_environment("/home/student"), capture_output=True, timeout=120).returncode == 0:
                return kind
    return ""


def _sandbox(kind: str) -> list[str]:
    """The command that a program follows to run in a sandbox; a user's number of its own, so that its limits are its own."""
    owner = str(2**20 + secrets.randbelow(2**30)) if kind == "root" else "0"
    jail = [sys.executable, "-I", str(HERE / "jail.py"), json.dumps(_see()), owner]
    return ["setpriv", "--pdeathsig=KILL", "--", "unshare", "-npmi" if kind == "root" else "-rnpmi", "--kill-child", *jail]


def _environment(home: str) -> dict[str, str]:
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONDONTWRITEBYTECODE"), "1")
    paths = os.pathsep.join(["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"])
    return one | {
        "PATH": paths, "HOME": home, "USER": "student", "TMPDIR": home if home != "/home/student" else "/tmp", "LANG": "C.UTF-8",
        "CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "agg", "MPLCONFIGDIR": home,
    }  # fmt: skip


def examine(given: list[str], questions: list[dict], wall: float, memory: int, modules: list[str] = ()) -> list[dict]:
    """Run questions ({id, cells, probes, wall}) after the given cells; one answer each, as far as the time reached.

    `wall` seconds for all together, `memory` bytes; `modules` are imported once, before the questions. Answers are untrusted.
    """
    job = json.dumps({"given": given, "questions": questions, "memory": memory, "path": _path(), "modules": list(modules)})
    with contextlib.ExitStack() as stack:
        if sandbox := isolation():
            folder, home, command = "/", "/home/student", _sandbox(sandbox)
        else:
            folder = home = stack.enter_context(tempfile.TemporaryDirectory(prefix="course-grading-", ignore_cleanup_errors=True))
            command = []
        command += [sys.executable, "-I", str(HERE / "inside.py")]
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(home), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            return _talk(process, job, time.monotonic() + wall, [question["id"] for question in questions])
        finally:
            process.stdin.close()  # the reduced sandbox ends its children by itself when it sees this
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.0 if sandbox else 5.0)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()


def _talk(process, job: str, deadline: float, expected: list[str]) -> list[dict]:
    """Send the job and read answers until all are there, the pipe ends, or the time is over."""
    answers, buffer, total = [], b"", 0
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(job.encode() + b"\n")
        process.stdin.flush()
    while len(answers) < len(expected) and total < MOST_ANSWER and (left := deadline - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left)[0]:
            break
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            break
        total += len(data)
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, RecursionError):
                answer = json.loads(line)
                if isinstance(answer, dict) and answer.get("id") == expected[min(len(answers), len(expected) - 1)]:
                    answers.append(answer)
    return answers
