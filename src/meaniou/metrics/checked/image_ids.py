"""Image ids: they pair the images of two metrics, and show that an image was counted twice."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._subclasses import FakeTensor

from meaniou._util import Doubt, as_integer, as_iterable, printable, quoted
from meaniou.scores import Ints, id_of

ImageIds = Sequence[int] | Sequence[str] | Tensor


def ids_of(image_ids: ImageIds | None, number: int, device: torch.device) -> tuple[Tensor, dict[int, str]]:
    """The ids of a batch of ``number`` images, int64 ``[B]``, and ``{id: name}`` where the ids are names.

    The id of a name is the hash ``id_of``. Without ``image_ids`` every id is -1.

    Raises:
        TypeError: if ids are neither whole numbers nor strings, or are a mixture of both.
        ValueError: if the number of ids is not that of the images, an id is negative, too large or empty, or two names
            have the same hash.
    """
    if image_ids is None:
        return torch.full((number,), -1, device=device), {}
    names: dict[int, str] = {}
    if not isinstance(image_ids, Tensor):
        values = _values(image_ids)
        if others := [value for value in values if value is None or isinstance(value, bytes | PathLike)]:
            raise TypeError(
                f"image_ids holds {quoted(others[0])} ({type(others[0]).__name__}); expected whole numbers or strings."
            )
        if any(isinstance(value, str) for value in values):
            names = names_by_id(_checked_names(values))
            values = [id_of(name) for name in values]
        image_ids = _as_tensor([as_integer("image_ids", value) for value in values])
    if image_ids.dtype == torch.bool or image_ids.is_floating_point() or image_ids.is_complex():
        raise TypeError(f"image_ids has the dtype {image_ids.dtype}; expected integers, so pass image_ids.long().")
    if image_ids.shape != (number,):
        raise ValueError(
            f"image_ids has the shape {list(image_ids.shape)}; expected [{number}], one id for each image of the batch."
        )
    is_known = image_ids.device.type == "cpu" and not isinstance(image_ids, FakeTensor)
    is_known &= not torch.compiler.is_compiling()  # traced code cannot depend on values
    if is_known and bool((image_ids < 0).any()):
        raise ValueError(_negative(int(image_ids.min())))
    return image_ids.to(device=device, dtype=torch.int64, non_blocking=True), names


def _values(image_ids: Any) -> list[Any]:
    if isinstance(image_ids, str):
        raise TypeError(f"image_ids is the string {quoted(image_ids)}; expected one id per image, so pass a list.")
    return list(as_iterable("image_ids", image_ids))


def names_by_id(names: Iterable[str]) -> dict[int, str]:
    """Names by their ids; raises ``ValueError`` if two names have the same hash."""
    by_id: dict[int, str] = {}
    for name in names:
        number = id_of(name)
        other = by_id.setdefault(number, name)
        if other != name:
            raise ValueError(
                f"The image names {quoted(other)} and {quoted(name)} have the same hash {number}; rename one of the "
                "two images."
            )
    return by_id


def _checked_names(values: Sequence[Any]) -> list[str]:
    if numbers := [value for value in values if not isinstance(value, str)]:
        raise TypeError(
            f"image_ids holds {quoted(numbers[0])} ({type(numbers[0]).__name__}) beside strings; pass only whole "
            "numbers or only strings."
        )
    if "" in values:
        raise ValueError("image_ids holds an empty string; pass a name for every image.")
    return [str(value) for value in values]


def _as_tensor(numbers: list[int]) -> Tensor:
    if numbers and max(numbers) >= 2**63:
        raise ValueError(f"image_ids holds {max(numbers)}; expected numbers below 2^63, so renumber the images.")
    if numbers and min(numbers) < 0:
        raise ValueError(_negative(min(numbers)))
    return torch.tensor(numbers, dtype=torch.int64, device="cpu")


def _negative(number: int) -> str:
    return f"image_ids holds {number}; expected numbers of at least 0, so renumber the images."


def without_repeated_void(rows: Ints, ids: Ints) -> tuple[Ints, Ints]:
    """Rows and ids without the empty rows of images that have another row.

    A repeated image that is marked by ``valid=False`` has such an empty row.
    """
    empty = ~rows.any((1, 2))
    spare = np.flatnonzero(empty & (ids >= 0))
    if not len(spare):
        return rows, ids
    needed = spare[np.unique(ids[spare], return_index=True)[1]]
    needed = needed[~np.isin(ids[needed], ids[~empty])]
    kept = np.setdiff1d(np.arange(len(ids)), np.setdiff1d(spare, needed))
    return rows[kept], ids[kept]


def repeated_images(ids: Ints, names: Mapping[int, str]) -> Doubt | None:
    """The warning that images were counted more than once; ``None`` if none was."""
    numbers, times = np.unique(ids[ids >= 0], return_counts=True)
    twice = numbers[times > 1].tolist()
    if not twice:
        return None
    first = printable(str(names.get(twice[0], twice[0])))
    return Doubt(
        "If a sampler repeats images to fill the last batch, use meaniou.distributed.UnpaddedSampler, or pass "
        "valid=False for the repeated images; if you merge shards, merge each one once.",
        f"{len(twice)} image{'s were' if len(twice) > 1 else ' was'} counted more than once (the first is {first}), "
        "which changes the results.",
        "Pass each saved file once, and only files of different images.",
    )
