"""What facts say of answers, in few words: bodies, sequences, and how long something took."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.server import SILENT

SECOND = 1_000_000_000  # nanoseconds, the unit of the server's times


def bodies(messages: Iterable[pb.QueueMessage]) -> list[str]:
    return [message.Body.decode() for message in messages]


def sequences(messages: Iterable[pb.QueueMessage]) -> list[int]:
    return [message.Attributes.Sequence for message in messages]


def counts(messages: Iterable[pb.QueueMessage]) -> list[int]:
    return [message.Attributes.ReceiveCount for message in messages]


def stored(messages: Iterable[pb.QueueMessage]) -> list[pb.QueueMessage]:
    """Messages in the order in which they are stored.

    Server 2.4.0, and so its double, may give neighbours that came back in another one.
    """
    given = list(messages)
    return sorted(given, key=lambda m: m.Attributes.Sequence) if SILENT else given


def sleep_past(moment: int) -> None:
    """Come back when a time that the server gave (Unix nanoseconds) is surely over."""
    time.sleep(max(0, moment - time.time_ns()) / SECOND + 0.05)


class Elapsed:
    """with Elapsed() as took: …; took.seconds"""

    def __enter__(self) -> Elapsed:
        self._begun = time.monotonic()
        self.seconds = 0.0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.monotonic() - self._begun

    def assert_whole(self, seconds: float) -> None:
        """The whole wait was taken; grpc's clock and ours may differ by a little."""
        assert self.seconds >= seconds - 0.05

    def assert_at_once(self) -> None:
        """Well below every wait that the facts ask for, which is 4 seconds or more where this is used."""
        assert self.seconds < 3.5
