"""The number of updates of a metric, including those in compiled code."""

from typing import Any

import torch


class UpdateCount:
    """The attribute ``_update_count`` of a metric: the number of eager and compiled updates.

    The base class counts updates in an int attribute. A compiled step would guard its value and be compiled again each
    time, so compiled updates are counted in a tensor. It is read only if there were any, since a fake tensor cannot be
    read. (A graph break in update would forbid fullgraph.)
    """

    def __get__(self, metric: Any, owner: type | None = None) -> Any:
        if metric is None:
            return self
        values = metric.__dict__
        compiled, none = values["_compiled_updates"], values["_no_updates"]
        return values["_eager_updates"] + (0 if compiled is none else int(compiled))

    def __set__(self, metric: Any, number: int) -> None:
        values = metric.__dict__  # a Module's setattr takes 3 µs
        if "_no_updates" not in values:
            values["_no_updates"] = torch.zeros((), dtype=torch.int64, device="cpu")
        values["_compiled_updates"], values["_eager_updates"] = values["_no_updates"], number


def count_compiled(metric: Any) -> None:
    """Counts an update in a compiled step."""
    metric._compiled_updates = metric._compiled_updates + 1
