"""The maps that a user passes: tensors, NumPy arrays, objects with DLPack, or lists with one map per image."""

from collections.abc import Iterator, Mapping, Sequence
from numbers import Number
from os import PathLike
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meaniou._util import kind_of

LABELS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64)
SCORES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

Maps = Tensor | Sequence[Tensor]


def as_tensor(value: Any, name: str) -> Tensor:
    """A tensor that shares the memory of a NumPy array or an object with DLPack; a copy if that is not possible.

    Raises:
        TypeError: if ``value`` is none of these, or an array of another dtype.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array; expected a plain array. Pass {name}.data, and "
            f"valid=~np.ma.getmaskarray({name})."
        )
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise TypeError(
                f"{name} is an array of {value.dtype}; expected bool, integers or floats of up to 64 bits. Convert it "
                "first."
            )
        strides = all(s >= 0 and s % value.itemsize == 0 for s in value.strides)
        if not value.dtype.isnative or not strides:
            return torch.from_numpy(value.astype(value.dtype.newbyteorder("="), order="C"))
        return torch.from_numpy(value if value.flags.writeable else np.asarray(_Writable(value)))
    if hasattr(value, "__dlpack__"):
        return torch.utils.dlpack.from_dlpack(value)
    if name == "valid" and isinstance(value, Number):
        label = isinstance(value, int) and not isinstance(value, bool)
        cure = f"To ignore the label {value}, pass ignore_index={value} to the metric." if label else "Leave it out."
        raise TypeError(f"valid is {kind_of(value)}; expected a bool mask, True where a pixel or image counts. {cure}")
    expected = f"{name} is {kind_of(value)}; expected a tensor, a NumPy array or an object with DLPack."
    raise TypeError(f"{expected} {_cure_of_kind(value, name)}".rstrip())


def _cure_of_kind(value: Any, name: str) -> str:
    """What to pass in place of a value that is no tensor."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return f"Pass the tensor that it holds, such as {name}['out']."
    if isinstance(value, str | PathLike):
        return "Read the file first."
    if isinstance(value, Iterator):  # numpy.asarray would hold it as one object
        return f"Pass list({name}) if it yields one map per image."
    whole = name.partition("[")[0] if isinstance(value, Number) else name  # nested lists of numbers are one array
    return f"Convert it first, for example by numpy.asarray({whole})."


class _Writable:
    """The memory of a read-only array, declared writable so that PyTorch shares it without a warning; nobody writes."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array  # kept alive
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def check_tensors(preds: Tensor, target: Tensor, valid: Tensor | None) -> None:
    for name, value in (("preds", preds), ("target", target)):
        if value.dtype not in LABELS + SCORES:
            raise TypeError(
                f"{name} is {value.dtype}; expected labels (bool, uint8 to uint32, int8 to int64) or floating scores. "
                "Convert labels to int64."
            )
        _check_dense(name, value)
        if value.device != preds.device:
            raise ValueError(
                f"{name} is on {value.device} and preds on {preds.device}; expected one device. Move one of them."
            )
    if valid is not None and valid.dtype != torch.bool:
        raise TypeError(
            f"valid is {valid.dtype}; expected bool, True where a pixel or image counts. Pass valid.bool(), or "
            "valid.astype(bool) for an array."
        )
    if valid is not None:
        _check_dense("valid", valid)
    if valid is not None and valid.device != preds.device:
        raise ValueError(
            f"valid is on {valid.device} and preds on {preds.device}; expected one device. Move one of them."
        )


def _check_dense(name: str, value: Tensor) -> None:
    if value.is_nested:
        raise TypeError(
            f"{name} is a nested tensor; expected a dense tensor, or lists with one map per image. Pass unbind() of "
            "each argument."
        )
    if value.layout != torch.strided:
        raise TypeError(f"{name} has the layout {value.layout}; expected a dense tensor. Pass {name}.to_dense().")


def shown(side: Tensor) -> str:
    """Dtype and shape of a map, for a message."""
    return f"{str(side.dtype).removeprefix('torch.')} {list(side.shape)}"


def check_batch_dimension(shape: torch.Size, least: int) -> None:
    """Raises ``ValueError`` if maps have fewer dimensions than ``least``, so that they may be one image or several."""
    if len(shape) >= least:
        return
    cure = ""
    if len(shape) == 2:
        cure = f", preds[:, None] and target[:, None] (or image_ids=) for {shape[0]} images of {shape[1]} points"
    raise ValueError(
        f"target has the shape {list(shape)} and scores are kept for each image; expected a batch dimension. Pass "
        f"preds[None] and target[None] for one image{cure}, or lists with one map per image."
    )


def are_lists(preds: Maps, target: Maps) -> bool:
    """Whether maps are lists with one map per image."""
    return isinstance(preds, (list, tuple)) or isinstance(target, (list, tuple))


def images_of(preds: Maps, target: Maps, valid: Maps | None) -> Iterator[tuple[Any, Any, Any]]:
    """Prediction, ground truth and mask of each image of lists, as batches of one.

    Raises:
        TypeError, ValueError: if the arguments are not lists of one length.
    """
    _check_lists(preds, target, valid)
    for i in range(len(target)):
        yield _batch_of_one(preds[i]), _batch_of_one(target[i]), None if valid is None else _batch_of_one(valid[i])


def naming_image(error: Exception, image: int) -> Exception:
    return type(error)(f"Image at index {image}: {error}")


def _check_lists(preds: Maps, target: Maps, valid: Maps | None) -> None:
    lists = [("preds", preds), ("target", target)] + ([] if valid is None else [("valid", valid)])
    for name, maps in lists:
        if isinstance(maps, (list, tuple)) or (name == "valid" and _has_length(maps)):
            continue
        if isinstance(maps, Number):
            as_tensor(maps, name)  # raises
        other, several = ("target", target) if name == "preds" else ("preds", preds)
        batch = "" if name == "valid" else f" Pass {other}[0] if it holds the whole batch, or two lists."
        raise TypeError(
            f"{name} is {kind_of(maps)} and {other} {kind_of(several)}; expected one map per image in each.{batch}"
        )
    for name, maps in lists:
        if len(maps) != len(target):
            raise ValueError(
                f"{name} has {len(maps)} image{'s' * (len(maps) != 1)} and target {len(target)}; "
                "expected the same number of images."
            )


def _batch_of_one(image: Any) -> Any:
    return image[None] if isinstance(image, (Tensor, np.ndarray)) else image


def _has_length(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0
