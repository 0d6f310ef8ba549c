"""Benchmarks: ratios side by side in one run, never asserted. `python -m tests.benchmarks [NAME …]`."""
