"""Answers to queries that asked for it, until they are too old."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

MOST = 10_000  # answers
MOST_BYTES = 64 * 1024 * 1024

Key = tuple[str, str]  # a channel, and a cache key: keys of two channels have nothing to do with one another


class _Kept(NamedTuple):
    answer: bytes
    until: int


class Cache:
    """Serialized answers by channel and key; the ones longest unused give way. Times are Unix nanoseconds."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key, now: int) -> bytes | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if found.until <= now:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return found.answer

    def put(self, key: Key, answer: bytes, until: int) -> None:
        if key in self._kept:
            self._drop(key)
        self._kept[key] = _Kept(answer, until)
        self._bytes += len(answer)
        while len(self._kept) > MOST or self._bytes > MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        self._bytes -= len(self._kept.pop(key).answer)
