"""A stream of answers on its way from grpc's thread to the loop that prints them."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import closing

import grpc
import pytest

from kubemqctl.bell import Bell
from kubemqctl.client.feed import Feed
from kubemqctl.errors import ConnectionLost
from kubemqctl.message import Event
from tests.waiting import until


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

    def __iter__(self) -> Iterator[Event]:
        yield Event("c", "1", "", b"last", {}, 0, 1)
        raise Lost

    def cancel(self) -> None:
        pass


def test_an_end_that_comes_with_the_last_events_is_not_slept_through() -> None:
    rings: list[None] = []
    with closing(Bell()) as bell:

        def ring() -> None:
            bell.ring()
            rings.append(None)

        feed = Feed(Call(), lambda event: event, ring, "here")
        until(lambda: len(rings) == 3, "the sign, the event and the end have rung")
        bell.clear()
        assert [event.body for event in feed.take()] == [b"last"]
        assert select.select([bell.fd], [], [], 5)[0], "nobody says that there is an end to be heard of"
        with pytest.raises(ConnectionLost):
            feed.take()
