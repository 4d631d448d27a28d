"""A real gRPC server that answers what a test tells it to: for what no broker of ours can be made to say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from kubemqctl.wire import kubemq_pb2 as pb

Answer = Callable[[Any], Any]


class Abort(Exception):
    """Ends the call with a status and a text."""

    def __init__(self, status: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def nobody_answers(request: pb.Request) -> pb.Response:
    """What the community server says to a channel request, once the request's time is over."""
    time.sleep(request.Timeout / 1000)
    raise Abort(grpc.StatusCode.INTERNAL, "Error 301: timeout for request message")


def pong(_: pb.Empty) -> pb.PingResult:
    return pb.PingResult(Host="imposter", ServerStartTime=int(time.time()) - 60, ServerUpTimeSeconds=60)


def queues(*found: pb.QueueInfo) -> Answer:
    """QueuesInfo of these queues, with the filter of exact names."""

    def answer(request: pb.QueuesInfoRequest) -> pb.QueuesInfoResponse:
        wanted = [q for q in found if request.QueueName in ("", q.Name)]
        return pb.QueuesInfoResponse(Info=pb.QueuesInfo(Queues=wanted))

    return answer


@contextmanager
def imposter(**answers: Answer) -> Iterator[str]:
    """The address of a server with these methods, Ping among them; the others are unimplemented."""
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    methods = {name: _method(name, answer) for name, answer in {"Ping": pong, **answers}.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("kubemq.kubemq", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        assert server.stop(None).wait(20), "a call outlives its server"


def _method(name: str, answer: Answer) -> Any:
    method = pb.DESCRIPTOR.services_by_name["kubemq"].methods_by_name[name]

    def call(request: Any, context: Any) -> Any:
        try:
            return answer(request)
        except Abort as e:
            context.abort(e.status, e.text)

    return grpc.unary_unary_rpc_method_handler(
        call,
        request_deserializer=getattr(pb, method.input_type.name).FromString,
        response_serializer=lambda m: m.SerializeToString(),
    )
