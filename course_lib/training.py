"""One `fit` for every notebook: draw a batch, step the optimiser, now and then score unseen data.

A run can be watched (progress bar, callback), ended (`stop`), kept and taken up again (`checkpoint`): a
run that was interrupted and resumed gives the numbers of one that was not, to the last bit on a CPU.

Under torchrun the same call runs on several processes: each takes its share of every batch, gradients are
averaged, and the numbers are those of one process but for rounding. Rank 0 reports and writes checkpoints.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import safetensors
import safetensors.torch
import torch
from torch import nn
from tqdm.auto import tqdm

from course_lib.checks import InputError, require, require_choice, require_int
from course_lib.models.parallel import average_gradients, mean_over_ranks, ranks, same_weights
from course_lib.tasks.task import Batch, Task

__all__ = ["fit", "evaluate"]


def evaluate(model: nn.Module, task: Task, batch: Batch | None = None, *, B: int = 512, T: int | None = None, seed: int = 1) -> float:
    """The task's score of `model` on `batch`, or on B unseen sequences of length T drawn by `seed`."""
    device = next(model.parameters()).device
    if batch is None:
        batch = task.batch(B, T, torch.Generator().manual_seed(seed), held_out=True)
    training = model.training
    model.eval()
    with torch.no_grad():
        batch = batch.to(device)
        score = task.score(model(batch.inputs), batch)
    model.train(training)
    return score


def fit(
    model: nn.Module,
    task: Task,
    steps: int,
    *,
    B: int = 32,
    T: int | tuple[int, int] | None = None,
    lr: float = 1e-3,
    warmup: int = 0,
    decay: str = "none",
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
    clip: float | None = 1.0,
    goal: float | bool = False,
    every: int = 50,
    seed: int = 0,
    device: str | torch.device | None = None,
    bf16: bool = False,
    checkpoint: str | Path | None = None,
    stop: threading.Event | None = None,
    callback: Callable[[dict], None] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train `model` in place with Adam (AdamW when weight_decay > 0) and return its curves.

    Curves: one row every `every` steps: step, seconds, loss (mean since the row before, on training data),
    gradient (largest norm since then, before clipping), score (`task.metric` on 256 fixed unseen sequences).
    `curves.attrs["outcome"]` is "finished", "solved", "stopped" or "diverged" (a loss that is no number).

    steps    at most so many          B, T   batch and length; T=(1, 20) draws a length for every batch
    lr       after `warmup` steps rising to it; decay="linear" lets it fall to 0 at the last step
    clip     gradients longer than this are cut to it; None: never
    goal     True: end when `task.goal` is reached; a number: when that score is
    seed     of data and dropout (the model brings its own weights); the global generator is left as it was
    device   moves the model there; default: where it is          bf16   autocast to bfloat16
    checkpoint   a .safetensors file, written every `every` steps and at the end; where it exists the run goes on from it
    stop     a threading.Event, looked at before every step       callback   called with each new row

    Raises InputError for a wrong argument, a checkpoint of another run, or a file that is none.
    """
    for name, value, least in (("steps", steps, 1), ("B", B, 1), ("every", every, 1), ("warmup", warmup, 0)):
        require_int(name, value, least)
    require(lr > 0 and math.isfinite(lr), f"lr must be a positive number, got {lr}")
    require(clip is None or clip > 0, f"clip must be positive or None, got {clip}")
    require_choice("decay", decay, ("none", "linear"))
    T = task.T if T is None else T
    require(not isinstance(T, tuple) or len(T) == 2, f"T must be a length or a range (low, high), got {T}")
    low, high = T if isinstance(T, tuple) else (T, T)
    require(require_int("T", low) <= require_int("T", high), f"T must be a range (low, high), got {T}")
    if goal is not False and goal is not True:
        task = replace(task, goal=goal)

    rank, P = ranks()
    require(B % P == 0, f"B must be divisible by the {P} processes, got {B}")
    device = torch.device(device) if device is not None else next(model.parameters()).device
    require(device.type != "cuda" or torch.cuda.is_available(), "device is cuda, but this machine has no GPU that torch can use")
    same_weights(model.to(device).train())
    optimiser = torch.optim.AdamW(model.parameters(), lr, betas, weight_decay=weight_decay, fused=device.type in ("cpu", "cuda"))
    generator = torch.Generator().manual_seed(seed)
    unseen = task.batch(256, high, torch.Generator().manual_seed(seed + 1_000_003), held_out=True)
    run = {"task": task.name, "seed": seed, "B": B, "T": [low, high], "lr": lr, "warmup": warmup, "decay": steps if decay == "linear" else 0}
    run |= {"weight_decay": weight_decay, "betas": list(betas), "clip": clip, "bf16": bf16}
    state = {"step": 0, "seconds": 0.0, "loss": 0.0, "gradient": 0.0, "counted": 0, "rows": []}

    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed + rank)  # dropout: another mask on each rank
        if checkpoint is not None and Path(checkpoint).exists():
            state |= _load(Path(checkpoint), run, model, optimiser, generator, device)
        exact = torch.float32 if device.type == "mps" else torch.float64
        loss_sum, gradient = (torch.tensor(state[key], device=device, dtype=exact) for key in ("loss", "gradient"))
        step, counted, rows = state["step"], state["counted"], state["rows"]
        began = time.perf_counter() - state["seconds"]

        def save():
            if rank > 0:
                return
            now = {"step": step, "seconds": time.perf_counter() - began, "counted": counted, "rows": rows}
            _save(Path(checkpoint), run, now | {"loss": loss_sum.item(), "gradient": gradient.item()}, model, optimiser, generator, device)

        outcome = "solved" if goal is not False and rows and task.solved(rows[-1]["score"]) else "finished"
        # twice a second is enough to watch: ten times a second, over minutes, is more than a page that reads slowly has room for
        with tqdm(total=steps, initial=min(step, steps), disable=not progress or rank > 0, leave=False, desc=task.name, mininterval=0.5) as bar:
            while outcome == "finished" and step < steps:
                if stop is not None and stop.is_set():
                    outcome = "stopped"
                    break
                length = low if low == high else int(torch.randint(low, high + 1, (), generator=generator))
                batch = task.batch(B, length, generator)
                batch = Batch(*(x if x is None else x.chunk(P)[rank] for x in batch)).to(device)  # (B/P, T)
                factor = min(1.0, (step + 1) / warmup) if warmup else 1.0
                if decay == "linear":
                    factor *= 1 - step / steps
                for group in optimiser.param_groups:
                    group["lr"] = lr * factor
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    loss = task.loss(model(batch.inputs), batch)
                optimiser.zero_grad()
                loss.backward()
                average_gradients(model)
                norm = nn.utils.clip_grad_norm_(model.parameters(), math.inf if clip is None else clip)
                optimiser.step()
                step, counted = step + 1, counted + 1
                loss_sum += loss.detach()  # no .item(): a GPU need not wait for the CPU at every step
                gradient = torch.maximum(gradient, norm)
                bar.update()
                if step % every and step < steps:
                    continue
                score, loss_sum = evaluate(model, task, unseen), mean_over_ranks(loss_sum)
                row = {"step": step, "seconds": time.perf_counter() - began, "loss": loss_sum.item() / counted, "gradient": gradient.item(), "score": score}
                rows.append(row)
                bar.set_postfix({task.metric: f"{score:.3g}"})
                loss_sum, gradient, counted = torch.zeros_like(loss_sum), torch.zeros_like(gradient), 0
                if not math.isfinite(row["loss"]):
                    outcome = "diverged"
                elif goal is not False and task.solved(score):
                    outcome = "solved"
                if checkpoint is not None and outcome != "diverged":
                    save()
                if callback is not None and rank == 0:
                    callback(row)
        if outcome == "stopped" and checkpoint is not None:
            save()
    curves = pd.DataFrame(rows, columns=["step", "seconds", "loss", "gradient", "score"])
    curves.attrs = {"task": task.name, "metric": task.metric, "outcome": outcome}
    return curves


# -- checkpoints: one safetensors file, its header holding the rest as JSON, replaced in one move ------------


def _save(path: Path, run: dict, state: dict, model, optimiser, generator, device) -> None:
    tensors = {f"model.{name}": x for name, x in model.state_dict().items()}
    for i, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{name}": x for name, x in moments.items()}
    tensors |= {"random.data": generator.get_state(), "random.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(device)
    tensors = {name: x.detach().cpu().clone().contiguous() for name, x in tensors.items()}  # a copy: tied weights share memory
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(safetensors.torch.save(tensors, {"run": json.dumps(run), "state": json.dumps(state)}))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _load(path: Path, run: dict, model, optimiser, generator, device) -> dict:
    try:
        with safetensors.safe_open(path, "pt") as file:
            header, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        made_by, state = json.loads(header["run"]), json.loads(header["state"])
    except (safetensors.SafetensorError, KeyError, ValueError, OSError):
        raise InputError(f"{path.name} is not a checkpoint of fit; choose another file or delete it") from None
    other = [name for name in run if made_by.get(name) != run[name]]
    require(not other, f"{path.name} is the checkpoint of a run with another {', '.join(other)}; choose another file or delete it")
    groups = {"model": {}, "optimiser": {}, "random": {}}
    for name, x in tensors.items():
        kind, name = name.split(".", 1)
        groups[kind][name] = x
    shapes = {name: x.shape for name, x in model.state_dict().items()}
    require({name: x.shape for name, x in groups["model"].items()} == shapes, f"{path.name} holds the weights of another model")
    model.load_state_dict(groups["model"])
    moments: dict = {}
    for name, x in groups["optimiser"].items():
        i, key = name.split(".")
        moments.setdefault(int(i), {})[key] = x
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    generator.set_state(groups["random"]["data"])
    torch.set_rng_state(groups["random"]["cpu"])
    if device.type == "cuda" and "cuda" in groups["random"]:
        torch.cuda.set_rng_state(groups["random"]["cuda"], device)
    return state
