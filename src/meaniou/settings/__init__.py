"""What the user chose: class names, label space and policy, checked once, frozen, and passed on whole."""
