"""What holds for all tests: no draw is left to chance, and doctests are those of the package."""

from collections.abc import Generator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

# The same examples in each run, and no clock: a busy machine is slow, not wrong.
settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """The same numbers where a test draws some without a seed of its own."""
    torch.manual_seed(0)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[Any], list[Any]]:
    """A test file is collected as tests alone.

    Collected for doctests too, a file that cannot be imported would be passed over: there that is ignored, and what is
    left of the module then counts as imported.
    """
    return [collector for collector in (yield) if type(collector) is pytest.Module]
