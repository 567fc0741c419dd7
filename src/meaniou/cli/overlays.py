"""Pictures of the worst images: ground truth, prediction and errors, side by side."""

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from meaniou.counting import classes_of, pixels_of
from meaniou.masks import MAX_PIXELS, MaskError, Pair, photo, read_pair
from meaniou.plot import Classes, Light, captions, colors, overlays
from meaniou.scores import Ints
from meaniou.settings import BandSettings, Color, InputSettings, LabelSpace

GAP = 8  # pixels between two panels
LINES = 3  # of the legend of classes
WIDTH = 480  # of a picture in a page, in pixels
PANELS = ("ground truth", "prediction", "errors")
GREYS = (0, 64, 128, 192, 255)  # of a photo, over which the legend shows each colour


@dataclass(frozen=True)
class Gallery:
    """The masks and photos of a run, and pictures of them.

    Attributes:
        label_space: the classes.
        input_settings: how maps are read.
        pairs: the masks of each image, by its name.
        photos: the photos by the same names; empty if there are none.
        bands: how bands inside contours are counted, with one width; ``None`` for no panel of their errors.
        max_pixels: the largest mask that is read.
    """

    label_space: LabelSpace
    input_settings: InputSettings
    pairs: Mapping[str, Pair]
    photos: Mapping[str, Path]
    bands: BandSettings | None = None
    max_pixels: int = MAX_PIXELS

    def overlay(self, name: str) -> bytes:
        """A PNG of the ground truth, the prediction and the errors, with a caption above each and legends below.

        With ``bands`` a fourth panel shows the errors in the bands.

        Raises:
            MaskError: if a file cannot be read, the photo has another size, or the masks are not maps ``[H, W]``.
        """
        pred, truth = read_pair(self.pairs[name], self.max_pixels)
        if not _drawable(truth):
            raise MaskError(
                f"{self.pairs[name].target} has shape {list(truth.shape)}, and only maps [H, W] can be drawn; leave "
                "out --overlay."
            )
        height, width = truth.shape
        light = self._light(name, truth)
        letters = captions.Letters.for_panel(width)
        titles, entries = [*PANELS], [self._errors_legend(name, colors.OF_ALL)]
        kinds = None
        if self.bands is not None:
            kinds = overlays.band_kinds(pred, truth, self.label_space, self.bands)
            titles.append(f"boundary errors, width {pixels_of(self.bands.widths[0], truth.shape)} px")
            entries.append(self._errors_legend(name, colors.OF_ONE))
        panel = max(width, *map(letters.width, titles), *(letters.entry(entry) for of in entries for entry in of))
        above = letters.captions(titles, panel, GAP)
        legends = [letters.legend(self._classes_legend(pred, truth), 2 * panel + GAP, LINES)]
        legends += [letters.legend(of, panel, len(of)) for of in entries]
        top, left = GAP + above.height, [GAP + i * (panel + GAP) for i in range(len(titles))]
        below = max(legend.height for legend in legends)
        picture = Image.new("RGB", (left[-1] + panel + GAP, top + height + below + GAP), captions.GROUND)
        picture.paste(above, (GAP, GAP))
        for part, preds, target in self._blocks(pred, truth):
            drawings = [*self._panels(preds, target, light[part])]
            if kinds is not None:
                drawings.append(Image.fromarray(overlays.boundary_errors(light[part], kinds[part])))
            for x, drawing in zip(left, drawings, strict=True):
                picture.paste(drawing, (x, top + part.start))
        for x, legend in zip((left[0], *left[2:]), legends, strict=True):
            picture.paste(legend, (x, top + height))
        return _png(picture)

    def embedded(self, name: str) -> dict[str, str]:
        """The pictures without that of bands, made small for a page, as data URIs by their captions.

        There are none if the masks are not maps ``[H, W]``, such as those of point clouds.

        Raises:
            MaskError: as ``overlay``.
        """
        pred, truth = read_pair(self.pairs[name], self.max_pixels)
        if not _drawable(truth):
            return {}
        height, width = truth.shape
        light = self._light(name, truth)
        factor = max(1, int(max(width / WIDTH, height / (2 * WIDTH))))
        pictures = [Image.new("RGB", (-(-width // factor), -(-height // factor))) for _ in PANELS]
        for part, preds, target in self._blocks(pred, truth, factor):
            for picture, drawing in zip(pictures, self._panels(preds, target, light[part], factor), strict=True):
                picture.paste(drawing, (0, part.start // factor))
        for picture, resample in zip(
            pictures, (*[Image.Resampling.NEAREST] * 2, Image.Resampling.BICUBIC), strict=True
        ):
            picture.thumbnail((WIDTH, 2 * WIDTH), resample)
        uris = ("data:image/png;base64," + base64.b64encode(_png(picture)).decode() for picture in pictures)
        return dict(zip(PANELS, uris, strict=True))

    def _blocks(self, pred: Tensor, truth: Tensor, multiple: int = 1) -> Iterator[tuple[slice, Classes, Classes]]:
        """The rows of each block of two masks, and the classes in them: predictions, ground truth."""
        height, width = truth.shape
        for part in overlays.blocks(height, width, multiple):
            sides = classes_of(pred[part][None], truth[part][None], None, self.label_space, self.input_settings)
            preds, target = (side[0].numpy() for side in sides)
            yield part, preds, target

    def _panels(self, preds: Classes, target: Classes, light: Light, factor: int = 1) -> Iterator[Image.Image]:
        """Ground truth, prediction and errors of a block, smaller by a factor.

        Errors are averaged, so that thin ones stay visible. Masks are not: a mixed colour would be that of no class.
        """
        for side in (target, preds):
            yield Image.fromarray(overlays.mask(side[::factor, ::factor], self.label_space))
        yield Image.fromarray(overlays.errors(light, preds, target, self.label_space.num_classes)).reduce(factor)

    def _light(self, name: str, truth: Tensor) -> Light:
        """The photo in grey, or middle grey if there is none."""
        height, width = truth.shape
        return photo(self.photos[name], (height, width)) if name in self.photos else overlays.grey(None, truth.shape)

    def _classes_legend(self, pred: Tensor, truth: Tensor) -> list[captions.Entry]:
        """The colours of the classes in two masks, the largest class first."""
        names = (*self.label_space.class_names, "void", "outside")
        shades = (*overlays.palette(self.label_space), colors.VOID, colors.OUTSIDE)
        pixels: Ints = np.zeros(len(names), np.int64)
        for _, *sides in self._blocks(pred, truth):
            for side in sides:
                pixels += np.bincount(side.ravel(), minlength=len(pixels))
        size = self.label_space.num_classes
        order = (*np.argsort(-pixels[:size], kind="stable").tolist(), size, size + 1)
        return [(names[i], [shades[i]]) for i in order if pixels[i]]

    def _errors_legend(self, name: str, words: Mapping[str, Color]) -> list[captions.Entry]:
        """The colours of errors; on a photo, each from dark to light."""
        legends = [overlays.legend(words, grey) for grey in (GREYS if name in self.photos else [colors.MIDDLE])]
        return [(word, [legend[word] for legend in legends]) for word in legends[0]]


def _drawable(truth: Tensor) -> bool:
    return truth.dim() == 2 and bool(truth.numel())


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
