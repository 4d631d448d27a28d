"""A stream of answers on its way from grpc's thread to the loop that prints them."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from contextlib import closing

import grpc
import pytest

from kubemqctl.client.feed import Feed
from kubemqctl.model.errors import ConnectionLost
from kubemqctl.runtime.waiting import Wakeup
from kubemqctl.wire import convert
from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.waiting import until


class Lost(grpc.RpcError):
    """What grpc raises when the server is gone."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "Socket closed"


class Call:
    """A stream that brings one event and breaks at once: no server can be made to do that in one moment."""

    def initial_metadata(self) -> tuple[()]:
        return ()

    def __iter__(self) -> Iterator[tuple[pb.EventReceive, int]]:
        yield pb.EventReceive(EventID="1", Channel="c", Body=b"last", Sequence=1), 14
        raise Lost

    def cancel(self) -> None:
        pass


def test_an_end_that_comes_with_the_last_events_is_not_slept_through() -> None:
    rings: list[None] = []
    with closing(Wakeup()) as wakeup:

        def notify() -> None:
            wakeup.notify()
            rings.append(None)

        feed = Feed(Call(), convert.event, notify, "here")
        until(lambda: len(rings) == 3, "the sign, the event and the end have rung")
        wakeup.clear()
        assert [event.body for event in feed.take()] == [b"last"]
        assert select.select([wakeup.fd], [], [], 5)[0], "nobody says that there is an end to be heard of"
        with pytest.raises(ConnectionLost):
            feed.take()


class Late(Call):
    """As Call, once `come` is set."""

    def __init__(self) -> None:
        self.come = threading.Event()

    def __iter__(self) -> Iterator[tuple[pb.EventReceive, int]]:
        assert self.come.wait(10)
        return super().__iter__()


class Room(threading.Condition):
    """Whoever leaves it for the first time is held up at the door until the stream has ended."""

    def __init__(self, call: Late, ended: threading.Event) -> None:
        super().__init__()
        self._call, self._ended = call, ended

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[arg-type]
        if not self._call.come.is_set():
            self._call.come.set()
            assert self._ended.wait(10)


def test_an_event_that_comes_with_the_end_while_others_are_taken_is_handed_over() -> None:
    rings: list[None] = []
    call, ended = Late(), threading.Event()

    def notify() -> None:
        rings.append(None)
        if len(rings) == 3:  # the sign, the event and the end
            ended.set()

    feed = Feed(call, convert.event, notify, "here")
    feed._room = Room(call, ended)
    assert feed.take() == []
    assert [event.body for event in feed.take()] == [b"last"]
    with pytest.raises(ConnectionLost):
        feed.take()


def test_what_cannot_be_converted_ends_the_feed_with_the_reason() -> None:
    def refuse(event: pb.EventReceive) -> pb.EventReceive:
        raise ZeroDivisionError("a bug")

    feed = Feed(Call(), refuse, lambda: None, "here")

    def ended() -> bool:
        try:
            return bool(feed.take())
        except ZeroDivisionError:
            return True

    until(ended, "the reason is told")


class Endless(Call):
    """Brings two events, and no more until it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def __iter__(self) -> Iterator[tuple[pb.EventReceive, int]]:
        for body in (b"first", b"second"):
            yield pb.EventReceive(EventID="1", Channel="c", Body=body, Sequence=1), 14
        assert self.cancelled.wait(10)
        raise Lost

    def cancel(self) -> None:
        self.cancelled.set()


def test_what_had_come_when_a_stream_is_finished_is_given_also_what_found_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kubemqctl.client.feed.MOST_HELD", 1)
    rings: list[None] = []
    feed = Feed(Endless(), convert.event, lambda: rings.append(None), "here")
    until(lambda: len(rings) == 2, "the sign and the first event have rung")
    assert [event.body for event in feed.finish()] == [b"first", b"second"]
