"""The counting kernels, which turn prepared maps into counts and import nothing else of this package.

A kernel is a module with the constant ``NAME`` and the functions ``count`` and ``count_images``, with the signatures of
those in ``portable``. An optional function ``why_not`` returns the reason why the kernel cannot count some maps.
"""
