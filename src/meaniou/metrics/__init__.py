"""The torchmetrics metrics: exact state, synchronisation over ranks, checkpoints, results."""
