"""The worst images of a metric -> pictures of their truth, prediction and errors, side by side."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from meaniou import files, pictures
from meaniou.counts import classes_of
from meaniou.labels import LabelSpace
from meaniou.policy import Counting

PHOTOS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
GAP = 4  # pixels between two pictures
WIDTH = 480  # of a picture in a page


@dataclass(frozen=True)
class Gallery:
    """Where the maps and images of a run lie.

    Attributes:
        space: the classes.
        how: how maps are read.
        pairs: the masks of each image, by its name.
        photos: the images themselves, by the same names, as far as there are any.
    """

    space: LabelSpace
    how: Counting
    pairs: Mapping[str, files.Pair]
    photos: Mapping[str, Path]

    def panels(self, name: str) -> tuple[pictures.Picture, pictures.Picture, pictures.Picture]:
        """Truth and prediction in their colours, and the errors on the image.

        Raises:
            MaskError: if a file cannot be read, or the image is of another size.
        """
        answer, truth = files.read(self.pairs[name])
        preds, target = (part[0].numpy() for part in classes_of(answer[None], truth[None], None, self.space, self.how))
        if target.ndim != 2 or not target.size:
            raise files.MaskError(
                f"{self.pairs[name].target} has the shape {list(target.shape)}; expected a map [H, W] to draw, so "
                "leave --overlay and --html out."
            )
        image = photo(self.photos[name]) if name in self.photos else None
        if image is not None and image.shape[:2] != target.shape:
            raise files.MaskError(
                f"{self.photos[name]} is {image.shape[0]} x {image.shape[1]} and its masks are {target.shape[0]} x "
                f"{target.shape[1]} (height x width); expected one size, so resize it."
            )
        errors = pictures.errors(image, preds, target, self.space.num_classes)
        return pictures.mask(target, self.space), pictures.mask(preds, self.space), errors

    def overlay(self, name: str) -> bytes:
        """A PNG of truth, prediction and errors, from left to right."""
        parts = self.panels(name)
        gap = np.full((parts[0].shape[0], GAP, 3), 255, np.uint8)
        return _png(Image.fromarray(np.concatenate([parts[0], gap, parts[1], gap, parts[2]], 1)))

    def embedded(self, name: str) -> str:
        """The errors as a data URI that a page can hold."""
        picture = Image.fromarray(self.panels(name)[2])
        picture.thumbnail((WIDTH, 2 * WIDTH))
        return "data:image/png;base64," + base64.b64encode(_png(picture)).decode()


def photo(path: Path) -> pictures.Picture:
    """The image in a file, uint8 ``[H, W, 3]``; raises ``MaskError`` if it cannot be read."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # as of masks
        raise files.MaskError(f"{path} cannot be read ({error}); expected a whole image, so save it again.") from error


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
