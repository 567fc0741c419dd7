"""The one place where counted pixels become ratios and their means."""
