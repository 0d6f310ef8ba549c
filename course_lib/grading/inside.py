"""The program that runs a submission: Python and the given cells once, then one fresh process a question.

It never knows an expected value. It reads one job (a line of JSON) from stdin and answers each question with one
line of JSON on stdout; it ends when stdin does, so nothing outlives the grader. `sandbox.py` starts it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import select
import signal
import sys
import time

KEEP, MOST_PAYLOAD, MOST_PROCESSES = 4000, 4 * 2**20, 48  # bytes of output kept, bytes of payloads, processes
TURN = 0.05  # seconds between two looks at the processes


def main() -> None:
    """Serve one job."""
    job = json.loads(sys.stdin.buffer.readline())
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path[:0] = job["path"]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0)  # PR_SET_DUMPABLE: no process of the student's opens this one's memory or pipes
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: whoever loses its parent becomes a child of this one
    import torch

    torch.set_num_threads(1)  # also: no thread may be alive when this process forks
    from course_lib.grading.running import run_cell

    for name in job["modules"]:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    namespace = {"__name__": "__main__", "display": print}
    for text in job["given"]:
        run_cell(namespace, text, "<given>")
    for question in job["questions"]:
        print(json.dumps(_examine(question, namespace, job["memory"])), file=answers, flush=True)


def _examine(question: dict, namespace: dict, memory: int) -> dict:
    """Run one question in a child; what it showed, what it printed, how it ended."""
    out, out_end = os.pipe()
    shown, shown_end = os.pipe()
    child = os.fork()
    if child == 0:
        _child(question, namespace, memory, out_end, shown_end)
    os.close(out_end)
    os.close(shown_end)
    start = time.monotonic()
    ended, kept, code = "", {out: bytearray(), shown: bytearray()}, None
    room, total = {out: KEEP, shown: MOST_PAYLOAD}, 0
    open_ends = {out, shown}
    while not ended and code is None:
        total += _read(open_ends, kept, room, out)
        ended = _trouble(memory) or ("TIMEOUT" if time.monotonic() - start > question["wall"] else "")
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(child, os.WNOHANG)
            code = status if pid else None
    _kill_all()
    deadline = time.monotonic() + 1
    while open_ends and time.monotonic() < deadline:
        total += _read(open_ends, kept, room, out)
    os.close(out)
    os.close(shown)
    if code and not ended:
        ended = "EXITED"
    text = kept[out].decode("utf-8", "replace") + (f"\n… {total - KEEP} more bytes" if total > KEEP else "")
    lines = kept[shown].decode("utf-8", "replace").splitlines() if len(kept[shown]) < MOST_PAYLOAD else []
    return {"id": question["id"], "ended": ended, "shown": lines, "output": text, "seconds": round(time.monotonic() - start, 2)}


def _read(open_ends: set, kept: dict, room: dict, out: int) -> int:
    """Take what the pipes hold, keeping a part; returns the bytes of output seen. Ends everything when the grader is gone."""
    seen = 0
    ready, _, _ = select.select([*open_ends, 0], [], [], TURN)
    for end in ready:
        data = os.read(end, 65536)
        if end == 0:
            if not data:
                _kill_all()
                os._exit(1)
        elif not data:
            open_ends.discard(end)
        else:
            kept[end] += data[: max(0, room[end] - len(kept[end]))]
            seen += len(data) if end == out else 0
    return seen


def _descendants() -> list:
    import psutil

    return psutil.Process().children(recursive=True)


def _trouble(memory: int) -> str:
    """PROCESSES or MEMORY where the question's processes, taken together, are too many or too large."""
    import psutil

    def own(process) -> int:
        facts = process.memory_info()
        return facts.rss - getattr(facts, "shared", 0)

    found, used, inherited = _descendants(), 0, own(psutil.Process())
    for process in found:
        with contextlib.suppress(psutil.Error):
            used += max(0, own(process) - inherited)  # what a fork shares with this process is no memory of its own
    return "PROCESSES" if len(found) > MOST_PROCESSES else "MEMORY" if used > memory else ""


def _kill_all() -> None:
    """End every process below this one, and wait for them."""
    import psutil

    for _ in range(100):
        if os.getpid() == 1:  # in a PID namespace: all at once, so none can fork away
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        for process in _descendants():
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.002)
            continue
        return


def _child(question: dict, namespace: dict, memory: int, out: int, shown: int) -> None:
    """The student's code and the probes, in a process of their own; never returns."""
    from course_lib.grading.running import explain, run_cell, run_probe

    code = 1
    try:
        os.setsid()
        for end, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, out), (3, shown)):
            os.dup2(source, end)
        os.closerange(4, 4096)
        _limit(memory, question["wall"])
        os.makedirs(question["id"], exist_ok=True)
        os.chdir(question["id"])

        def send(**facts) -> None:
            data = (json.dumps(facts) + "\n").encode()
            while data:
                data = data[os.write(3, data) :]

        try:
            for number, text in question["cells"]:
                try:
                    run_cell(namespace, text, f"<cell {number}>")
                except Exception as error:
                    send(error=explain(error))
            for probe in question["probes"]:
                try:
                    run_probe(namespace, probe["code"], probe["seed"], lambda value, nonce=probe["nonce"]: send(nonce=nonce, value=value))
                except Exception as error:
                    send(error=explain(error), failed=probe["nonce"])
            code = 0
        except BaseException as error:
            send(error=explain(error))
        sys.stdout.flush()
    finally:
        os._exit(code)


def _limit(memory: int, wall: float) -> None:
    """Limits that the kernel holds a single process to; what they take together is counted from outside."""
    limits = {resource.RLIMIT_CPU: int(wall) + 2, resource.RLIMIT_FSIZE: 64 * 2**20, resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: 256}
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:
        limits[resource.RLIMIT_AS] = int(file.read().split()[0]) * resource.getpagesize() + memory
    if os.getppid() == 1:  # in its own user namespace, where no other process of this user counts
        limits[resource.RLIMIT_NPROC] = 2 * MOST_PROCESSES
    for kind, value in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    main()
