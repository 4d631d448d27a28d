"""Servers on a free port that behave as a test tells them to, for what no real broker can be made to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.raw_grpc import MAX_MESSAGE

# The request in, the response out; of a stream both are iterators. Raises Abort to end with a status.
Answer = Callable[[Any], Any]

_LIMITS = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", -1)]
_METHODS = pb.DESCRIPTOR.services_by_name["kubemq"].methods_by_name


@contextmanager
def serving(handlers: grpc.GenericRpcHandler, threads: int = 8) -> Iterator[str]:  # type: ignore[type-arg]
    """A gRPC server with these handlers on a free port: its address. Each open call takes a thread."""
    pool = ThreadPoolExecutor(threads)
    server = grpc.server(pool, options=[*_LIMITS, ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        assert server.stop(None).wait(20), "a call outlives its server"
        # An answer that sleeps is not waited for: nobody would hear it.
        pool.shutdown(wait=False)


@contextmanager
def fake_server(behind: str = "", **answers: Answer) -> Iterator[str]:
    """The address of a server whose methods are `answers`.

    All others are those of the server at the address `behind`; without one, Ping works and the rest is
    unimplemented.
    """
    channel = grpc.insecure_channel(behind, _LIMITS) if behind else None
    try:
        with serving(_Service(channel, answers if behind else {"Ping": pong, **answers})) as address:
            yield address
    finally:
        if channel is not None:
            channel.close()


# ---- answers ----


class Abort(Exception):
    """Ends the call with a status and a text."""

    def __init__(self, status: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def pong(_: pb.Empty) -> pb.PingResult:
    return pb.PingResult(Host="fake", ServerStartTime=int(time.time()) - 60, ServerUpTimeSeconds=60)


def unimplemented(request: Any) -> NoReturn:
    """The answer of a server that does not know the method."""
    raise Abort(grpc.StatusCode.UNIMPLEMENTED, "unknown method X for service kubemq.kubemq")


def nobody_answers(request: pb.Request) -> NoReturn:
    """What the community server says to a channel request, once the request's time is over."""
    time.sleep(request.Timeout / 1000)
    raise Abort(grpc.StatusCode.INTERNAL, "Error 301: timeout for request message")


def queues(*found: pb.QueueInfo) -> Answer:
    """QueuesInfo of these queues, with the filter of exact names."""

    def answer(request: pb.QueuesInfoRequest) -> pb.QueuesInfoResponse:
        wanted = [q for q in found if request.QueueName in ("", q.Name)]
        return pb.QueuesInfoResponse(Info=pb.QueuesInfo(Queues=wanted))

    return answer


# ---- how they are served ----


class _Service(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def __init__(self, behind: grpc.Channel | None, answers: Mapping[str, Answer]) -> None:
        self._behind = behind
        self._answers = answers

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        name = details.method.rpartition("/")[2]
        method = _METHODS[name]
        streams = method.client_streaming
        if name in self._answers:
            answer = _answered_stream(self._answers[name]) if streams else _answered(self._answers[name])
        elif self._behind is not None:
            answer = self._passed_on(details.method, streams)
        else:
            return None
        make = grpc.stream_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
        return make(answer, getattr(pb, method.input_type.name).FromString, serialized)

    def _passed_on(self, path: str, streams: bool) -> Callable[[Any, grpc.ServicerContext], Any]:
        assert self._behind is not None
        if streams:
            stream = self._behind.stream_stream(path, serialized, bytes)

            def talk(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[bytes]:
                call = stream(requests)
                context.add_callback(call.cancel)
                yield from call

            return talk
        unary = self._behind.unary_unary(path, serialized, bytes)
        return lambda request, context: unary(request, timeout=30)


def _answered(answer: Answer) -> Callable[[Any, grpc.ServicerContext], Any]:
    def call(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return answer(request)
        except Abort as e:
            context.abort(e.status, e.text)

    return call


def _answered_stream(answer: Answer) -> Callable[[Any, grpc.ServicerContext], Iterator[Any]]:
    def call(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            yield from answer(requests)
        except Abort as e:
            context.abort(e.status, e.text)

    return call


def serialized(message: Any) -> bytes:
    return message if isinstance(message, bytes) else bytes(message.SerializeToString())
