"""Following the sequences of a store: what is passed on, skipped, asked for again, and given up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.messaging.events.sequence_tracker import SequenceTracker
from kubemqctl.model.messages import Event
from kubemqctl.model.values import Start


def event(sequence: int, timestamp: int = 0) -> Event:
    return Event("c", f"e{sequence}", "", b"", {}, timestamp or sequence * 10, sequence)


def follow(tracker: SequenceTracker, *sequences: int) -> tuple[list[int], bool]:
    passed = tracker.follow([event(sequence) for sequence in sequences])
    return [e.sequence for e in passed.events], passed.reopen


def tracker(start: Start = Start("first")) -> tuple[SequenceTracker, list[str]]:  # noqa: B008
    said: list[str] = []
    return SequenceTracker(start, said.append), said


def test_what_comes_in_order_is_passed_on() -> None:
    way, _ = tracker()
    assert follow(way, 1, 2, 3) == ([1, 2, 3], False)
    assert follow(way, 4) == ([4], False)
    assert way.start == Start("sequence", 5)


def test_the_first_event_may_be_any_unless_a_sequence_was_asked_for() -> None:
    way, _ = tracker()
    assert follow(way, 17, 18) == ([17, 18], False)
    way, _ = tracker(Start("sequence", 15))
    assert follow(way, 17, 18) == ([], True)


def test_of_the_last_few_those_that_are_gone_are_not_missed() -> None:
    way, said = tracker(Start("sequence", 15, as_stored=True))
    assert follow(way, 14, 17, 18) == ([17, 18], False)
    assert follow(way, 20) == ([], True)
    assert (way.missing, said) == (0, [])


def test_a_gap_asks_for_a_new_subscription_and_drops_what_is_behind_it() -> None:
    way, said = tracker()
    assert follow(way, 1, 2, 5, 6) == ([1, 2], True)
    assert way.start == Start("sequence", 3)
    way.opened()
    assert follow(way, 3, 4, 5, 6) == ([3, 4, 5, 6], False)
    assert (way.missing, said) == (0, [])


def test_a_gap_that_stays_is_said_and_gone_over() -> None:
    way, said = tracker()
    follow(way, 1, 2, 5)
    way.opened()
    assert follow(way, 5, 6, 8) == ([5, 6], True)
    way.opened()
    assert follow(way, 8) == ([8], False)
    assert way.missing == 3
    assert said == ["events 3 to 4 are gone from the server", "event 7 is gone from the server"]


def test_repetitions_are_skipped() -> None:
    way, said = tracker()
    follow(way, 1, 2, 3)
    assert follow(way, 2, 3, 4) == ([4], False)
    assert said == []


def test_what_is_older_than_the_time_asked_for_is_skipped() -> None:
    way, _ = tracker(Start("time", 35))
    assert follow(way, 2, 3, 4, 5) == ([4, 5], False)


def test_a_store_that_begins_at_1_again_is_taken_up_at_once() -> None:
    way, said = tracker()
    follow(way, 1, 2, 3)
    way.opened()
    passed = way.follow([event(1, 100), event(2, 110)])
    assert ([e.sequence for e in passed.events], passed.reopen) == ([1, 2], False)
    assert said == ["the server has lost its stored events: its sequences start over"]


def test_a_store_that_is_some_events_on_is_asked_for_those_that_are_newer() -> None:
    way, _ = tracker()
    follow(way, *range(1, 10))
    way.opened()
    passed = way.follow([event(4, 130)])
    assert (passed.events, passed.reopen) == ([], True)
    assert way.start == Start("time", 91)
    way.opened()
    passed = way.follow([event(2, 110), event(3, 120), event(4, 130)])
    assert [e.sequence for e in passed.events] == [2, 3, 4]


def test_silence_where_events_are_stored_is_asked_about_once() -> None:
    way, said = tracker()
    follow(way, 1, 2)
    assert way.silent(upto=4)
    assert not way.silent(upto=4)
    assert (way.missing, way.wanted) == (2, 5)
    assert said == ["events 3 to 4 are gone from the server"]


@given(st.integers(1, 40), st.data())
def test_whatever_a_server_drops_everything_it_has_is_passed_on_once(last: int, data: st.DataObject) -> None:
    """It has all but `holes`, and each subscription loses others on the way, but never its first."""
    holes = data.draw(st.sets(st.integers(1, last), max_size=last - 1))
    stored = [n for n in range(1, last + 1) if n not in holes]
    way, _ = tracker()
    got: list[int] = []
    while way.wanted is None or way.wanted <= stored[-1]:
        way.opened()
        ahead = [n for n in stored if n >= (way.wanted or 1)]
        lost = data.draw(st.sets(st.sampled_from(ahead[1:]))) if len(ahead) > 1 else set()
        came = [n for n in ahead if n not in lost]
        passed, again = follow(way, *came)
        got += passed
        if not again and not passed:
            break
    assert got == stored
    assert way.missing == len([n for n in holes if stored[0] < n < stored[-1]])
