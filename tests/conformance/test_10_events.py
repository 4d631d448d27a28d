"""Section 10, and the events of section 0: what is sent to whoever listens, and kept by nobody."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.listening import on_events, on_store, refusal, subscribe
from tests.conformance.together import Together
from tests.support.raw_grpc import Exchange, Stub

together = Together()

E101 = "Error 101: invalid clientID value, cannot be empty"
E102 = "Error 102: invalid channel value, cannot be empty"
E107 = "Error 107: invalid channel value, no wildcards are allowed"
E108 = "Error 108: invalid channel value, no white spaces are allowed"
E110 = "Error 110: invalid message, cannot be empty"
E118 = "Error 118: event store parameters were set but subscribe type is not event store"
E119 = "Error 119: invalid channel value, cannot end with `.`"
E207 = "Error 207: invalid subscribe type"
NUID = re.compile(r"[0-9A-Za-z]{22}")

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ClientID": ""}, E101),
    ({"Channel": ""}, E102),
    ({"Channel": "a."}, E119),
    ({"Channel": "a b"}, E108),
    ({"Channel": "a*b"}, E107),
    ({"Channel": "a.>"}, E107),
    ({"Body": b"", "Tags": {"a": "b"}}, E110),
    ({"ClientID": "", "Channel": ""}, E101),
    ({"Channel": "a *."}, E119),
    ({"Channel": "a *"}, E108),
    ({"Channel": "*", "Body": b""}, E107),
]
refused = pytest.mark.parametrize(("fields", "error"), REFUSED)
stored = pytest.mark.parametrize("store", [False, True], ids=["plain", "stored"])


def event(stub: Stub, channel: str, body: str = "x", **fields: Any) -> pb.Event:
    return pb.Event(**{"ClientID": stub.client, "Channel": channel, "Body": body.encode(), **fields})


def send(stub: Stub, channel: str, body: str = "x", **fields: Any) -> pb.Result:
    answer: pb.Result = stub.call("SendEvent", event(stub, channel, body, **fields))
    return answer


def stream(stub: Stub) -> Exchange:
    return stub.exchange("SendEventsStream")


def bodies(events: list[pb.EventReceive]) -> list[str]:
    return [e.Body.decode() for e in events]


# --- sending -----------------------------------------------------------------------------------


def test_an_event_that_nobody_hears_is_sent_and_no_error(stub: Stub, channel: str) -> None:
    assert send(stub, channel, EventID="mine") == pb.Result(EventID="mine", Sent=True)


def test_an_event_id_that_the_server_makes_is_22_base62_characters(stub: Stub, channel: str) -> None:
    assert NUID.fullmatch(send(stub, channel).EventID)


@stored
@refused
def test_a_refused_event_is_a_status(
    fields: dict[str, Any], error: str, store: bool, stub: Stub, channel: str
) -> None:
    request = event(stub, channel, **{"Store": store, **fields})
    assert refusal(stub, "SendEvent", request) == (grpc.StatusCode.INTERNAL, error)


@stored
def test_refused_events_of_a_stream_are_answered_one_by_one_and_the_stream_goes_on(
    store: bool, stub: Stub, channel: str
) -> None:
    sending = stream(stub)
    for fields, error in REFUSED:
        request = event(stub, channel, EventID="mine", Store=store, **fields)
        assert sending.ask(request) == pb.Result(EventID="mine", Error=error)
    sending.half_close()
    assert sending.status() == grpc.StatusCode.OK


def test_a_refused_event_without_an_id_is_answered_without_an_id(stub: Stub) -> None:
    sending = stream(stub)
    assert sending.ask(event(stub, "a b")) == pb.Result(Error=E108)


def test_a_plain_event_of_a_stream_is_answered_only_when_it_is_refused(stub: Stub, channel: str) -> None:
    sending = stream(stub)
    for name in (channel, channel, "a b", channel):
        sending.send(event(stub, name))
    assert sending.next().Error == E108
    sending.half_close()
    assert sending.status() == grpc.StatusCode.OK
    with pytest.raises(AssertionError, match="the stream ended"):
        sending.next()


@pytest.mark.parametrize("name", ["{}/x", ".{}", "{}..x", "{}:x"])
def test_a_name_with_a_slash_an_empty_token_or_a_colon_passes_on_sending(
    name: str, stub: Stub, channel: str
) -> None:
    assert send(stub, name.format(channel)).Sent


@pytest.mark.builtin
@stored
@pytest.mark.parametrize("character", ["\t", "\n", "\r\n", "\x00", "\x7f"])
def test_a_control_character_in_a_name_is_refused_and_the_server_goes_on(
    character: str, store: bool, stub: Stub, channel: str
) -> None:
    """On purpose: LF, or TAB in a stored event's channel, ends all sending on the real server."""
    request = event(stub, f"{channel}{character}x", Store=store)
    assert refusal(stub, "SendEvent", request) == (grpc.StatusCode.INTERNAL, E108)
    assert send(stub, channel, Store=store).Sent


@pytest.mark.builtin
def test_a_name_of_70000_bytes_is_refused_and_the_server_goes_on(stub: Stub, channel: str) -> None:
    """On purpose: it breaks the real server for everybody."""
    assert refusal(stub, "SendEvent", event(stub, "n" * 70_000))[0] == grpc.StatusCode.INTERNAL
    assert send(stub, channel).Sent


# --- subscribing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"SubscribeTypeData": pb.Subscribe.SubscribeTypeUndefined}, E207),
        ({"SubscribeTypeData": pb.Subscribe.Commands}, E207),
        ({"ClientID": ""}, E101),
        ({"Channel": ""}, E102),
        ({"Channel": "a."}, E119),
        ({"Channel": "a b"}, E108),
        ({"EventsStoreTypeData": pb.Subscribe.StartNewOnly}, E118),
        ({"Channel": ".a"}, "nats: invalid subject"),
        ({"Channel": "a..b"}, "nats: invalid subject"),
    ],
)
def test_a_refused_subscription_is_a_status(
    fields: dict[str, Any], error: str, stub: Stub, channel: str
) -> None:
    request = subscribe(stub, pb.Subscribe.Events, channel, **fields)
    assert refusal(stub, "SubscribeToEvents", request) == (grpc.StatusCode.INTERNAL, error)


@pytest.mark.parametrize("kind", [pb.Subscribe.Events, pb.Subscribe.Commands, pb.Subscribe.Queries])
def test_a_group_with_a_space_is_refused(kind: Any, stub: Stub, channel: str) -> None:
    method = "SubscribeToEvents" if kind == pb.Subscribe.Events else "SubscribeToRequests"
    status = refusal(stub, method, subscribe(stub, kind, channel, "a b"))
    assert status == (grpc.StatusCode.INTERNAL, "nats: invalid queue name")


@together
def test_a_start_value_without_a_start_is_ignored(stub: Stub, channel: str) -> None:
    with on_events(stub, channel, EventsStoreTypeValue=5) as listener:
        send(stub, channel)
        listener.take()


@pytest.mark.builtin
def test_a_subscription_says_that_it_is_live(stub: Stub, channel: str) -> None:
    """On purpose: the real server sends no initial metadata before the first event."""
    request = subscribe(stub, pb.Subscribe.Events, channel)
    call = stub.subscribe("SubscribeToEvents", request, timeout=10)
    assert call.initial_metadata() is not None
    send(stub, channel, "first")
    assert next(call).Body == b"first"
    call.cancel()


@together
def test_an_event_has_its_id_metadata_and_tags_and_neither_time_nor_sequence(
    stub: Stub, channel: str
) -> None:
    with on_events(stub, channel) as listener:
        send(stub, channel, "body", EventID="mine", Metadata="meta", Tags={"a": "b"})
        assert listener.take() == [
            pb.EventReceive(EventID="mine", Channel=channel, Metadata="meta", Body=b"body", Tags={"a": "b"})
        ]


@together
def test_an_event_sent_before_the_subscription_is_lost(stub: Stub, channel: str) -> None:
    send(stub, channel, "before")
    with on_events(stub, channel) as listener:
        send(stub, channel, "after")
        assert bodies(listener.take()) == ["after"]


@together
def test_five_hundred_events_of_a_stream_arrive_in_order(stub: Stub, channel: str) -> None:
    with on_events(stub, channel) as listener:
        sending = stream(stub)
        for n in range(500):
            sending.send(event(stub, channel, str(n)))
        sending.half_close()
        assert sending.status() == grpc.StatusCode.OK
        assert bodies(listener.take(500)) == [str(n) for n in range(500)]


# --- wildcards ---------------------------------------------------------------------------------

# What each pattern hears of these, sent in this order; "a*" and "a.>.b" are literal, and so never match.
SENT = ["a", "a.b", "a.b.c", "A.b"]
HEARD = {
    "*": ["a"],
    "*.b": ["a.b", "A.b"],
    ">": SENT,
    "a.*": ["a.b"],
    "a.>": ["a.b", "a.b.c"],
    "*.*": ["a.b", "A.b"],
    "*.>": ["a.b", "a.b.c", "A.b"],
    "a.*.c": ["a.b.c"],
    "a*": [],
    "a.>.c": [],
}


def hear(stub: Stub, channel: str, group: str) -> dict[str, list[str]]:
    """What each of the patterns hears under `channel`, by the concrete channel of each event."""
    with ExitStack() as stack, ThreadPoolExecutor(len(HEARD)) as pool:
        begun = pool.map(
            lambda pattern: on_events(stub, f"{channel}.{pattern}", group and f"{group}{pattern}"), HEARD
        )
        listeners = [stack.enter_context(listener) for listener in begun]
        for name in SENT:
            send(stub, f"{channel}.{name}")
        heard = [
            listener.take(len(HEARD[pattern])) + listener.rest()
            for pattern, listener in zip(HEARD, listeners, strict=True)
        ]
    return {
        pattern: [e.Channel.removeprefix(f"{channel}.") for e in events]
        for pattern, events in zip(HEARD, heard, strict=True)
    }


@together
def test_a_star_is_one_token_and_an_angle_one_or_more_at_the_end(stub: Stub, channel: str) -> None:
    assert hear(stub, channel, "") == HEARD


@together
def test_wildcards_work_in_groups_too(stub: Stub, channel: str) -> None:
    assert hear(stub, channel, "g") == HEARD


# --- who gets what -----------------------------------------------------------------------------


@together
def test_every_subscriber_without_a_group_gets_every_event_and_may_share_a_client_id(
    stub: Stub, channel: str
) -> None:
    with on_events(stub, channel) as one, on_events(stub, channel) as other:
        for n in range(20):
            send(stub, channel, str(n))
        assert bodies(one.take(20)) == bodies(other.take(20)) == [str(n) for n in range(20)]


@together
def test_each_group_shares_and_which_member_gets_an_event_is_chance(stub: Stub, channel: str) -> None:
    with (
        on_events(stub, channel, "g") as first,
        on_events(stub, channel, "g") as second,
        on_events(stub, channel, "h") as whole,
    ):
        for n in range(60):
            send(stub, channel, str(n))
        assert bodies(whole.take(60)) == [str(n) for n in range(60)]
        shares = bodies(first.rest()), bodies(second.rest())
    assert sorted(shares[0] + shares[1], key=int) == [str(n) for n in range(60)]
    # By turns would be one chance in 2^59; so is all to one.
    assert all(shares)
    assert {int(body) % 2 for body in shares[0]} == {0, 1}


@together
def test_events_stored_events_and_queues_of_one_name_are_apart(stub: Stub, channel: str) -> None:
    with (
        on_events(stub, channel) as listener,
        on_store(stub, channel, pb.Subscribe.StartFromFirst) as stored_,
    ):
        send(stub, channel, "plain")
        send(stub, channel, "stored", Store=True)
        stub.send(channel, "queued")
        assert bodies(stored_.take()) == ["stored"]
        assert bodies(listener.take()) == ["plain"]
        assert [m.Body for m in stub.receive(channel).Messages] == [b"queued"]
        assert not listener.rest() + stored_.rest()
