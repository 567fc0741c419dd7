"""Compiles the programs that a GPU would run, without that GPU, and measures their resources."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from meaniou.counting.kernels.cuda import confusion as cuda
from meaniou.counting.kernels.cuda import limits, programs, threshold_programs

TYPES = {torch.uint8: "u8", torch.int8: "i8", torch.int16: "i16", torch.uint16: "u16", torch.int32: "i32"}
TYPES |= {torch.uint32: "u32"}
TYPES |= {torch.int64: "i64", torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}
TYPES |= {torch.float64: "fp64"}
MODULES = (programs, threshold_programs)
PROGRAMS = [(module, name) for module in MODULES for name in vars(module) if name.startswith(("count_", "argmax_"))]


@dataclass(frozen=True)
class Compiled:
    """A compiled program: seconds to compile, bytes of shared memory, and bytes spilled from registers."""

    name: str
    seconds: float
    shared: int
    spilled: int


class Compiler:
    """A replacement for a Triton function, which compiles with the specialisations of a launch."""

    def __init__(self, function: Any, target: GPUTarget, results: list[Compiled]) -> None:
        self.function, self.target, self.results = function, target, results

    def __getitem__(self, grid: tuple[int, ...]) -> "Compiler":
        assert all(0 < n < 1 << 31 for n in grid)
        return self

    def __call__(self, *args: Any, num_warps: int = 4, **constants: Any) -> None:
        names = self.function.arg_names
        values = dict(zip(names, args, strict=False)) | constants
        assert list(values) == list(names) or set(values) == set(names)
        signature, fixed, attributes = {}, {}, {}
        for i, name in enumerate(names):
            value = values[name]
            if isinstance(value, tuple) and name.endswith(("_strides", "_table")):
                parts = ["*" + TYPES[n.dtype] if isinstance(n, torch.Tensor) else integer(n) for n in value]
                ones = {k for k, n in enumerate(value) if isinstance(n, int) and n == 1}
                signature[name] = tuple("constexpr" if k in ones else part for k, part in enumerate(parts))
                fixed |= {(i, k): 1 for k in ones}
                even = {k for k, n in enumerate(value) if isinstance(n, torch.Tensor) or n % 16 == 0}
                attributes |= {(i, k): [["tt.divisibility", 16]] for k in even}
            elif name in constants or value is None or (isinstance(value, int) and value == 1 and name != "programs"):
                signature[name], fixed[(i,)] = "constexpr", value
            elif isinstance(value, torch.Tensor):
                signature[name], attributes[(i,)] = "*" + TYPES[value.dtype], [["tt.divisibility", 16]]
            else:
                signature[name] = integer(value)
                if value % 16 == 0 and name != "programs":
                    attributes[(i,)] = [["tt.divisibility", 16]]
        source = ASTSource(fn=self.function, signature=signature, constexprs=fixed, attrs=attributes)
        start = worked()
        program = triton.compile(source, target=self.target, options={"num_warps": num_warps})
        seconds = worked() - start
        name = f"{self.function.__name__} {signature}"
        self.results.append(Compiled(name, seconds, program.metadata.shared, spilled(program.asm)))


def worked() -> float:
    """CPU seconds of this process and its children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def integer(value: int) -> str:
    return "i32" if -(2**31) <= value < 2**31 else "i64"


def spilled(asm: dict[str, Any]) -> int:
    """Bytes that a program spills from registers to memory."""
    if "ptx" not in asm:  # scalar registers moved to lanes of vector registers take no memory
        sizes = re.findall(r"\.private_segment_fixed_size: +(\d+)", asm["amdgcn"])
        assert sizes, asm["amdgcn"][-2000:]
        return sum(map(int, sizes))
    target = re.search(r"\.target (\w+)", asm["ptx"])
    assert target
    complaints = ""
    for ptxas in sorted((Path(triton.__file__).parent / "backends/nvidia/bin").glob("ptxas*")):
        command = [ptxas, "-v", f"--gpu-name={target[1]}", "-o", "/dev/null", "-"]
        ran = subprocess.run(command, input=asm["ptx"], capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            stores = re.findall(r"(\d+) bytes spill stores", ran.stderr)
            assert stores, ran.stderr
            return sum(map(int, stores))
        complaints += ran.stderr  # assemblers for other GPUs or older programs may fail
    raise AssertionError(complaints)


def compiled(monkeypatch: Any, target: GPUTarget, count: Any, *args: Any) -> list[Compiled]:
    """The programs that a call of the kernel would launch on a GPU of the target."""
    results: list[Compiled] = []
    shared = {80: 166912, 90: 232448, "gfx942": 65536}[target.arch]
    here = limits.GpuLimits(limits.version(), shared, 100, target.backend == "hip")
    with monkeypatch.context() as patch:
        patch.setattr(limits, "gpu_limits", lambda device: here)
        for module, name in PROGRAMS:
            patch.setattr(module, name, Compiler(getattr(module, name), target, results))
        count(*args)
    assert cuda.programs is programs
    return results
