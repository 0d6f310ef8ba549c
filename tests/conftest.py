"""What all tests share: one thread, one seed, and property tests that draw the same examples every time."""

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
