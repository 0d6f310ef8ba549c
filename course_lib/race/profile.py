"""A closer look at the contestants, beyond their times: memory, critical path, roofline, timeline.

Each function yields rows (dicts) as they are measured, so that a panel can show progress and be stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from course_lib.measure import ceilings, measure_time, peak_memory, roofline, timeline, trace
from course_lib.race.contestants import FAMILIES, fair_width, find_contestant, make_call
from course_lib.race.settings import RaceSettings

PATH_LENGTHS = (8, 16, 32, 64, 128)  # short ones are enough: a count has no noise

__all__ = ["PATH_LENGTHS", "PROFILES", "profile_memory", "profile_critical_path", "profile_roofline", "profile_timeline"]


def _calls(settings: RaceSettings, names: Sequence[str], lengths: Sequence[int]):
    for T in lengths:
        for name in names:
            contestant = find_contestant(name, settings.pass_, settings.device)
            D = fair_width(contestant, settings.width, settings.heads, T, settings.fairness)
            yield T, contestant, D, make_call(contestant, settings.pass_, T, settings.batch, D, settings.heads, settings.device, settings.dtype)


def profile_memory(settings: RaceSettings, names: Sequence[str], lengths: Sequence[int]) -> Iterator[dict]:
    """Peak bytes of each contestant at each T, beyond weights and inputs: contestant, T, peak_bytes."""
    for T, contestant, _, call in _calls(settings, names, lengths):
        call()
        yield {"contestant": contestant.name, "T": T, "peak_bytes": peak_memory(call, settings.device)}


def profile_critical_path(settings: RaceSettings, names: Sequence[str], lengths: Sequence[int] = PATH_LENGTHS) -> Iterator[dict]:
    """Longest chain of dependent operations at each T: contestant, T, critical_path, operations."""
    for T, contestant, _, call in _calls(settings, names, lengths):
        found = trace(call)
        yield {"contestant": contestant.name, "T": T, "critical_path": found.critical_path, "operations": found.operations}


def profile_roofline(settings: RaceSettings, names: Sequence[str], lengths: Sequence[int]) -> Iterator[dict]:
    """What binds each contestant at the longest T: the measured time against this machine's ceilings.

    FLOPs are the family's formula (a fused kernel hides its products from a counter), bytes and
    operations are what was dispatched, so a fused kernel's inner traffic is not seen.
    """
    limits = ceilings(settings.device, settings.dtype)
    factor = 3 if settings.pass_ == "train" else 1
    for T, contestant, D, call in _calls(settings, names, [max(lengths)]):
        timing, found = measure_time(call, rounds=7), trace(call)
        flops = factor * FAMILIES[contestant.family].flops(T, D, settings.batch)
        roofs = roofline(flops, found.bytes_moved, found.operations, timing.median_s, limits)
        yield {
            "contestant": contestant.name, "T": T, "flops": flops, "bytes_moved": found.bytes_moved, "median_s": timing.median_s,
            "bound": roofs.bound, "compute_fraction": roofs.compute_fraction, "peak_flops_per_s": limits.flops_per_s, "peak_bytes_per_s": limits.bytes_per_s,
        }  # fmt: skip


def profile_timeline(settings: RaceSettings, names: Sequence[str], lengths: Sequence[int]) -> Iterator[dict]:
    """Every operation that one call executed, at T ≤ 32 so that single ones can be seen: contestant, T, name, start_us, duration_us."""
    for T, contestant, _, call in _calls(settings, names, [min(32, max(lengths))]):
        for row in timeline(call, settings.device).to_dict("records"):
            yield {"contestant": contestant.name, "T": T, **row}


PROFILES = {
    "memory": profile_memory, "critical path": profile_critical_path, "roofline": profile_roofline, "timeline": profile_timeline,
}  # fmt: skip
