"""Saves a metric to one file of plain values and tensors, and loads it; loading runs no code from the file."""

import io
import typing
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import torch

from meaniou import protocols
from meaniou._util import quoted, write_all
from meaniou.counting import why_not
from meaniou.protocols import Protocol
from meaniou.settings import Policy

FORMAT = "meaniou metric "  # followed by the version
VERSION = 4
PARTS = (
    "metric", "space", "policy", "input_settings", "per_image", "protocol", "update_count", "counts", "image_rows",
    "image_ids", "image_names",
)  # fmt: skip


@dataclass(frozen=True)
class SavedSettings:
    """How one kind of metric saves the settings on which its counts and results depend.

    Attributes:
        metric: the name of the kind; a file of another kind is refused.
        space: names of the saved values of the classes or labels; a file must hold all of them, as of the next two.
        policy: names of the saved values of the policy.
        inputs: names of the saved values of the input settings.
        settled: the keywords of the metric that cannot be changed, since these values replace them.
        values: a function from the metric to the values of ``space``, by name.
        keywords: a function from the saved parts to keywords of the metric.
    """

    metric: str
    space: tuple[str, ...]
    policy: tuple[str, ...]
    inputs: tuple[str, ...]
    settled: tuple[str, ...]
    values: Callable[[Any], dict[str, Any]]
    keywords: Callable[[Mapping[str, Any]], dict[str, Any]]


class Counter(typing.Protocol):
    """A metric that can be saved and loaded."""

    policy: Policy
    input_settings: Any
    protocol: Protocol | None
    per_image: bool

    def __init__(self, **kwargs: Any) -> None: ...

    @classmethod
    def saved_settings(cls) -> SavedSettings: ...

    def snapshot(self) -> dict[str, Any]: ...

    def merge_state(self, incoming_state: dict[str, Any]) -> None: ...


AnyCounter = TypeVar("AnyCounter", bound=Counter)


def save(metric: Counter, path: str | PathLike[str]) -> None:
    """Writes a metric to one file, atomically; raises ``OSError`` if the file cannot be written."""
    write_all({Path(path): to_bytes(metric)})


def to_bytes(metric: Counter) -> bytes:
    """The bytes that ``save`` writes; images are sorted by id, so that the number of ranks changes nothing.

    Raises:
        RuntimeError: if the metric is on the meta device.
    """
    state = metric.snapshot()
    rows = ids = None
    if metric.per_image:
        (rows,), (ids,) = state["image_rows"], state["image_ids"]
        order = ids.argsort(stable=True)
        rows, ids = rows[order].cpu(), ids[order].cpu()
    names = {int(number): str(name) for number, name in state.get("image_names", {}).items()}
    saved = metric.saved_settings()
    parts = {
        "metric": saved.metric,
        "space": saved.values(metric),
        "policy": {name: getattr(metric.policy, name) for name in saved.policy},
        "input_settings": {name: getattr(metric.input_settings, name) for name in saved.inputs},
        "per_image": metric.per_image,
        "protocol": None if metric.protocol is None else metric.protocol.name,
        "update_count": state["update_count"],
        "counts": state["counts"].cpu(),
        "image_rows": rows,
        "image_ids": ids,
        "image_names": dict(sorted(names.items())),
    }
    file = io.BytesIO()
    torch.save({"format": f"{FORMAT}{VERSION}", **parts}, file)
    return file.getvalue()


def load(counter: type[AnyCounter], path: str | PathLike[str], **kwargs: Any) -> AnyCounter:
    """Loads a metric onto the CPU; ``kwargs`` are keywords of the metric that change no count.

    Raises:
        ValueError: if the file is not a saved metric, is damaged or has another format, or its kernel cannot run here.
        TypeError: if a keyword is stored in the file and cannot be changed.
        OSError: if the file cannot be read.
    """
    saved = counter.saved_settings()
    if repeated := [name for name in kwargs if name in saved.settled]:
        raise TypeError(
            f"load() cannot change {repeated[0]}, which is stored with the counts in {path}. Leave it out, or count "
            "again with the other setting."
        )
    return _loaded(counter, path, *_read(Path(path)), kwargs)


def load_any(counters: Sequence[type[Any]], path: str | PathLike[str]) -> Any:
    """Loads a metric of the kind that the file names, one of ``counters``; raises as ``load``."""
    parts, size = _read(Path(path))
    kinds = {counter.saved_settings().metric: counter for counter in counters}
    return _loaded(kinds.get(str(parts.get("metric")), counters[0]), path, parts, size, {})


def _loaded(
    counter: type[AnyCounter], path: str | PathLike[str], parts: Mapping[str, Any], size: int, kwargs: Mapping[str, Any]
) -> AnyCounter:
    """The metric with the parts of a file of a size in bytes; raises as ``load``."""
    for reason in _why_not_whole(parts, counter.saved_settings(), size):
        raise ValueError(f"{path} {reason}.")
    impl = {"impl": kwargs.get("impl", parts["input_settings"]["impl"])}
    if "impl" not in kwargs and (reason := why_not(str(impl["impl"]))):
        raise ValueError(f"{path}: {reason.rstrip('.')}, or pass impl='auto' to load().")
    try:
        metric = _made_of(counter, parts, **impl)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        fault = str(error).partition(". ")[0].rstrip(".")
        raise ValueError(
            f"{path} cannot be loaded and may be damaged ({type(error).__name__}: {fault}); save the metric again."
        ) from error
    return _made_of(counter, parts, **kwargs) if kwargs else metric


def _made_of(counter: type[AnyCounter], parts: Mapping[str, Any], **kwargs: Any) -> AnyCounter:
    """The metric with the saved parts, and with keywords that replace saved ones."""
    saved = counter.saved_settings()
    settings = {**saved.keywords(parts), **kwargs}
    with torch.device("cpu"), warnings.catch_warnings():
        if "worst_percent" not in kwargs:  # it warned when the saved metric was constructed
            warnings.filterwarnings("ignore", "worst_percent holds")
        metric = counter(**settings)
    for name, value in ((name, parts["input_settings"][name]) for name in saved.inputs if name not in kwargs):
        if getattr(metric.input_settings, name) != value:  # a keyword may stand for several saved values
            raise ValueError(f"{name} is {quoted(value)}, which does not fit the other settings")
    if parts["protocol"] is not None:
        metric.protocol = protocols.get(parts["protocol"])
    state = {name: parts[name] for name in ("update_count", "counts", "image_names")}
    state["settings"] = metric.snapshot()["settings"]
    if metric.per_image:
        state |= {name: [parts[name]] for name in ("image_rows", "image_ids")}
    metric.merge_state(state)
    return metric


def _read(path: Path) -> tuple[dict[str, Any], int]:
    """The parts of a saved metric of any kind, and the size of the file in bytes; raises as ``load``."""
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _refuse_bomb(archive.infolist(), path.stat().st_size)
                if spoiled := archive.testzip():  # torch.load does not look at the checksums
                    raise ValueError(f"the checksum of {spoiled} is wrong")
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
        except OSError:
            raise
        except Exception as error:  # of pickle, zipfile or torch
            raise ValueError(
                f"{path} holds no saved metric, or a damaged one ({type(error).__name__}); pass a file from save() or "
                "--save."
            ) from error
        size = file.tell()
    tag = content.get("format") if isinstance(content, dict) else None
    number = tag.removeprefix(FORMAT) if isinstance(tag, str) and tag.startswith(FORMAT) else ""
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(f"{path} holds no saved metric; pass a file from save() or --save.")
    if int(number) != VERSION:
        cure = "update meaniou" if int(number) > VERSION else "count again"
        raise ValueError(f"{path} has format {number}, and this version of meaniou reads format {VERSION}; {cure}.")
    return {name: value for name, value in content.items() if name != "format"}, size


def _refuse_bomb(members: Iterable[zipfile.ZipInfo], size: int) -> None:
    """Raises ``ValueError`` if the unpacked members of an archive would be larger than the archive."""
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("its parts are compressed")
    if sum(member.file_size for member in members) > size:
        raise ValueError("its parts overlap")


def _why_not_whole(parts: Mapping[str, Any], saved: SavedSettings, size: int) -> Iterator[str]:
    """The reasons why a file does not hold exactly the parts that ``save`` writes for this kind of metric."""
    yield from _why_not_exactly("", parts, PARTS)
    if parts.get("metric") != saved.metric:
        yield f"holds a metric of the class {quoted(parts.get('metric'))}, not {saved.metric}; load it with that class"
    for name, expected in (("space", saved.space), ("policy", saved.policy), ("input_settings", saved.inputs)):
        yield from _why_not_exactly(f" in {name!r}", parts.get(name), expected)
    protocol = parts.get("protocol")
    if protocol is not None and protocol not in protocols.names():
        yield f"uses the protocol {protocol!r}, which this version of meaniou does not know; update meaniou"
    tensors = (parts.get(name) for name in ("counts", "image_rows", "image_ids"))
    for tensor in (part for part in tensors if isinstance(part, torch.Tensor)):
        if tensor.numel() * tensor.element_size() > size:
            yield f"holds a tensor {list(tensor.shape)} in {size:,} bytes, so it is damaged; save the metric again"


def _why_not_exactly(where: str, values: Any, expected: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(values, Mapping):
        yield f"holds no mapping{where}, so it is damaged; save the metric again"
    elif missing := [name for name in expected if name not in values]:
        yield f"lacks {missing[0]!r}{where}, so it is incomplete; save the metric again"
    elif unknown := [name for name in values if name not in expected]:
        yield (
            f"holds {quoted(unknown[0])}{where}, which this version of meaniou does not know; update meaniou, or save "
            "the metric again"
        )
