"""Honest measurement of any callable. Knows no model."""

from course_lib.measure.counting import Trace, count_flops, critical_path, growth, trace
from course_lib.measure.machine import (
    Ceilings,
    Roofline,
    by_device,
    ceilings,
    datasheet_peak,
    device_name,
    resolve_device,
    roofline,
)
from course_lib.measure.memory import available_memory, estimate_memory, is_out_of_memory, peak_memory
from course_lib.measure.timeline import timeline
from course_lib.measure.timing import OverBudget, Ratio, Timing, compare, measure_time, synchronised_clock

__all__ = [
    "Ceilings", "OverBudget", "Ratio", "Roofline", "Timing", "Trace", "available_memory", "by_device", "ceilings", "compare",
    "count_flops", "critical_path", "datasheet_peak", "device_name", "estimate_memory", "growth",
    "is_out_of_memory", "measure_time", "peak_memory", "resolve_device", "roofline", "synchronised_clock", "timeline", "trace",
]  # fmt: skip
