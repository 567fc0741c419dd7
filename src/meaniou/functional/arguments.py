"""The maps and the device of a call: tensors, NumPy arrays, objects with DLPack, or lists of them."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from torch import Tensor

from meaniou.counting import as_tensor


def device_of(preds: Any, target: Any) -> AbstractContextManager[Any]:
    """The device on which a metric for these maps is made; the default device if they differ."""
    first = target if not isinstance(target, list) else next(iter(target), None)
    device = first.device if isinstance(first, Tensor) else None
    return nullcontext() if device is None or getattr(preds, "device", device) != device else device


def all_maps(preds: Any, target: Any, valid: Any) -> tuple[Any, Any, Any]:
    """The three arguments, with objects with DLPack as tensors."""
    return _maps("preds", preds), _maps("target", target), None if valid is None else _maps("valid", valid)


def _maps(name: str, value: Any) -> Any:
    """The maps as tensors; NumPy arrays stay arrays, so that errors name NumPy's functions."""
    if isinstance(value, (list, tuple)):
        return [_maps(f"{name}[{i}]", item) for i, item in enumerate(value)]
    tensor = as_tensor(value, name)
    return value if isinstance(value, np.ndarray) else tensor
