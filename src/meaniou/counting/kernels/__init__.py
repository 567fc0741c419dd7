"""The counting kernels: each turns label or score views into counts, and none knows anything else of this package."""
