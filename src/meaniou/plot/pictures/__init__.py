"""Pictures of label maps without matplotlib: overlays of masks and errors, and their captions and legends."""

from meaniou.plot.pictures import captions, overlays
from meaniou.plot.pictures.overlays import Classes, Light, grey

__all__ = ["Classes", "Light", "captions", "grey", "overlays"]
