"""Nouns to protobuf and back: what is not a field for a field."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from kubemqctl.model.errors import KubemqctlError
from kubemqctl.model.limits import LARGEST
from kubemqctl.model.messages import NO_POLICY, Message, Policy, Request
from kubemqctl.model.values import Start
from kubemqctl.wire import convert
from kubemqctl.wire import kubemq_pb2 as pb

# So many that protobuf's own order, another one in every process, is not theirs by chance.
TAGS = {name: name.upper() for name in "hgfedcba"}


@pytest.mark.parametrize(
    "tags",
    [
        convert.received(pb.QueueMessage(Tags=TAGS)).tags,
        convert.event(pb.EventReceive(Tags=TAGS)).tags,
        convert.request(pb.Request(Tags=TAGS)).tags,
        convert.response(pb.Response(Tags=TAGS), "c", 0).tags,
    ],
    ids=["queue", "events", "requests", "responses"],
)
def test_tags_come_in_the_order_of_their_names(tags: Mapping[str, str]) -> None:
    assert list(tags.items()) == sorted(TAGS.items())


def test_a_policy_travels_in_seconds_and_none_is_none() -> None:
    policy = Policy(expiration=60, delay=5, max_receives=3, dead_letter="dead")
    sent = convert.queue_message(Message(b"x", "q", policy=policy), "me")
    assert sent.Policy == pb.QueueMessagePolicy(
        ExpirationSeconds=60, DelaySeconds=5, MaxReceiveCount=3, MaxReceiveQueue="dead"
    )
    assert convert.received(sent).policy == policy
    none = convert.queue_message(Message(b"x", "q", policy=Policy(*NO_POLICY)), "me")
    assert not none.HasField("Policy")
    assert convert.received(none).policy is NO_POLICY


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(10.0, 10_000), (0.001, 1), (0.0011, 2), (1.2, 1200), (0.29, 290)]
)
def test_the_time_of_a_request_is_milliseconds_rounded_up(seconds: float, milliseconds: int) -> None:
    out = convert.outgoing_request(Request("c", timeout=seconds, cache_ttl=7), pb.Request.Query, "me")
    assert (out.Timeout, out.CacheTTL) == (milliseconds, 7)
    assert convert.request(out).timeout == milliseconds / 1000


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("year", ["1973", "now", "5138"])
def test_the_unit_of_a_time_is_told_by_its_size(year: str, factor: int) -> None:
    seconds = {"1973": 10**8 + 1, "now": 1_760_000_000, "5138": 10**11 - 1}[year]
    assert convert.unix_nanoseconds(seconds * factor) == seconds * 10**9


def test_no_time_stays_none() -> None:
    assert convert.unix_nanoseconds(0) == 0


@pytest.mark.parametrize(
    "read",
    [
        lambda n: convert.received(pb.QueueMessage(Attributes=pb.QueueMessageAttributes(Sequence=n))),
        lambda n: convert.body_alone(pb.QueueMessage(Attributes=pb.QueueMessageAttributes(Sequence=n))),
        lambda n: convert.stored_event(pb.EventReceive(Sequence=n)),
    ],
)
def test_a_sequence_that_no_message_can_have_is_refused(read: Callable[[int], object]) -> None:
    read(LARGEST - 1)
    with pytest.raises(KubemqctlError, match="which no message can have"):
        read(LARGEST)


def test_a_stored_event_without_a_place_is_refused() -> None:
    with pytest.raises(KubemqctlError, match="the sequence 0"):
        convert.stored_event(pb.EventReceive())
    assert convert.plain_event(pb.EventReceive()).received_at > 0


@pytest.mark.parametrize(
    ("start", "kind", "value"),
    [
        (Start("new"), pb.Subscribe.StartNewOnly, 0),
        (Start("first"), pb.Subscribe.StartFromFirst, 0),
        (Start("last"), pb.Subscribe.StartFromLast, 0),
        (Start("sequence", 7), pb.Subscribe.StartAtSequence, 7),
        (Start("time", 1_760_000_000_000_000_001), pb.Subscribe.StartAtTime, 1_760_000_000_000_000_001),
        (Start("sequence", LARGEST + 5), pb.Subscribe.StartAtSequence, LARGEST),
    ],
)
def test_a_start_is_a_kind_and_a_value_and_a_time_is_nanoseconds(
    start: Start, kind: pb.Subscribe.EventsStoreType, value: int
) -> None:
    out = convert.store_subscription("c", "", "me", start)
    assert (out.EventsStoreTypeData, out.EventsStoreTypeValue) == (kind, value)


def test_a_refusal_without_a_reason_is_one_all_the_same() -> None:
    assert convert.send_result(pb.SendQueueMessageResult(IsError=True), "q").error
    assert not convert.send_result(pb.SendQueueMessageResult(Error="not one"), "q").error
