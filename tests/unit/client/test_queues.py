"""Queue calls where a server is odd: it refuses for a moment, and says so, or gives a message twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from kubemqctl.client import connection, emptying, queues
from kubemqctl.client.connection import Client
from kubemqctl.model.errors import NotReady
from kubemqctl.model.messages import Message
from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.clients import opened
from tests.support.fake_server import Abort, fake_server
from tests.support.made_up_queue import Answers, Queue, served
from tests.support.program import Run
from tests.support.raw_grpc import RETRY, Stub
from tests.support.server import Broker
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (connection, queues):
        monkeypatch.setattr(module, "INNER_PAUSES", (0.01, 0.01, 0.01))


def send(client: Client, channel: str) -> object:
    return queues.send(client, Message(b"new", channel)).id


def send_two(client: Client, channel: str) -> object:
    messages = [Message(b"a", channel), Message(b"b", channel)]
    return [result.error for result in queues.batch(client, messages)().results()]


def peek(client: Client, channel: str) -> object:
    return [message.body for message in queues.peek(client, channel, 1, 1.0)]


def empty(client: Client, channel: str) -> object:
    return emptying.ack_all(client, channel).affected


CALLS: dict[str, tuple[Callable[[Client, str], object], Any]] = {
    "SendQueueMessage": (send, pb.SendQueueMessageResult(IsError=True, Error=RETRY)),
    "SendQueueMessagesBatch": (
        send_two,
        pb.QueueMessagesBatchResponse(Results=[pb.SendQueueMessageResult(IsError=True, Error=RETRY)] * 2),
    ),
    "ReceiveQueueMessages": (peek, Abort(grpc.StatusCode.UNKNOWN, RETRY)),
    "AckAllQueueMessages": (empty, Abort(grpc.StatusCode.UNKNOWN, RETRY)),
}


class Refusing:
    """The server behind `stub`, but for so many refusals first."""

    def __init__(self, stub: Stub, method: str, times: int) -> None:
        self._stub = stub
        self._method = method
        self._times = times
        self.asked = 0

    def __call__(self, request: Any) -> Any:
        self.asked += 1
        if self.asked > self._times:
            return self._stub.call(self._method, request)
        _, refusal = CALLS[self._method]
        if isinstance(refusal, Exception):
            raise refusal
        return refusal


@pytest.mark.parametrize("method", CALLS)
def test_what_was_refused_for_a_moment_is_done_once(
    method: str, stub: Stub, broker: Broker, channel: str
) -> None:
    ask, _ = CALLS[method]
    stub.send(channel, "there")
    answer = Refusing(stub, method, 2)
    with fake_server(broker.address, **{method: answer}) as address, opened(address) as client:
        found = ask(client, channel)
    assert answer.asked >= 3
    left = [m.Body for m in stub.peek(channel, 9).Messages]
    if method == "SendQueueMessage":
        assert left == [b"there", b"new"]
    elif method == "SendQueueMessagesBatch":
        assert (found, left) == (["", ""], [b"there", b"a", b"b"])
    elif method == "ReceiveQueueMessages":
        assert found == [b"there"]
    else:
        assert (found, left) == (1, [])


@pytest.mark.parametrize("method", ["SendQueueMessage", "ReceiveQueueMessages"])
def test_a_server_that_goes_on_refusing_is_told_as_not_ready(method: str, stub: Stub, channel: str) -> None:
    ask, _ = CALLS[method]
    answer = Refusing(stub, method, 99)
    answers: dict[str, Any] = {method: answer}
    with (
        fake_server(**answers) as address,
        opened(address) as client,
        pytest.raises(NotReady, match="302"),
    ):
        ask(client, channel)
    assert answer.asked == 4


class Closed(Queue):
    """Refuses the first Gets."""

    def __init__(self, channel: str, times: int) -> None:
        super().__init__(channel, 1)
        self.times = times

    def got(self, request: pb.QueuesDownstreamRequest) -> pb.QueuesDownstreamResponse:
        self.times -= 1
        return super().got(request) if self.times < 0 else self.refusal(pb.Get, RETRY)


def test_a_get_is_made_again(channel: str) -> None:
    with (
        served(Closed(channel, 3)) as address,
        opened(address) as client,
        queues.Downstream(client) as down,
    ):
        assert [m.body for m in down.get(channel, 1, 1.0).messages] == [b"0"]


def test_so_is_one_whose_answer_is_looked_for_later(channel: str) -> None:
    with (
        served(Closed(channel, 3)) as address,
        opened(address) as client,
        queues.Downstream(client) as down,
    ):
        down.begin_get(channel, 1, 1.0)
        held = until(lambda: down.got(channel), "the message")
        assert held
        assert [m.body for m in held.messages] == [b"0"]


def test_a_get_that_is_refused_again_and_again_is_told_as_not_ready(channel: str) -> None:
    with (
        served(Closed(channel, 4)) as address,
        opened(address) as client,
        queues.Downstream(client) as down,
        pytest.raises(NotReady, match="302"),
    ):
        down.get(channel, 1, 1.0)


class Stammering(Queue):
    """Puts the first message of an answer into it once more, and refuses to settle it twice."""

    def got(self, request: pb.QueuesDownstreamRequest) -> pb.QueuesDownstreamResponse:
        answer = super().got(request)
        answer.Messages.extend(answer.Messages[:1])
        return answer

    def peek(self, request: Any) -> pb.ReceiveQueueMessagesResponse:
        return pb.ReceiveQueueMessagesResponse(Messages=[self.messages[0]] * 2)

    def acknowledged(self, request: pb.QueuesDownstreamRequest) -> Answers:
        if len(set(request.SequenceRange)) < len(request.SequenceRange):
            yield self.refusal(pb.AckRange, "invalid ack sequence id 1")


def test_what_a_get_gives_twice_is_one_message(run: Run, channel: str) -> None:
    for handler in ([], ["--", "cat"]):
        with served(Stammering(channel, 3)) as address:
            result = run("queue", "receive", channel, "--all", *handler, address=address)
        assert (result.code, sorted(result.out)) == (0, sorted(b"0\n1\n2\n" if not handler else b"012"))


def test_what_a_peek_gives_twice_is_one_message(channel: str) -> None:
    with served(Stammering(channel, 1)) as address, opened(address) as client:
        assert [m.body for m in queues.peek(client, channel, 2, 1.0)] == [b"0"]
