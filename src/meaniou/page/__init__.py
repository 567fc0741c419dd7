"""A report as one HTML file that needs no other."""

from meaniou.page.render import html

__all__ = [
    "html",
]
