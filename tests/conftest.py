"""What all tests share: one thread, one seed, and property tests that draw the same examples every time."""

import os

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "course", derandomize=True, deadline=None, max_examples=20, database=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("course")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random numbers and leaves one thread behind."""
    torch.manual_seed(0)
    yield
    torch.set_num_threads(1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything must be there (CI sets COURSE_REQUIRE_ALL), a skip is a failure, but for a missing GPU."""
    report = (yield).get_result()
    reason = str(report.longrepr)
    if report.skipped and os.environ.get("COURSE_REQUIRE_ALL") and not any(word in reason for word in ("GPU", "CUDA", "has one")):
        report.outcome, report.longrepr = "failed", f"skipped where nothing may be missing: {reason}"
