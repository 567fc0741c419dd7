"""Captions and legends of overlays. They import Pillow when they draw, since metrics import this module without it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from meaniou.plot import colors
from meaniou.settings import Color

if TYPE_CHECKING:
    from PIL import Image, ImageFont

GROUND = "white"
SMALLEST = 12  # font size in pixels
PER_WIDTH = 26  # panels that are wider than this many smallest letters have larger ones
Entry: TypeAlias = tuple[str, Sequence[Color]]  # a label and its colour, or its colours from left to right


@dataclass(frozen=True)
class Letters:
    """The letters of captions and legends, whose size follows the width of a panel."""

    size: int

    @classmethod
    def for_panel(cls, width: int) -> "Letters":
        """The letters for a panel of this width in pixels."""
        return cls(max(SMALLEST, width // PER_WIDTH))

    @cached_property
    def font(self) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
        """The font that Pillow brings."""
        from PIL import ImageFont

        return ImageFont.load_default(self.size)

    @property
    def line(self) -> int:
        """The height of a line in pixels."""
        return round(1.8 * self.size)

    def width(self, text: str) -> int:
        """The width of a text in pixels."""
        return round(self.font.getlength(text)) + 1

    def entry(self, entry: Entry) -> int:
        """The width of an entry of a legend in pixels."""
        text, shades = entry
        return self._swatch(shades) + self.width(text)

    def captions(self, texts: Sequence[str], panel: int, gap: int) -> "Image.Image":
        """A line with a caption above each panel."""
        from PIL import Image, ImageDraw

        strip = Image.new("RGB", (len(texts) * (panel + gap) - gap, self.line), GROUND)
        pen = ImageDraw.Draw(strip)
        for i, text in enumerate(texts):
            pen.text((i * (panel + gap), self.line / 2), text, fill=colors.INK, font=self.font, anchor="lm")
        return strip

    def legend(self, entries: Sequence[Entry], width: int, lines: int) -> "Image.Image":
        """A legend of at most this width and number of lines; entries that do not fit are counted: ``+ 3 more``."""
        from PIL import Image, ImageDraw

        placed = self._fitted(entries, width, lines)
        strip = Image.new("RGB", (width, self.line * (1 + max((y for _, _, y in placed), default=-1))), GROUND)
        pen = ImageDraw.Draw(strip)
        for (text, shades), x, y in placed:
            middle = self.line * y + self.line // 2
            for i, color in enumerate(shades):
                left, right = (x + round(self.size * part / len(shades)) for part in (i, i + 1))
                pen.rectangle((left, middle - self.size // 2, right - 1, middle + self.size // 2 - 1), fill=color)
            if shades:  # light colours need an edge
                box = (x, middle - self.size // 2, x + self.size - 1, middle + self.size // 2 - 1)
                pen.rectangle(box, outline=colors.SOFT)
            pen.text((x + self._swatch(shades), middle), text, fill=colors.INK, font=self.font, anchor="lm")
        return strip

    def _fitted(self, entries: Sequence[Entry], width: int, lines: int) -> list[tuple[Entry, int, int]]:
        """As many entries as fit, each with the pixels left of it and its line."""
        for kept in range(min(len(entries), 1 + lines * width // self.size), -1, -1):
            rest = len(entries) - kept
            placed = self._placed([*entries[:kept], *([(f"+ {rest} more", ())] if rest else [])], width)
            if not placed or placed[-1][2] < lines:
                return placed
        return []

    def _placed(self, entries: Iterable[Entry], width: int) -> list[tuple[Entry, int, int]]:
        """The entries in lines, each with the pixels left of it and its line."""
        placed = []
        x = y = 0
        for entry in entries:
            wide = self.entry(entry)
            if x and x + wide > width:
                x, y = 0, y + 1
            placed.append((entry, x, y))
            x += wide + self.size
        return placed

    def _swatch(self, shades: Sequence[Color]) -> int:
        """The width of a swatch and the gap after it."""
        return round(1.4 * self.size) if shades else 0
