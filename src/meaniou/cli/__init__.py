"""The command ``meaniou``: options, runs over folders of masks, and what they write."""
