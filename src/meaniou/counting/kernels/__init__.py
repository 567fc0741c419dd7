"""The counting kernels, which turn prepared maps into counts and import nothing else of this package.

A kernel is a module with the constant ``NAME`` and the functions ``count``, ``count_images``, ``count_thresholds`` and
``count_bands``, with the signatures of those in ``portable``. The optional functions ``why_not`` and
``why_not_thresholds`` return the reason why the kernel cannot count some maps.
"""
