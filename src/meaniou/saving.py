"""A metric -> one file of plain values and tensors, and back; reading it runs no code."""

import os
from pathlib import Path
from typing import Any

import torch

from meaniou.labels import LabelSpace

FORMAT = "meaniou metric 1"
SPACE = ("num_classes", "ids", "void", "names", "pred_ids", "pred_void", "groups", "colors", "hint")


def write(path: Path, state: dict[str, Any]) -> None:
    """Writes aside and renames, so that the file is whole or not there."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:  # given a path, torch says of a folder that is missing what is no OSError
            torch.save({"format": FORMAT, **state}, file)
        aside.replace(path)
    except BaseException as error:
        aside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise type(error)(error.errno, error.strerror, str(path)) from None
        raise


def read(path: Path) -> dict[str, Any]:
    """What a file holds; raises ``ValueError`` if it is no such file, ``OSError`` if it cannot be read."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # of pickle, zipfile and torch, by what is wrong with the file
        raise ValueError(
            f"{path} holds no saved metric ({type(error).__name__}); expected a file of save()."
        ) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{path} holds something else than a saved metric; expected a file of save().")
    return found


def plain(space: LabelSpace) -> dict[str, Any]:
    """A label space as plain values."""
    return {name: getattr(space, name) for name in SPACE}


def space_of(values: dict[str, Any]) -> LabelSpace:
    """The label space of plain values."""
    values = {**values, "groups": dict(values["groups"])}
    if (values["pred_ids"], values["pred_void"]) == (values["ids"], values["void"]):
        del values["pred_ids"], values["pred_void"]
    elif values["pred_ids"] is None:
        values |= {"pred_ids": "classes", "pred_void": None}
    return LabelSpace(**values)
