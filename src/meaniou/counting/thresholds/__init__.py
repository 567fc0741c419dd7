"""Counts labels that overlap: scores of each label at one threshold or more, against a ground truth of 0 and 1."""
