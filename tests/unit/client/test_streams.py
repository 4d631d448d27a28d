"""A stream of requests and answers, and the threads behind it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from kubemqctl.client.streams import Stream
from kubemqctl.model.errors import ConnectionLost, KubemqctlError
from tests.support.waiting import until


class Lost(grpc.RpcError):
    """What grpc raises when the server is gone."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "Socket closed"


class Call:
    """A stream that brings one answer and then what it was made with, or an end."""

    def __init__(self, requests: Iterator[str], end: BaseException | None) -> None:
        self._end = end
        # As grpc does: a thread of its own takes the requests.
        self.sending = threading.Thread(target=list, args=(requests,), daemon=True)
        self.sending.start()

    def __iter__(self) -> Iterator[str]:
        yield "answer"
        if self._end:
            raise self._end

    def cancel(self) -> None:
        pass


def ended_by(end: BaseException | None) -> tuple[Stream[str, str], list[Call]]:
    calls: list[Call] = []

    def start(requests: Any) -> Call:
        calls.append(Call(requests, end))
        return calls[0]

    return Stream(start, "here", lambda: None), calls


@pytest.mark.parametrize(
    ("end", "raised"),
    [
        (None, ConnectionLost),
        (Lost(), ConnectionLost),
        (ValueError("Cannot invoke RPC on closed channel!"), ConnectionLost),
        (KubemqctlError("cannot be read"), KubemqctlError),
        (ZeroDivisionError("a bug"), ZeroDivisionError),
    ],
)
def test_whatever_ends_a_stream_is_heard_of_once_its_answers_are_taken(
    end: BaseException | None, raised: type[Exception]
) -> None:
    stream, _ = ended_by(end)
    assert stream.answer(5) == "answer"
    for _ in range(2):
        with pytest.raises(raised):
            stream.answer(5)


def test_a_stream_that_has_ended_leaves_no_thread_behind() -> None:
    _, [call] = ended_by(Lost())
    until(lambda: not call.sending.is_alive(), "grpc's thread waits for no more requests")
