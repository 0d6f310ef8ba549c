"""Peak memory of a call, measured; and estimated *before* a launch that may not fit.

On a GPU torch's allocator keeps the statistics. On a CPU every tensor that an operation returns is
followed from its birth to its release; what a kernel uses for itself for a moment is not seen there.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

import psutil
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["peak_memory", "estimate_memory", "available_memory", "is_out_of_memory"]


def peak_memory(call: Callable, device="cpu") -> int:
    """Most bytes that `call()` held at once, beyond what was held before it."""
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with _LiveTensors() as live:
        call()
    return live.peak


class _LiveTensors(TorchDispatchMode):
    """Adds up the storages that operations return, and takes them off again when they are released."""

    def __init__(self):
        super().__init__()
        self.sizes: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        known = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in known and storage._cdata not in self.sizes:
                    self.sizes[storage._cdata] = storage.nbytes()
                    self.now += storage.nbytes()
                    self.peak = max(self.peak, self.now)
                    weakref.finalize(storage, self._release, storage._cdata)
        return out

    def _release(self, key: int) -> None:
        self.now -= self.sizes.pop(key)


def estimate_memory(peak_at: Callable[[int], int], T: int, sizes: tuple[int, int, int] = (64, 128, 256)) -> int:
    """Bytes expected at length T, from peaks measured at three short lengths.

    Everything a sequence layer holds grows like c₀ + c₁T + c₂T², and three points settle such a curve.
    The lengths must be long enough for the sequence, not the weights, to decide the peak. A curve that
    bends down is carried on as a straight line.
    """
    if max(sizes) >= T:
        return peak_at(T)
    short, middle, long = sizes
    y = [peak_at(size) for size in sizes]
    slope, later = (y[1] - y[0]) / (middle - short), (y[2] - y[1]) / (long - middle)
    curve = max(0.0, (later - slope) / (long - short))
    return int(y[2] + max(0.0, later) * (T - long) + curve * (T - long) * (T - middle))


def available_memory(device="cpu") -> int:
    """Bytes that can still be had on the device (in a container: within its limit)."""
    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return psutil.virtual_memory().available


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch (CPU or GPU) or Python says that memory ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
