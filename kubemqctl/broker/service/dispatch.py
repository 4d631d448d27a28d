"""The gRPC interface of the broker: who may call, which method, bytes in and bytes out. No state.

Each pattern brings its methods as a table (`service.queues.queue_handlers`); this file knows none of them.
Methods get parsed requests and return serialized answers, which lets a delivery be joined from stored
messages without parsing them.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import grpc.aio
from google.protobuf.message import DecodeError, Message

from kubemqctl.model.limits import MAX_MESSAGE

if TYPE_CHECKING:
    from kubemqctl.broker.faults import Faults

    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]
    Handlers = Mapping[str, Handler]


SERVICE = "kubemq.kubemq"
# Without the blank that Go's text ends with: grpc-js drops the text of a status that ends in one.
UNAUTHENTICATED = "Error 421: authentication verification failed"
WITHOUT_TOKEN = frozenset({"Ping"})
M = TypeVar("M", bound=Message)
R = TypeVar("R")


def _released(call: Callable[[Any, Context], Awaitable[R]]) -> Callable[[Any, Context], Awaitable[R]]:
    """`call`, of which nothing is left when it was aborted.

    A call's context keeps the error that ends it, whose traceback keeps the context, and what each function
    had with it: a refused request would stay until the garbage collector comes by, and it is counted in
    objects, not in bytes: 200 refused events of 10 MiB took 900 MB.
    """

    async def released(request: Any, context: Context) -> R:
        try:
            return await call(request, context)
        except grpc.aio.AbortError as e:
            del request, context
            e.__context__ = None
            raise e.with_traceback(None) from None

    return released


def unary(kind: type[M], answer: Callable[[M, Context], Awaitable[bytes]]) -> Handler:
    """A method with one request and one answer."""

    @_released
    async def call(data: bytes, context: Context) -> bytes:
        return await answer(await _parsed(kind, data, context), context)

    return grpc.unary_unary_rpc_method_handler(call)


def patient(kind: type[M], answer: Callable[[M, Context], Awaitable[bytes]]) -> Handler:
    """A method with one request and one answer that may be long in coming.

    gRPC keeps what a unary method was sent until it is answered. Here nothing is kept that `answer` lets go.
    """

    @_released
    async def call(requests: AsyncIterator[bytes], context: Context) -> None:
        request = await _read(kind, context)
        if request is None:
            await context.abort(grpc.StatusCode.INTERNAL, "grpc: there is no request")
            raise AssertionError("unreachable")
        answered = answer(request, context)
        del request
        await context.write(await answered)

    return grpc.stream_stream_rpc_method_handler(call)


def unread(answer: Callable[[], Awaitable[bytes]]) -> Handler:
    """A method whose request says nothing: it stays where it is, however great somebody made it."""

    @_released
    async def call(requests: AsyncIterator[bytes], context: Context) -> None:
        await context.write(await answer())

    return grpc.stream_stream_rpc_method_handler(call)


def stream(kind: type[M], serve: Callable[[AsyncIterator[M], Context], Awaitable[None]]) -> Handler:
    """A method with a stream both ways; `serve` writes serialized answers to its context.

    A request is gone when `serve` lets it go, however long the next one is in coming.
    """

    @_released
    async def call(requests: AsyncIterator[bytes], context: Context) -> None:
        await serve(_requests(kind, context), context)

    return grpc.stream_stream_rpc_method_handler(call)


def subscription(kind: type[M], serve: Callable[[M, Context], Awaitable[None]]) -> Handler:
    """A method with one request and a stream of answers, which `serve` writes serialized to its context."""

    @_released
    async def call(data: bytes, context: Context) -> None:
        await serve(await _parsed(kind, data, context), context)

    return grpc.unary_stream_rpc_method_handler(call)


async def too_large(context: Context, error: Exception) -> NoReturn:
    """End a call whose answer is over the limit."""
    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"grpc: {error}")


class Service(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """All methods of the service; everything else is refused in the real server's words."""

    def __init__(self, handlers: Handlers, token: str = "", faults: Faults | None = None) -> None:
        self._handlers = handlers
        if faults is not None:
            self._handlers = {name: faults.wrapped(name, handler) for name, handler in handlers.items()}
        self._token = token.encode()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        path = handler_call_details.method
        service, slash, method = path.removeprefix("/").rpartition("/")
        if not slash:
            return _refusal(grpc.StatusCode.UNIMPLEMENTED, f'malformed method name: "{path}"')
        if service != SERVICE:
            return _refusal(grpc.StatusCode.UNIMPLEMENTED, f"unknown service {service}")
        handler = self._handlers.get(method)
        if handler is None:
            return _refusal(grpc.StatusCode.UNIMPLEMENTED, f"unknown method {method} for service {service}")
        if self._token and not self._allowed(method, handler_call_details.invocation_metadata):
            return _refusal(grpc.StatusCode.UNAUTHENTICATED, UNAUTHENTICATED)
        return handler

    def _allowed(self, method: str, metadata: Any) -> bool:
        given = [value for key, value in metadata if key == "authorization"]
        if not given:
            return method in WITHOUT_TOKEN
        value = given[0]
        return hmac.compare_digest(value if isinstance(value, bytes) else value.encode(), self._token)


def _refusal(code: grpc.StatusCode, details: str) -> Handler:
    async def refuse(requests: AsyncIterator[bytes], context: Context) -> None:
        await context.abort(code, details)

    return grpc.stream_stream_rpc_method_handler(refuse)


async def _requests(kind: type[M], context: Context) -> AsyncIterator[M]:
    """The requests of a stream, none of which is kept here; gRPC's own iterator keeps what it gave last."""
    while (request := await _read(kind, context)) is not None:
        given = [request]
        del request
        yield given.pop()


async def _read(kind: type[M], context: Context) -> M | None:
    """The next request of a stream; None when no more come."""
    data = await context.read()
    return await _parsed(kind, data, context) if isinstance(data, bytes) else None


async def _parsed(kind: type[M], data: bytes, context: Context) -> M:
    if len(data) > MAX_MESSAGE:
        await context.abort(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"grpc: received message larger than max ({len(data)} vs. {MAX_MESSAGE})",
        )
    try:
        return kind.FromString(data)
    except DecodeError as e:
        await context.abort(grpc.StatusCode.INTERNAL, f"grpc: error unmarshalling request: {e}")
        raise AssertionError("unreachable") from e
