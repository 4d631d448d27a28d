"""A connection and the calls on it: address, TLS, token, deadlines, limits.

Deadlines are in seconds. Every unary call has one; a stream's answers are waited for with one each
(`Stream.answer`). No HTTP/2 keepalive is sent: server 2.4.0 closes connections that ping more often
than every five minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc

from kubemqctl.client.credentials import RENEWED, Credentials, Metadata
from kubemqctl.client.endpoint import Endpoint, Pause, reach
from kubemqctl.client.error_translation import PORT_HINT, TLS_HINT, translated
from kubemqctl.client.link_progress import bytes_moved
from kubemqctl.client.streams import Judge, Pending, Stream, there
from kubemqctl.client.timeouts import AnswerTimer, watch
from kubemqctl.model.errors import AuthError, NotReady, Stopped, Unreachable
from kubemqctl.model.limits import MAX_MESSAGE, SECOND
from kubemqctl.model.reports import Pong
from kubemqctl.wire import convert
from kubemqctl.wire import kubemq_pb2 as pb
from kubemqctl.wire.lenient_decoding import decoder

if TYPE_CHECKING:
    from kubemqctl.config.settings import Settings


# What a call may take beyond the waiting that was asked for: a busy server, a slow link.
CALL_TIMEOUT = 30.0
# Calls whose messages may be great are given up when nothing moves, not at a deadline; servers want one.
LONGEST_CALL = 24 * 3600.0
GREAT = 256 << 10
# What is sent may lie in buffers on the way, where nothing is seen of its progress: bytes a second.
SLOWEST_LINK = 100_000
_GREAT = ("ReceiveQueueMessages",)
# Server 2.4.0 refuses queue calls with 302 while it closes inner connections that were idle for a minute, and
# has done nothing then. Seconds between two tries:
NO_CONNECTION, INNER_PAUSES = "Error 302:", (0.1, 0.2, 0.4, 0.8)
_STEP = 0.05  # seconds between two looks at whether a signal came
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.enable_http_proxy", 0),
    # Channels share connections otherwise, and connecting anew would be given the dead one again.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_ANSWERS: dict[str, Any] = {
    "Ping": pb.PingResult,
    "SendQueueMessage": pb.SendQueueMessageResult,
    "SendQueueMessagesBatch": pb.QueueMessagesBatchResponse,
    "ReceiveQueueMessages": pb.ReceiveQueueMessagesResponse,
    "AckAllQueueMessages": pb.AckAllQueueMessagesResponse,
    "QueuesInfo": pb.QueuesInfoResponse,
    "QueuesDownstream": pb.QueuesDownstreamResponse,
    "StreamQueueMessage": pb.StreamQueueMessagesResponse,
    "SendEvent": pb.Result,
    "SendEventsStream": pb.Result,
    "SubscribeToEvents": pb.EventReceive,
    "SubscribeToRequests": pb.Request,
    "SendRequest": pb.Response,
    "SendResponse": pb.Empty,
}


class Client:
    """A connection to one server; a context manager. `warn` gets, from any thread, what to say of it.

    `pause` is called while it connects: it sleeps, or raises when a signal asks for the end.
    """

    def __init__(
        self,
        settings: Settings,
        warn: Callable[[str], None] = lambda text: None,
        pause: Pause = time.sleep,
        credentials: Credentials | None = None,
    ) -> None:
        self.client_id = settings.client_id
        self._warn = warn
        self._pause = pause
        self.mended = 0  # answers whose text was no UTF-8, and is not as it was sent
        self.settings = settings
        self.stopping: Callable[[], bool] | None = None
        """Whether the run is to end; then no answer is waited for as long as before. None: nobody tells."""
        self._credentials = credentials or Credentials(settings)
        self._calls: dict[str, Any] = {}
        self._open()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def call(self, method: str, request: Any, timeout: float = CALL_TIMEOUT) -> Any:
        """The answer to one unary call, within `timeout` seconds. Raises what the server refused it with."""
        try:
            return self._answer(method, request, timeout)
        except Unreachable as e:
            if e.code != RENEWED:
                raise
        return self._answer(method, request, timeout)

    def insist(self, ask: Callable[[], Any]) -> Any:
        """What `ask` returns, which is called again while the server has no inner connection for it.

        Nothing was done then. Raises what `ask` raises.
        """
        for pause in INNER_PAUSES:
            try:
                if not without_connection(answer := ask()):
                    return answer
            except NotReady as e:
                if NO_CONNECTION not in e.server_message:
                    raise
            time.sleep(pause)
        return ask()

    def _answer(self, method: str, request: Any, timeout: float) -> Any:
        if self.stopping is None and method not in _GREAT and request.ByteSize() < GREAT:
            sent = self.metadata()
            with self._translated(sent):
                answer = self._unary(method)(request, timeout=timeout, metadata=sent)
            return there(answer, self.address)
        return self.begin(method, request, timeout).result()

    @contextmanager
    def _translated(self, sent: Metadata) -> Iterator[None]:
        """As `translated`, for a call with these credentials."""
        try:
            with translated(self.address):
                yield
        except (AuthError, Unreachable) as e:
            raise self._judged(e, sent) from e

    def begin(self, method: str, request: Any, timeout: float = CALL_TIMEOUT) -> Pending:
        """The same call, begun, and given up only when nothing moves for `timeout` seconds, or by a stop."""
        sent = self.metadata()
        with translated(self.address):
            future = self._unary(method).future(request, timeout=LONGEST_CALL, metadata=sent)
        timer = self._timer(timeout + request.ByteSize() / SLOWEST_LINK, False)
        return Pending(future, self.address, timer, self.judge(sent))

    def _timer(self, timeout: float, insists: bool) -> AnswerTimer:
        return AnswerTimer(timeout, self._traffic, self.stopping or (lambda: False), insists)

    def start(
        self,
        method: str,
        request: Any,
        timeout: float = CALL_TIMEOUT,
        when_done: Callable[[], None] | None = None,
    ) -> Pending:
        """The same call, begun, with a hard deadline. `when_done` runs in some thread."""
        sent = self.metadata()
        with translated(self.address):
            future = self._unary(method).future(request, timeout=timeout, metadata=sent)
        if when_done:
            future.add_done_callback(lambda _: when_done())
        return Pending(future, self.address, judge=self.judge(sent))

    def metadata(self) -> Metadata:
        """What a call that is made now carries."""
        return self._credentials.metadata()

    def judge(self, sent: Metadata) -> Judge:
        """For the error of a call that carried `sent`: what to raise instead."""
        return partial(self._judged, sent=sent)

    def _judged(self, error: Exception, sent: Metadata) -> Exception:
        """As Credentials.judged; what gRPC says of a connection that fails is explained by a look at it."""
        if not isinstance(error, Unreachable) or error.hint not in (TLS_HINT, PORT_HINT):
            return self._credentials.judged(error, sent)
        if error.code == "no-answer":
            return error
        from kubemqctl.client.doctor.tls_probe import ProbeTarget, explain

        target = ProbeTarget(self.address, self.settings.connect_timeout, self._at)
        return explain(error, target, self.settings.tls)

    def listen(self, method: str, request: Any) -> tuple[Any, Judge]:
        """One request, many answers, each with the bytes that it took on the wire.

        It is gRPC's own call, whose errors are still to be translated, and then judged.
        """
        sent = self.metadata()
        decode = self._decoder(method)
        rpc = self._channel.unary_stream(
            f"/kubemq.kubemq/{method}",
            request_serializer=_serialize,
            response_deserializer=lambda data: (decode(data), len(data)),
        )
        with translated(self.address):
            return rpc(request, metadata=sent), self.judge(sent)

    def upload(
        self, method: str, requests: Iterator[Any], timeout: float, size: int = 0
    ) -> tuple[Any, Judge]:
        """Many requests, then their answers: gRPC's own call, as in `listen`.

        `timeout` is in seconds; where the requests have a great `size` (bytes) it counts from when bytes
        last moved.
        """
        rpc = self._channel.stream_stream(
            f"/kubemq.kubemq/{method}",
            request_serializer=_serialize,
            response_deserializer=self._decoder(method),
        )
        limit = timeout if size < GREAT else LONGEST_CALL
        sent = self.metadata()
        with translated(self.address):
            call = rpc(requests, timeout=limit, metadata=sent)
        if size >= GREAT:
            watch(call, self._timer(timeout + size / SLOWEST_LINK, False))
        return call, self.judge(sent)

    def stream(self, method: str, notify: Callable[[], None] = lambda: None) -> Stream[Any, Any]:
        """A stream of requests and answers; `notify` is called, in another thread, at every answer."""
        rpc = self._channel.stream_stream(
            f"/kubemq.kubemq/{method}",
            request_serializer=_serialize,
            response_deserializer=self._decoder(method),
        )
        sent = self.metadata()
        return Stream(
            lambda requests: rpc(requests, metadata=sent), self.address, notify, self._timer, self.judge(sent)
        )

    def reconnect(self) -> None:
        """Connect anew, to the first address that answers. Raises Unreachable, also when a signal came:

        what to do about that is the caller's to say, who may have messages to settle first.
        """
        self._channel.close()
        self._calls.clear()
        try:
            self._open()
        except Stopped as e:
            raise Unreachable(f"not connected again: {e.message}") from e

    def _open(self) -> None:
        settings = self.settings
        several = len(settings.addresses) > 1
        serves = {"serves": self._serves} if several else {}
        at = reach(settings.addresses, settings.connect_timeout, self._pause, **serves)
        self._at = at
        self.address = at.address
        self._traffic = partial(bytes_moved, self.address)
        self._channel = self._channel_to(at)

    def _serves(self, at: Endpoint, timeout: float) -> bool:
        """Whether gRPC can connect there: a server that hangs takes TCP connections all the same.

        Looked at only where another address could be used instead; one more connection is its price.
        """
        deadline = time.monotonic() + timeout
        with self._channel_to(at) as channel:
            ready = grpc.channel_ready_future(channel)
            try:
                while (left := deadline - time.monotonic()) > 0:
                    with suppress(grpc.FutureTimeoutError):
                        ready.result(min(_STEP, left))
                        return True
                    self._pause(0)
            finally:
                ready.cancel()
        return False

    def _channel_to(self, at: Endpoint) -> grpc.Channel:
        settings = self.settings
        # In grpc this is the time-out of a whole attempt to connect: TCP, TLS and HTTP/2 settings.
        attempt = ("grpc.min_reconnect_backoff_ms", _milliseconds(settings.connect_timeout))
        options: list[tuple[str, Any]] = [*_OPTIONS, attempt]
        if name := settings.tls.server_name:
            options.append(("grpc.ssl_target_name_override", name))
        else:
            # The name, for the certificate and for proxies: the target is a number.
            options.append(("grpc.default_authority", at.address))
        credentials = self._credentials.channel()
        if credentials is None:
            return grpc.insecure_channel(at.target, options)
        return grpc.secure_channel(at.target, credentials, options)

    def _unary(self, method: str) -> Any:
        if method not in self._calls:
            self._calls[method] = self._channel.unary_unary(
                f"/kubemq.kubemq/{method}",
                request_serializer=_serialize,
                response_deserializer=self._decoder(method),
            )
        return self._calls[method]

    def _decoder(self, method: str) -> Callable[[bytes], Any]:
        return decoder(_ANSWERS[method], self._mended)

    def _mended(self) -> None:
        self.mended += 1
        if self.mended == 1:
            self._warn("the server sent text that is not UTF-8: invalid bytes are shown as \\xHH")


def without_connection(answer: Any) -> bool:
    """Whether the server had no inner connection for what it answers, or for any message of it."""
    results = getattr(answer, "Results", None) or [answer]
    return all(getattr(result, "Error", "").startswith(NO_CONNECTION) for result in results)


def _milliseconds(seconds: float) -> int:
    """As grpc takes them: at least one, in 32 bits."""
    return min(max(1, int(seconds * 1000)), 2**31 - 1)


def _serialize(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def begin_ping(client: Client, patience: float, notify: Callable[[], None]) -> Pending:
    """Begin a ping; `notify` is called when it is answered, or after `patience` seconds."""
    return client.start("Ping", pb.Empty(), patience, notify)


PING_TIMEOUT = 5.0  # seconds


def ping(client: Client, timeout: float | None = None) -> Pong:
    """One round trip, in `timeout` seconds (PING_TIMEOUT) at most."""
    began = time.monotonic_ns()
    answer = client.call("Ping", pb.Empty(), PING_TIMEOUT if timeout is None else timeout)
    return convert.pong(answer, time.monotonic_ns() - began)


def server_time(client: Client, timeout: float | None = None) -> int:
    """The server's time in Unix nanoseconds, as far as a ping shows it: what its own times compare with."""
    return server_clock(ping(client, timeout), time.time_ns())


def server_clock(pong: Pong, local: int) -> int:
    """The server's time in Unix nanoseconds, when ours is `local`.

    A ping shows it to two seconds, cut off: within those ours is believed.
    """
    shown = (pong.started_at + pong.uptime) * SECOND
    return min(max(local, shown), shown + 2 * SECOND)


def reconnect(client: Client) -> None:
    """Connect anew, and see that the server answers. Raises as both do."""
    client.reconnect()
    ping(client)
