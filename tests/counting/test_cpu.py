"""The compiled kernel: blocks, bytes, threads, processes and its cache; counts in general are in test_counts."""

import multiprocessing
import os
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import assert_same_counts, blobs, expected_counts, random_scores, whole_matrix
from support.kernels import count_in_process

from meaniou import MeanIoU, reference
from meaniou.counting.kernels.cpu import confusion as cpu
from meaniou.counting.kernels.cpu import loops
from meaniou.counting.kernels.image_counts import image_by_image, image_counts_of
from meaniou.counting.kernels.portable import confusion as portable
from meaniou.counting.kernels.spec import CountSpec

NEEDS_FORK = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork")
BLOCKS = [0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 64 * 9 + 5]


matrix_by_cpu = partial(whole_matrix, impl="cpu")


@pytest.fixture
def two_threads(monkeypatch):
    """Splits even small maps between two threads."""
    monkeypatch.setattr(cpu, "LABELS_PER_THREAD", 64)
    monkeypatch.setattr(cpu, "SCORES_PER_THREAD", 64)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def patches(rng, number, dtype, num_classes=19):
    """Runs of labels of random lengths, some of them out of range."""
    runs = rng.integers(1, 40, size=number + 1)
    labels = rng.integers(0, num_classes + 2, size=number + 1)
    labels[labels == num_classes + 1] = 255 if dtype not in (torch.int8, torch.bool) else 1
    return torch.from_numpy(np.repeat(labels, runs)[:number].copy()).to(dtype)


@pytest.mark.parametrize("dtypes", [(torch.uint8, torch.uint8), (torch.int64, torch.int64), (torch.uint8, torch.int32)])
@pytest.mark.parametrize("number", BLOCKS)
def test_runs_around_every_block(rng, number, dtypes):
    preds, target = (patches(rng, number, dtype) for dtype in dtypes)
    assert_same_counts(matrix_by_cpu(preds, target, 19, ignore_index=255), expected_counts(preds, target, 19, [255]))


@pytest.mark.parametrize("place", range(64))
def test_one_odd_pixel_anywhere_in_a_block(place):
    for dtype in (torch.uint8, torch.int64):
        for side in range(2):
            maps = [torch.full((200,), 3, dtype=dtype) for _ in range(2)]
            maps[side][64 + place] = 4
            assert_same_counts(matrix_by_cpu(*maps, 19), expected_counts(*maps, 19))


def test_every_pair_of_bytes():
    preds, target = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    for shift in (0, 3):  # alone, and in runs
        p, t = ((m.flatten().repeat_interleave(1 + shift)).to(torch.uint8) for m in (preds, target))
        for num_classes, ignore in ((256, []), (19, [255, 0]), (1, [7])):
            expected = expected_counts(p, t, num_classes, ignore)
            assert_same_counts(matrix_by_cpu(p, t, num_classes, ignore_index=ignore), expected)
        signed = [m.view(torch.int8) for m in (p, t)]
        assert_same_counts(matrix_by_cpu(*signed, 100, ignore_index=-1), expected_counts(*signed, 100, [-1]))
        mixed = (p.view(torch.int8), t)
        assert_same_counts(matrix_by_cpu(*mixed, 100, ignore_index=-1), expected_counts(*mixed, 100, [-1]))


@pytest.mark.parametrize("offsets", [(0, 0), (1, 0), (0, 3), (5, 5), (8, 8)])
def test_any_alignment(rng, offsets):
    for dtype in (torch.uint8, torch.int16):
        whole = [patches(rng, 300, dtype) for _ in range(2)]
        preds, target = (m[offset : offset + 290] for m, offset in zip(whole, offsets, strict=True))
        assert_same_counts(
            matrix_by_cpu(preds, target, 19, ignore_index=255), expected_counts(preds, target, 19, [255])
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(1, 2, 8192), (2, 3, 8193), (3, 5, 64), (2, 4, 100, 90), (1, 1, 70), (2, 19, 7)])
def test_scores_around_every_tile(rng, dtype, shape):
    scores = random_scores(rng, shape, dtype)
    target = torch.from_numpy(rng.integers(0, shape[1] + 1, size=(shape[0], *shape[2:])))
    expected = reference.counts(reference.labels_of_scores(scores.double().numpy(), shape[1]), target.numpy(), shape[1])
    assert_same_counts(matrix_by_cpu(scores, target, shape[1], input_format="index"), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_every_half_is_ranked_as_its_value(dtype):
    """All 2^16 values against a neighbour in random order, with NaN and both zeros."""
    every = torch.arange(2**16).to(torch.uint16).view(torch.int16)
    other = every[torch.randperm(2**16, generator=torch.Generator().manual_seed(0))]
    scores = torch.stack([every, other])[None].view(dtype)
    target = torch.zeros(1, 2**16, dtype=torch.uint8)
    predicted = reference.labels_of_scores(scores.double().numpy(), 2)
    assert_same_counts(matrix_by_cpu(scores, target, 2), reference.counts(predicted, target.numpy(), 2))


def test_strides_of_scores(rng):
    whole = random_scores(rng, (4, 8, 10, 12), torch.float32)
    target = torch.from_numpy(rng.integers(0, 5, size=(4, 10, 12)))
    for scores in (
        whole[:, :5],
        whole[:, 1:6],
        whole[:, ::2][:, :4],
        whole[:1, :5].expand(4, 5, 10, 12),
        whole[::2, :5],
    ):
        truth, classes = target[: len(scores)], scores.shape[1]
        expected = reference.counts(reference.labels_of_scores(scores.numpy(), classes), truth.numpy(), classes)
        assert_same_counts(matrix_by_cpu(scores, truth, classes), expected)


LABEL = st.integers(-2, 21) | st.sampled_from([255, 2**40, -(2**63), 2**63 - 1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LABEL, LABEL, st.integers(1, 150)), min_size=1, max_size=8), st.integers(0, 400))
def test_additivity_transposition_permutation_and_conservation(runs, cut):
    preds, target = (
        torch.tensor([run[side] for run in runs for _ in range(run[2])], dtype=torch.int64) for side in (0, 1)
    )
    counts = matrix_by_cpu(preds, target, 19)
    assert counts.sum() == len(preds)
    assert_same_counts(
        matrix_by_cpu(preds[:cut], target[:cut], 19) + matrix_by_cpu(preds[cut:], target[cut:], 19), counts
    )
    assert_same_counts(matrix_by_cpu(target, preds, 19), counts.T)
    order = torch.randperm(19, generator=torch.Generator().manual_seed(cut))
    inside = [(m >= 0) & (m < 19) for m in (preds, target)]
    other = [torch.where(i, order[m.clamp(0, 18)], m) for m, i in zip((preds, target), inside, strict=True)]
    permuted = torch.cat([order, torch.tensor([19, 20])])
    assert_same_counts(matrix_by_cpu(*other, 19)[permuted][:, permuted], counts)


@pytest.mark.parametrize("form", ["uint8", "int64", "scores"])
def test_two_threads_count_as_one(rng, two_threads, form):
    preds, target = (m.repeat(3, 1, 1) for m in blobs(rng, 90, 101, 19))
    expected = expected_counts(preds, target, 19, [255])
    if form == "scores":
        planes = torch.nn.functional.one_hot(preds.long(), 19).movedim(-1, 1).float().contiguous()
        assert_same_counts(matrix_by_cpu(planes, target, 19, ignore_index=255), expected)
    else:
        assert_same_counts(
            matrix_by_cpu(*(m.to(getattr(torch, form)) for m in (preds, target)), 19, ignore_index=255), expected
        )
    assert any(thread.name.startswith("meaniou") for thread in threading.enumerate())


def row_by_definition(preds, target, num_classes, ignore):
    """The row of an image, computed from sets of pixels."""
    truth_of, predicted_of = (
        [set(np.flatnonzero((side == c).numpy())) if c not in ignore else set() for c in range(num_classes)]
        for side in (target, preds)
    )
    valid = set().union(*truth_of)
    void_preds = set(np.flatnonzero(np.isin(preds.numpy(), ignore)))
    return [
        [len(truth & predicted) for truth, predicted in zip(truth_of, predicted_of, strict=True)],
        [len(truth) for truth in truth_of],
        [len(predicted & valid) for predicted in predicted_of],
        [len(truth & void_preds) for truth in truth_of],
    ]


@pytest.mark.parametrize("images", [1, 5])
@pytest.mark.parametrize("form", ["uint8", "int64", "float32", "bfloat16", "channels_last", "strided", "valid"])
def test_rows_of_images(rng, two_threads, form, images):
    """Images split among threads, and one image split among threads; contiguous maps and others."""
    shape, ignore = (images, 31, 37), [255, 2]
    preds, target = (patches(rng, images * 31 * 37, torch.int64, 5).view(shape) for _ in range(2))
    predicted, valid = preds, torch.ones(shape, dtype=torch.bool)
    kind = "labels"
    if form in ("float32", "bfloat16", "channels_last"):
        predicted = preds = preds.clamp(0, 4)
        planes = torch.nn.functional.one_hot(predicted, 5).movedim(-1, 1)
        predicted = planes.float() if form == "channels_last" else planes.contiguous().to(getattr(torch, form))
        kind = "scores"
    elif form == "strided":
        predicted = preds.repeat_interleave(2, -1)[..., ::2]
    elif form == "valid":
        valid = torch.from_numpy(rng.random(shape) < 0.7)
        target = torch.where(valid, target, 255)
    else:
        predicted, target = preds.to(getattr(torch, form)), target.to(getattr(torch, form))
    spec, maps = CountSpec(kind, "labels", 5, tuple(ignore)), partial(torch.flatten, start_dim=1)
    counts, rows = cpu.count_images(predicted, target, valid if form == "valid" else None, spec)
    assert rows.dtype == torch.int64
    assert rows.tolist() == [row_by_definition(p, t, 5, ignore) for p, t in zip(maps(preds), maps(target), strict=True)]
    assert_same_counts(counts, expected_counts(preds, target, 5, ignore))
    others = image_by_image(portable.count, predicted, target, None, spec)
    assert_same_counts(others[0], counts)
    assert torch.equal(others[1], rows)


def test_rows_of_no_image_and_of_no_pixel():
    for shape in ((0, 4, 4), (3, 0, 4)):
        x = torch.zeros(shape, dtype=torch.uint8)
        counts, rows = cpu.count_images(x, x, None, CountSpec("labels", "labels", 3))
        assert counts.sum() == 0
        assert rows.tolist() == [[[0] * 3] * 4] * shape[0]


def test_a_row_worked_by_hand():
    # Truth in rows; the columns are two classes, void, outside.
    counts = torch.tensor([[5, 1, 2, 3], [4, 6, 7, 0], [1, 1, 1, 1], [9, 9, 9, 9]])
    assert image_counts_of(counts).tolist() == [[5, 6], [11, 17], [9, 7], [2, 7]]


def test_many_python_threads_at_once(rng, two_threads):
    preds, target = blobs(rng, 300, 400, 19)
    expected = expected_counts(preds, target, 19, [255])
    matrices, errors = [], []

    def count():
        try:
            matrices.extend(matrix_by_cpu(preds, target, 19, ignore_index=255) for _ in range(20))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    assert errors == []
    assert len(matrices) == 120
    for counts in matrices:
        assert_same_counts(counts, expected)


def test_beside_the_threads_of_pytorch(rng, two_threads):
    preds, target = blobs(rng, 300, 400, 19)
    expected, sums, stop = expected_counts(preds, target, 19, [255]), [], threading.Event()
    numbers = torch.arange(1 << 20)

    def add_up():
        while not stop.is_set():
            sums.append(int(numbers.sum()))  # large enough for all threads of PyTorch

    thread = threading.Thread(target=add_up)
    thread.start()
    try:
        for _ in range(50):
            assert_same_counts(matrix_by_cpu(preds, target, 19, ignore_index=255), expected)
            assert int(numbers.sum()) == (1 << 19) * ((1 << 20) - 1)
    finally:
        stop.set()
        thread.join(600)
    assert set(sums) == {(1 << 19) * ((1 << 20) - 1)}


@pytest.mark.slow
def test_a_small_update_starts_no_thread():
    code = (
        "import threading, torch; from meaniou import MeanIoU; metric = MeanIoU(3, impl='cpu');"
        "torch.set_num_threads(4);"
        "x = torch.zeros(1, 64, 64, dtype=torch.uint8); metric.update(x, x); assert threading.active_count() == 1;"
        "x = torch.zeros(8, 1024, 1024, dtype=torch.uint8); metric.update(x, x);"
        "assert 1 < threading.active_count() <= 4;"
        "torch.set_num_threads(1); metric.update(x, x); assert metric.counts[0, 0] == x.numel() * 2 + 4096"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize(
    "method", [pytest.param("fork", marks=NEEDS_FORK), pytest.param("spawn", marks=pytest.mark.slow)]
)
def test_in_another_process(two_threads, method):
    count_in_process(multiprocessing.get_context("spawn").SimpleQueue())  # this process has several threads by now
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=count_in_process, args=(queue,))
    child.start()
    assert queue.get(timeout=600) == 2 * 1024 * 1024
    child.join(600)
    assert child.exitcode == 0


def test_the_lock_of_the_interpreter_is_free_while_it_counts():
    maps, table = np.zeros(1 << 22, np.uint8), np.zeros(256, np.int64)
    count = partial(loops.count_bytes, maps, maps, 0, maps.size, table, table, np.zeros(1, np.int64))
    count()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # threads are not asked to release the GIL, so the loop must have done so
    try:
        assert gives_way(count, 100_000)
        assert not gives_way(lambda: sum(range(1 << 16)), 50)
    finally:
        sys.setswitchinterval(before)


def gives_way(work, times):
    """Whether this thread proceeds before another one has finished its work."""
    done, stop = 0, threading.Event()

    def run():
        nonlocal done
        while done < times and not stop.is_set():
            work()
            done += 1

    thread = threading.Thread(target=run)
    thread.start()
    went_on = done < times
    stop.set()
    thread.join()
    return went_on


def in_new_process(tmp_path, cache, code="", **environment):
    code += (
        "import torch, meaniou; x = torch.zeros(99, dtype=torch.uint8); print(meaniou.mean_iou(x, x, 2, impl='cpu'))"
    )
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)} | environment,
        capture_output=True,
        text=True,
        timeout=600,
        cwd=tmp_path,
        check=False,
    )


@pytest.mark.slow
def test_the_cache_is_written_and_read(tmp_path):
    assert in_new_process(tmp_path, tmp_path / "cache").stdout == "tensor(1.)\n"
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*count_bytes*.nbc")}
    assert len(kept) == 1, "only the signature in use is compiled"
    assert not list((tmp_path / "cache").rglob("*count_scores*.nbc"))
    assert in_new_process(tmp_path, tmp_path / "cache").stdout == "tensor(1.)\n"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.mark.slow
def test_no_place_for_a_cache_is_no_error(tmp_path):
    # As if every folder were read-only, also for root.
    code = (
        "import numba.core.caching as caching;"
        "caching.CacheImpl._locator_classes = []; caching.CodeLibraryCacheImpl._locator_classes = [];"
    )
    ran = in_new_process(tmp_path, tmp_path / "none", code)
    assert (ran.stdout, ran.stderr) == ("tensor(1.)\n", "")


@pytest.mark.slow
def test_without_numba_the_portable_kernel_counts(tmp_path):
    code = (
        "import sys; sys.modules['numba'] = None; import torch; from meaniou import MeanIoU; metric = MeanIoU(2);"
        "x = torch.zeros(9, dtype=torch.uint8); metric.update(x, x); assert metric.counts.sum() == 9;"
        "print(metric.kernel)\ntry: MeanIoU(2, impl='cpu')\nexcept ValueError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    kernel, error = ran.stdout.splitlines()
    assert kernel == "portable"
    assert "Numba" in error
    assert "extra 'cpu'" in error


def test_which_kernel_counts_can_be_seen_and_forced():
    assert MeanIoU(2).kernel == MeanIoU(2, impl="cpu").kernel == "cpu"
    assert MeanIoU(2, impl="portable").kernel == "portable"
    assert MeanIoU(2).to("meta").kernel == "portable"
    with pytest.raises(ValueError, match="impl='cpu' cannot count on meta"):
        _ = MeanIoU(2, impl="cpu").to("meta").kernel


def test_both_kernels_agree_on_large_maps():
    """The portable kernel is the oracle for maps that are too large for the reference."""
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randint(0, 256, (3, 700, 801), dtype=torch.uint8, generator=generator) for _ in range(2)]
    spec = CountSpec("labels", "labels", 19, (255,))
    assert_same_counts(cpu.count(*maps, None, spec), portable.count(*maps, None, spec))
