"""A server that behaves as a test tells it to, where no real one would; the rest goes on to a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.raw_grpc import MAX_MESSAGE

Answer = Callable[[Any, grpc.ServicerContext], Any]

_LIMITS = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", -1)]
_METHODS = pb.DESCRIPTOR.services_by_name["kubemq"].methods_by_name


def lacking(request: Any, context: grpc.ServicerContext) -> Any:
    """The answer of a server that does not know the method."""
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "unknown method X for service kubemq.kubemq")


class _Service(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def __init__(self, behind: grpc.Channel | None, answers: Mapping[str, Answer]) -> None:
        self._behind = behind
        self._answers = answers

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        name = details.method.rpartition("/")[2]
        method = _METHODS[name]
        if name in self._answers:
            answer = self._answers[name]
        elif self._behind is not None:
            answer = self._passed_on(details.method, streams=method.client_streaming)
        else:
            return None
        make = (
            grpc.stream_stream_rpc_method_handler
            if method.client_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return make(answer, getattr(pb, method.input_type.name).FromString, _serialized)

    def _passed_on(self, path: str, *, streams: bool) -> Answer:
        assert self._behind is not None
        behind = self._behind
        if streams:
            stream = behind.stream_stream(path, _serialized, bytes)

            def talk(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[bytes]:
                call = stream(requests)
                context.add_callback(call.cancel)
                yield from call

            return talk
        unary = behind.unary_unary(path, _serialized, bytes)
        return lambda request, context: unary(request, timeout=30)


def _serialized(message: Any) -> bytes:
    return message if isinstance(message, bytes) else bytes(message.SerializeToString())


@contextmanager
def strange_server(behind: str = "", **answers: Answer) -> Iterator[str]:
    """The address of a server whose methods are `answers`; all others are those of the server `behind`.

    A stream's answer is called with an iterator of requests, and gives one of answers.
    """
    channel = grpc.insecure_channel(behind, _LIMITS) if behind else None
    server = grpc.server(ThreadPoolExecutor(8), options=[*_LIMITS, ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Service(channel, answers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        assert server.stop(None).wait(20), "a call outlives its server"
        if channel is not None:
            channel.close()
