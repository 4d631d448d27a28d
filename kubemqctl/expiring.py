"""Answers with nothing but expired messages: each fills a Get of its own, and is then gone."""

from __future__ import annotations

LONGEST = 10.0
"""Seconds. A server that goes on longer with such answers is not waited for, and not kept busy by us."""


class Expiring:
    """Since when there have been no other answers; `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._since: float | None = None

    def is_too_long(self, now: float) -> bool:
        """One more; whether it has been so for too long."""
        if self._since is None:
            self._since = now
        return now - self._since >= LONGEST

    def ended(self) -> None:
        """Another answer came."""
        self._since = None
