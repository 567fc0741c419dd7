"""Folders and options -> a metric that has counted them, and what is written of it."""

import hashlib
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image

from meaniou import files
from meaniou.metric import MeanIoU
from meaniou.names import names_of, read
from meaniou.outside import OutsideError
from meaniou.protocols import get


@dataclass
class Job:
    """A metric and how the masks for it are found and read."""

    metric: MeanIoU
    pred_suffix: str
    target_suffix: str
    class_names: Path | None
    jobs: int

    @classmethod
    def of(
        cls,
        num_classes: int | None,
        protocol: str | None,
        ignore_index: tuple[int, ...],
        class_names: Path | None,
        pred_suffix: str,
        target_suffix: str,
        jobs: int,
        **settings: Any,
    ) -> "Job":
        """From options of the command; raises ``ValueError`` if they do not fit."""
        rules = None if protocol is None else get(protocol)
        number = num_classes or (rules.space.num_classes if rules else None)
        names = None if class_names is None else _names(class_names, number)
        if num_classes is None and names is None and rules is None:
            raise ValueError(
                "The number of classes is not known; pass --num-classes, --class-names with one name a line, or "
                "--protocol."
            )
        metric = MeanIoU(
            num_classes or (None if rules else len(names or ())),
            protocol=rules,
            ignore_index=ignore_index or None,
            class_names=names,
            input_format="index",
            **settings,
        )
        return cls(metric, pred_suffix, target_suffix, class_names, jobs)

    def count(self, pred: Path, target: Path) -> None:
        """Counts the pairs of two folders.

        Raises:
            MaskError: if a folder or file cannot be scored.
        """
        rules, target_suffix = self.metric.protocol, self.target_suffix
        if rules and rules.target_suffix and not target_suffix and files.holds(target, rules.target_suffix):
            target_suffix = rules.target_suffix
        key = rules.file_key if rules else ""
        found = files.pairs(pred, target, self.pred_suffix, target_suffix, key)
        if pred.samefile(target) and self.pred_suffix == target_suffix:
            click.echo(f"Warning: {pred} and {target} are the same folder, so each mask is its own truth.", err=True)
        with _one_thread(), _progress(len(found)) as advance:
            for pair, preds, truth in files.read_all(found, self.jobs):
                self._update(pair, preds, truth)
                advance(1)
        self.metric.image_names = {id_of(pair.name): pair.name for pair in found}

    def _update(self, pair: files.Pair, preds: torch.Tensor, truth: torch.Tensor) -> None:
        try:
            if self.metric.per_image:
                self.metric.update([preds], [truth], ids=[id_of(pair.name)])
            else:
                self.metric.update(preds, truth)
        except OutsideError as error:
            path = pair.pred if error.of_preds else pair.target
            cures = {
                "binary": "save it as ids 0 and 1 if 255 is the foreground of a binary mask; otherwise ",
                "train ids": "if it holds class numbers (train ids), pass --pred-ids classes; otherwise "
                if error.of_preds
                else "if it holds class numbers (train ids), take a protocol for these; otherwise ",
            }
            hint = f"{error.hint}; otherwise " if error.hint else cures.get(error.looks_like, "")
            more = f"name all classes in {self.class_names}" if self.class_names else "set --num-classes to all classes"
            raise files.MaskError(
                f"{path} {error.fact}; {hint}{more}, pass --ignore-index if such labels are {error.ignored}, or mend "
                "the file."
            ) from error
        except (TypeError, ValueError) as error:
            raise files.MaskError(f"{pair.pred} against {pair.target}: {error}") from error


def id_of(name: str) -> int:
    """A number for the name of an image, the same in every run, so that shards can be merged and runs compared."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 1


def merged(saved: Sequence[Path]) -> MeanIoU:
    """The sum of saved metrics; raises ``ValueError`` if a file holds none, or one that counted otherwise."""
    metric = MeanIoU.load(saved[0])
    for path in saved[1:]:
        try:
            metric.merge_state(MeanIoU.load(path))
        except ValueError as error:
            raise ValueError(f"{path} cannot be added to {saved[0]}: {error}") from error
    return metric


def counted(pred: Path, target: Path, settings: Mapping[str, Any]) -> MeanIoU:
    """A metric with rows that has counted two folders, under the options of the command."""
    job = Job.of(**settings, per_image=True)
    job.count(pred, target)
    return job.metric


def saved(path: Path, settings: Mapping[str, Any]) -> MeanIoU:
    """The metric of a file; raises ``ValueError`` if options are given, since a file has its own."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder and there is no TARGET; pass the folder of the truth, or saved files.")
    if given := [name for name, value in settings.items() if value not in (None, (), "") and name != "jobs"]:
        raise ValueError(
            f"--{given[0].replace('_', '-')} is for folders of masks, and {path} was counted with settings of its own; "
            "leave it out."
        )
    return MeanIoU.load(path)


def check_pattern(pattern: str | None, drawn: bool = True) -> None:
    """Raises ``ValueError`` if a pattern is none, or is for images that are not drawn."""
    if pattern is not None and not drawn:
        raise ValueError("--group-images says which images are drawn together, and none is drawn; pass --ci with it.")
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise ValueError(
            f"--group-images is {pattern!r}, which is no regular expression ({error}); expected one such as '^[^/]+'."
        ) from error


def grouping(metric: MeanIoU, pattern: str | None) -> Callable[[int], str] | None:
    """From the id of an image to what a pattern finds in its name; ``None`` without a pattern."""
    if pattern is None:
        return None

    def group(number: int) -> str:
        name = metric.image_names.get(number, str(number))
        if found := re.search(pattern, name):
            return found[0]
        raise ValueError(
            f"--group-images {pattern!r} finds nothing in the name of the image {name}; expected a group for each, so "
            "mend the pattern."
        )

    return group


def _names(path: Path, num_classes: int | None) -> tuple[str, ...]:
    try:
        found = read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise files.MaskError(
            f"{path} cannot be read ({error}); expected a text file with one class name a line."
        ) from error
    if num_classes not in (None, len(found)):
        raise ValueError(
            f"{path} holds {len(found)} names and there are {num_classes} classes; expected one name a class, so mend "
            "the file, or leave out what says the number."
        )
    return names_of(found, len(found))


@contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch's own threads would take the cores from those that decode; large images are meant."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _progress(pairs: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing in a pipe."""
    with click.progressbar(length=pairs, label="masks", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update


def write(output: Path | None, text: str) -> None:
    """Writes a text to a file, aside and renamed so that it is whole or not there, or to the standard output.

    Raises:
        MaskError: if it cannot be written.
    """
    try:
        if output is None:
            click.echo(text)
        elif output.exists() and not output.is_file():  # a pipe or a device is no file to be replaced
            output.write_text(text + "\n", encoding="utf-8")
        else:
            _write(output.resolve(), text + "\n")
    except OSError as error:
        raise files.MaskError(
            f"{output or 'The standard output'} cannot be written ({error.strerror}); expected a folder that is there, "
            "with room, and may be written to, so make it or name another."
        ) from error


def _write(output: Path, text: str) -> None:
    """Writes aside and renames, so that the file is whole or not there."""
    aside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8", newline="\n")
        aside.replace(output)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
