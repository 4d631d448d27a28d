"""Queues: what waits, what is held, what comes back."""
