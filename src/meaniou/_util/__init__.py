"""Helpers that know nothing of IoU: text, warnings, validation, records, files and tables."""
