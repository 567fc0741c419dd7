"""The machine, the versions and the commit that a result belongs to."""

import csv
import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PACKAGES = (
    "meaniou",
    "torch",
    "numpy",
    "numba",
    "torchmetrics",
    "torcheval",
    "scikit-learn",
    "kornia",
    "pytorch-ignite",
    "scipy",
    "opencv-python-headless",
    "edt",
)


def about() -> dict[str, str]:
    """Facts that stand above a table of results."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "command": "python " + shlex.join(sys.argv),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _git("rev-parse", "--short", "HEAD") + (" and changes" if _git("status", "--porcelain") else ""),
        "machine": f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "load": f"{os.getloadavg()[0]:.1f} processes in the minute before" if hasattr(os, "getloadavg") else "unknown",
        "versions": f"python {platform.python_version()}, " + ", ".join(map(_version, PACKAGES)),
    }


def write(path: Path, facts: Mapping[str, str], fields: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a table of results as CSV below the facts that it belongs to."""
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in facts.items())
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _version(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} not installed"


def _git(*words: str) -> str:
    ran = subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return ran.stdout.strip()
