"""Counts a batch of label maps or scores into one int64 confusion matrix, and into counts per image on request."""
