"""Stand-ins for modules that a tool imports and does not use for what is compared, so that the tool itself runs."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

# IoUMetric of mmsegmentation calls neither; mmcv has no wheel for these versions of Python and PyTorch, and OpenCV is
# for its metric of depths.
STAND_INS = {"mmcv": '__version__ = "2.1.0"\n', "cv2": ""}


def write_stand_ins(folder: Path) -> None:
    """Writes the stand-ins as modules of a folder, for a process that runs there."""
    for name, text in STAND_INS.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")


def import_with_stand_ins(name: str, folder: Path) -> ModuleType:
    """A module that was imported beside the stand-ins, which no later import sees."""
    write_stand_ins(folder)
    absent = [stand_in for stand_in in STAND_INS if stand_in not in sys.modules]
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        for stand_in in absent:
            sys.modules.pop(stand_in, None)
