"""The base class of torchmetrics, completed: exact counts, and calls that change all or nothing."""
