"""Counts the pixels of each class in the bands inside its contours, in the prediction and the ground truth."""
