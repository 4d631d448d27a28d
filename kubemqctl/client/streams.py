"""Calls under way: one whose answer is still to come, and streams of requests and answers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from kubemqctl.client.error_translation import translated, unreadable
from kubemqctl.model.errors import ConnectionLost, TimedOut

Q = TypeVar("Q")
R = TypeVar("R")


def there(answer: Any, address: str) -> Any:
    """`answer`, which is None when a call ended well without one."""
    if answer is None:
        raise unreadable(address)
    return answer


class Pending:
    """A unary call under way."""

    def __init__(self, future: Any, address: str) -> None:
        self._future = future
        self._address = address

    def done(self) -> bool:
        """Whether `result` need not wait."""
        return bool(self._future.done())

    def result(self) -> Any:
        """Wait for the answer; raises as `Client.call` does."""
        with translated(self._address):
            answer = self._future.result()
        return there(answer, self._address)


class Ended(NamedTuple):
    """Stands behind the last answer of a stream, and tells why there are no more."""

    why: Exception


class Stream(Generic[Q, R]):
    """Requests out, answers in, each answer waited for with a deadline of its own; a context manager.

    A thread of ours hands the answers over: grpc's own iterator cannot be waited on for a limited time.
    """

    def __init__(self, start: Callable[[Any], Any], address: str, notify: Callable[[], None]) -> None:
        self._address = address
        self._notify = notify
        self._requests: queue.SimpleQueue[Q | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[R | Ended] = queue.SimpleQueue()
        with translated(address):
            self._call = start(iter(self._requests.get, None))
        threading.Thread(target=self._listen, name="answers", daemon=True).start()

    def __enter__(self) -> Stream[Q, R]:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.put(None)
        self._call.cancel()

    def send(self, request: Q) -> None:
        """Queue `request`; it is sent as soon as gRPC can."""
        self._requests.put(request)

    @property
    def has_news(self) -> bool:
        """Whether `answer` would not have to wait."""
        return not self._answers.empty()

    def answer(self, timeout: float) -> R:
        """The next answer. Raises TimedOut after `timeout` seconds, or why the stream ended."""
        try:
            got = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise TimedOut(f"{self._address} did not answer within {timeout:.0f} s") from None
        if isinstance(got, Ended):
            self._answers.put(got)
            raise got.why
        return got

    def _listen(self) -> None:
        try:
            with translated(self._address):
                for answer in self._call:
                    self._put(answer)
            end: Exception = ConnectionLost(f"{self._address} ended the stream")
        except Exception as e:
            # Whatever it is, nobody would hear of it in this thread.
            end = e
        # Another thread, grpc's own, waits here for requests, and would do so for ever.
        self._requests.put(None)
        self._put(Ended(end))

    def _put(self, answer: R | Ended) -> None:
        self._answers.put(answer)
        self._notify()
