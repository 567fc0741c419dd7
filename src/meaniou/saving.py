"""A metric -> one file of plain values and tensors, and back; reading it runs no code."""

import io
from pathlib import Path
from typing import Any

import torch

from meaniou.labels import LabelSpace

FORMAT = "meaniou metric 1"
SPACE = ("num_classes", "ids", "void", "names", "pred_ids", "pred_void", "groups", "colors", "hint")


def packed(state: dict[str, Any]) -> bytes:
    """The contents of a file of plain values and tensors."""
    file = io.BytesIO()
    torch.save({"format": FORMAT, **state}, file)
    return file.getvalue()


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
