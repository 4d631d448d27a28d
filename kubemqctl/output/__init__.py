"""Nouns to bytes, and bytes to the terminal or pipe."""
