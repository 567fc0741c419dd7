"""Counts the pixels of each class in bands inside contours, of prediction and ground truth."""
