"""The Triton kernel without a GPU: the maps it accepts, how it is chosen, that it compiles and never waits.

Its numbers are in test_cuda_interp and test_thresholds_interp, which run in processes of their own, and on a GPU in
test_gpu.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support import LABEL_DTYPES, SCORE_DTYPES, NoWait, name_of
from support.labels import spec_of as spec_of_labels

from meaniou import LabelSpace, MeanIoU, MultilabelMeanIoU, confusion_matrix, protocols
from meaniou.counting import kernel, why_not
from meaniou.counting.kernels.spec import CountSpec

triton = pytest.importorskip("triton", reason="Triton comes with PyTorch for CUDA and ROCm on Linux")
from triton.backends.compiler import GPUTarget  # noqa: E402

pytestmark = pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") == "1", reason="under the interpreter nothing is compiled"
)

CUDA = torch.device("cuda")
TARGETS = [GPUTarget("cuda", 80, 32), GPUTarget("cuda", 90, 32), GPUTarget("hip", "gfx942", 64)]
PLAIN = CountSpec("labels", "labels", 19, (255,))


@pytest.fixture
def cuda():
    from meaniou.counting.kernels import cuda

    return cuda


def maps(dtype, shape=(2, 64, 96), number=2):
    return [torch.zeros(shape, dtype=dtype) for _ in range(number)]


@pytest.mark.slow
@pytest.mark.parametrize("marks", ["not slow", "slow"])
@pytest.mark.parametrize("file", ["test_cuda_interp", "test_thresholds_interp"])
def test_numbers_in_the_interpreter(file, marks):
    """In a process of its own, since Triton chooses interpretation at import."""
    options = ["-q", "-x", "-p", "no:cacheprovider", "-m", marks]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"tests/counting/{file}.py"],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
    assert " passed" in ran.stdout
    assert "skipped" not in ran.stdout


# The choice.


def test_a_device_has_its_kernel(cuda):
    assert why_not("cuda") == ""
    assert kernel("auto", CUDA) is kernel("cuda", CUDA) is cuda
    assert kernel("portable", CUDA).NAME == "portable"
    with pytest.raises(ValueError, match="impl='cuda' cannot count on cpu"):
        _ = MeanIoU(2, impl="cuda").kernel
    x = torch.zeros(3, dtype=torch.uint8)
    with pytest.raises(ValueError, match="impl='cuda' cannot count on cpu"):
        MeanIoU(2, impl="cuda").update(x, x)
    with pytest.raises(ValueError, match="impl='cpu' cannot count on cuda"):
        kernel("cpu", CUDA)


def in_new_process(code):
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.slow
def test_without_triton_the_portable_kernel_counts():
    output = in_new_process(
        "import sys; sys.modules['triton'] = None; import torch; from meaniou.counting import kernel;"
        "from meaniou import MeanIoU; print(kernel('auto', torch.device('cuda')).NAME)\n"
        "try: MeanIoU(2, impl='cuda')\nexcept ValueError as error: print(error)"
    )
    name, error = output.splitlines()
    assert name == "portable"
    assert error.startswith("impl='cuda' cannot run")
    assert "Triton" in error
    assert error.endswith("PyTorch for CUDA and ROCm on Linux.")


@pytest.mark.slow
def test_a_triton_that_is_too_old_is_named():
    output = in_new_process(
        "import warnings, torch, triton; triton.__version__ = '3.3.1'; from meaniou.counting import kernel\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always'); print(kernel('auto', torch.device('cuda')).NAME)\n"
        "print(caught[0].message)"
    )
    name, warning = output.splitlines()
    assert name == "portable"
    assert "3.3.1 is older than 3.4" in warning
    assert "portable kernel" in warning


@pytest.mark.parametrize(
    ("version", "shared", "amd", "bins"),
    [
        ((3, 7), 232448, False, 1024),
        ((3, 8), 232448, False, 32768),
        ((3, 9), 101376, False, 16384),
        ((4, 0), 65536, False, 8192),
        ((3, 9), 65536, True, 1024),
    ],
)
def test_bins_that_a_gpu_can_hold(version, shared, amd, bins):
    from meaniou.counting.kernels.cuda.limits import GpuLimits

    assert GpuLimits(version, shared, 132, amd).bins == bins


def test_programs_at_a_time():
    from meaniou.counting.kernels.cuda.limits import GpuLimits

    gpu = GpuLimits((3, 8), 232448, 132)
    assert [gpu.programs(bins) for bins in (32, 1024, 8192, 32768)] == [8, 8, 6, 1]


@pytest.mark.parametrize("text", ["3.9.0", "3.9rc1", "3.9.0+git1234"])
def test_versions_of_every_form(monkeypatch, text):
    from meaniou.counting.kernels.cuda import limits

    monkeypatch.setattr(triton, "__version__", text)
    assert limits.version() == (3, 9)


def test_a_gpu_that_runs_no_program(cuda, monkeypatch):
    """Without a C compiler the portable kernel counts, and ``impl="cuda"`` raises with the reason."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    real = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *s, device=None, **k: real(*s, **k))  # no GPU is used

    def no_gpu(device):
        raise RuntimeError("Failed to find C compiler.\nand more")

    monkeypatch.setattr("meaniou.counting.kernels.cuda.limits.gpu_limits", no_gpu)
    cuda.fault.cache_clear()
    try:
        with pytest.warns(UserWarning, match=r"RuntimeError: Failed to find C compiler\.\).* portable kernel"):
            assert kernel("auto", CUDA).NAME == "portable"
        with pytest.raises(ValueError, match="Triton cannot run a program on cuda"):
            kernel("cuda", CUDA)
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        assert kernel("auto", CUDA) is cuda
    finally:
        cuda.fault.cache_clear()


REASONS = {
    "not threshold with labels": lambda: (torch.zeros(2, 4), *maps(torch.uint8, (2, 4), 1), None, "threshold"),
    "not labels with one-hot": lambda: (
        *maps(torch.uint8, (2,), 1),
        *maps(torch.uint8, (2, 19), 1),
        *(None, "labels", "one-hot"),
    ),
    "target is torch.float32": lambda: (*maps(torch.float32, (2, 4)), None),
    "target [2, 2, 2, 2] with strides": lambda: (
        torch.zeros(2, 2, 2, 2, dtype=torch.uint8),
        torch.zeros(4, 4, 4, 4, dtype=torch.uint8)[::2, ::2, ::2, ::2],
        None,
    ),
    "strides [3078, 162, 18, 2]": lambda: (
        *(torch.zeros(2, 19, 9, 18)[..., ::2], *maps(torch.uint8, (2, 9, 9), 1), None, "scores"),
    ),
    "scores are float64": lambda: (
        torch.zeros(2, 9, 9, 19, dtype=torch.float64).movedim(-1, 1),
        *maps(torch.uint8, (2, 9, 9), 1),
        None,
        "scores",
    ),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_it_does_not_take_is_known_before(cuda, monkeypatch, reason):
    preds, target, valid, *forms = REASONS[reason]()
    forms = [*forms, *("labels", "labels")[len(forms) :]]
    spec = CountSpec(*forms, 19, (255,))
    assert reason in cuda.why_not(preds, target, valid, spec)
    counts = cuda.count(preds, target, valid, spec)  # by the portable kernel
    assert counts.sum() == 2 * counts.sum() // 2 > 0
    images, rows = cuda.count_images(preds, target, valid, spec)
    assert torch.equal(images, counts)
    assert rows.shape == (2, 4, 19)
    monkeypatch.setattr("meaniou.counting.dispatch.kernel", lambda impl, device: cuda)
    if forms == ["labels", "labels"] and not target.is_floating_point():
        with pytest.raises(ValueError, match=r"impl='cuda' cannot count .* target \[2, 2, 2, 2\]"):
            confusion_matrix(preds, target, 19, impl="cuda")


LABEL_REASONS = {
    "the pixels of a label of preds [2, 3, 4, 4] with strides": lambda x: (x[..., :-2], x[..., 2:].contiguous(), None),
    "the pixels of a label of target": lambda x: (x[:, :, ::2].contiguous(), x[:, :, ::2], None),
    "the pixels of a label of valid": lambda x: (x, x, (x == 0)[:, :, :1].expand(x.shape)),
    "9 values are ignored": lambda x: (x, x, None),
}


@pytest.mark.parametrize("reason", LABEL_REASONS)
def test_labels_that_it_does_not_take_are_known_before(cuda, monkeypatch, reason):
    preds, target, valid = LABEL_REASONS[reason](torch.zeros(2, 3, 4, 6))
    ignore = tuple(range(2, 11)) if "values" in reason else ()
    spec = spec_of_labels([0.5], ignore=ignore)
    assert reason in cuda.why_not_thresholds(preds, target, valid, spec)
    counts = cuda.count_thresholds(preds, target, valid, spec)  # by the portable kernel
    assert counts.sum() == preds.numel()
    monkeypatch.setattr("meaniou.counting.dispatch.kernel", lambda impl, device: cuda)
    metric = MultilabelMeanIoU(3, ignore_index=ignore)
    metric.update(preds, target, valid)
    assert torch.equal(metric.counts, counts[0])
    metric = MultilabelMeanIoU(3, ignore_index=ignore, impl="cuda")
    with pytest.raises(ValueError, match=f"impl='cuda' cannot count these maps, since {re.escape(reason)}"):
        metric.update(preds, target, valid)
    assert not metric.counts.any()


def test_many_ignored_ids_are_a_reason(cuda):
    preds, target = maps(torch.uint8)
    assert cuda.why_not(preds, target, None, CountSpec("labels", "labels", 19, tuple(range(8)))) == ""
    assert "9 ids are ignored" in cuda.why_not(preds, target, None, CountSpec("labels", "labels", 19, tuple(range(9))))


def test_ids_that_lie_far_apart_are_a_reason(cuda):
    preds, target = maps(torch.int64)
    far = LabelSpace(2, ids=[7, 2**40])
    for ids in ({"target_ids": far.tables.target_ids}, {"preds_ids": far.tables.preds_ids}):
        spec = CountSpec("labels", "labels", 2, **ids)
        assert "too far apart" in cuda.why_not(preds, target, None, spec)
        assert cuda.count(preds, target, None, spec).sum() == preds.numel()
    assert cuda.why_not(preds, target, None, CITY) == ""


# Compilation for GPUs that are not present.


def spec_of(name):
    """Label maps of a protocol."""
    space = protocols.get(name).label_space
    ids = {"target_ids": space.tables.target_ids, "preds_ids": space.tables.target_ids}
    return CountSpec("labels", "labels", space.num_classes, **ids)


CITY = spec_of("cityscapes")
WORK = {
    "uint8 ids": lambda: (*maps(torch.uint8), None, CITY),
    "int64 ids, mask, strides": lambda: (
        *(m[:, 1:-1, 1:-1] for m in maps(torch.int64)),
        torch.ones(2, 62, 94, dtype=torch.bool),
        CITY,
    ),
    "float32 scores beside ids": lambda: (
        torch.zeros(2, 19, 64, 96),
        *maps(torch.uint8, number=1),
        None,
        CITY._replace(preds_form="scores"),
    ),
    "uint8 ids of 150 classes": lambda: (
        *maps(torch.uint8),
        None,
        spec_of("ade20k"),
    ),
    "uint8 C=19": lambda: (*maps(torch.uint8), None, PLAIN),
    "int64 C=19": lambda: (*maps(torch.int64), None, PLAIN),
    "uint8 and int32 C=2": lambda: (
        *(*maps(torch.uint8, number=1), *maps(torch.int32, number=1), None, CountSpec("labels", "labels", 2, ())),
    ),
    "uint16 C=21, mask, strides": lambda: (
        *(m[:, 1:-1, 1:-1] for m in maps(torch.uint16)),
        torch.ones(2, 1, 1, dtype=torch.bool).expand(2, 62, 94),
        CountSpec("labels", "labels", 21, (255, -1)),
    ),
    "int64 C=60": lambda: (*maps(torch.int64), None, CountSpec("labels", "labels", 60, (255,))),
    "int64 C=150": lambda: (*maps(torch.int64), None, CountSpec("labels", "labels", 150, (255,))),
    "uint8 C=150": lambda: (
        *maps(torch.uint8),
        None,
        CountSpec(
            "labels",
            "labels",
            150,
            (
                0,
                255,
            ),
        ),
    ),
    "int64 C=1000, mask, strides": lambda: (
        *(m[:, 1:-1, 1:-1] for m in maps(torch.int64)),
        torch.ones(2, 62, 94, dtype=torch.bool),
        CountSpec("labels", "labels", 1000, (2**40,)),
    ),
} | {
    f"{name} scores C={classes} {layout}": lambda name=name, classes=classes, layout=layout: (
        torch.zeros(2, classes, 64, 96, dtype=getattr(torch, name)).to(memory_format=getattr(torch, layout)),
        *maps(torch.uint8, number=1),
        None,
        CountSpec("scores", "labels", classes, (255, 1)),
    )
    for name in ("float32", "bfloat16", "float16")
    for classes in (19, 150, 1000)
    for layout in ("contiguous_format", "channels_last")
}


def each_with_a_target(names):
    """Parametrizes a test with each name, for one target in turn: a compilation takes most of a second."""
    pairs = [(name, TARGETS[i % len(TARGETS)]) for i, name in enumerate(names)]
    return pytest.mark.parametrize(("work", "target"), pairs, ids=[f"{name}-{of.arch}" for name, of in pairs])


@pytest.mark.slow
@each_with_a_target(WORK)
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION is unset:UserWarning")
def test_programs_compile(cuda, monkeypatch, tmp_path, work, target):
    if target.backend == "hip" and triton.__version__.startswith("3.4."):
        pytest.skip("this wheel of Triton has no linker for AMD")
    from support.triton_aot import compiled

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))  # compile anew
    for count in (cuda.count, cuda.count_images):
        programs = compiled(monkeypatch, target, count, *WORK[work]())
        assert programs
        for program in programs:
            assert program.seconds < 5, program
            assert program.shared <= (131072 if "BINS" in program.name else 16384), program
            # From 80 registers on the assembler spills a value or two to keep more programs resident.
            assert program.spilled <= 16, program


EVEN, UNEVEN = [k / 100 for k in range(101)], [(k / 100) ** 2 for k in range(101)]
LABEL_WORK = (
    {
        "labels": lambda: (*maps(torch.bool, (2, 5, 64, 96)), None, spec_of_labels([0.5])),
        "bfloat16 for each label, mask": lambda: (
            *maps(torch.bfloat16, (2, 5, 64, 96), 1),
            *maps(torch.uint8, (2, 5, 64, 96), 1),
            torch.ones(2, 1, 1, 1, dtype=torch.bool).expand(2, 5, 64, 96),
            spec_of_labels([0.1, 0.2, 0.3, 0.4, 0.5], per_label=True, ignore=(255, -1)),
        ),
        "channels last, mask": lambda: (
            *(m.to(memory_format=torch.channels_last) for m in maps(torch.float32, (2, 5, 64, 96))),
            torch.ones(2, 1, 64, 96, dtype=torch.bool).expand(2, 5, 64, 96),
            spec_of_labels(EVEN, ignore=(255,)),
        ),
    }
    | {
        f"{name} {form}": lambda name=name, thresholds=thresholds: (
            *maps(getattr(torch, name), (2, 5, 64, 96), 1),
            *maps(torch.int64 if name == "float64" else torch.uint8, (2, 5, 64, 96), 1),
            None,
            spec_of_labels(thresholds, inclusive=True, ignore=(255,)),
        )
        for name in ("float16", "bfloat16", "float32", "float64")
        for form, thresholds in {
            "one": [0.5],
            "even": EVEN,
            "uneven": UNEVEN,
            "thousand": [k / 999 for k in range(1000)],
        }.items()
    }
    | {
        f"target {name_of(dtype)}": lambda dtype=dtype: (
            *maps(torch.float32 if dtype.is_floating_point else dtype, (2, 5, 64, 96), 1),
            *maps(dtype, (2, 5, 64, 96), 1),
            None,
            spec_of_labels([0.5], ignore=(-1, 2, 255, 2**31, 2**32 - 1)),
        )
        for dtype in (*LABEL_DTYPES, *SCORE_DTYPES)
    }
)


@pytest.mark.slow
@each_with_a_target(LABEL_WORK)
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION is unset:UserWarning")
def test_programs_of_labels_compile(cuda, monkeypatch, tmp_path, work, target):
    if target.backend == "hip" and triton.__version__.startswith("3.4."):
        pytest.skip("this wheel of Triton has no linker for AMD")
    from support.triton_aot import compiled

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))  # compile anew
    *maps_of_work, spec = LABEL_WORK[work]()
    for images in (False, True):
        this = spec._replace(images=images)
        (program,) = compiled(monkeypatch, target, cuda.count_thresholds, *maps_of_work, this)
        assert program.seconds < 5, program
        assert program.shared <= 16384, program
        assert program.spilled <= 16, program


def test_spilled_registers_are_seen():
    from support.triton_aot import spilled

    assert spilled({"amdgcn": "    .private_segment_fixed_size: 12\n    .sgpr_spill_count: 3\n"}) == 12
    ptx = """
        .version 7.0
        .target sm_80
        .address_size 64
        .visible .entry many(.param .u64 p) {{
            .reg .u64 %a; .reg .u32 %r<{n}>; .reg .u32 %i; .reg .pred %q;
            ld.param.u64 %a, [p]; {load} mov.u32 %i, 0; {add} {store} ret; }}"""
    lines = {"load": "ld.volatile.global.u32 %r{0}, [%a+{1}];", "add": "add.u32 %r{0}, %r{0}, %r{2};"}
    lines["store"] = "st.volatile.global.u32 [%a+{1}], %r{0};"
    for n, spills in ((10, False), (400, True)):
        parts = {k: " ".join(v.format(i, 4 * i, (i * 7 + 1) % n) for i in range(n)) for k, v in lines.items()}
        assert (spilled({"ptx": ptx.format(n=n, **parts)}) > 0) == spills


def test_nothing_waits_for_the_device(cuda, monkeypatch):
    from support.triton_aot import PROGRAMS

    from meaniou.counting.kernels.cuda import limits

    class Launch:
        def __getitem__(self, grid):
            launched.append(grid)
            return lambda *args, **settings: None

    launched = []
    monkeypatch.setattr(limits, "gpu_limits", lambda device: limits.GpuLimits((3, 7), 232448, 100))
    for module, name in PROGRAMS:
        monkeypatch.setattr(module, name, Launch())
    for work in WORK.values():
        args = work()
        before = len(launched)
        with NoWait():
            cuda.count(*args)
            cuda.count_images(*args)
        assert len(launched) >= before + 2
    for work in LABEL_WORK.values():
        *maps_of_work, spec = work()
        before = len(launched)
        for images in (False, True):
            with NoWait():
                cuda.count_thresholds(*maps_of_work, spec._replace(images=images))
        assert len(launched) == before + 2
