"""Doctests are those of the package; a test file is collected as tests alone.

Collected as both, a file that cannot be imported would be passed over: the doctests of what is imported in vain are
ignored, and what is left of the module then counts as imported.
"""

from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[Any], list[Any]]:
    return [collector for collector in (yield) if type(collector) is pytest.Module]
