"""Asking a server again and again, in a thread of its own: whoever shows the answers is never held up."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kubemqctl.model.channels import Sample
from kubemqctl.model.errors import KubemqctlError, Unreachable

# What a read that hangs may hold up the end of the run: seconds.
LAST_MOMENT = 0.5


class News(NamedTuple):
    """What one try gave: samples, or why there are none. `at` is when, in seconds of time.monotonic."""

    at: float
    samples: Sequence[Sample] = ()
    error: Exception | None = None


class Poller:
    """A context manager; calls `read` every `interval` seconds, and `regain` first once the server was lost.

    `fd` is readable when there is news.
    """

    def __init__(
        self, read: Callable[[], Sequence[Sample]], regain: Callable[[], None], interval: float
    ) -> None:
        self._read = read
        self._regain = regain
        self._interval = interval
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)
        self.fd, self._ring = os.pipe()

    def __enter__(self) -> Poller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(LAST_MOMENT)
        # A thread that still hangs rings once more: its end of the pipe stays open for it.
        if not self._thread.is_alive():
            os.close(self._ring)
            os.close(self.fd)

    def news(self) -> list[News]:
        """All that came since the last call."""
        found = []
        while not self._news.empty():
            found.append(self._news.get())
            os.read(self.fd, 1)
        return found

    def _run(self) -> None:
        lost = False
        while not self._over.wait(self._interval):
            try:
                if lost:
                    self._regain()
                samples = self._read()
                self._tell(News(time.monotonic(), samples))
                lost = False
            except KubemqctlError as e:
                lost = lost or isinstance(e, Unreachable)
                self._tell(News(time.monotonic(), error=e))
            except Exception as e:
                self._tell(News(time.monotonic(), error=e))
                return

    def _tell(self, news: News) -> None:
        self._news.put(news)
        os.write(self._ring, b"!")
