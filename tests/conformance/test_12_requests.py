"""Section 12: commands and queries, from the sender to a responder and back."""

from __future__ import annotations

import re
import time
from typing import Any

import grpc
import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.listening import Listener, on_requests, refusal, subscribe
from tests.conformance.reading import Elapsed
from tests.conformance.together import Together
from tests.support.raw_grpc import Stub
from tests.support.server import OTHER_SERVER

together = Together()

COMMAND, QUERY = pb.Request.Command, pb.Request.Query
COMMANDS, QUERIES = pb.Subscribe.Commands, pb.Subscribe.Queries
E301 = "Error 301: timeout for request message"
NUID = re.compile(r"[0-9A-Za-z]{22}")
INBOX = re.compile(r"_INBOX\.[0-9A-Za-z]{22}\.[0-9A-Za-z]{8}")


def request(stub: Stub, kind: Any, channel: str, body: str = "x", **fields: Any) -> pb.Request:
    values = {"RequestTypeData": kind, "ClientID": stub.client, "Channel": channel, "Timeout": 5000}
    return pb.Request(**{**values, "Body": body.encode(), **fields})


def answer(stub: Stub, to: pb.Request, **fields: Any) -> None:
    """Answer a request as a responder must: with its own ClientID and the request's ids."""
    ids = {"ClientID": "responder", "RequestID": to.RequestID, "ReplyChannel": to.ReplyChannel}
    stub.call("SendResponse", pb.Response(**{**ids, "Executed": True, **fields}))


def asked(stub: Stub, responder: Listener, sent: pb.Request, **fields: Any) -> pb.Response:
    """What the sender gets when `responder` answers with `fields`."""
    waiting = stub.waiting("SendRequest", sent)
    answer(stub, responder.take()[0], **fields)
    response: pb.Response = waiting.result()
    return response


# --- refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [COMMAND, QUERY])
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"RequestTypeData": pb.Request.RequestTypeUnknown}, "Error 206: invalid request type"),
        ({"RequestTypeData": 9}, "Error 206: invalid request type"),
        ({"ClientID": ""}, "Error 101: invalid clientID value, cannot be empty"),
        ({"Channel": ""}, "Error 102: invalid channel value, cannot be empty"),
        ({"Channel": "a."}, "Error 119: invalid channel value, cannot end with `.`"),
        ({"Channel": "a b"}, "Error 108: invalid channel value, no white spaces are allowed"),
        ({"Channel": "a.*"}, "Error 107: invalid channel value, no wildcards are allowed"),
        ({"Timeout": 0}, "Error 109: invalid set timeout value, cannot be 0 or negative"),
        ({"Timeout": -1}, "Error 109: invalid set timeout value, cannot be 0 or negative"),
        ({"Body": b""}, "Error 115: invalid request, cannot be empty"),
        ({"CacheKey": "k"}, "Error 116: invalid cache ttl value, cannot be 0 or negative"),
        ({"ClientID": "", "Channel": ""}, "Error 101: invalid clientID value, cannot be empty"),
        ({"Channel": ">", "Timeout": 0}, "Error 107: invalid channel value, no wildcards are allowed"),
        ({"Timeout": 0, "Body": b""}, "Error 109: invalid set timeout value, cannot be 0 or negative"),
        ({"Body": b"", "CacheKey": "k"}, "Error 115: invalid request, cannot be empty"),
    ],
)
def test_a_refused_request_is_a_status(
    kind: Any, fields: dict[str, Any], error: str, stub: Stub, channel: str
) -> None:
    refused = refusal(stub, "SendRequest", request(stub, kind, channel, **fields))
    assert refused == (grpc.StatusCode.INTERNAL, error)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"ClientID": ""}, "Error 101: invalid clientID value, cannot be empty"),
        ({"RequestID": ""}, "Error 117: invalid request id, cannot be empty"),
        ({"ReplyChannel": ""}, "Error 102: invalid channel value, cannot be empty"),
        ({"ReplyChannel": "a."}, "Error 119: invalid channel value, cannot end with `.`"),
        ({"ReplyChannel": "a b"}, "Error 108: invalid channel value, no white spaces are allowed"),
        ({"ReplyChannel": "a.>"}, "Error 107: invalid channel value, no wildcards are allowed"),
    ],
)
def test_a_refused_response_is_a_status(fields: dict[str, Any], error: str, stub: Stub) -> None:
    response = pb.Response(**{"ClientID": "c", "RequestID": "r", "ReplyChannel": "a", **fields})
    assert refusal(stub, "SendResponse", response) == (grpc.StatusCode.INTERNAL, error)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"SubscribeTypeData": pb.Subscribe.SubscribeTypeUndefined}, "Error 207: invalid subscribe type"),
        ({"SubscribeTypeData": pb.Subscribe.Events}, "Error 207: invalid subscribe type"),
        ({"ClientID": ""}, "Error 101: invalid clientID value, cannot be empty"),
        ({"Channel": ""}, "Error 102: invalid channel value, cannot be empty"),
        ({"Channel": "a."}, "Error 119: invalid channel value, cannot end with `.`"),
        ({"Channel": "a b"}, "Error 108: invalid channel value, no white spaces are allowed"),
        ({"Channel": "a..b"}, "nats: invalid subject"),
    ],
)
@pytest.mark.parametrize("on", [COMMANDS, QUERIES])
def test_a_refused_responder_is_a_status(
    on: Any, fields: dict[str, Any], error: str, stub: Stub, channel: str
) -> None:
    refused = refusal(stub, "SubscribeToRequests", subscribe(stub, on, channel, **fields))
    assert refused == (grpc.StatusCode.INTERNAL, error)


@pytest.mark.builtin
@pytest.mark.parametrize("character", ["\t", "\n", "\x00"])
def test_a_control_character_in_a_name_is_refused_and_the_server_goes_on(
    character: str, stub: Stub, channel: str
) -> None:
    """On purpose: TAB in a channel, or LF in a reply channel, ends all requests there."""
    name = f"{channel}{character}x"
    error = "Error 108: invalid channel value, no white spaces are allowed"
    for kind in (COMMAND, QUERY):
        assert refusal(stub, "SendRequest", request(stub, kind, name))[1] == error
    response = pb.Response(ClientID="c", RequestID="r", ReplyChannel=name)
    assert refusal(stub, "SendResponse", response)[1] == error
    with on_requests(stub, QUERIES, channel) as responder:
        assert asked(stub, responder, request(stub, QUERY, channel)).Executed


# --- nobody answers ----------------------------------------------------------------------------


def timed_out(stub: Stub, sent: pb.Request) -> None:
    """It takes the whole Timeout, which is milliseconds."""
    with Elapsed() as took:
        assert refusal(stub, "SendRequest", sent) == (grpc.StatusCode.INTERNAL, E301)
    took.assert_whole(sent.Timeout / 1000)
    assert took.seconds < sent.Timeout / 1000 + 5


@together
def test_without_a_responder_a_command_takes_its_whole_timeout(stub: Stub, channel: str) -> None:
    timed_out(stub, request(stub, COMMAND, channel, Timeout=1200))


@together
def test_without_a_responder_a_query_takes_its_whole_timeout(stub: Stub, channel: str) -> None:
    timed_out(stub, request(stub, QUERY, channel, Timeout=1200))


@together
def test_a_responder_that_says_nothing_is_like_none(stub: Stub, channel: str) -> None:
    with on_requests(stub, COMMANDS, channel):
        timed_out(stub, request(stub, COMMAND, channel, Timeout=700))


@together
def test_a_responder_that_went_away_is_like_none(stub: Stub, channel: str) -> None:
    on_requests(stub, QUERIES, channel).end()
    timed_out(stub, request(stub, QUERY, channel, Timeout=700))


@together
def test_a_deadline_before_the_timeout_ends_the_call(stub: Stub, channel: str) -> None:
    waiting = stub.waiting("SendRequest", request(stub, COMMAND, channel), timeout=0.5)
    with pytest.raises(grpc.RpcError) as failed:
        waiting.result()
    assert failed.value.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL)


def test_a_deadline_that_is_the_timeout_is_the_servers_to_answer(stub: Stub, channel: str) -> None:
    def answer() -> tuple[grpc.StatusCode, str | None]:
        with pytest.raises(grpc.RpcError) as failed:
            stub.call("SendRequest", request(stub, COMMAND, channel, Timeout=1000), timeout=1.0)
        return failed.value.code(), failed.value.details()

    # Its answer has a tenth of a second for the way; on a busy machine the deadline may be quicker.
    assert (grpc.StatusCode.INTERNAL, E301) in (answer() for _ in range(10)) or OTHER_SERVER


@together
def test_commands_and_queries_of_one_name_do_not_mix(stub: Stub, channel: str) -> None:
    with on_requests(stub, COMMANDS, channel) as commands:
        timed_out(stub, request(stub, QUERY, channel, Timeout=700))
        assert not commands.rest(0.05)


# --- what a responder sees ---------------------------------------------------------------------


@together
def test_a_responder_sees_all_fields(stub: Stub, channel: str) -> None:
    fields: dict[str, Any] = {
        "RequestID": "mine",
        "Metadata": "meta",
        "Timeout": 2000,
        "CacheKey": "key",
        "CacheTTL": 7,
        "Tags": {"a": "b"},
    }
    for kind, on in ((COMMAND, COMMANDS), (QUERY, QUERIES)):
        with on_requests(stub, on, channel) as responder:
            sent = request(stub, kind, channel, "body", **fields)
            waiting = stub.waiting("SendRequest", sent)
            (seen,) = responder.take()
            assert INBOX.fullmatch(seen.ReplyChannel)
            answer(stub, seen)
            assert waiting.result().Executed
            seen.ReplyChannel = ""
            assert seen == sent


@together
def test_a_request_id_that_the_server_makes_is_22_base62_characters(stub: Stub, channel: str) -> None:
    with on_requests(stub, COMMANDS, channel) as responder:
        waiting = stub.waiting("SendRequest", request(stub, COMMAND, channel))
        (seen,) = responder.take()
        assert NUID.fullmatch(seen.RequestID)
        answer(stub, seen)
        assert waiting.result().RequestID == seen.RequestID


@together
def test_a_wildcard_responder_sees_the_concrete_channel(stub: Stub, channel: str) -> None:
    with on_requests(stub, QUERIES, f"{channel}.>") as responder:
        waiting = stub.waiting("SendRequest", request(stub, QUERY, f"{channel}.a.b"))
        (seen,) = responder.take()
        assert seen.Channel == f"{channel}.a.b"
        answer(stub, seen)
        assert waiting.result().Executed


@together
def test_all_plain_responders_get_a_request_and_the_first_answer_wins(stub: Stub, channel: str) -> None:
    with on_requests(stub, QUERIES, channel) as one, on_requests(stub, QUERIES, channel) as other:
        waiting = stub.waiting("SendRequest", request(stub, QUERY, channel))
        (seen,) = one.take()
        assert other.take() == [seen]
        answer(stub, seen, Body=b"first")
        assert waiting.result().Body == b"first"
        answer(stub, seen, Body=b"second")  # OK, and dropped


@together
def test_one_random_member_of_each_group_gets_a_request(stub: Stub, channel: str) -> None:
    with (
        on_requests(stub, COMMANDS, channel, "g") as first,
        on_requests(stub, COMMANDS, channel, "g") as second,
        on_requests(stub, COMMANDS, channel, "h") as whole,
    ):
        waiting = [
            stub.waiting(
                "SendRequest", request(stub, COMMAND, channel, f"{n}", RequestID=f"{n}", Timeout=60_000), 60
            )
            for n in range(40)
        ]
        for seen in whole.take(40):
            answer(stub, seen)
        assert all(call.result().Executed for call in waiting)
        shares = [r.RequestID for r in first.rest()], [r.RequestID for r in second.rest()]
    assert all(shares)
    assert sorted(shares[0] + shares[1], key=int) == [str(n) for n in range(40)]


# --- what a sender sees ------------------------------------------------------------------------

RESPONSE: dict[str, Any] = {
    "Metadata": "meta",
    "Body": b"body",
    "CacheHit": True,
    "Timestamp": 1234,
    "Error": "no luck",
    "Executed": False,
    "Tags": {"a": "b"},
}


@together
def test_the_answer_to_a_command_loses_body_metadata_and_cache_hit(stub: Stub, channel: str) -> None:
    with on_requests(stub, COMMANDS, channel) as responder:
        response = asked(stub, responder, request(stub, COMMAND, channel, RequestID="mine"), **RESPONSE)
    kept = {name: RESPONSE[name] for name in ("Timestamp", "Error", "Executed", "Tags")}
    assert response == pb.Response(ClientID="responder", RequestID="mine", **kept)


@together
def test_the_answer_to_a_query_loses_the_reply_channel_only(stub: Stub, channel: str) -> None:
    with on_requests(stub, QUERIES, channel) as responder:
        response = asked(stub, responder, request(stub, QUERY, channel, RequestID="mine"), **RESPONSE)
    assert response == pb.Response(ClientID="responder", RequestID="mine", **RESPONSE)


@together
def test_what_a_responder_did_not_set_is_not_made_up(stub: Stub, channel: str) -> None:
    with on_requests(stub, QUERIES, channel) as responder:
        response = asked(stub, responder, request(stub, QUERY, channel, RequestID="mine"))
    assert response == pb.Response(ClientID="responder", RequestID="mine", Executed=True)


@together
def test_executed_with_an_error_is_passed_on_as_it_is(stub: Stub, channel: str) -> None:
    with on_requests(stub, COMMANDS, channel) as responder:
        response = asked(stub, responder, request(stub, COMMAND, channel), Executed=True, Error="odd")
    assert (response.Executed, response.Error) == (True, "odd")


@together
def test_only_the_reply_channel_routes_and_the_id_is_the_responders(stub: Stub, channel: str) -> None:
    with on_requests(stub, QUERIES, channel) as responder:
        waiting = stub.waiting("SendRequest", request(stub, QUERY, channel, RequestID="mine"))
        (seen,) = responder.take()
    # Its subscription is over, and it says another id: it answers all the same.
    answer(stub, seen, RequestID="wrong", Body=b"late but fine")
    response = waiting.result()
    assert (response.RequestID, response.Body) == ("wrong", b"late but fine")


@together
def test_a_response_that_nobody_waits_for_is_taken_and_dropped(stub: Stub, channel: str) -> None:
    with on_requests(stub, COMMANDS, channel) as responder:
        with pytest.raises(grpc.RpcError):
            stub.call("SendRequest", request(stub, COMMAND, channel, Timeout=300))
        answer(stub, responder.take()[0])
    unknown = pb.Response(ClientID="c", RequestID="r", ReplyChannel="nobody.there")
    assert stub.call("SendResponse", unknown) == pb.Empty()


@together
def test_an_answer_of_50_megabytes_arrives_whole(stub: Stub, channel: str) -> None:
    body = bytes(range(256)) * (50 * 4096)
    with on_requests(stub, QUERIES, channel) as responder:
        response = asked(stub, responder, request(stub, QUERY, channel, Timeout=30_000), Body=body)
    assert response.Body == body


# --- the cache ---------------------------------------------------------------------------------


@pytest.mark.builtin
@together
def test_a_cached_answer_is_given_to_later_queries_until_it_is_too_old(stub: Stub, channel: str) -> None:
    """On purpose, as documented: the community server validates and forwards the key, and keeps nothing."""
    with on_requests(stub, QUERIES, channel) as responder:
        sent = request(stub, QUERY, channel, CacheKey="k", CacheTTL=3)
        begun = time.monotonic()
        first = asked(stub, responder, sent, Body=b"1", Tags={"a": "b"}, Timestamp=7)
        kept = time.monotonic()
        assert not first.CacheHit
        again: pb.Response = stub.call("SendRequest", sent)
        assert time.monotonic() - begun < 3, "this machine is too slow to show it"
        assert again.CacheHit
        again.CacheHit, again.RequestID = False, first.RequestID
        assert again == first
        time.sleep(max(0.0, kept + 3.1 - time.monotonic()))
        assert not responder.rest(0.05)
        assert asked(stub, responder, sent, Body=b"2").Body == b"2"


@pytest.mark.builtin
@together
def test_a_cached_answer_belongs_to_its_channel_and_key(stub: Stub, channel: str) -> None:
    with on_requests(stub, QUERIES, f"{channel}.*") as responder:
        for name, key in (("a", "k"), ("b", "k"), ("a", "j")):
            sent = request(stub, QUERY, f"{channel}.{name}", CacheKey=key, CacheTTL=30)
            assert not asked(stub, responder, sent, Body=(name + key).encode()).CacheHit
        hit: pb.Response = stub.call(
            "SendRequest", request(stub, QUERY, f"{channel}.b", CacheKey="k", CacheTTL=30)
        )
        assert (hit.CacheHit, hit.Body) == (True, b"bk")
        plain = request(stub, QUERY, f"{channel}.a")
        assert asked(stub, responder, plain, Body=b"new").Body == b"new"


@pytest.mark.builtin
@together
def test_a_failure_is_not_cached_and_neither_is_a_command(stub: Stub, channel: str) -> None:
    key: dict[str, Any] = {"CacheKey": "k", "CacheTTL": 30}
    with on_requests(stub, QUERIES, channel) as responder:
        query = request(stub, QUERY, channel, **key)
        asked(stub, responder, query, Executed=False, Error="no luck")
        asked(stub, responder, query, Executed=False)
        asked(stub, responder, query, Error="odd")
        assert not asked(stub, responder, query).CacheHit
    with on_requests(stub, COMMANDS, channel) as responder:
        for _ in range(2):
            asked(stub, responder, request(stub, COMMAND, channel, **key))


@pytest.mark.builtin
@pytest.mark.parametrize("on", [COMMANDS, QUERIES])
def test_a_responder_is_told_that_it_is_live(on: Any, stub: Stub, channel: str) -> None:
    """On purpose: the real server sends no initial metadata before the first request."""
    call = stub.subscribe("SubscribeToRequests", subscribe(stub, on, channel), timeout=10)
    assert call.initial_metadata() is not None
    kind = COMMAND if on == COMMANDS else QUERY
    waiting = stub.waiting("SendRequest", request(stub, kind, channel))
    answer(stub, next(call))
    assert waiting.result().Executed
    call.cancel()
