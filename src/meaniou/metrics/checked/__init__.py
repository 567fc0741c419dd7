"""The checked counts of all ranks: the counts, the images, and the doubts about them."""
