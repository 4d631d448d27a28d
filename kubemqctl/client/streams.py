"""Calls under way: one whose answer is still to come, and streams of requests and answers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import grpc

from kubemqctl.client.error_translation import translated, unreadable
from kubemqctl.client.timeouts import AnswerTimer
from kubemqctl.model.errors import AuthError, ConnectionLost, Unreachable

Q = TypeVar("Q")
R = TypeVar("R")


def there(answer: Any, address: str) -> Any:
    """`answer`, which is None when a call ended well without one."""
    if answer is None:
        raise unreadable(address)
    return answer


Judge = Callable[[Exception], Exception]
"""Makes of the error of a call the one to raise."""


def as_it_is(error: Exception) -> Exception:
    """The judge of a call that knows nothing of credentials."""
    return error


class Pending:
    """A unary call under way, given up by gRPC at its deadline or, with a `timer`, when nothing moves."""

    def __init__(
        self, future: Any, address: str, timer: AnswerTimer | None = None, judge: Judge = as_it_is
    ) -> None:
        self._future = future
        self._judge = judge
        self._address = address
        self._timer = timer

    def done(self) -> bool:
        """Whether `result` need not wait."""
        return bool(self._future.done())

    def result(self) -> Any:
        """Wait for the answer; raises as `Client.call` does."""
        try:
            with translated(self._address):
                answer = self._future.result() if self._timer is None else self._watched(self._timer)
        except (AuthError, Unreachable) as e:
            raise self._judge(e) from e
        return there(answer, self._address)

    def _watched(self, timer: AnswerTimer) -> Any:
        while True:
            try:
                return self._future.result(timeout=timer.step())
            except grpc.FutureTimeoutError:
                if timer.is_over and not self._future.done():
                    self._future.cancel()
                    raise timer.error(self._address) from None


def untimed(timeout: float, insists: bool) -> AnswerTimer:
    """A timer that knows nothing of the connection."""
    return AnswerTimer(timeout, lambda: 0)


class Ended(NamedTuple):
    """Stands behind the last answer of a stream, and tells why there are no more."""

    why: Exception


class Stream(Generic[Q, R]):
    """Requests out, answers in, each answer waited for with a deadline of its own; a context manager.

    A thread of ours hands the answers over: grpc's own iterator cannot be waited on for a limited time.
    """

    def __init__(
        self,
        start: Callable[[Any], Any],
        address: str,
        notify: Callable[[], None],
        timer: Callable[[float, bool], AnswerTimer] = untimed,
        judge: Judge = as_it_is,
    ) -> None:
        """`timer` is made for each answer, of the arguments of `answer`."""
        self._address = address
        self._notify = notify
        self._timer = timer
        self._judge = judge
        self._requests: queue.SimpleQueue[Q | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[R | Ended] = queue.SimpleQueue()
        # One answer may lie here. What follows is left with the connection, which soon takes no more.
        self._room = threading.Semaphore(1)
        self._closed = False
        self.ended_well = False
        """Whether the server has ended it, with the status OK."""
        with translated(address):
            self._call = start(iter(self._requests.get, None))
        threading.Thread(target=self._listen, name="answers", daemon=True).start()

    def __enter__(self) -> Stream[Q, R]:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._requests.put(None)
        self._call.cancel()
        self._room.release()

    def send(self, request: Q) -> None:
        """Queue `request`; it is sent as soon as gRPC can."""
        self._requests.put(request)

    @property
    def has_news(self) -> bool:
        """Whether `answer` would not have to wait."""
        return not self._answers.empty()

    def timer(self, timeout: float, insists: bool = False) -> AnswerTimer:
        """When to give up an answer that is asked for now."""
        return self._timer(timeout, insists)

    def answer(self, timeout: float, insists: bool = False) -> R:
        """The next answer. Raises TimedOut after `timeout` seconds in which nothing moved, or why it ended.

        A stop ends the waiting sooner; with `insists` only where nothing moves.
        """
        timer = self._timer(timeout, insists)
        while True:
            try:
                got = self._answers.get(timeout=timer.step())
            except queue.Empty:
                if timer.is_over:
                    raise timer.error(self._address) from None
                continue
            if isinstance(got, Ended):
                self._answers.put(got)
                raise self._judge(got.why)
            self._room.release()
            return got

    def _listen(self) -> None:
        try:
            with translated(self._address):
                for answer in self._call:
                    self._room.acquire()
                    if self._closed:
                        break
                    self._put(answer)
                    del answer  # until the next one comes, somebody else may be done with it
            self.ended_well = not self._closed
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
