"""`kubemqctl queue peek`: a look that changes nothing."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubemqctl.messaging.queues.receive_options import MOST_AT_ONCE
from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.fake_server import Answer, fake_server, queues, unimplemented
from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub
from tests.support.server import Broker
from tests.support.waiting import until


def still_there(stub: Stub, channel: str, count: int) -> list[tuple[bytes, int, int]]:
    """Body, sequence and receive count, as the next consumer gets them."""
    got = stub.downstream().get(channel, count)
    return [(m.Body, m.Attributes.Sequence, m.Attributes.ReceiveCount) for m in got.Messages]


def untouched(count: int) -> list[tuple[bytes, int, int]]:
    return [(b"%d" % n, n, 1) for n in range(1, count + 1)]


def counting(stub: Stub, calls: list[str], *methods: str) -> dict[str, Answer]:
    """Answers that pass on to the real server, and note each call."""

    def noted(method: str) -> Answer:
        def answer(request: Any) -> Any:
            calls.append(method)
            return stub.call(method, request)

        return answer

    return {method: noted(method) for method in methods}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], b"1"),
        (["--count", "1", "-0"], b"1\0"),
        (["--count", "2"], b"1\n2\n"),
        (["--count", "9"], b"1\n2\n3\n"),
        (["--all", "--delimiter", ", "], b"1, 2, 3, "),
        (["--all", "--format", "{sequence} {receive_count} {body}"], b"1 1 1\n2 1 2\n3 1 3\n"),
    ],
)
def test_it_prints_the_first_messages_and_leaves_them_as_they_were(
    run: Run, stub: Stub, channel: str, options: list[str], expected: bytes
) -> None:
    stub.fill(channel, 3)
    for _ in range(2):
        result = run("queue", "peek", channel, *options)
        assert (result.code, result.out, result.err) == (0, expected, "")
    assert still_there(stub, channel, 3) == untouched(3)


def test_one_message_is_its_exact_bytes(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, b"\xff\x00\n")
    assert run("queue", "peek", channel).out == b"\xff\x00\n"


def test_an_empty_queue_is_6_and_under_all_0(run: Run, channel: str) -> None:
    result = run("queue", "peek", channel)
    assert (result.code, result.out) == (6, b"")
    assert result.err.startswith("error: ")
    assert run("queue", "peek", channel, "--count", "5").code == 6
    result = run("queue", "peek", channel, "--all")
    assert (result.code, result.out, result.err) == (0, b"", "")


def test_one_message_costs_one_call(run: Run, stub: Stub, channel: str, broker: Broker) -> None:
    stub.fill(channel, 1)
    calls: list[str] = []
    answers = counting(stub, calls, "ReceiveQueueMessages", "QueuesInfo", "Ping")
    with fake_server(broker.address, **answers) as address:
        assert run("queue", "peek", channel, address=address).out == b"1"
    assert calls == ["ReceiveQueueMessages"]


@pytest.mark.parametrize("count", [[], ["--count", "5"]])
def test_it_waits_for_the_first_message(start: Start, stub: Stub, channel: str, count: list[str]) -> None:
    started = start("queue", "peek", channel, "--wait", "30s", *count)
    until(lambda: channel in {q.Name for q in stub.info().Info.Queues}, "it waits")
    stub.send(channel, "late")
    began = time.monotonic()
    assert started.wait().out.rstrip() == b"late"
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("options", "expected"), [([], b"3"), (["--all"], b"3\n4\n"), (["--count", "10"], b"3\n4\n")]
)
def test_what_others_hold_and_what_is_delayed_is_not_seen(
    run: Run, stub: Stub, channel: str, options: list[str], expected: bytes
) -> None:
    # One look each: server 2.4.0 may give what a look had to whoever holds messages.
    stub.fill(channel, 4)
    stub.send(channel, "later", Policy=pb.QueueMessagePolicy(DelaySeconds=600))
    other = stub.downstream()
    assert len(other.get(channel, 2).Messages) == 2
    result = run("queue", "peek", channel, *options)
    assert result.out == expected
    # What all is, the server knows as well.
    assert ("the server counts 2 more messages and gives none" in result.err) == (options == ["--all"])


def test_when_others_hold_everything_there_is_nothing_to_show(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    stub.downstream().get(channel, 2)
    assert run("queue", "peek", channel, "--count", "2").code == 6
    result = run("queue", "peek", channel, "--all")
    assert result.code == 0
    assert "the server counts 2 more messages and gives none" in result.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--all"], b"1\n2\n3\n"),
        (["--all", "--where", "body>=2"], b"2\n3\n"),
        (["--count", "3"], b"1\n"),
    ],
)
def test_an_empty_answer_is_doubted_while_the_server_counts_messages(
    run: Run, stub: Stub, channel: str, broker: Broker, options: list[str], expected: bytes
) -> None:
    stub.fill(channel, 3)
    given = [pb.ReceiveQueueMessagesResponse()]

    def peek(request: Any) -> Any:
        return given.pop() if given else stub.call("ReceiveQueueMessages", request)

    with fake_server(broker.address, ReceiveQueueMessages=peek) as address:
        result = run("queue", "peek", channel, *options, "--wait", "0s", address=address)
    assert (result.code, result.err) == (0, "")
    assert result.out == expected


@pytest.mark.parametrize(
    ("options", "expected"), [(["--all"], b"1\n2\n3\n"), (["--all", "--where", "body=2"], b"2\n")]
)
def test_what_comes_behind_the_count_is_looked_at_too(
    run: Run, stub: Stub, channel: str, broker: Broker, options: list[str], expected: bytes
) -> None:
    none = queues(pb.QueueInfo(Name=channel, Messages=9, Bytes=90, LastSequence=9))

    def count(request: Any) -> Any:
        stub.fill(channel, 3)
        return none(request)

    with fake_server(broker.address, QueuesInfo=count) as address:
        result = run("queue", "peek", channel, *options, "--wait", "0s", address=address)
    assert (result.code, result.out) == (0, expected)


Requests = Iterator[pb.QueuesDownstreamRequest]
Made = Callable[[int], int]


@pytest.mark.parametrize("sequence", [lambda n: 1 + n % 7, lambda n: 0, lambda n: 7])
def test_a_server_that_gives_messages_twice_is_not_listened_to_for_ever(
    run: Run, channel: str, sequence: Made
) -> None:
    def endless(requests: Requests) -> Iterator[pb.QueuesDownstreamResponse]:
        for n, request in enumerate(requests):
            message = pb.QueueMessage(Body=b"x")
            message.Attributes.Sequence = sequence(n)
            yield pb.QueuesDownstreamResponse(
                RefRequestId=request.RequestID, RequestTypeData=request.RequestTypeData, Messages=[message]
            )

    claimed = queues(pb.QueueInfo(Name=channel, Messages=2**62, Waiting=2**63 - 1, LastSequence=2**63 - 1))
    with fake_server(QueuesInfo=claimed, QueuesDownstream=endless) as address:
        result = run("queue", "peek", channel, "--all", address=address)
    assert (result.code, result.out) == (1, b"")
    assert "some come twice" in result.err


@pytest.mark.parametrize("options", [["--all"], ["--count", "2500"]])
def test_more_than_a_peek_can_show_is_looked_at_under_a_transaction(
    run: Run, stub: Stub, channel: str, options: list[str]
) -> None:
    stub.fill(channel, 2500)
    result = run("queue", "peek", channel, *options)
    assert result.out == b"".join(b"%d\n" % n for n in range(1, 2501))
    assert still_there(stub, channel, 2500) == untouched(2500)


def test_what_was_looked_at_before_is_shown_again_though_the_first_get_hides_it(
    run: Run, stub: Stub, channel: str
) -> None:
    count = MOST_AT_ONCE + 100
    stub.fill(channel, count)
    for _ in range(3):
        result = run("queue", "peek", channel, "--all")
        assert (result.code, len(result.out.splitlines()), result.err) == (0, count, "")


def test_messages_too_great_for_one_answer_are_shown_all_the_same(run: Run, stub: Stub, channel: str) -> None:
    great = b"x" * 20_000_000
    for n in range(7):
        stub.send(channel, b"%d" % n + great)
    result = run("queue", "peek", channel, "--all", timeout=60)
    assert (result.code, result.out) == (0, b"".join(b"%d" % n + great + b"\n" for n in range(7)))
    assert [m.Attributes.ReceiveCount for m in stub.downstream().get(channel, 3, wait=20_000).Messages] == [
        1,
        1,
        1,
    ]


def test_great_messages_behind_many_small_ones_are_shown_too(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 2000)
    for _ in range(4):
        stub.send(channel, b"x" * 30_000_000)
    result = run("queue", "peek", channel, "--all", timeout=60)
    assert [len(line) for line in result.out.splitlines()[1998:]] == [4, 4, *[30_000_000] * 4]
    assert still_there(stub, channel, 2000) == untouched(2000)


def test_without_statistics_it_shows_what_a_peek_can(
    run: Run, stub: Stub, channel: str, broker: Broker
) -> None:
    stub.fill(channel, 3)
    with fake_server(broker.address, QueuesInfo=unimplemented) as address:
        assert run("queue", "peek", channel, "--all", address=address).out == b"1\n2\n3\n"
        assert run("queue", "peek", channel, "--count", "2", address=address).out == b"1\n2\n"


@pytest.mark.parametrize(
    "options", [["--all", "--count", "2"], ["--count", "0"], ["-0", "--delimiter", "x"], ["--follow"]]
)
def test_options_that_make_no_sense_are_refused(run: Run, channel: str, options: list[str]) -> None:
    result = run("queue", "peek", channel, *options, address="127.0.0.1:1")
    assert result.code == 2


def test_without_a_server_it_is_5(run: Run, channel: str) -> None:
    assert run("queue", "peek", channel, address="127.0.0.1:1").code == 5


# ---- conditions and encodings ----


def orders(stub: Stub, channel: str) -> None:
    """Four messages of JSON, the second of them packed."""
    for n, price in enumerate((5, 10, 20, 40), start=1):
        body = b'{"n":%d,"price":%d}' % (n, price)
        stub.send(channel, gzip.compress(body) if n == 2 else body)


def test_where_prints_only_what_matches_and_counts_nothing_else(run: Run, stub: Stub, channel: str) -> None:
    orders(stub, channel)
    words = ("queue", "peek", channel, "--format", "{body.n}", "--where", "body.price>=10")
    assert run(*words, "--all").out == b"3\n4\n"
    assert run(*words).out == b"3\n"
    assert run(*words, "--count", "2", "--where", "body.n!=3").out == b"4\n"
    assert [sequence for _, sequence, _ in still_there(stub, channel, 4)] == [1, 2, 3, 4]


def test_decode_opens_a_body_to_conditions_and_says_once_what_it_cannot_open(
    run: Run, stub: Stub, channel: str
) -> None:
    orders(stub, channel)
    done = run("queue", "peek", channel, "--all", "--decode", "gzip")
    assert done.out.splitlines()[1] == b'{"n":2,"price":10}'
    assert done.err.count("is shown as it is: it is not gzip") == 1
    inside = run("queue", "peek", channel, "--all", "--decode", "gzip", "--where", "body.price>0")
    assert inside.out == b'{"n":2,"price":10}\n'


def test_what_is_received_or_held_is_decoded_for_the_eye_alone(run: Run, stub: Stub, channel: str) -> None:
    packed = gzip.compress(b"hello")
    stub.send(channel, packed)
    stub.send(channel, packed)
    target = f"{channel}-target"
    assert run("queue", "tx", channel, "--resend", target, "--decode", "gzip").out == b"hello"
    assert stub.receive(target).Messages[0].Body == packed
    assert run("queue", "receive", channel, "--decode", "gzip").out == b"hello"
    done = run("queue", "receive", channel, "--decode", "gzip", "--", "cat", address="127.0.0.1:1")
    assert (done.code, "--decode cannot be used with a handler" in done.err) == (2, True)


def test_nothing_that_matches_is_6_once_patience_is_over_and_0_for_all(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.fill(channel, 3)
    done = run("queue", "peek", channel, "--where", "body=x", "--wait", "100ms")
    assert (done.code, done.out, "no message that matches" in done.err) == (6, b"", True)
    assert run("queue", "peek", channel, "--all", "--where", "body=x").code == 0


def test_patience_lasts_until_something_matches(
    start: Start, stub: Stub, channel: str, broker: Broker
) -> None:
    stub.fill(channel, 3)
    calls: list[str] = []
    with fake_server(broker.address, **counting(stub, calls, "ReceiveQueueMessages")) as address:
        peeking = start("queue", "peek", channel, "--where", "body=x", "--wait", "20s", address=address)
        until(lambda: calls, "it has looked once")
        stub.send(channel, "x")
        assert peeking.wait().out == b"x"


def test_more_than_one_peek_can_show_is_filtered_too(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1500)
    words = ("queue", "peek", channel, "--where")
    assert run(*words, "body~^14[09]0$", "--all").out == b"1400\n1490\n"
    assert run(*words, "sequence>=1400", "--count", "2").out == b"1400\n1401\n"
    assert still_there(stub, channel, 1500) == untouched(1500)


def test_a_condition_that_compares_a_text_holds_for_nothing_and_says_so(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.send(channel, '{"name": "z"}')
    result = run("queue", "peek", channel, "--all", "--where", "body.name>a", "-q")
    assert (result.code, result.out) == (0, b"")
    assert result.err.startswith("warning: --where body.name>a never holds: < <= > >= compare numbers")


@pytest.mark.parametrize(
    "words",
    [["--where", "colour"], ["--where", "nope=1"], ["--decode", "zip"], ["--proto-type", "a.B"]],
)
def test_a_condition_or_an_encoding_that_cannot_be_read_is_2(run: Run, words: list[str]) -> None:
    assert run("queue", "peek", "q", *words, address="127.0.0.1:1").code == 2
