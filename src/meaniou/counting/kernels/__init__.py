"""The counting kernels, which turn prepared maps into counts and know nothing else of this package.

A kernel is a module with the constant ``NAME`` and the functions ``count`` and ``count_images``, as those of
``portable``. It may have ``why_not``, which gives the reason why it does not count some maps.
"""
