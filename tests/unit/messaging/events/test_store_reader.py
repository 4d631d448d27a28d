"""Coming back before the first event, to a server that still holds the id, as no real one does on demand."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from kubemqctl.messaging.events import store_reader
from kubemqctl.messaging.events.sequence_tracker import SequenceTracker
from kubemqctl.messaging.events.store_reader import StoreReader, with_absolute_time
from kubemqctl.model.messages import Event
from kubemqctl.model.values import Start


class Quiet:
    """A store in which nothing is stored; it writes down what is opened."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, Start]] = []
        self._ids = 0

    def fresh_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    def clock(self) -> int:
        return time.time_ns()

    def first(self, start: Start) -> Event | None:
        return None

    def open(self, client_id: str, start: Start, notify: Callable[[], None]) -> None:
        self.opened.append((client_id, start))


def opened(start: Start, times: int) -> list[tuple[str, Start]]:
    store: Any = Quiet()
    reader = StoreReader(store, SequenceTracker(start, lambda text: None), start, durable="")
    for _ in range(times):
        reader.open(lambda: None)
    return list(store.opened)


def test_the_id_comes_back_while_it_may_be_free_soon() -> None:
    assert opened(Start("new"), 3) == [("id-1", Start("new"))] * 3


def test_an_id_that_stays_taken_is_given_up_for_the_time_since_when_it_was_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_reader, "ID_IN_USE", 0.0)
    before = time.time_ns()
    first, second, third = opened(Start("new"), 3)
    assert first == ("id-1", Start("new"))
    assert [second[0], third[0]] == ["id-2", "id-3"]
    assert second[1] == third[1]
    assert second[1].kind == "time"
    assert abs(second[1].value + store_reader.LATE - before) < 1_000_000_000


def test_what_asking_for_the_time_takes_is_not_added_to_since_when_it_was_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_reader, "ID_IN_USE", 0.0)
    store: Any = Quiet()
    reader = StoreReader(store, SequenceTracker(Start("new"), lambda text: None), Start("new"), durable="")
    reader.open(lambda: None)
    live = time.time_ns()

    def slow() -> int:
        time.sleep(0.1)
        return time.time_ns()

    store.clock = slow
    asked: list[Start] = []
    store.open = lambda client_id, start, notify: asked.append(start)
    reader.open(lambda: None)
    assert asked[0].value + store_reader.LATE <= live


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_clock_that_is_set_meanwhile_changes_nothing_about_since_when_it_was_live(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_reader, "ID_IN_USE", 0.0)
    store: Any = Quiet()
    reader = StoreReader(store, SequenceTracker(Start("new"), lambda text: None), Start("new"), durable="")
    reader.open(lambda: None)
    before = store.clock()
    real = time.time_ns
    monkeypatch.setattr(store, "clock", real)  # the server's goes on as it did
    monkeypatch.setattr(time, "time_ns", lambda: real() + step * 1_000_000_000)
    reader.open(lambda: None)
    _, since = store.opened[1]
    assert abs(since.value + store_reader.LATE - before) < 1_000_000_000


def test_a_time_is_asked_for_a_second_earlier_as_a_server_may_begin_late() -> None:
    assert opened(Start("time", 5_000_000_000), 1) == [("id-1", Start("time", 4_000_000_000))]
    assert opened(Start("time", 7), 1) == [("id-1", Start("first"))]


@pytest.mark.parametrize("start", [Start("first"), Start("last"), Start("sequence", 3)])
def test_where_nothing_depends_on_the_moment_every_subscription_is_fresh(start: Start) -> None:
    assert opened(start, 2) == [("id-1", start), ("id-2", start)]


def test_so_long_ago_becomes_a_time_and_the_beginning_of_time_first() -> None:
    assert with_absolute_time(Start("ago", 3), 10) == Start("time", 7)
    assert with_absolute_time(Start("ago", 10), 10) == Start("first")
    assert with_absolute_time(Start("time", -1), 10) == Start("first")
    assert with_absolute_time(Start("sequence", 3), 10) == Start("sequence", 3)
