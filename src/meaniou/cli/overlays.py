"""Pictures of the worst images: truth, prediction and errors, side by side."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from meaniou.counting import classes_of
from meaniou.masks import MAX_PIXELS, MaskError, Pair, photo, read_pair
from meaniou.plot import Classes, Light, overlays
from meaniou.settings import InputSettings, LabelSpace

GAP = 4  # pixels between two pictures
WIDTH = 480  # of a picture in a page
PANELS = ("truth", "prediction", "errors")
LETTERS = (11, 40)  # font size in pixels: at least the first, else the width divided by the second


@dataclass(frozen=True)
class Gallery:
    """The masks and photos of a run, of which it draws pictures.

    Attributes:
        label_space: the classes.
        input_settings: how maps are read.
        pairs: the masks of each image, by its name.
        photos: the images themselves, by the same names, as far as there are any.
        max_pixels: how large a mask may be.
    """

    label_space: LabelSpace
    input_settings: InputSettings
    pairs: Mapping[str, Pair]
    photos: Mapping[str, Path]
    max_pixels: int = MAX_PIXELS

    def overlay(self, name: str) -> bytes:
        """A PNG of truth, prediction and errors, from left to right, with captions above.

        Raises:
            MaskError: if a file cannot be read, the image is of another size, or there is nothing to draw.
        """
        pred, truth = read_pair(self.pairs[name], self.max_pixels)
        if not _drawable(truth):
            raise MaskError(
                f"{self.pairs[name].target} has the shape {list(truth.shape)}; expected a map [H, W] to draw, so "
                "leave --overlay out."
            )
        height, width = truth.shape
        light = self._light(name, truth)
        captions = _captions(width)
        picture = Image.new("RGB", (3 * width + 2 * GAP, height + captions.height), "white")
        picture.paste(captions)
        for part in overlays.blocks(height, width):
            preds, target = self._classes(pred[part], truth[part])
            errors = overlays.errors(light[part], preds, target, self.label_space.num_classes)
            panels = (overlays.mask(target, self.label_space), overlays.mask(preds, self.label_space), errors)
            for i, panel in enumerate(panels):
                picture.paste(Image.fromarray(panel), (i * (width + GAP), captions.height + part.start))
        return _png(picture)

    def embedded(self, name: str) -> str:
        """The errors as a data URI that a page can hold; nothing if the masks are no maps ``[H, W]``, as points are.

        Raises:
            MaskError: as ``overlay``.
        """
        pred, truth = read_pair(self.pairs[name], self.max_pixels)
        if not _drawable(truth):
            return ""
        height, width = truth.shape
        light = self._light(name, truth)
        factor = max(1, int(max(width / WIDTH, height / (2 * WIDTH))))
        picture = Image.new("RGB", (-(-width // factor), -(-height // factor)))
        for part in overlays.blocks(height, width, factor):
            preds, target = self._classes(pred[part], truth[part])
            errors = overlays.errors(light[part], preds, target, self.label_space.num_classes)
            picture.paste(Image.fromarray(errors).reduce(factor), (0, part.start // factor))
        picture.thumbnail((WIDTH, 2 * WIDTH))
        return "data:image/png;base64," + base64.b64encode(_png(picture)).decode()

    def _light(self, name: str, truth: Tensor) -> Light:
        """The image in grey, or middle grey where there is none."""
        height, width = truth.shape
        return photo(self.photos[name], (height, width)) if name in self.photos else overlays.grey(None, truth.shape)

    def _classes(self, pred: Tensor, truth: Tensor) -> tuple[Classes, Classes]:
        preds, target = classes_of(pred[None], truth[None], None, self.label_space, self.input_settings)
        return preds[0].numpy(), target[0].numpy()


def _drawable(truth: Tensor) -> bool:
    return truth.dim() == 2 and bool(truth.numel())


def _captions(width: int) -> Image.Image:
    """The names of the three pictures, and the legend of the errors, as far as they fit into the width."""
    letters = max(LETTERS[0], width // LETTERS[1])
    font = ImageFont.load_default(letters)
    strip = Image.new("RGB", (3 * width + 2 * GAP, round(1.6 * letters)), "white")
    for i, name in enumerate(PANELS):
        panel = Image.new("RGB", (width, strip.height), "white")
        pen, left = ImageDraw.Draw(panel), 2.0
        colors = overlays.legend() if name == "errors" else {}
        for word, color in ({f"{name} ": (0, 0, 0)} | {f"  {key}": colors[key] for key in colors}).items():
            pen.text((left, 0.2 * letters), word, fill=color, font=font)
            left += font.getlength(word)
        strip.paste(panel, (i * (width + GAP), 0))
    return strip


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
