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


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """The one Chromium of a run (Playwright starts only once in a process); without it a skip that says why."""
    sync_playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright: pip install -r requirements.txt").sync_playwright
    from tests.browser.lab import FLAGS, find_chromium  # here, as a machine without Jupyter runs the other tests

    program = find_chromium()
    if program is None:
        pytest.skip("browser tests need Chromium; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")), executable_path=program, headless=True, args=FLAGS, viewport={"width": 1280, "height": 900}
        )
        yield context
        context.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything must be there (CI sets COURSE_REQUIRE_ALL), a skip is a failure, but for a missing GPU."""
    report = (yield).get_result()
    reason = str(report.longrepr)
    if report.skipped and os.environ.get("COURSE_REQUIRE_ALL") and not any(word in reason for word in ("GPU", "CUDA", "has one")):
        report.outcome, report.longrepr = "failed", f"skipped where nothing may be missing: {reason}"
