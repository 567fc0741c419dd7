"""torchmetrics' base class, completed: exact counts, and calls that change all or nothing."""
