"""The table of kernels: all give the counts of the portable one, devices choose among them, searches are cached."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from support import assert_same_counts, assert_sentence, random_map

import meaniou
from meaniou import MeanIoU, confusion_matrix, mean_iou
from meaniou.counting import dispatch
from meaniou.counting.dispatch import NEEDS, Needs, kernel
from meaniou.counting.kernels.portable import confusion as portable

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def fresh(monkeypatch):
    """A table of two kernels with empty caches."""
    for name in set(NEEDS) - {"cpu", "cuda"}:
        monkeypatch.delitem(NEEDS, name)
    caches = (dispatch._why_not_imported, dispatch._import, dispatch._for_device, dispatch._is_installed)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def another(monkeypatch, fresh):
    """A second kernel for the CPU."""
    module = ModuleType("meaniou.counting.kernels.another")
    module.NAME, module.count, module.count_images = "another", portable.count, portable.count_images
    monkeypatch.setitem(importlib.sys.modules, module.__name__, module)
    monkeypatch.setitem(NEEDS, "another", Needs("cpu", "another_package", "Another", "install the extra 'another'"))
    return module


def test_the_table_names_what_there_is():
    folder = Path(meaniou.__file__).parent / "counting" / "kernels"
    modules = {path.stem if path.is_file() else path.name for path in folder.iterdir()}
    assert set(NEEDS) < modules
    names = [name for name in ("portable", *NEEDS) if not dispatch.why_not(name)]
    assert names == [importlib.import_module(f"meaniou.counting.kernels.{name}").NAME for name in names]


@pytest.mark.parametrize("impl", ["numba", "", None, 3, []])
def test_a_kernel_that_is_not_in_the_table_is_refused(impl, fresh):
    x = torch.zeros(2, 3, dtype=torch.uint8)
    for call in (
        lambda: MeanIoU(2, impl=impl),
        lambda: mean_iou(x, x, 2, impl=impl),
        lambda: confusion_matrix(x, x, 2, impl=impl),
        lambda: confusion_matrix([], [], 2, impl=impl),
    ):
        with pytest.raises(ValueError, match=r"impl is .*; expected one of 'auto', 'portable', 'cpu', 'cuda'") as error:
            call()
        assert_sentence(error, f"impl is {impl!r}; ")


@pytest.mark.parametrize("name", [name for name, need in NEEDS.items() if need.device == "cpu"])
def test_a_kernel_for_the_cpu_counts_as_the_portable_one(name):
    """Compares the counts and the row of each image; a test of counts alone would not miss the rows."""
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
    assert kernel("auto", CPU).NAME == "cpu"  # the first one
    x = torch.tensor([[0, 1, 1]])
    metric = MeanIoU(2, impl="another")
    metric.update(x, x)
    assert (metric.kernel, metric.confmat.tolist()) == ("another", [[1, 0], [0, 2]])
    assert confusion_matrix(x, x, 2, impl="another").tolist() == [[1, 0], [0, 2]]
    with pytest.raises(ValueError, match=r"impl='another' cannot count on cuda.* cpu") as error:
        kernel("another", CUDA)
    assert_sentence(error)


def test_the_next_kernel_of_a_device_is_taken_where_the_first_cannot_run(another, monkeypatch):
    reason = "impl='cpu' cannot run, since Numba cannot be used (it is broken); install the extra 'cpu'."
    monkeypatch.setattr(dispatch, "why_not", lambda impl: reason if impl == "cpu" else "")
    with pytest.warns(UserWarning, match="it is broken"):
        assert kernel("auto", CPU) is another


def test_a_package_that_is_not_there_is_looked_for_once(monkeypatch, fresh):
    reason = "impl='cpu' cannot run, since Numba cannot be imported (No module named 'numba'). Install the extra 'cpu'."
    searches = []
    monkeypatch.setattr(dispatch, "why_not", lambda impl: reason if impl == "cpu" else "")
    monkeypatch.setattr(importlib.util, "find_spec", searches.append)
    x = torch.zeros(2, 3, dtype=torch.uint8)
    metric = MeanIoU(2)
    for _ in range(5):
        metric.update(x, x)
        assert metric.kernel == "portable"
    assert searches == ["numba"]
    with pytest.raises(ValueError, match="Numba cannot be imported"):  # a kernel that was named is not replaced
        confusion_matrix(x, x, 2, impl="cpu")
