"""Counting what a call does, apart from how long it takes: FLOPs, bytes moved, operations, critical path.

A count is the same on every machine, so it can settle what a stopwatch cannot. All of them watch the
operations that torch really dispatches. A fused kernel (cuDNN's LSTM, FlashAttention) is *one*
operation whatever it does inside, and a sum over a million numbers counts as one step: compare how
counts grow with T (like T, log T, or not at all), not the raw figures of different kernels.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from course_lib.checks import require

__all__ = ["Trace", "trace", "critical_path", "count_flops", "growth"]


@dataclass(frozen=True)
class Trace:
    """What one call dispatched: operations (views not counted), bytes read and written, the longest chain."""

    operations: int
    bytes_moved: int
    critical_path: int


class _Tracer(TorchDispatchMode):
    """Keeps, for each tensor's storage, 1 + the largest depth among the inputs of what last wrote it."""

    def __init__(self):
        super().__init__()
        self.depth: dict[int, int] = {}
        self.operations = self.bytes_moved = self.longest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        ins = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        outs = [t for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
        came_in = {_storage(t) for t in ins}
        is_view = not func._schema.is_mutable and all(_storage(t) in came_in for t in outs)
        if is_view or not outs and not func._schema.is_mutable:
            return out
        in_place = [arg for arg, spec in zip(args, func._schema.arguments) if spec.is_write]
        written = outs + [t for t in tree_leaves(in_place) if isinstance(t, torch.Tensor)]
        if not ins or _takes_no_numbers(func):  # memory set aside, nothing computed
            self._write(written, 0)
            return out
        depth = 1 + max(self.depth.get(s, 0) for s in came_in)
        self._write(written, depth)
        self.longest = max(self.longest, depth)
        self.operations += 1
        self.bytes_moved += sum(_nbytes(t) for t in ins) + sum(_nbytes(t) for t in outs)
        return out

    def _write(self, tensors, depth: int) -> None:
        for tensor in tensors:
            key = _storage(tensor)
            if key not in self.depth:  # forget it when it is released: another may come to stand in its place
                weakref.finalize(tensor.untyped_storage(), self.depth.pop, key, None)
            self.depth[key] = depth


def _takes_no_numbers(func) -> bool:
    """zeros_like(x), x.new_zeros(…), empty(…): these read a shape, and need not wait for what is in it."""
    name = func._schema.name.removeprefix("aten::")
    return name.startswith("new_") or name.endswith("_like") or "empty" in name


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _nbytes(tensor: torch.Tensor) -> int:
    """Bytes that reading the tensor touches; an expanded one is read from its own, smaller memory."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def trace(call: Callable) -> Trace:
    """Run `call()` once and count its operations, the bytes they read and write, and its critical path."""
    with _Tracer() as tracer:
        call()
    return Trace(tracer.operations, tracer.bytes_moved, tracer.longest)


def critical_path(call: Callable) -> int:
    """The longest chain of operations in `call()` in which each one needs the one before it.

    However many processors there are, these must run one after the other. Views cost nothing and are
    not counted. Vaswani et al. 2017, Table 1, calls the same thing "sequential operations".
    """
    return trace(call).critical_path


def _product_flops(total, a, b, *, out_shape=None, **scales) -> int:
    return 2 * math.prod(a) * b[-1]


# FlopCounterMode knows these only in the form that makes a new tensor
IN_PLACE = {torch.ops.aten.addmm_: _product_flops, torch.ops.aten.baddbmm_: _product_flops}


def count_flops(call: Callable) -> int:
    """Floating-point operations of the matrix products and convolutions in `call()`: 2 for a multiply-add.

    Elementwise work is left out, as usual. Attention is counted in full, causal or not. What a fused
    recurrent kernel does inside is not seen: count its step loop instead.
    """
    counter = FlopCounterMode(display=False, custom_mapping=IN_PLACE)
    with counter, sdpa_kernel(SDPBackend.MATH):
        call()
    return int(counter.get_total_flops())


def growth(lengths: Sequence[float], counts: Sequence[float]) -> str:
    """How counts grow with T: "1", "log T", "√T", "T", "T log T" or "T²", whichever line c₀ + c₁·f(T) fits best.

    Needs at least four lengths, the longest ≥ 8 times the shortest. Raises InputError otherwise.
    """
    T, y = np.asarray(lengths, float), np.asarray(counts, float)
    require(len(T) == len(y) >= 4 and T.max() >= 8 * T.min() > 0, "growth needs four or more lengths, the longest at least 8 times the shortest, and a count for each")
    if np.ptp(y) <= 0.02 * abs(y.mean()):
        return "1"
    forms = {"log T": np.log2(T), "√T": np.sqrt(T), "T": T, "T log T": T * np.log2(T), "T²": T**2}

    def misfit(f):
        basis = np.stack((np.ones_like(T), f), 1)
        # relative misfit: otherwise the longest sequence alone would decide
        weights = 1 / np.maximum(np.abs(y), 1e-12)
        solution = np.linalg.lstsq(basis * weights[:, None], y * weights, rcond=None)[0]
        return float(np.abs((basis @ solution - y) * weights).max())

    return min(forms, key=lambda name: misfit(forms[name]))
