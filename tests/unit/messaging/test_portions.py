"""What goes out at once, and when."""

from __future__ import annotations

from typing import cast

from kubemqctl.messaging.portions import Portions
from kubemqctl.model.messages import Event
from kubemqctl.runtime.waiting import StopSignal


class Signal:
    """Never stops; remembers what was waited for."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def __bool__(self) -> bool:
        return False

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)


def event(body: bytes, metadata: str = "") -> Event:
    return Event("c", "id", metadata, body, {}, 0, 1)


def portions(items: list[Event | None], rate: float | None = None) -> tuple[list[int], int]:
    """How many items each portion has, and how often the rate was asked."""
    signal = Signal()
    cut = Portions[Event | None](4, 10, rate, cast("StopSignal", signal), lambda item: item)
    found = list(cut(items))
    assert [item for portion in found for item in portion] == items
    return [len(portion) for portion in found], len(signal.waited)


def test_so_many_go_at_once() -> None:
    assert portions([event(b"") for _ in range(10)]) == ([4, 4, 2], 0)


def test_what_is_great_goes_alone_and_metadata_counts_as_a_body_does() -> None:
    items: list[Event | None] = [event(b"x" * 30), event(b""), event(b"", "x" * 9), event(b"xx"), event(b"")]
    assert portions(items)[0] == [1, 3, 1]


def test_what_is_passed_over_takes_no_room_and_no_time() -> None:
    assert portions([None] * 9, rate=1.0) == ([9], 0)
    assert portions([event(b""), None, event(b""), None], rate=1.0) == ([1, 2, 1], 2)
