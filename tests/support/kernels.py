"""The kernels that run on this CPU, from the package's table, with checks for each."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from meaniou.counting.dispatch import NEEDS, kernel
from meaniou.counting.kernels.image_counts import image_counts_of
from meaniou.counting.kernels.portable import confusion as portable
from meaniou.counting.kernels.spec import CountSpec
from support import assert_same_counts, whole_matrix

CPU = torch.device("cpu")
# The kernels besides the portable one, by name.
CPU_KERNELS: dict[str, Any] = {name: kernel(name, CPU) for name, needs in NEEDS.items() if needs.device == "cpu"}
# More images are counted as one.
MOST_IMAGES = 16
# With more classes the matrices of all images take too much time and memory.
MOST_CLASSES = 1000


def count_all(module: Any, preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> Tensor:
    """The counts of a kernel, after checking those of ``count_images`` and of each image."""
    counts: Tensor = module.count(preds, target, valid, spec)
    if spec.num_classes > MOST_CLASSES:
        return counts
    if _takes_all_images(preds, target, spec):
        preds, target, valid = (None if side is None else side[None] for side in (preds, target, valid))
    if target.dim() and len(target) <= MOST_IMAGES:
        total, image_counts = module.count_images(preds, target, valid, spec)
        assert_same_counts(total, counts)
        assert_same_counts(image_counts, expected_image_counts(preds, target, valid, spec))
    return counts


def _takes_all_images(preds: Tensor, target: Tensor, spec: CountSpec) -> bool:
    return {spec.preds_form, spec.target_form} <= {"labels", "threshold"} and len(target) > MOST_IMAGES


def expected_image_counts(preds: Tensor, target: Tensor, valid: Tensor | None, spec: CountSpec) -> Tensor:
    """The counts of each image, from its own matrix by the portable kernel."""
    rows = [torch.zeros(0, 4, spec.num_classes, dtype=torch.int64)]
    for i in range(len(target)):
        image = slice(i, i + 1)
        counts = portable.count(preds[image], target[image], None if valid is None else valid[image], spec)
        rows.append(image_counts_of(counts)[None])
    return torch.cat(rows)


def count_in_process(queue: Any) -> None:
    """Puts the pixels of class 0 into a queue, counted with two threads; a child process can import it from here."""
    torch.set_num_threads(2)
    target = torch.from_numpy(np.zeros((2, 1024, 1024), np.uint8))  # PyTorch's own threads do not survive a fork
    queue.put(int(whole_matrix(target, target, 3, impl="cpu")[0, 0]))
