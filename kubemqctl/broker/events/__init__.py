"""Stored events: topics, readers and their positions."""
