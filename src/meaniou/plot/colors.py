"""The colours of plots, overlays and the HTML page. Each is set here and nowhere else."""

from meaniou.settings import Color

# The high-contrast scheme of Paul Tol (technical note SRON/EPS/TN/09-002), which is safe for colour-blind readers.
RIGHT: Color = (0, 68, 136)
MISSED: Color = (221, 170, 51)
WRONG: Color = (187, 85, 102)
VOID: Color = (0, 0, 0)
OUTSIDE: Color = (255, 255, 255)

EMPTY: Color = (243, 246, 250)  # a cell of a confusion matrix without a pixel
UNDEFINED: Color = (222, 226, 232)  # a row or column of a confusion matrix without a pixel
INK: Color = (28, 36, 48)
SOFT: Color = (88, 99, 115)

# The colours of a page by their names in its style sheet, on a light and on a dark screen.
LIGHT_PAGE: dict[str, Color] = {
    "ground": (255, 255, 255),
    "card": (245, 247, 250),
    "line": (217, 222, 229),
    "ink": INK,
    "soft": SOFT,
    "right": RIGHT,
    "empty": EMPTY,
    "undefined": UNDEFINED,
    "on-weak": (0, 0, 0),
    "on-strong": (255, 255, 255),
}
DARK_PAGE: dict[str, Color] = {
    "ground": (15, 19, 25),
    "card": (24, 29, 37),
    "line": (49, 57, 68),
    "ink": (228, 233, 240),
    "soft": (154, 165, 180),
    "right": (119, 170, 221),  # the light blue of the same note: RIGHT cannot be seen on a dark screen
    "empty": (24, 29, 37),
    "undefined": (40, 47, 57),
    "on-weak": (255, 255, 255),
    "on-strong": (0, 0, 0),
}

# The lines of labels: the muted scheme of the same note, dark and light ones in turn. It is made for up to nine lines.
LINES: tuple[Color, ...] = (
    (51, 34, 136),
    (204, 102, 119),
    (17, 119, 51),
    (221, 204, 119),
    (136, 34, 85),
    (136, 204, 238),
    (153, 153, 51),
    (170, 68, 153),
    (68, 170, 153),
)

OF_ALL = {"right": RIGHT, "void prediction": MISSED, "wrong class": WRONG}
OF_ONE = {"hit": RIGHT, "miss": MISSED, "false alarm": WRONG}
STRENGTH = {RIGHT: 0.25, MISSED: 0.75, WRONG: 0.75}  # over a photo, which shows through where the prediction is right
DARK = 0.35  # brightness of void, as a share of that of the photo
MIDDLE = 160  # the grey where there is no photo
SCALE = (0, 0.01, 0.05, 0.2, 0.5, 1)  # shares in the legend of a confusion matrix
FULL_INK = 0.68  # strength of a cell of a confusion matrix from which on the number in it has the colour "on-strong"


def css(color: Color) -> str:
    """A colour in hexadecimal, such as ``#004488``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def strength(share: float) -> float:
    """How much of ``RIGHT`` a cell of a confusion matrix has: the square root, so that small ones stay visible."""
    return float(max(0.0, share) ** 0.5)
