"""A report, or label maps, drawn on matplotlib axes."""
