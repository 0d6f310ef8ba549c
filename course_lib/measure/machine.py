"""What this machine can do at best, measured; and which of its limits a call runs into (the roofline).

Williams, Waterman & Patterson, "Roofline", 2009, with a third roof for what small work pays: the time
to launch an operation at all.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import lru_cache

import torch

from course_lib.checks import InputError
from course_lib.measure.timing import measure_time

__all__ = ["Ceilings", "Roofline", "by_device", "ceilings", "roofline", "datasheet_peak", "resolve_device", "device_name"]

# Dense half-precision matrix FLOP/s from NVIDIA's data sheets, without sparsity. A device that is not
# listed has no peak here, and so no utilisation is given for it: no number beats a guessed one.
DATASHEET_FLOPS = {
    "T4": 65e12,
    "V100-SXM2": 125e12,
    "A100": 312e12,
    "L4": 121e12,
    "H100 80GB HBM3": 989.4e12,
    "H100 PCIe": 756e12,
    "H200": 989.4e12,
}


def resolve_device(device: str = "auto") -> torch.device:
    """"auto" is CUDA where there is one, else the CPU. Raises InputError for a device that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        raise InputError(f"device must be auto, cpu or cuda, got {device!r}") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda was asked for, but torch sees no CUDA GPU here; use --device cpu or auto")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise InputError(f"there is no device {found}; torch sees {torch.cuda.device_count()} CUDA GPUs here")
    if found.type not in ("cpu", "cuda"):
        raise InputError(f"device must be auto, cpu or cuda, got {device!r}")
    return found


def by_device(cpu, cuda):
    """One of two values: the first without a GPU, the second with one. For sizes that grow where there is room."""
    return cuda if torch.cuda.is_available() else cpu


def device_name(device="cpu") -> str:
    """The GPU's name; for a CPU its model where the system tells it, else its architecture."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def datasheet_peak(name: str) -> float | None:
    """Half-precision matrix FLOP/s of a known GPU; None for any other device."""
    words = name.replace("-", " ").split()
    for known, peak in DATASHEET_FLOPS.items():
        if all(word in words for word in known.replace("-", " ").split()):
            return peak
    return None


@dataclass(frozen=True)
class Ceilings:
    """Measured limits of a device: matrix products, memory traffic, and the cost of launching one operation."""

    device: str
    dtype: str
    threads: int
    flops_per_s: float
    bytes_per_s: float
    launch_s: float

    def __str__(self) -> str:
        return (
            f"{self.flops_per_s / 1e9:,.0f} GFLOP/s in matrix products, {self.bytes_per_s / 1e9:,.1f} GB/s from memory, "
            f"{self.launch_s * 1e6:.1f} µs to launch an operation ({self.device}, {self.dtype}, {self.threads} threads)"
        )


def ceilings(device="cpu", dtype: torch.dtype = torch.float32) -> Ceilings:
    """Measure this machine's ceilings (about a second; remembered per device, dtype and thread count)."""
    return _ceilings(str(torch.device(device)), dtype, torch.get_num_threads())


@lru_cache
def _ceilings(device: str, dtype: torch.dtype, threads: int) -> Ceilings:
    gpu = torch.device(device).type == "cuda"
    n = 8192 if gpu else 1024
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    product = torch.empty_like(a)
    source = torch.randn(2**28 if gpu else 2**24, device=device)  # 1 GiB or 64 MiB: beyond any cache
    target, one = torch.empty_like(source), torch.randn(1, device=device)
    timings = measure_time(
        {"product": lambda: torch.mm(a, b, out=product), "copy": lambda: target.copy_(source), "launch": lambda: one.mul_(0.5)},
        rounds=7,
    )
    return Ceilings(
        device, str(dtype).removeprefix("torch."), threads,
        flops_per_s=2 * n**3 / timings["product"].median_s,
        bytes_per_s=2 * source.numel() * source.element_size() / timings["copy"].median_s,
        launch_s=timings["launch"].median_s,
    )  # fmt: skip


@dataclass(frozen=True)
class Roofline:
    """The least time each limit would allow, and the one that binds."""

    compute_s: float
    memory_s: float
    launch_s: float
    measured_s: float

    @property
    def bound(self) -> str:
        """"compute", "memory" or "launch": the limit that leaves the least room."""
        return max(("compute", "memory", "launch"), key=lambda roof: getattr(self, f"{roof}_s"))

    @property
    def fraction(self) -> float:
        """Least time ÷ measured time: 1 would be the machine's limit."""
        return getattr(self, f"{self.bound}_s") / self.measured_s

    @property
    def compute_fraction(self) -> float:
        """FLOP/s reached ÷ FLOP/s of a large matrix product on this very machine."""
        return self.compute_s / self.measured_s


def roofline(flops: float, bytes_moved: float, operations: int, measured_s: float, limits: Ceilings) -> Roofline:
    """Place a call under the machine's roofs. bytes_moved and operations come from `trace`, flops from `count_flops`."""
    return Roofline(flops / limits.flops_per_s, bytes_moved / limits.bytes_per_s, operations * limits.launch_s, measured_s)
