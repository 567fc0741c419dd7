"""On an accelerator the count of bands never waits for the device: a proof by the operators that it calls."""

import pytest
import torch
from support import NoWait, assert_same_counts
from support.bands import VALID, assert_same_bands, band_batch, band_spec, valid_of
from support.grid import grid

from meaniou.counting.bands import frames, ops
from meaniou.counting.kernels import readers
from meaniou.counting.kernels.portable import bands, confusion
from meaniou.counting.kernels.spec import CountSpec

SHAPES = {"image": (3, 11, 8), "volume": (2, 5, 6, 7)}
WIDTHS = {"pixels": (1, 3), "shares": (0.1, 0.3), "both": (2, 0.02)}
RULES = {
    "plain": {},
    "no edge": {"edge": False},
    "literal": {"literal": True},
    "drop": {"drop": True},
    "all": {"edge": False, "literal": True, "drop": True},
}
FORMS = {"labels": ("labels", "labels"), "scores": ("scores", "labels"), "one-hot": ("scores", "one-hot")}
PLACES = (bands, frames)  # the modules that ask which device it is


@pytest.fixture
def as_on_an_accelerator(monkeypatch):
    """The code for an accelerator runs, on tensors of the CPU; its tables are made for each call, as in a graph."""
    for module in PLACES:
        monkeypatch.setattr(module, "is_cpu", lambda device: False)
    monkeypatch.setattr(confusion, "count_on_cpu", confusion.count_without_sync)
    for module in (readers, frames):
        monkeypatch.setattr(module, "cached_table", lambda device, make, *of, kept=False: make(*of, device))


def counted(batch, spec, of_bands):
    """Counts and bands by the function of the operator, so that the operators inside are seen."""
    return ops._count(*batch, *spec._replace(validate=False, impl="portable"), *of_bands)


@pytest.fixture
def batch_of(rng):
    def make(shape, form, valid):
        spec = CountSpec(*FORMS[form], 3, (255, -1))
        dtypes = torch.int64 if form == "labels" else torch.float32, torch.int64
        return (*band_batch(rng, SHAPES[shape], spec, dtypes), valid_of(rng, SHAPES[shape], valid)), spec

    return make


@grid(shape=list(SHAPES), form=list(FORMS), valid=list(VALID), widths=WIDTHS, rules=RULES)
def test_the_accelerator_branch_never_waits(batch_of, request, shape, form, valid, widths, rules):
    batch, spec = batch_of(shape, form, valid)
    of_bands = band_spec(widths, **rules)
    expected = counted(batch, spec, of_bands)
    request.getfixturevalue("as_on_an_accelerator")
    with NoWait():
        counts, bands_of_images = counted(batch, spec, of_bands)
    assert_same_counts(counts[: len(counts[0])], expected[0][: len(counts[0])])
    assert torch.equal(counts, expected[0])
    assert_same_bands(bands_of_images, expected[1].numpy())


def test_several_images_at_once(batch_of, as_on_an_accelerator, monkeypatch):
    """An accelerator takes as many images at once as fit, each with a width of its own."""
    batch, spec = batch_of("image", "labels", "boxes with holes")
    parts, pixels = [], batch[1][0].numel()
    codes = bands._codes
    monkeypatch.setattr(bands, "_codes", lambda *of: parts.append(of[-1]) or codes(*of))
    results = []
    for limit, sizes in ((1, [1, 1, 1]), (pixels, [1, 1, 1]), (2 * pixels, [2, 1]), (100 * pixels, [3])):
        monkeypatch.setattr(bands, "ACCELERATOR_PIXELS", limit)
        parts.clear()
        results.append(counted(batch, spec, band_spec([0.1, 0.3, 2])))
        assert [len(range(3)[part]) for part in parts] == sizes
    for counts, of_images in results[1:]:
        assert torch.equal(counts, results[0][0])
        assert torch.equal(of_images, results[0][1])


@pytest.mark.parametrize("module", PLACES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_each_branch_of_the_cpu_would_wait(batch_of, as_on_an_accelerator, monkeypatch, module):
    batch, spec = batch_of("image", "labels", "boxes")
    monkeypatch.setattr(module, "is_cpu", lambda device: True)
    with NoWait(), pytest.raises(AssertionError, match="waits for the device"):
        counted(batch, spec, band_spec([0.3]))


def test_which_branch_runs():
    assert readers.is_cpu(torch.device("cpu"))
    for device in ("cuda", "mps", "xpu", "meta"):
        assert not readers.is_cpu(torch.device(device))
