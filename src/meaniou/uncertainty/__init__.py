"""How sure a number is: bootstrap confidence intervals and paired comparisons over images."""
