"""Raw gRPC calls from our own kubemq_pb2: what a test asks a server without our client."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

import grpc

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.server import OTHER_SERVER, SILENT

MAX_MESSAGE = 104857600  # bytes: the server's limit, both directions
RETRY = "Error 302: connection not available, please retry"
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]
_METHODS = pb.DESCRIPTOR.services_by_name["kubemq"].methods_by_name


class Stub:
    """The service at `address`, over a connection of its own; `client` is the ClientID of the short forms."""

    def __init__(self, address: str, client: str = "raw") -> None:
        self.address = address
        self.client = client
        self.grpc_channel = grpc.insecure_channel(address, options=_OPTIONS)

    def __enter__(self) -> Stub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and with it every call and stream."""
        self.grpc_channel.close()

    def call(self, method: str, request: Any, timeout: float = 15.0) -> Any:
        """A unary call by the method's name on the wire; raises grpc.RpcError as grpcio gives it.

        Server 2.4.0 answers "please retry" while it closes a connection of its own: so it is done.
        """
        while True:
            try:
                answer = self.waiting(method, request, timeout).result()
            except grpc.RpcError as e:
                if not (OTHER_SERVER and RETRY in str(e)):
                    raise
            else:
                results = getattr(answer, "Results", None) or [answer]
                if not (OTHER_SERVER and all(RETRY in getattr(result, "Error", "") for result in results)):
                    return answer
            time.sleep(0.1)

    def waiting(self, method: str, request: Any, timeout: float = 15.0) -> Any:
        """A unary call under way: a future with result() and cancel()."""
        callable_ = self.grpc_channel.unary_unary(
            f"/kubemq.kubemq/{method}",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=_answer_class(method).FromString,
        )
        return callable_.future(request, timeout=timeout)

    def subscribe(self, method: str, request: Any, timeout: float | None = None) -> Any:
        """A call with many answers: an iterator with cancel() and initial_metadata()."""
        callable_ = self.grpc_channel.unary_stream(
            f"/kubemq.kubemq/{method}",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=_answer_class(method).FromString,
        )
        return callable_(request, timeout=timeout)

    def exchange(self, method: str) -> Exchange:
        """Open a stream both ways."""
        return Exchange(self.grpc_channel, method)

    def message(self, channel: str, body: bytes | str = b"x", **fields: Any) -> pb.QueueMessage:
        """A queue message of this client."""
        data = body.encode() if isinstance(body, str) else body
        return pb.QueueMessage(**{"ClientID": self.client, "Channel": channel, "Body": data, **fields})

    def ping(self) -> pb.PingResult:
        answer: pb.PingResult = self.call("Ping", pb.Empty())
        return answer

    def send(self, channel: str, body: bytes | str = b"x", **fields: Any) -> pb.SendQueueMessageResult:
        """Send one message; `fields` are those of QueueMessage."""
        message = self.message(channel, body, **fields)
        answer: pb.SendQueueMessageResult = self.call("SendQueueMessage", message)
        return answer

    def batch(self, messages: list[pb.QueueMessage], batch_id: str = "") -> pb.QueueMessagesBatchResponse:
        request = pb.QueueMessagesBatchRequest(BatchID=batch_id, Messages=messages)
        answer: pb.QueueMessagesBatchResponse = self.call("SendQueueMessagesBatch", request)
        return answer

    def fill(self, channel: str, count: int) -> None:
        """Put `count` messages into a queue, with the bodies 1, 2, 3 …"""
        answer = self.batch([self.message(channel, str(n)) for n in range(1, count + 1)])
        assert not any(result.IsError for result in answer.Results)

    def receive(
        self, channel: str, count: int = 1, wait: int = 1, **fields: Any
    ) -> pb.ReceiveQueueMessagesResponse:
        """Take messages for good; `wait` in seconds."""
        request = pb.ReceiveQueueMessagesRequest(
            **{
                "ClientID": self.client,
                "Channel": channel,
                "MaxNumberOfMessages": count,
                "WaitTimeSeconds": wait,
                **fields,
            }
        )
        answer: pb.ReceiveQueueMessagesResponse = self.call("ReceiveQueueMessages", request, wait + 20.0)
        return answer

    def peek(
        self, channel: str, count: int = 1, wait: int = 1, **fields: Any
    ) -> pb.ReceiveQueueMessagesResponse:
        """Look without taking; `wait` in seconds."""
        return self.receive(channel, count, wait, IsPeak=True, **fields)

    def ack_all(self, channel: str, wait: int = 1, **fields: Any) -> pb.AckAllQueueMessagesResponse:
        """Empty a queue; `wait` in seconds."""
        request = pb.AckAllQueueMessagesRequest(
            **{"ClientID": self.client, "Channel": channel, "WaitTimeSeconds": wait, **fields}
        )
        answer: pb.AckAllQueueMessagesResponse = self.call("AckAllQueueMessages", request, wait + 20.0)
        return answer

    def info(self, name: str = "", request_id: str = "") -> pb.QueuesInfoResponse:
        """Statistics of all queues, or of those named (joined by ";")."""
        request = pb.QueuesInfoRequest(QueueName=name, RequestID=request_id)
        answer: pb.QueuesInfoResponse = self.call("QueuesInfo", request)
        return answer

    def upstream(self) -> Exchange:
        return self.exchange("QueuesUpstream")

    def downstream(self) -> Downstream:
        return Downstream(self.grpc_channel, self.client)


class Exchange:
    """One stream both ways: send requests, take answers one by one."""

    def __init__(self, channel: grpc.Channel, method: str) -> None:
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._call: Any = channel.stream_stream(
            f"/kubemq.kubemq/{method}",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=_answer_class(method).FromString,
        )(self._outgoing())
        self._ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, request: Any) -> None:
        self._requests.put(request)

    def next(self, timeout: float = 10.0) -> Any:
        """The next answer; AssertionError when none comes within `timeout` seconds, or the stream ends."""
        try:
            answer = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no answer within {timeout:g} s") from None
        if answer is None:
            self._answers.put(None)
            raise AssertionError(
                f"no answer: the stream ended with {self._call.code()}: {self._call.details()}"
            )
        return answer

    def ask(self, request: Any, timeout: float = 10.0) -> Any:
        """Send a request and take the next answer."""
        self.send(request)
        return self.next(timeout)

    def silent(self, seconds: float) -> bool:
        """Whether no answer, and no end, comes for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self._answers.empty():
                return False
            self._ended.wait(0.02)
        return True

    def half_close(self) -> None:
        """Say that no more requests come."""
        self._requests.put(None)

    def cancel(self) -> None:
        """End the stream abruptly, and wait until that is so on this side."""
        self._call.cancel()
        self._ended.wait(10)

    @property
    def open(self) -> bool:
        return not self._ended.is_set()

    def status(self, timeout: float = 10.0) -> grpc.StatusCode:
        """The status that the stream ended with; AssertionError when it has not after `timeout` seconds."""
        assert self._ended.wait(timeout), f"the stream is still open after {timeout:g} s"
        code: grpc.StatusCode = self._call.code()
        return code

    def _outgoing(self) -> Iterator[Any]:
        return iter(self._requests.get, None)

    def _read(self) -> None:
        try:
            for answer in self._call:
                self._answers.put(answer)
        except grpc.RpcError:
            pass  # status() tells
        self._ended.set()
        self._answers.put(None)
        self._requests.put(None)


class Downstream(Exchange):
    """QueuesDownstream: transactions over what a queue hands out."""

    def __init__(self, channel: grpc.Channel, client: str) -> None:
        super().__init__(channel, "QueuesDownstream")
        self.client = client

    def ask_for(self, channel: str, count: int = 1, wait: int = 1000, **fields: Any) -> None:
        """Send a Get; `wait` in milliseconds."""
        self.send(
            pb.QueuesDownstreamRequest(
                **{
                    "ClientID": self.client,
                    "RequestTypeData": pb.Get,
                    "Channel": channel,
                    "MaxItems": count,
                    "WaitTimeout": wait,
                    **fields,
                }
            )
        )

    def get(
        self, channel: str, count: int = 1, wait: int = 1000, **fields: Any
    ) -> pb.QueuesDownstreamResponse:
        """Get and its answer."""
        self.ask_for(channel, count, wait, **fields)
        answer: pb.QueuesDownstreamResponse = self.next(timeout=max(wait, 1000) / 1000 + 20)
        return answer

    def settle(self, kind: Any, transaction: str, *sequences: int, **fields: Any) -> None:
        """Send a settlement, which the server answers only when it fails."""
        self.send(
            pb.QueuesDownstreamRequest(
                **{
                    "ClientID": self.client,
                    "RequestTypeData": kind,
                    "RefTransactionId": transaction,
                    "SequenceRange": sequences,
                    **fields,
                }
            )
        )

    def active(self, transaction: str) -> pb.QueuesDownstreamResponse:
        """ActiveOffsets and its answer: proof that all requests before it were carried out."""
        self.settle(pb.ActiveOffsets, transaction)
        answer: pb.QueuesDownstreamResponse = self.next()
        return answer


# ---- events ----


def event(stub: Stub, channel: str, body: bytes | str, store: bool = False, **fields: Any) -> pb.Event:
    """An event of this client."""
    data = body.encode() if isinstance(body, str) else body
    return pb.Event(**{"ClientID": stub.client, "Channel": channel, "Body": data, "Store": store, **fields})


def publish(stub: Stub, channel: str, body: bytes | str, store: bool = False, **fields: Any) -> pb.Result:
    """Publish one event by the unary call."""
    answer: pb.Result = stub.call("SendEvent", event(stub, channel, body, store, **fields))
    return answer


def store(stub: Stub, channel: str, bodies: Iterable[Any]) -> None:
    """Store events with these bodies, in order, as text."""
    wanted = [str(body) for body in bodies]
    stream = stub.exchange("SendEventsStream")
    for body in wanted:
        stream.send(event(stub, channel, body, store=True))
    answers = [stream.next() for _ in wanted]
    stream.half_close()
    assert all(answer.Sent for answer in answers)


# ---- commands and queries ----

COMMAND, QUERY = pb.Request.Command, pb.Request.Query


def request(stub: Stub, kind: pb.Request.RequestType, channel: str, body: bytes, **fields: Any) -> pb.Request:
    """A request of this client; 10 s are its time unless `Timeout` (milliseconds) says otherwise."""
    given = {"ClientID": stub.client, "Timeout": 10_000, **fields}
    return pb.Request(RequestTypeData=kind, Channel=channel, Body=body, **given)


def ask(stub: Stub, kind: pb.Request.RequestType, channel: str, body: bytes, **fields: Any) -> pb.Response:
    """Ask and wait for the answer."""
    answer: pb.Response = stub.call("SendRequest", request(stub, kind, channel, body, **fields), 30)
    return answer


def asking(stub: Stub, kind: pb.Request.RequestType, channel: str, body: bytes, **fields: Any) -> Any:
    """Ask; the future of the answer."""
    return stub.waiting("SendRequest", request(stub, kind, channel, body, **fields), 60)


@contextlib.contextmanager
def responder(
    stub: Stub,
    kind: pb.Subscribe.SubscribeType,
    channel: str,
    answer: Callable[[pb.Request], pb.Response | None],
) -> Iterator[list[pb.Request]]:
    """Answers requests as `answer` says, None for silence; gives the list of what it got so far."""
    got: list[pb.Request] = []
    subscribe = pb.Subscribe(SubscribeTypeData=kind, ClientID=stub.client, Channel=channel)
    call = stub.subscribe("SubscribeToRequests", subscribe)
    if SILENT:  # it never says when a subscription is live; 0.1 s was always enough
        stub.ping()
        time.sleep(0.3)
    else:
        call.initial_metadata()

    def serve() -> None:
        with contextlib.suppress(grpc.RpcError):
            for came in call:
                got.append(came)
                if (said := answer(came)) is not None:
                    said.ClientID = said.ClientID or stub.client
                    said.RequestID = said.RequestID or came.RequestID
                    said.ReplyChannel = came.ReplyChannel
                    stub.call("SendResponse", said)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield got
    finally:
        call.cancel()
        thread.join(10)


def _answer_class(method: str) -> Any:
    return getattr(pb, _METHODS[method].output_type.name)
