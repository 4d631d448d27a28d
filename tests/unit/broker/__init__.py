"""The built-in broker."""
