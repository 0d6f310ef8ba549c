"""Who races: each contestant is a family of models, the schedule it runs by, and the one it must equal.

A contestant's layer maps x (B, T, D) → y (B, T, D) and is causal: y_t depends on x_1 … x_t alone, so
all of them do the same task. The schedules of a family share their weights, so they must give the same
numbers; `check_contestant` proves it on a short sequence before anything is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_lib.checks import InputError, require
from course_lib.models import GRU, LSTM, RNN, Block, KVCache, MinGRU, MultiHeadAttention
from course_lib.models.embedding import RunningMean
from course_lib.models.heads import Bidirectional

__all__ = ["CONTESTANTS", "Contestant", "PASSES", "FAIRNESS", "check_contestant", "find_contestant", "fair_width", "make_call"]

PASSES = ("forward", "train", "generate")
FAIRNESS = ("width", "parameters", "flops")


@dataclass(frozen=True)
class Family:
    """A kind of layer: how it is built, and its size and work as polynomials (matrix products only).

    parameters: square·D² + linear·D. FLOPs of one sequence, forward: per_token·T·D² + per_pair·T²·D.
    """

    build: Callable[..., nn.Module]  # build(D, H, device=…, dtype=…)
    square: int
    linear: int
    per_token: int
    per_pair: int = 0

    def parameters(self, D: int) -> int:
        return self.square * D * D + self.linear * D

    def flops(self, T: int, D: int, B: int = 1) -> int:
        """Multiply and add counted as 2; attention in full although half of its scores are masked."""
        return B * (self.per_token * T * D * D + self.per_pair * T * T * D)


def _cell(kind):
    return lambda D, H, **where: kind(D, D, **where)


FAMILIES = {
    "rnn": Family(_cell(RNN), 2, 2, 4),
    "lstm": Family(_cell(LSTM), 8, 8, 16),
    "gru": Family(_cell(GRU), 6, 6, 12),
    "mingru": Family(_cell(MinGRU), 2, 2, 4),
    "mean": Family(_cell(RunningMean), 1, 0, 2),
    "attention": Family(MultiHeadAttention, 4, 4, 8, 4),
    "transformer": Family(Block, 12, 13, 24, 4),
    "encoder": Family(Block, 12, 13, 24, 4),
    "bilstm": Family(_cell(Bidirectional), 6, 8, 12),
}


@dataclass(frozen=True)
class Contestant:
    """One way of running one family of layers."""

    name: str
    label: str
    family: str
    schedule: str
    equals: str  # the schedule of the same family whose numbers it must reproduce
    passes: tuple[str, ...] = PASSES
    wrapper: str = ""  # "graph" or "compile": CUDA only

    @property
    def recurrent(self) -> bool:
        return self.family not in ("attention", "transformer", "encoder")

    @property
    def both_ways(self) -> bool:
        """Does each output see the words after it, too?"""
        return self.family in ("encoder", "bilstm")

    def layer(self, D: int, H: int, device, dtype) -> nn.Module:
        return FAMILIES[self.family].build(D, H, device=device, dtype=dtype)

    def run(self, layer: nn.Module, x: Tensor, schedule: str | None = None) -> Tensor:
        """x (B, T, D) → y (B, T, D)."""
        schedule = schedule or self.schedule
        return layer(x, schedule=schedule)[0] if self.recurrent else layer(x, causal=not self.both_ways, schedule=schedule)

    def generate(self, layer: nn.Module, x: Tensor, T: int, schedule: str | None = None) -> Tensor:
        """T steps from x (B, D), each output fed back as the next input → (B, T, D)."""
        schedule = schedule or self.schedule
        ys = []
        if self.recurrent:
            state = None
            for _ in range(T):
                if schedule == "fused":
                    y, state = layer(x.unsqueeze(1), state, schedule="fused")  # (B, 1, D)
                    x = y.squeeze(1)
                else:
                    state = layer.step(x, state)
                    x = layer.output(state)  # (B, D)
                ys.append(x)
            return torch.stack(ys, 1)
        attention = layer if self.family == "attention" else layer.attention
        cache = KVCache(len(x), attention.H, T, attention.D // attention.H, x.device, x.dtype)
        y = x.unsqueeze(1)  # (B, 1, D)
        for _ in range(T):
            y = layer(y, causal=True, cache=cache, schedule=schedule)
            ys.append(y)
        return torch.cat(ys, 1)


WHOLE_SEQUENCE = ("forward", "train")  # needs all inputs at once, so it cannot feed an output back

CONTESTANTS: dict[str, Contestant] = {
    c.name: c
    for c in (
        Contestant("rnn-loop", "RNN step loop", "rnn", "loop", "fused"),
        Contestant("rnn-hoisted", "RNN, inputs hoisted", "rnn", "hoisted", "loop", WHOLE_SEQUENCE),
        Contestant("rnn-fused", "RNN, torch.nn", "rnn", "fused", "loop"),
        Contestant("lstm-loop", "LSTM step loop", "lstm", "loop", "fused"),
        Contestant("lstm-hoisted", "LSTM, inputs hoisted", "lstm", "hoisted", "loop", WHOLE_SEQUENCE),
        Contestant("lstm-fused", "LSTM, torch.nn", "lstm", "fused", "loop"),
        Contestant("gru-loop", "GRU step loop", "gru", "loop", "fused"),
        Contestant("gru-hoisted", "GRU, inputs hoisted", "gru", "hoisted", "loop", WHOLE_SEQUENCE),
        Contestant("gru-fused", "GRU, torch.nn", "gru", "fused", "loop"),
        Contestant("mingru-loop", "MinGRU step loop", "mingru", "loop", "doubling"),
        Contestant("mingru-doubling", "MinGRU, doubling scan", "mingru", "doubling", "loop", WHOLE_SEQUENCE),
        Contestant("mingru-chunk", "MinGRU, chunked scan", "mingru", "chunk", "loop", WHOLE_SEQUENCE),
        Contestant("mean-scan", "running mean", "mean", "scan", "loop"),
        Contestant("attention-loop", "attention, token by token", "attention", "loop", "sdpa", WHOLE_SEQUENCE),
        Contestant("attention-naive", "attention, as matrices", "attention", "naive", "loop"),
        Contestant("attention-sdpa", "attention, fused", "attention", "sdpa", "naive"),
        Contestant("transformer-block", "Transformer block", "transformer", "sdpa", "naive"),
        Contestant("encoder-block", "encoder block", "encoder", "sdpa", "naive", WHOLE_SEQUENCE),
        Contestant("bilstm-loop", "BiLSTM step loops", "bilstm", "loop", "fused", WHOLE_SEQUENCE),
        Contestant("bilstm-fused", "BiLSTM, torch.nn", "bilstm", "fused", "loop", WHOLE_SEQUENCE),
        Contestant("rnn-graph", "RNN loop, CUDA graph", "rnn", "loop", "fused", PASSES, "graph"),
        Contestant("rnn-compiled", "RNN loop, compiled step", "rnn", "loop", "fused", PASSES, "compile"),
    )
}


def find_contestant(name: str, pass_: str, device: torch.device) -> Contestant:
    """The contestant of that name. Raises InputError if there is none, or if it cannot run this pass here."""
    if name not in CONTESTANTS:
        raise InputError(f"unknown contestant {name!r}; there are {', '.join(CONTESTANTS)}")
    contestant = CONTESTANTS[name]
    able = ", ".join(c.name for c in CONTESTANTS.values() if pass_ in c.passes and not c.wrapper)
    require(pass_ in contestant.passes, f"{name} needs the whole sequence at once and cannot {pass_}; these can: {able}")
    require(not contestant.wrapper or device.type == "cuda", f"{name} needs a CUDA GPU, and the device is {device.type}")
    return contestant


def fair_width(contestant: Contestant, width: int, heads: int, T: int, fairness: str) -> int:
    """The width at which a contestant matches an attention layer of width `width`, in width, parameters or FLOPs at T.

    A multiple of `heads` for attention. Raises InputError when nothing comes close (say so, rather than compare).
    """
    if fairness == "width":
        return width
    family, reference = FAMILIES[contestant.family], FAMILIES["attention"]
    size = family.parameters if fairness == "parameters" else lambda D: family.flops(T, D)
    target = reference.parameters(width) if fairness == "parameters" else reference.flops(T, width)
    step = 2 if contestant.family == "bilstm" else 1 if contestant.recurrent else heads  # half for each direction
    D = step
    while size(D) < target:
        D *= 2
    candidates = range(max(step, D // 2), D + 1, step)
    best = min(candidates, key=lambda D: abs(size(D) - target))
    require(
        abs(size(best) - target) <= 0.2 * target,
        f"{contestant.name} has no width within 20% of equal {fairness} at width={width}, heads={heads}, T={T}; choose a larger width",
    )
    return best


def make_call(contestant: Contestant, pass_: str, T: int, B: int, D: int, H: int, device, dtype, seed: int = 0) -> Callable[[], object]:
    """A callable that runs one pass on random data. Autograd's switches are set inside it: they belong to a thread."""
    layer, x, dy = _random_layer(contestant, T, B, D, H, device, dtype, seed)
    if contestant.wrapper == "compile":
        layer.update = torch.compile(layer.update)
    if pass_ == "train":
        x.requires_grad_()  # a layer in a stack passes its gradient on

        def call():
            layer.zero_grad(set_to_none=True)
            x.grad = None
            contestant.run(layer, x).backward(dy)

    elif pass_ == "generate":

        def call():
            with torch.no_grad():
                contestant.generate(layer, x[:, 0], T)

    else:

        def call():
            with torch.no_grad():
                contestant.run(layer, x)

    return graphed(call) if contestant.wrapper == "graph" else call


def _random_layer(contestant, T, B, D, H, device, dtype, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = contestant.layer(D, H, "cpu", dtype).to(device)
        x, dy = torch.randn(2, B, T, D).to(device, dtype).unbind(0)
    return layer, x, dy


def graphed(call):
    """Record the call once as a CUDA graph; replaying it launches all its kernels with one command."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}


def check_contestant(contestant: Contestant, pass_: str, D: int, H: int, device, dtype) -> str | None:
    """The correctness gate: None when the contestant's numbers are right, else one sentence saying what is not.

    On 9 random tokens: the same output as the schedule it must equal (and the same gradient, when it is
    to be trained), and an output that ignores the future (or, of an encoder and a BiLSTM, does not).
    """
    T, B, k = 9, 2, 5
    layer, x, dy = _random_layer(contestant, T, B, D, H, device, dtype, seed=1)

    def outcome(schedule):
        if pass_ == "generate":
            with torch.no_grad():
                return [contestant.generate(layer, x[:, 0], T, schedule)]
        if pass_ == "forward":
            with torch.no_grad():
                return [contestant.run(layer, x, schedule)]
        inputs = [x.detach().requires_grad_(), *layer.parameters()]
        y = contestant.run(layer, inputs[0], schedule)
        return [y.detach(), *torch.autograd.grad(y, inputs, dy)]

    for kind, own, peer in zip(["output"] + ["gradient"] * 99, outcome(contestant.schedule), outcome(contestant.equals)):
        error = ((own - peer).abs().max() / peer.abs().max().clamp_min(1e-6)).item()
        if not error <= TOLERANCE[dtype]:
            return f"{kind} of {contestant.name} differs from its {contestant.equals} form by {error:.1e} of its size"
    if pass_ != "generate":
        with torch.no_grad():
            changed = x.clone()
            changed[:, k:] *= -1  # not += 1: a layer norm would take that out again
            error = (contestant.run(layer, changed) - contestant.run(layer, x))[:, :k].abs().max().item()
        if contestant.both_ways:
            return None if error > TOLERANCE[dtype] else f"{contestant.name} does not look at the words to come"
        if not error <= TOLERANCE[dtype]:
            return f"{contestant.name} looks into the future: an earlier output moved by {error:.1e}"
    return None
