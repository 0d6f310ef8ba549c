"""`python -m course_lib parallel`: start real processes, cut one model three ways, compare with one process.

The launcher starts torchrun, which starts P copies of this module; each runs `_worker`. On several
machines the same module runs under a torchrun of your own:

    torchrun --nnodes=2 --nproc-per-node=1 --rdzv-backend=c10d --rdzv-endpoint=HOST:29500 -m course_lib.parallel_command
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import psutil
import torch
import torch.distributed as dist
from torch import nn

from course_lib.checks import InputError, require, require_int
from course_lib.models import Block
from course_lib.models.parallel import average_gradients, ranks, sequence_parallel, shard, tensor_parallel, traffic

__all__ = ["RanksLost", "run_ranks", "add_arguments", "run"]

KINDS = ("data", "tensor", "sequence")
B, T, D, H, N = 8, 256, 64, 4, 2


class RanksLost(InputError):
    """A process of a distributed run ended before its work was done; the message says which and why."""


# -- the launcher -------------------------------------------------------------------------------------------


def run_ranks(P: int = 2, steps: int = 5, limit_s: float = 120.0, on_start: Callable[[dict[int, int]], object] | None = None) -> pd.DataFrame:
    """Train a step on P processes of this machine in each of the three ways; what differs from one process.

    Gives one row a kind and dtype: the largest |Δ| of outputs and of gradients against one process, the
    bytes a rank sent in one step, and the milliseconds of a step (median of `steps`, one thread a rank; the
    kind "one process" beside them). on_start: called with {rank: process id} once all ranks are connected.

    Raises RanksLost, one sentence, where a rank is killed, fails, or all are not done after `limit_s` seconds.
    """
    P, steps = require_int("P", P, 2), require_int("steps", steps)
    require(H % P == 0 and B % P == 0, f"P must divide the {H} heads and the {B} sequences, got {P}")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={P}", "-m", "course_lib.parallel_command", folder, str(steps)]
        log = Path(folder, "log")
        with log.open("wb") as out:
            torchrun = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | _environment(), start_new_session=True)
        try:
            _wait(torchrun, P, Path(folder), limit_s, on_start)
        finally:
            _end(torchrun)
        text = log.read_text(errors="replace")
        if torchrun.returncode != 0:
            raise RanksLost(_reason(text))
        reports = [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in range(P)]
    tables = pd.concat([pd.DataFrame(r) for r in reports])
    return tables.groupby(["dtype", "kind"], sort=False).max().reset_index()


def _environment() -> dict[str, str]:
    loopback = [name for name, found in psutil.net_if_addrs().items() if any(a.address == "127.0.0.1" for a in found)]
    there = {"OMP_NUM_THREADS": "1", "TORCH_DISTRIBUTED_DEBUG": "OFF", "PYTHONWARNINGS": "ignore"}
    return there | ({"GLOO_SOCKET_IFNAME": loopback[0]} if loopback else {}) | ({"USE_LIBUV": "0"} if os.name == "nt" else {})


def _wait(torchrun: subprocess.Popen, P: int, folder: Path, limit_s: float, on_start) -> None:
    deadline, told = time.monotonic() + limit_s, on_start is None
    while torchrun.poll() is None:
        if time.monotonic() > deadline:
            raise RanksLost(f"the {P} ranks were not done after {limit_s:g} s and were stopped")
        marks = [] if told else list(folder.glob("*.pid"))
        if not told and len(marks) == P:
            told = True
            on_start({int(m.stem): int(m.read_text()) for m in marks})
        time.sleep(0.05)


def _end(torchrun: subprocess.Popen) -> None:
    """Nothing of the run may outlive it."""
    try:
        family = psutil.Process(torchrun.pid).children(recursive=True)
    except psutil.Error:
        family = []
    if torchrun.poll() is None:
        torchrun.terminate()
        try:
            torchrun.wait(5)
        except subprocess.TimeoutExpired:
            torchrun.kill()
            torchrun.wait()
    for process in family:
        try:
            process.kill()
        except psutil.Error:
            continue


def _reason(log: str) -> str:
    root = log[log.find("Root Cause") :] if "Root Cause" in log else log
    rank, code = re.search(r"rank\s*: (\d+)", root), re.search(r"exitcode\s*: (-?\d+)", root)
    if not rank or not code:
        said = [line for line in log.splitlines() if line.strip()]
        return "the ranks could not be started" + (f": {said[-1].strip()[:200]}" if said else "")
    number = int(code[1])
    how = f"was killed ({signal.Signals(-number).name})" if number < 0 else f"failed (exit status {number})"
    return f"rank {rank[1]} {how}, so the other ranks were stopped and nothing of this run counts"


# -- one rank -----------------------------------------------------------------------------------------------


def _worker(folder: Path, steps: int) -> None:
    """What every rank does: each kind beside one process, then a report."""
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=timedelta(seconds=20))
    rank, _ = ranks()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if torch.cuda.is_available() else torch.device("cpu")
    mark = folder / f"{rank}.pid"
    mark.with_suffix(".part").write_text(str(os.getpid()))
    mark.with_suffix(".part").rename(mark)
    rows = []
    for dtype in (torch.float64, torch.float32):
        torch.manual_seed(0)  # the same weights and data on every rank
        blocks = nn.Sequential(*(Block(D, H) for _ in range(N))).to(device, dtype)
        x, wanted = (torch.randn(B, T, D).to(device, dtype) for _ in range(2))
        rows += _compare(blocks, x, wanted, str(dtype).removeprefix("torch."), steps)
    (folder / f"{rank}.json").write_text(json.dumps(rows))
    dist.barrier()
    dist.destroy_process_group()


def _compare(blocks, x, wanted, dtype: str, steps: int) -> list[dict]:
    rank, P = ranks()

    def step(model, x, wanted):
        """Outputs, and gradients of weights and input, of a squared distance, mean over tokens."""
        model.zero_grad()
        x = x.clone().requires_grad_()
        y = x
        for block in model:
            y = block(y, causal=True)
        (D * (y - wanted).square().mean()).backward()
        return y.detach(), x.grad

    whole_y, whole_x = step(blocks, x, wanted)
    whole = [{name: p.grad.clone() for name, p in block.named_parameters()} for block in blocks]
    n, m = B // P, T // P
    own_rows, own_tokens = slice(rank * n, rank * n + n), (slice(None), slice(rank * m, rank * m + m))
    builds = {"data": lambda b: b, "tensor": tensor_parallel, "sequence": sequence_parallel}
    pieces = {"data": own_rows, "tensor": slice(None), "sequence": own_tokens}
    rows = [{"dtype": dtype, "kind": "one process", "output": 0.0, "gradient": 0.0, "sent": 0, "ms": _milliseconds(lambda: step(blocks, x, wanted), steps)}]
    for kind in KINDS:
        model = nn.ModuleList(builds[kind](block) for block in blocks)
        piece, share = pieces[kind], 1 if kind == "tensor" else P

        def call(model=model, kind=kind, piece=piece):
            y, dx = step(model, x[piece], wanted[piece])
            if kind != "tensor":
                average_gradients(model)
            return y, dx

        traffic.sent = 0
        y, dx = call()
        sent = traffic.sent
        errors = [(dx / share - whole_x[piece]).abs().max()]
        for block, original, gradients in zip(model, blocks, whole):
            own = [p.grad for p in block.parameters()]
            expected = [shard(original, name, g, rank, P) if kind == "tensor" else g for name, g in gradients.items()]
            errors += [(a - b).abs().max() for a, b in zip(own, expected) if a is not None]
        row = {"dtype": dtype, "kind": kind, "output": (y - whole_y[piece]).abs().max().item(), "gradient": max(e.item() for e in errors)}
        rows.append(row | {"sent": sent, "ms": _milliseconds(call, steps)})
    return rows


def _milliseconds(call: Callable, steps: int) -> float:
    times = []
    for _ in range(steps):
        dist.barrier()
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


# -- the command --------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m course_lib parallel`."""
    parser.add_argument("--ranks", type=int, default=2, help="processes to start on this machine (default: 2)")
    parser.add_argument("--steps", type=int, default=5, help="steps to time (default: 5)")


def run(args: argparse.Namespace) -> int:
    """Start the ranks and print the comparison."""
    table = run_ranks(args.ranks, args.steps)
    print(f"{N} blocks, B={B}, T={T}, D={D}, H={H}: {args.ranks} processes against one, largest |Δ|")
    print(table.to_string(index=False, formatters={"output": "{:.1e}".format, "gradient": "{:.1e}".format, "sent": "{:,} B".format, "ms": "{:.1f}".format}))
    return 0


if __name__ == "__main__":  # torchrun's entry
    with tempfile.TemporaryDirectory() as spare:
        _worker(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(spare), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
