"""What holds for all tests: no draw is left to chance, what is long says so, and doctests are those of the package."""

import os
from collections.abc import Generator
from typing import Any

import numpy as np
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


@pytest.fixture
def rng() -> np.random.Generator:
    """The same draws in each test."""
    return np.random.default_rng(41)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[Any], list[Any]]:
    """A test file is collected as tests alone.

    Collected for doctests too, a file that cannot be imported would be passed over: there that is ignored, and what is
    left of the module then counts as imported.
    """
    return [collector for collector in (yield) if type(collector) is pytest.Module]


# Tests of more than two seconds are marked slow. A machine may be much slower than ours, and a first call may compile,
# so only what is far above fails. It is processor time, since a busy machine is slow, not wrong.
MOST_SECONDS = 20.0


def processor_seconds() -> float:
    """What this process and those that it has waited for have used."""
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fails a test that takes long and does not say so."""
    start = processor_seconds()
    result = yield
    seconds = processor_seconds() - start
    if seconds > MOST_SECONDS and item.get_closest_marker("slow") is None:
        pytest.fail(f"The test took {seconds:.0f} s of processor time; mark it slow, or make it shorter.")
    return result
