"""The state of a metric: exact counts, synchronised over ranks, and changed completely or not at all."""
