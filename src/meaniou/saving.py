"""A metric -> one file of plain values and tensors, and back; reading it runs no code."""

import io
import zipfile
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch

from meaniou import protocols
from meaniou.labels import LabelSpace
from meaniou.outputs import write_all
from meaniou.results import ResultsMetric

FORMAT = "meaniou metric 1"
PARTS = ("space", "policy", "counting", "per_image", "protocol", "updates", "counts", "images", "image_names")
SPACE = (
    "num_classes",
    "ids",
    "void",
    "names",
    "pred_ids",
    "pred_void",
    "groups",
    "colors",
    "hint",
    "instances",
    "protocol",
)


class SavedMetric(ResultsMetric):
    """What can be saved and loaded of a metric whose settings are those of ``MeanIoU``."""

    def save(self, path: str | PathLike[str]) -> None:
        """Writes settings, counts, rows and ids of this rank to one file, which ``load`` reads without running code.

        Raises:
            OSError: if it cannot be written; then nothing is left of it.
        """
        write_all({Path(path): self.packed()})

    def packed(self) -> bytes:
        """What ``save`` writes; rows are in the order of their ids, whatever the number of ranks."""
        rows, ids = self.joined() if self.per_image else (None, None)
        order = None if ids is None else ids.argsort(stable=True)
        parts = (
            _plain(self.space),
            vars(self.policy),
            vars(self.how),
            self.per_image,
            None if self.protocol is None else self.protocol.name,
            self.update_count,
            self.counts.cpu(),
            [part[order].cpu() for part in (rows, ids) if part is not None],
            {int(i): str(name) for i, name in self.image_names.items()},
        )
        return _packed(dict(zip(PARTS, parts, strict=True)))

    @classmethod
    def load(cls, path: str | PathLike[str], **kwargs: Any) -> Self:
        """The metric of a file, on the CPU; ``kwargs`` are those of ``torchmetrics.Metric``.

        Raises:
            ValueError: if the file holds no saved metric, or its kernel cannot run here.
            OSError: if it cannot be read.
        """
        found = _read(Path(path))
        if missing := [name for name in PARTS if name not in found]:
            raise ValueError(f"{path} lacks {missing[0]!r}; expected a whole file of save(), so save it again.")
        try:
            return cls._made_of(found, **kwargs)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} holds no metric that can be made here, or no whole one ({type(error).__name__}: "
                f"{str(error).rstrip('.')}); expected a file of save(), so save it again."
            ) from error

    @classmethod
    def _made_of(cls, found: dict[str, Any], **kwargs: Any) -> Self:
        make: Any = cls
        settings = {**found["policy"], **found["counting"], "per_image": found["per_image"], **kwargs}
        metric: Self = make(_space_of(found["space"]), **settings)
        states = {"settings": metric.settings, "counts": found["counts"]}
        states |= {f"image_{name}": [part] for name, part in zip(("rows", "ids"), found["images"], strict=False)}
        if reason := metric._why_not_mine(states):
            raise ValueError(reason)
        if found["protocol"] in protocols.names():
            metric.protocol = protocols.get(found["protocol"])
        metric.counts = states["counts"]
        if metric.per_image:
            metric.image_rows, metric.image_ids = states["image_rows"], states["image_ids"]
            metric.image_names = dict(found["image_names"])
        metric._update_count = int(found["updates"])
        return metric


def _packed(state: dict[str, Any]) -> bytes:
    """The contents of a file of plain values and tensors."""
    file = io.BytesIO()
    torch.save({"format": FORMAT, **state}, file)
    return file.getvalue()


def _read(path: Path) -> dict[str, Any]:
    """What a file holds; raises ``ValueError`` if it is no such file, ``OSError`` if it cannot be read."""
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:  # torch.load does not look at the checksums
            if spoiled := archive.testzip():
                raise ValueError(f"the checksum of {spoiled} is wrong")
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # of pickle, zipfile and torch, by what is wrong with the file
        raise ValueError(
            f"{path} holds no saved metric, or no whole one ({type(error).__name__}); expected a file of save()."
        ) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{path} holds something else than a saved metric; expected a file of save().")
    return found


def _plain(space: LabelSpace) -> dict[str, Any]:
    """A label space as plain values."""
    return {name: getattr(space, name) for name in SPACE}


def _space_of(values: dict[str, Any]) -> LabelSpace:
    """The label space of plain values."""
    pred_ids = "classes" if values["pred_ids"] is None else values["pred_ids"]
    return LabelSpace(**{**values, "groups": dict(values["groups"]), "pred_ids": pred_ids})
