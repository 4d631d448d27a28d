"""An event loop whose clock is its own: waiting takes no time, and slow machines change nothing."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_with_simulated_clock(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, but timers fire as soon as nothing else is left to do, in their order."""
    clock = _Clock()
    loop = asyncio.SelectorEventLoop(_Selector(clock))
    loop.time = lambda: clock.now  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class _Clock:
    """Seconds since the start."""

    now = 0.0


class _Selector(selectors.DefaultSelector):
    """Where the loop would wait for its next timer, the clock goes forward to it."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("nothing is left to do, and no timer runs: this would wait for ever")
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready:
            self._clock.now += timeout
        return ready
