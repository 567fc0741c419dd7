"""Views -> counts: registers the operator ``meaniou::count`` with PyTorch, and chooses the kernel that counts.

The operator is opaque to ``torch.compile`` and ``torch.export``. On the CPU it refuses labels outside the classes
before anything is added to a state; on an accelerator that would be a wait for the device, so there they are counted
aside and refused at the end.
"""

import functools
import importlib
import importlib.util
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from meaniou.inputs import Views, map_shape, views
from meaniou.kernels import portable
from meaniou.kernels.sides import side_of_preds, side_of_truth
from meaniou.kernels.windows import Reading
from meaniou.labels import TRAIN_VOID, LabelSpace
from meaniou.policy import Counting, Policy

Maps = Tensor | Sequence[Tensor]

# torch.library.Library: 3 µs a call; torch.library.custom_op takes 26 to 29.
_library = torch.library.Library("meaniou", "DEF")
_library.define(
    "count(Tensor preds, Tensor target, Tensor? valid, str preds_form, str target_form, int num_classes, int[] ignore, "
    "float threshold, bool validate, str impl, int[] target_ids=[], int[] preds_ids=[]) -> Tensor",
    tags=(torch.Tag.pt2_compliant_tag,),
)


class OutsideError(ValueError):
    """Labels outside the classes that are a mistake in the data or the settings.

    Attributes:
        side: which map holds them.
        fact: how many, and on the CPU where the first is and what is stored there.
        looks_like: a mistake that can be told from what is stored: ``"binary"`` for a mask of 0 and 255,
            ``"train ids"`` for class numbers with 255 as their void; empty for none.
        hint: what the label space has to say.
    """

    def __init__(self, side: str, fact: str, looks_like: str = "", hint: str = "") -> None:
        super().__init__(side, fact, looks_like, hint)
        self.side, self.fact, self.looks_like, self.hint = side, fact, looks_like, hint

    @property
    def of_preds(self) -> bool:
        """Whether it is the predictions that hold them."""
        return self.side.endswith("preds")

    @property
    def ignored(self) -> str:
        """What such labels are once they are ignored."""
        return "no answer and a miss" if self.of_preds else "void"

    def __str__(self) -> str:
        name = "preds" if self.of_preds else "target"
        cures = {
            "binary": f"if 255 is the foreground of a binary mask, pass {name} > 0; otherwise ",
            "train ids": "if they are class numbers (train ids), set pred_ids to 'classes'; otherwise "
            if self.of_preds
            else "if they are class numbers (train ids), take a label space without ids; otherwise ",
        }
        hint = f"{self.hint}; otherwise " if self.hint else cures.get(self.looks_like, "")
        return (
            f"{self.side} {self.fact}; {hint}set num_classes= to all classes, pass ignore_index= if such labels "
            f"are {self.ignored}, or mend the data (validate_args=False only counts such pixels)."
        )


# The kernels for one type of device, which name their modules too: what each needs, and where that comes from.
NEEDS = {
    "cpu": ("numba", "Numba", "install the extra 'cpu'"),
    "cuda": ("triton", "Triton", "it comes with PyTorch for CUDA and ROCm on Linux"),
}


@functools.cache
def why_not(impl: str) -> str:
    """The reason why a kernel cannot run here, empty if it can."""
    if impl not in NEEDS:
        return ""
    _, name, source = NEEDS[impl]
    try:
        importlib.import_module(f"meaniou.kernels.{impl}")
    except ImportError as error:
        return f"impl={impl!r} cannot run, since {name} cannot be used ({error}); {source}."
    return ""


def kernel(impl: str, device: torch.device) -> ModuleType:
    """The module that counts on a device.

    Raises:
        ValueError: if a kernel is forced that does not run there.
    """
    if impl in NEEDS and impl != device.type:
        raise ValueError(
            f"impl={impl!r} cannot count on {device}; take impl='auto', or move the metric and its inputs."
        )
    if impl == "portable" or device.type not in NEEDS:
        return portable
    if reason := why_not(device.type):
        if importlib.util.find_spec(NEEDS[device.type][0]) is not None:
            warnings.warn(f"{reason} Until then the portable kernel counts, which takes longer.", stacklevel=2)
        return portable
    return importlib.import_module(f"meaniou.kernels.{device.type}")


def count(preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, how: Counting) -> Tensor:
    """Counts of one batch, int64 ``[C + 2, C + 2]``, on its device, of tensors or of sequences with one map an image.

    Raises:
        TypeError: if something is no tensor, or of a dtype that holds neither labels nor scores.
        ValueError: if shapes or devices do not fit, or the shapes can be read in two ways; with ``validate_args`` and
            on the CPU also if a truth, or a prediction where the truth is a class, is outside the classes.
    """
    if not isinstance(preds, (list, tuple)) and not isinstance(target, (list, tuple)):
        found = views(preds, target, valid, space.num_classes, how.input_format)
        return _count_views(found, space, how)
    return _count_images(preds, target, valid, space, how)


def _count_images(preds: Maps, target: Maps, valid: Maps | None, space: LabelSpace, how: Counting) -> Tensor:
    lists = [("preds", preds), ("target", target)] + ([] if valid is None else [("valid", valid)])
    for name, maps in lists:
        if name != "valid" and not isinstance(maps, (list, tuple)):
            raise TypeError(
                f"{name} is a {type(maps).__name__} beside a sequence; expected one map an image on both sides, "
                "so pass two lists."
            )
        if len(maps) != len(target):
            raise ValueError(
                f"{name} has {len(maps)} images and target {len(target)}; expected as many, so check that both "
                "are whole."
            )
    total: Tensor | None = None
    for i in range(len(target)):
        try:
            image = (_one(preds[i]), _one(target[i]), None if valid is None else _one(valid[i]))
            counts = _count_views(views(*image, space.num_classes, how.input_format), space, how)
        except OutsideError as error:
            side = f"Image {i} of the sequence: {error.side}"
            raise OutsideError(side, error.fact, error.looks_like, error.hint) from None
        except (TypeError, ValueError) as error:
            raise type(error)(f"Image {i} of the sequence: {error}") from None
        total = counts if total is None else total.add_(counts)
    if total is None:
        return torch.zeros(space.num_classes + 2, space.num_classes + 2, dtype=torch.int64, device="cpu")
    return total


def _one(image: Any) -> Any:
    return image[None] if isinstance(image, Tensor) else image


def _count_views(found: Views, space: LabelSpace, how: Counting) -> Tensor:
    try:
        counts: Tensor = _operator(
            found.preds,
            found.target,
            found.valid,
            found.preds_form,
            found.target_form,
            space.num_classes,
            space.ignore,
            how.threshold,
            how.validate_args,
            how.impl,
            space.target_bins,
            space.preds_bins,
        )
    except OutsideError as error:
        error.hint = space.hint
        raise
    return counts


def refuse_outside(counts: Tensor, space: LabelSpace) -> None:
    """Raises ``OutsideError`` if counts on the CPU hold a label outside the classes that is a mistake."""
    for name, number in zip(("target", "preds"), _outside(counts), strict=True):
        if number:
            ids = space.target_bins if name == "target" else space.preds_bins
            raise OutsideError(name, _fact(number, space.num_classes, bool(ids)), hint=space.hint)


def doubts(counts: Tensor, space: LabelSpace, policy: Policy) -> Iterator[str]:
    """Sentences on counts on the CPU that are possible, and yet are what a common mistake gives."""
    void, unanswered = int(counts[-2].sum()), int(counts[:-2, -2].sum())
    known = int(counts[:-2].sum())
    if space.preds_bins and unanswered > known / 4:
        yield (
            f"The predictions give no answer (a void id) on {unanswered:,} of {known:,} valid pixels, as if they held "
            "class numbers (train ids) where ids are expected; if they do, set pred_ids to 'classes'."
        )
    elif space.void and unanswered and not void and policy.unanswered == "miss":
        yield (
            f"The predictions give no answer (an ignored id, or a NaN score) on {unanswered:,} pixels, and the truth "
            "has no void, as if the two were swapped; pass the prediction first."
        )
    nowhere = not counts[1].any() and not counts[:, 1].any()
    if space.num_classes == 2 and space.ids is None and 255 in space.void and nowhere and void:
        yield (
            f"Class 1 is on neither side, and {void:,} pixels of the truth are void; if 255 is the foreground of "
            "binary masks, make it 1 (mask > 0) and ignore no id."
        )


def _outside(counts: Tensor) -> tuple[int, int]:
    """Pixels outside the classes in the truth, and in the prediction where the truth is a class."""
    return int(counts[-1].sum()), int(counts[:-2, -1].sum())


def _fact(number: int, num_classes: int, by_ids: bool) -> str:
    classes = f"ids of the {num_classes} classes" if by_ids else f"classes 0 to {num_classes - 1}"
    return f"holds {number:,} pixel{'s' * (number != 1)} outside the {classes}"


def _count(
    preds: Tensor,
    target: Tensor,
    valid: Tensor | None,
    preds_form: str,
    target_form: str,
    num_classes: int,
    ignore: list[int],
    threshold: float,
    validate: bool,
    impl: str,
    target_ids: Sequence[int] = (),
    preds_ids: Sequence[int] = (),
) -> Tensor:
    space = tuple(ignore), threshold, tuple(target_ids), tuple(preds_ids)
    reading = Reading(preds_form, target_form, num_classes, *space)
    if validate and preds_form == "threshold" and preds.device.type == "cpu":
        _warn_of_logits(preds, threshold)
    counter = kernel(impl, preds.device)
    if impl == "cuda" and (reason := counter.why_not(preds, target, valid, reading)):
        raise ValueError(f"impl='cuda' does not count such maps, since {reason}; take impl='auto' or 'portable'.")
    counts: Tensor = counter.count(preds, target, valid, reading)
    if not validate or preds.device.type != "cpu":
        return counts
    # One sum tells that there is nothing outside, in half the time of looking at both sides; NumPy's is the faster.
    if counts.numpy()[:-1, :-1].sum() == map_shape(target, target_form).numel():
        return counts
    in_truth, in_preds = _outside(counts)
    if in_truth or in_preds:
        truth, prediction = side_of_truth(target, reading), side_of_preds(preds, reading)
        index, stored = portable.first_outside(truth, prediction, valid, num_classes, in_truth > 0)
        name, number = ("target", in_truth) if in_truth else ("preds", in_preds)
        found = f" (the first at index {index}: {stored[0] if len(stored) == 1 else 'no single 1 among zeros'})"
        by_ids = bool(target_ids if in_truth else preds_ids)
        looks_like = ""
        if stored == [TRAIN_VOID]:
            # Masks of 0 and 255: as an ignored id the foreground would be void, and the number plausible and wrong.
            looks_like = "train ids" if by_ids else "binary" if num_classes == 2 else ""
        raise OutsideError(name, _fact(number, num_classes, by_ids) + found, looks_like)
    return counts


def _warn_of_logits(preds: Tensor, threshold: float) -> None:
    """Logits compared with a threshold for probabilities would give a plausible wrong number."""
    if 0 < threshold < 1 and preds.numel():
        low, high = (float(end) for end in torch.aminmax(preds.detach()))
        if low < 0 or high > 1:
            warnings.warn(
                f"preds holds scores from {low:g} to {high:g}, which are no probabilities, and class 1 is where they "
                f"are above {threshold:g}; for logits pass threshold=0.0.",
                stacklevel=2,
            )


def _count_fake(preds: Tensor, *rest: object) -> Tensor:
    size = int(rest[4]) + 2  # type: ignore[call-overload]
    return preds.new_empty((size, size), dtype=torch.int64)


_library.impl("count", _count, "CompositeExplicitAutograd")  # every device without a kernel of its own
torch.library.register_fake("meaniou::count", _count_fake, lib=_library)
_operator = torch.ops.meaniou.count.default
