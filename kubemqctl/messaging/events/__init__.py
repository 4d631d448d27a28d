"""Subscribing to events and to stored events."""
