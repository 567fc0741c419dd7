"""A metric -> one file of plain values and tensors, and back; reading it runs no code."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch

from meaniou import protocols
from meaniou._util import short, write_all
from meaniou.counting import why_not
from meaniou.metrics.iou_metric import IoUMetric
from meaniou.settings import InputSettings, LabelSpace, Policy

FORMAT = "meaniou metric "  # and the version
VERSION = 3
PARTS = ("space", "policy", "counting", "per_image", "protocol", "updates", "counts", "images", "image_names")
SPACE = (
    "num_classes",
    "ids",
    "ignore_index",
    "class_names",
    "pred_ids",
    "pred_void",
    "class_groups",
    "colors",
    "hint",
    "instances",
    "protocol",
)
POLICY = tuple(field.name for field in fields(Policy))
COUNTING = tuple(field.name for field in fields(InputSettings))
# What a file settles, and cannot be said again when it is loaded.
SETTLED = (
    "num_classes",
    "label_space",
    "protocol",
    "ignore_index",
    "pred_ids",
    "pred_void",
    "class_names",
    "per_image",
    *COUNTING[:-1],
)
assert COUNTING[-1] == "impl"


class SavedMetric(IoUMetric):
    """What can be saved and loaded of a metric whose settings are those of ``MeanIoU``."""

    def save(self, path: str | PathLike[str]) -> None:
        """Writes settings, counts, rows and ids of this rank to one file, which ``load`` reads without running code.

        Raises:
            OSError: if it cannot be written; then nothing is left of it.
        """
        write_all({Path(path): self._packed()})

    def _packed(self) -> bytes:
        """What ``save`` writes; rows are in the order of their ids, whatever the number of ranks."""
        self._settle()
        self._refuse_no_numbers()
        rows, ids = self._joined() if self.per_image else (None, None)
        order = None if ids is None else ids.argsort(stable=True)
        parts = (
            _plain(self.label_space),
            vars(self.policy),
            vars(self.input_settings),
            self.per_image,
            None if self.protocol is None else self.protocol.name,
            self.update_count,
            self.counts.cpu(),
            [part[order].cpu() for part in (rows, ids) if part is not None],
            {int(i): str(name) for i, name in self.image_names.items()},
        )
        return _content(dict(zip(PARTS, parts, strict=True)))

    @classmethod
    def load(cls, path: str | PathLike[str], **kwargs: Any) -> Self:
        """The metric of a file, on the CPU.

        Args:
            path: a file that ``save`` wrote.
            kwargs: those of ``torchmetrics.Metric``, rules that change no count (``average``, ``void_preds``,
                ``present``, ``absent``, ``classes``, ``include_background``, ``over``,
                ``worst_percent``), and ``impl``.

        Raises:
            ValueError: if the file holds no saved metric, or one of a newer version, or its kernel cannot run here.
            TypeError: if a keyword is settled by the counts of the file.
            OSError: if it cannot be read.
        """
        if settled := [name for name in kwargs if name in SETTLED]:
            raise TypeError(
                f"{settled[0]} is settled by the counts in {path}; expected keywords that change no count, so leave it "
                "out, or count again under the other setting."
            )
        found = _read(Path(path))
        impl = {"impl": kwargs.get("impl", found["counting"]["impl"])}
        if "impl" not in kwargs and (reason := why_not(str(impl["impl"]))):
            raise ValueError(f"{path} asks for a kernel, and {reason.rstrip('.')}, or pass impl='auto' to load().")
        try:
            metric = cls._made_of(found, **impl)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} holds a metric that is damaged or cannot be built here ({type(error).__name__}: "
                f"{str(error).rstrip('.')}); expected a file of save(), so save it again."
            ) from error
        return cls._made_of(found, **kwargs) if kwargs else metric

    @classmethod
    def _made_of(cls, found: dict[str, Any], **kwargs: Any) -> Self:
        make: Any = cls
        settings = {**found["policy"], **found["counting"], "per_image": found["per_image"], **kwargs}
        metric: Self = make(label_space=_space_of(found["space"]), **settings)
        states = {"settings": metric.settings, "counts": found["counts"]}
        states |= {f"image_{name}": [part] for name, part in zip(("rows", "ids"), found["images"], strict=False)}
        if reason := metric._why_not_mine(states):
            raise ValueError(reason)
        if found["protocol"] is not None:
            metric.protocol = protocols.get(found["protocol"])
        metric.counts = states["counts"]
        if metric.per_image:
            metric.image_rows, metric.image_ids = states["image_rows"], states["image_ids"]
            metric.image_names = dict(found["image_names"])
        metric._update_count = int(found["updates"])
        return metric


def _content(state: dict[str, Any]) -> bytes:
    """The contents of a file of plain values and tensors."""
    file = io.BytesIO()
    torch.save({"format": f"{FORMAT}{VERSION}", **state}, file)
    return file.getvalue()


def _read(path: Path) -> dict[str, Any]:
    """The parts of a saved metric; raises ``ValueError`` if a file holds none, ``OSError`` if it cannot be read."""
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _refuse_bomb(archive.infolist(), path.stat().st_size)
                if spoiled := archive.testzip():  # torch.load does not look at the checksums
                    raise ValueError(f"the checksum of {spoiled} is wrong")
            file.seek(0)
            found = torch.load(file, map_location="cpu", weights_only=True)
        except OSError:
            raise
        except Exception as error:  # of pickle, zipfile and torch, by what is wrong with the file
            raise ValueError(
                f"{path} holds no saved metric, or a damaged one ({type(error).__name__}); expected a file of save()."
            ) from error
        size = file.tell()
    tag = found.get("format") if isinstance(found, dict) else None
    number = tag.removeprefix(FORMAT) if isinstance(tag, str) and tag.startswith(FORMAT) else ""
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(f"{path} holds something other than a saved metric; expected a file of save().")
    if int(number) != VERSION:
        cure = "update meaniou" if int(number) > VERSION else "count again"
        raise ValueError(f"{path} has the format {number}, and this version of meaniou reads format {VERSION}; {cure}.")
    parts = {name: value for name, value in found.items() if name != "format"}
    for reason in _why_not_whole(parts, size):
        raise ValueError(f"{path} {reason}.")
    return parts


def _refuse_bomb(members: Iterable[zipfile.ZipInfo], size: int) -> None:
    """Raises ``ValueError`` if members of an archive take more memory than the archive has bytes."""
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("its parts are compressed")
    if sum(member.file_size for member in members) > size:
        raise ValueError("its parts overlap")


def _why_not_whole(parts: Mapping[str, Any], size: int) -> Iterator[str]:
    """The reasons why the parts of a file are not those that ``save`` writes."""
    yield from _why_not_exactly("", parts, PARTS)
    for name, known in (("space", SPACE), ("policy", POLICY), ("counting", COUNTING)):
        yield from _why_not_exactly(f" in {name!r}", parts.get(name), known)
    protocol = parts.get("protocol")
    if protocol is not None and protocol not in protocols.names():
        yield f"was counted under the protocol {protocol!r}, which this version does not know; update meaniou"
    images = parts["images"] if isinstance(parts.get("images"), list) else []
    for tensor in (part for part in (parts.get("counts"), *images) if isinstance(part, torch.Tensor)):
        if tensor.numel() * tensor.element_size() > size:
            yield f"holds a tensor {list(tensor.shape)} in {size:,} bytes; expected a file of save()"


def _why_not_exactly(where: str, values: Any, known: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(values, Mapping):
        yield f"holds no values by name{where}; expected a whole file of save(), so save it again"
    elif missing := [name for name in known if name not in values]:
        yield f"lacks {missing[0]!r}{where}; expected a whole file of save(), so save it again"
    elif unknown := [name for name in values if name not in known]:
        yield (
            f"holds {short(unknown[0])}{where}, which this version of meaniou does not know; expected a file of "
            "save(), so update meaniou, or save it again"
        )


def _plain(space: LabelSpace) -> dict[str, Any]:
    """A label space as plain values."""
    return {name: getattr(space, name) for name in SPACE}


def _space_of(values: dict[str, Any]) -> LabelSpace:
    """The label space of plain values."""
    pred_ids = "classes" if values["pred_ids"] is None else values["pred_ids"]
    return LabelSpace(**{**values, "class_groups": dict(values["class_groups"]), "pred_ids": pred_ids})
