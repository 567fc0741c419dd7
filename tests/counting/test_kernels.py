"""The table of kernels: each counts what the portable one does, is chosen by its device, and is looked for once."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from support import assert_same_counts, assert_sentence, random_map

import meaniou
from meaniou import MeanIoU, confusion_matrix
from meaniou.counting import ops
from meaniou.counting.kernels import portable
from meaniou.counting.ops import NEEDS, Need, kernel
from meaniou.settings.choices import CHOICES

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def another(monkeypatch):
    """A second kernel for the CPU."""
    module = ModuleType("meaniou.counting.kernels.another")
    module.count, module.count_images = portable.count, portable.count_images
    monkeypatch.setitem(importlib.sys.modules, module.__name__, module)
    monkeypatch.setitem(NEEDS, "another", Need("cpu", "another_package", "Another", "install the extra 'another'"))
    caches = (ops.why_not, ops._for_device, ops._is_there)
    for cached in caches:
        cached.cache_clear()
    yield module
    for cached in caches:
        cached.cache_clear()


def test_the_table_names_what_there_is():
    assert {"auto", "portable", *NEEDS} == set(CHOICES["impl"])
    for name in NEEDS:
        assert (Path(meaniou.__file__).parent / "counting" / "kernels" / name / "__init__.py").is_file()


@pytest.mark.parametrize("name", [name for name, need in NEEDS.items() if need.device == "cpu"])
def test_a_kernel_for_the_cpu_counts_as_the_portable_one(name):
    """Both what all pixels are, and the row of each image, which a test of counts alone would not miss."""
    rng = np.random.default_rng(7)
    sides = [random_map(rng, (3, 9, 11), torch.int64, 5, [255]) for _ in range(2)]
    metrics = [MeanIoU(5, ignore_index=255, per_image=True, validate_args=False, impl=i) for i in (name, "portable")]
    for metric in metrics:
        assert metric.kernel == metric.input_settings.impl
        metric.update(*sides)
    assert_same_counts(metrics[0].counts, metrics[1].counts)
    assert metrics[1]._joined()[0].any()
    assert torch.equal(metrics[0]._joined()[0], metrics[1]._joined()[0])


def test_a_second_kernel_for_a_device_is_one_file_and_one_entry(another):
    assert kernel("another", CPU) is another
    assert kernel("auto", CPU).__name__ == "meaniou.counting.kernels.cpu"  # the first one
    with pytest.raises(ValueError, match="impl='another' cannot count on cuda, since it is for cpu") as error:
        kernel("another", CUDA)
    assert_sentence(error)


def test_the_next_kernel_of_a_device_is_taken_where_the_first_cannot_run(another, monkeypatch):
    reason = "impl='cpu' cannot run, since Numba cannot be used (it is broken); install the extra 'cpu'."
    monkeypatch.setattr(ops, "why_not", lambda impl: reason if impl == "cpu" else "")
    with pytest.warns(UserWarning, match="it is broken"):
        assert kernel("auto", CPU) is another


def test_a_package_that_is_not_there_is_looked_for_once(monkeypatch):
    reason = "impl='cpu' cannot run, since Numba cannot be used (No module named 'numba'); install the extra 'cpu'."
    searches = []
    monkeypatch.setattr(ops, "why_not", lambda impl: reason)
    monkeypatch.setattr(importlib.util, "find_spec", searches.append)
    ops._is_there.cache_clear()
    try:
        x = torch.zeros(2, 3, dtype=torch.uint8)
        metric = MeanIoU(2)
        for _ in range(5):
            metric.update(x, x)
            assert metric.kernel == "portable"
        assert searches == ["numba"]
        with pytest.raises(ValueError, match="Numba cannot be used"):  # what is asked for by name is not replaced
            confusion_matrix(x, x, 2, impl="cpu")
    finally:
        ops._is_there.cache_clear()
