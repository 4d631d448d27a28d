"""How much went through the channels that keep nothing, since the broker began: events, commands, queries."""

from __future__ import annotations

_MOST = 10_000  # channels of one kind; the ones longest unused are forgotten first


class Usage:
    """What went in and out of one channel; `activity` in Unix nanoseconds."""

    __slots__ = ("activity", "bytes_in", "bytes_out", "messages_in", "messages_out", "responses")

    def __init__(self) -> None:
        self.messages_in = self.bytes_in = 0
        self.messages_out = self.bytes_out = 0
        self.responses = 0
        self.activity = 0

    def came(self, size: int, deliveries: int) -> None:
        """A message of `size` bytes came in, and went out so many times."""
        self.messages_in += 1
        self.bytes_in += size
        self.messages_out += deliveries
        self.bytes_out += deliveries * size


class Usages:
    """The channels of one kind."""

    def __init__(self) -> None:
        self._known: dict[str, Usage] = {}

    def of(self, channel: str, now: int) -> Usage:
        """The usage of `channel`, which is used now."""
        found = self._known.pop(channel, None)
        if found is None:
            if len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            found = Usage()
        self._known[channel] = found
        found.activity = now
        return found

    def known(self) -> dict[str, Usage]:
        """All of them, by name."""
        return dict(self._known)

    def forget(self, channel: str) -> bool:
        """Forget a channel; False when it was not known."""
        return self._known.pop(channel, None) is not None
