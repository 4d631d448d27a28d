"""Section 11: stored events, where a subscription begins, and where it goes on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from typing import Any

import grpc
import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.listening import Listener, back_on_store, from_start, on_store, refusal
from tests.conformance.reading import SECOND
from tests.conformance.together import Together
from tests.support.raw_grpc import Stub
from tests.support.waiting import until

together = Together()

NEW, FIRST, LAST = pb.Subscribe.StartNewOnly, pb.Subscribe.StartFromFirst, pb.Subscribe.StartFromLast
SEQUENCE, TIME, DELTA = pb.Subscribe.StartAtSequence, pb.Subscribe.StartAtTime, pb.Subscribe.StartAtTimeDelta

REGISTERED = "stan: clientID already registered"
CHARSET = "stan: invalid clientID: only alphanumeric and `-` or `_` characters allowed"
SUBJECT = "stan: invalid subject"
COLON = "stan: durable name of a durable queue subscriber can't contain the character ':'"


def store(stub: Stub, channel: str, bodies: Iterable[object], **fields: Any) -> list[pb.Result]:
    """Store events over one stream; returns their results when all are there."""
    sending = stub.exchange("SendEventsStream")
    sent = [
        pb.Event(
            **{"ClientID": "sender", "Channel": channel, "Body": str(b).encode(), "Store": True, **fields}
        )
        for b in bodies
    ]
    for event in sent:
        sending.send(event)
    results = [sending.next() for _ in sent]
    sending.half_close()
    assert sending.status() == grpc.StatusCode.OK
    return results


def stored(stub: Stub, channel: str, count: int = 5) -> list[pb.EventReceive]:
    """A channel with `count` events, as a reader from the first one sees them."""
    store(stub, channel, range(1, count + 1))
    with on_store(stub, channel, FIRST, ClientID=f"{stub.client}-first") as listener:
        events: list[pb.EventReceive] = listener.take(count)
    return events


def sequences(listener: Listener, count: int) -> list[int]:
    """Those of the next `count` events; nothing may come behind them."""
    events = listener.take(count) + listener.rest()
    return [event.Sequence for event in events]


def refused(stub: Stub, channel: str, start: Any = FIRST, value: int = 0, **fields: Any) -> str:
    """The details of the INTERNAL status that a subscription fails with; its client id is one of its own."""
    fields.setdefault("ClientID", f"c-{uuid.uuid4().hex}")
    code, details = refusal(stub, "SubscribeToEvents", from_start(stub, channel, start, value, **fields))
    assert code == grpc.StatusCode.INTERNAL
    return details


# --- storing -----------------------------------------------------------------------------------


def test_results_of_stored_events_come_always_and_in_order(stub: Stub, channel: str) -> None:
    sending = stub.exchange("SendEventsStream")
    event = pb.Event(ClientID=stub.client, Channel=channel, Body=b"x", Store=True)
    expected = []
    for n in range(50):
        event.EventID = str(n)
        event.Channel = "a b" if n % 10 == 5 else channel
        expected.append((str(n), n % 10 != 5))
        sending.send(pb.Event.FromString(event.SerializeToString()))
    results = [sending.next() for _ in range(50)]
    assert [(result.EventID, result.Sent) for result in results] == expected
    assert {bool(result.Error) for result in results if not result.Sent} == {True}
    assert not any(result.Error for result in results if result.Sent)
    sending.half_close()


def test_a_single_stored_event_is_answered_like_a_plain_one(stub: Stub, channel: str) -> None:
    event = pb.Event(EventID="mine", ClientID=stub.client, Channel=channel, Metadata="m", Store=True)
    assert stub.call("SendEvent", event) == pb.Result(EventID="mine", Sent=True)


@together
def test_a_stored_event_has_a_sequence_from_1_and_a_time_in_nanoseconds(stub: Stub, channel: str) -> None:
    before = time.time_ns()
    store(stub, channel, ["a", "b"], EventID="mine", Metadata="meta", Tags={"k": "v"})
    with on_store(stub, channel, FIRST) as listener:
        first, second = listener.take(2)
    assert (first.Sequence, second.Sequence) == (1, 2)
    # Both clocks are this machine's, or nearly so.
    assert before - 60 * SECOND < first.Timestamp <= second.Timestamp < time.time_ns() + 60 * SECOND
    first.ClearField("Timestamp")
    assert first == pb.EventReceive(
        EventID="mine", Channel=channel, Metadata="meta", Body=b"a", Tags={"k": "v"}, Sequence=1
    )


@pytest.mark.builtin
@pytest.mark.parametrize("name", ["{}/x", ".{}", "{}..x", "{:n<241}"])
def test_a_name_that_nothing_can_be_stored_under_is_refused(name: str, stub: Stub, channel: str) -> None:
    """On purpose: the real server answers `Sent: true`, and the event is nowhere."""
    event = pb.Event(ClientID="c", Channel=name.format(channel), Body=b"x", Store=True)
    code, details = refusal(stub, "SendEvent", event)
    assert code == grpc.StatusCode.INTERNAL
    assert details == "stan: invalid publish request" or details.endswith(": file name too long")
    (result,) = store(stub, name.format(channel), ["x"])
    assert (result.Sent, result.Error) == (False, details)


# --- where a subscription begins ---------------------------------------------------------------


@together
def test_each_start_begins_where_it_says(stub: Stub, channel: str) -> None:
    """Five are stored, a sixth is sent later. There is a silence between the third and the fourth."""
    store(stub, channel, [1, 2, 3])
    time.sleep(4.5)
    begun = time.monotonic()
    store(stub, channel, [4, 5])
    recent = on_store(stub, channel, DELTA, 4, ClientID=f"{stub.client}-recent")
    assert time.monotonic() - begun < 4, "this machine is too slow to show it"
    with on_store(stub, channel, FIRST, ClientID=f"{stub.client}-first") as listener:
        silence = listener.take(5)[3].Timestamp - SECOND
    starts: list[tuple[Any, int, list[int]]] = [
        (NEW, 0, [6]),
        (FIRST, 0, [1, 2, 3, 4, 5, 6]),
        (LAST, 0, [5, 6]),
        (SEQUENCE, 1, [1, 2, 3, 4, 5, 6]),
        (SEQUENCE, 4, [4, 5, 6]),
        (SEQUENCE, 99, [6]),
        (TIME, silence, [4, 5, 6]),
        (TIME, silence + 3600 * SECOND, [6]),
        # Seconds and milliseconds, taken for nanoseconds, are in 1970.
        (TIME, silence // SECOND, [1, 2, 3, 4, 5, 6]),
        (TIME, silence // 1_000_000, [1, 2, 3, 4, 5, 6]),
        (DELTA, 3600, [1, 2, 3, 4, 5, 6]),
        (7, 0, [6]),
    ]
    listeners = [
        on_store(stub, channel, start, value, ClientID=f"{stub.client}-{n}")
        for n, (start, value, _) in enumerate(starts)
    ]
    store(stub, channel, [6])
    for listener, (_, _, expected) in zip(listeners, starts, strict=True):
        assert [event.Sequence for event in listener.take(len(expected))] == expected
    assert [event.Sequence for event in recent.take(3)] == [4, 5, 6]
    assert not any(listener.rest(0.05) for listener in [recent, *listeners])


@pytest.mark.builtin
def test_at_the_time_of_an_event_is_from_that_event_on(stub: Stub, channel: str) -> None:
    """The real server counts from its own clock and may begin with the next one."""
    times = [event.Timestamp for event in stored(stub, channel)]
    assert times == sorted(set(times))
    for n, at in enumerate(times):
        with back_on_store(stub, channel, TIME, at, ClientID=f"{stub.client}-{n}") as listener:
            assert [event.Sequence for event in listener.take(5 - n)] == [1, 2, 3, 4, 5][n:]


@together
def test_on_a_channel_without_events_every_start_gets_everything(stub: Stub, channel: str) -> None:
    starts: list[tuple[Any, int]] = [(NEW, 0), (LAST, 0), (SEQUENCE, 5), (DELTA, 1), (9, 0)]
    starts.append((TIME, time.time_ns() + 3600 * SECOND))
    listeners = [on_store(stub, channel, *s, ClientID=f"{stub.client}-{n}") for n, s in enumerate(starts)]
    store(stub, channel, [1, 2])
    assert [sequences(listener, 2) for listener in listeners] == [[1, 2]] * len(starts)


@pytest.mark.parametrize(
    ("start", "value", "error"),
    [
        (0, 0, "Error 111: invalid subscription type, cannot be undefined or 0"),
        (
            SEQUENCE,
            0,
            "Error 112: invalid subscription type start at sequence value, cannot by 0 or negative",
        ),
        (
            SEQUENCE,
            -1,
            "Error 112: invalid subscription type start at sequence value, cannot by 0 or negative",
        ),
        (TIME, 0, "Error 113: invalid subscription type start at time value, cannot by 0 or negative"),
        (DELTA, 0, "Error 114: invalid subscription type start at time delta value, cannot by 0 or negative"),
    ],
)
def test_a_start_that_means_nothing_is_refused(
    start: Any, value: int, error: str, stub: Stub, channel: str
) -> None:
    assert refused(stub, channel, start, value) == error


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"ClientID": ""}, "Error 101: invalid clientID value, cannot be empty"),
        ({"Channel": ""}, "Error 102: invalid channel value, cannot be empty"),
        ({"Channel": "a."}, "Error 119: invalid channel value, cannot end with `.`"),
        ({"Channel": "a b"}, "Error 108: invalid channel value, no white spaces are allowed"),
        ({"Channel": "a.*"}, "Error 107: invalid channel value, no wildcards are allowed"),
        ({"Channel": ">"}, "Error 107: invalid channel value, no wildcards are allowed"),
        ({"ClientID": "a.b"}, CHARSET),
        ({"ClientID": "a b"}, CHARSET),
        ({"ClientID": "ä"}, CHARSET),
        ({"Channel": "a/b"}, SUBJECT),
        ({"Channel": ".a"}, SUBJECT),
        ({"Channel": "a..b"}, SUBJECT),
        ({"Group": "a:b"}, COLON),
        ({"Channel": "a:b", "Group": "g"}, COLON),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(
    fields: dict[str, Any], error: str, stub: Stub, channel: str
) -> None:
    assert refused(stub, channel, **fields) == error


def test_a_name_over_240_bytes_is_too_long_for_a_file(stub: Stub, channel: str) -> None:
    name = channel.ljust(241, "n")
    details = refused(stub, name)
    assert details.startswith("mkdir store/")
    assert details.endswith(f"/_EVENTS_STORE_.{name}: file name too long")


# --- where a subscription goes on --------------------------------------------------------------


@together
def test_a_client_goes_on_where_it_was_whatever_start_it_asks_for(stub: Stub, channel: str) -> None:
    store(stub, channel, [1, 2, 3])
    with on_store(stub, channel, FIRST) as listener:
        assert sequences(listener, 3) == [1, 2, 3]
    wanted = 4
    for start, value in ((NEW, 0), (FIRST, 0), (LAST, 0), (SEQUENCE, 1), (DELTA, 3600)):
        store(stub, channel, ["two", "more"])
        with back_on_store(stub, channel, start, value) as listener:
            assert sequences(listener, 2) == [wanted, wanted + 1]
        wanted += 2


@together
def test_a_client_that_got_nothing_goes_on_from_where_it_began(stub: Stub, channel: str) -> None:
    store(stub, channel, [1, 2])
    on_store(stub, channel, NEW).end()
    store(stub, channel, [3, 4])
    with back_on_store(stub, channel, NEW) as listener:
        assert sequences(listener, 2) == [3, 4]


@together
def test_a_place_belongs_to_a_client_and_a_channel(stub: Stub, channel: str) -> None:
    for name in (channel, f"{channel}-b"):
        store(stub, name, [1, 2])
    with on_store(stub, channel, FIRST) as listener:
        assert sequences(listener, 2) == [1, 2]
    with back_on_store(stub, f"{channel}-b", FIRST) as listener:
        assert sequences(listener, 2) == [1, 2]
    with on_store(stub, channel, FIRST, ClientID=f"{stub.client}-b") as listener:
        assert sequences(listener, 2) == [1, 2]


@together
def test_one_client_has_one_live_subscription_on_the_whole_server(stub: Stub, channel: str) -> None:
    with on_store(stub, channel, FIRST) as listener:
        for name in (channel, f"{channel}-b"):
            assert refused(stub, name, ClientID=stub.client) == REGISTERED
            assert refused(stub, name, ClientID=stub.client, Group="g") == REGISTERED
        store(stub, channel, [1])
        assert sequences(listener, 1) == [1]
    back_on_store(stub, channel, FIRST).end()


@together
def test_of_two_subscriptions_of_one_client_that_begin_at_once_one_is_refused(
    stub: Stub, channel: str
) -> None:
    for client, group in ((stub.client, ""), (f"{stub.client}-g", "g")):
        request = from_start(stub, channel, FIRST, ClientID=client, Group=group)
        calls = [stub.subscribe("SubscribeToEvents", request) for _ in range(2)]
        until(lambda: any(call.done() for call in calls), "one of them refused")  # noqa: B023
        assert [str(call.details()) for call in calls if call.done()] == [REGISTERED]
        for call in calls:
            call.cancel()


# --- groups ------------------------------------------------------------------------------------


@together
def test_members_of_a_group_get_events_by_turns(stub: Stub, channel: str) -> None:
    first = on_store(stub, channel, NEW, Group="g", ClientID=f"{stub.client}-1")
    second = on_store(stub, channel, NEW, Group="g", ClientID=f"{stub.client}-2")
    whole = on_store(stub, channel, NEW, Group="h", ClientID=f"{stub.client}-3")
    store(stub, channel, range(20))
    assert sequences(whole, 20) == list(range(1, 21))
    shares = sequences(first, 10), sequences(second, 10)
    assert sorted(shares) == [list(range(1, 21, 2)), list(range(2, 21, 2))]


@together
def test_a_group_has_one_place_that_survives_its_last_member(stub: Stub, channel: str) -> None:
    store(stub, channel, [1, 2, 3])
    with on_store(stub, channel, FIRST, Group="g", ClientID=f"{stub.client}-1") as listener:
        assert sequences(listener, 3) == [1, 2, 3]
    store(stub, channel, [4, 5])
    time.sleep(0.5)  # the real server needs so long to see that the member has gone
    with on_store(stub, channel, FIRST, Group="g", ClientID=f"{stub.client}-2") as listener:
        assert sequences(listener, 2) == [4, 5]
    # Without the group, the same client has a place of its own.
    with back_on_store(stub, channel, FIRST, ClientID=f"{stub.client}-1") as listener:
        assert sequences(listener, 5) == [1, 2, 3, 4, 5]


@together
def test_a_group_may_have_a_space_in_its_name(stub: Stub, channel: str) -> None:
    with on_store(stub, channel, FIRST, Group="a b") as listener:
        store(stub, channel, [1])
        assert sequences(listener, 1) == [1]


@pytest.mark.builtin
def test_a_subscription_says_that_it_is_live(stub: Stub, channel: str) -> None:
    """On purpose: the real server sends no initial metadata before the first event."""
    call = stub.subscribe("SubscribeToEvents", from_start(stub, channel, NEW), timeout=10)
    assert call.initial_metadata() is not None
    store(stub, channel, ["first"])
    assert next(call).Body == b"first"
    call.cancel()
