"""Receiving, handling, moving and deciding about queue messages."""
