"""Sending messages and publishing events, with the fate of each one known."""
