"""Faults on purpose, so that clients can be tested with them: `--fault SPEC`, seeded and counted.

Chance is drawn per method, from generators of their own: what one method draws does not depend on how its
calls mix with those of others. A fault strikes a call when it begins, or each request of a stream both ways.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc

from kubemqctl.model.errors import UsageError
from kubemqctl.model.text import quoted
from kubemqctl.model.values import parse_duration
from kubemqctl.wire import kubemq_pb2 as pb

if TYPE_CHECKING:
    import grpc.aio

    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]

METHODS = tuple(pb.DESCRIPTOR.services_by_name["kubemq"].methods_by_name)
SUBSCRIPTIONS = frozenset({"SubscribeToEvents", "SubscribeToRequests"})
STREAMS = frozenset({"SendEventsStream", "StreamQueueMessage", "QueuesDownstream", "QueuesUpstream"})
REDELIVERING = ("QueuesDownstream", "StreamQueueMessage", "ReceiveQueueMessages", "SubscribeToEvents")
_FORMS = "latency=50ms..200ms, error=1%:UNAVAILABLE, cut=2%, cut=30s, lose-answer=1%, redeliver=1%"
_CODES = {code.name: code for code in grpc.StatusCode if code is not grpc.StatusCode.OK}
_LET_GO = 5.0  # seconds for a connection that was cut to take its calls along


class Fault(NamedTuple):
    """One SPEC. `method` "" is every method.

    `kind` is as it is written, but "cut-later" for a cut by time; that and latency have `seconds`, a range,
    and the others a `chance`.
    """

    text: str
    kind: str
    method: str = ""
    chance: float = 1.0
    seconds: tuple[float, float] = (0.0, 0.0)
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE


def parse(text: str) -> Fault:
    """Read a SPEC. Raises UsageError."""
    spec, at, method = text.partition("@")
    kind, equals, value = spec.partition("=")
    if not equals or kind not in ("latency", "error", "cut", "lose-answer", "redeliver"):
        raise UsageError(f"--fault {quoted(text)} is not a fault", hint=f"for instance {_FORMS}")
    fault = Fault(text, kind, method)
    if at:
        _check_method(fault)
    if kind == "latency":
        low, dots, high = value.partition("..")
        seconds = (_duration(low, text), _duration(high if dots else low, text))
        if seconds[0] > seconds[1]:
            raise UsageError(f"--fault {quoted(text)}: the range begins above its end")
        return fault._replace(seconds=seconds)
    if kind == "cut" and not value.endswith("%"):
        return fault._replace(kind="cut-later", seconds=(_duration(value, text),) * 2)
    chance, colon, code = value.partition(":")
    if colon and (kind != "error" or code not in _CODES):
        names = ", ".join(_CODES) if kind == "error" else "only error has a status"
        raise UsageError(f"--fault {quoted(text)}: {quoted(code)} is not a gRPC status here", hint=names)
    return fault._replace(chance=_chance(chance, text), code=_CODES[code or "UNAVAILABLE"])


def _check_method(fault: Fault) -> None:
    fitting = METHODS
    if fault.kind == "redeliver":
        fitting = REDELIVERING
    elif fault.kind == "lose-answer":
        fitting = tuple(method for method in METHODS if method not in SUBSCRIPTIONS)
    if fault.method not in fitting:
        name = quoted(fault.method)
        is_known = fault.method in METHODS
        why = (
            f"{fault.kind} does not apply to {name}" if is_known else f"{name} is not a method of the broker"
        )
        raise UsageError(f"--fault {quoted(fault.text)}: {why}", hint=f"one of {', '.join(fitting)}")


def _duration(value: str, text: str) -> float:
    try:
        return parse_duration(value)
    except UsageError as e:
        raise UsageError(f"--fault {quoted(text)}: {e.message}", hint=e.hint) from e


def _chance(value: str, text: str) -> float:
    number = value.removesuffix("%")
    if number != value and number.isascii() and number.replace(".", "", 1).isdigit():
        percent = float(number)
        if percent <= 100:
            return percent / 100
    raise UsageError(
        f"--fault {quoted(text)}: {quoted(value)} is not a chance",
        hint="a chance is 0.5% or 2%, 100% at most",
    )


class Faults:
    """Those of one broker. `cut` ends the connection of a client by the address that gRPC gives of it."""

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self.seed = seed
        self._faults = tuple(faults)
        self._chances: dict[tuple[int, str], random.Random] = {}
        self._asked: Counter[int] = Counter()
        self._struck: Counter[int] = Counter()
        self.cut: Callable[[str], None] = lambda peer: None

    @property
    def cuts(self) -> bool:
        """Whether connections are to be cut."""
        return any(fault.kind in ("cut", "cut-later") for fault in self._faults)

    def connection_lives(self) -> float | None:
        """Seconds after which the next connection is to be cut, whatever is called on it."""
        cuts = self._connection_cuts()
        for _, n in cuts:
            self._asked[n] += 1
        return min(cuts)[0] if cuts else None

    def connection_cut(self) -> None:
        """A connection was cut because its time was over: it was the shortest that struck."""
        self._struck[min(self._connection_cuts())[1]] += 1

    def _connection_cuts(self) -> list[tuple[float, int]]:
        """The seconds and numbers of the faults that cut each connection after some time."""
        return [
            (f.seconds[0], n) for n, f in enumerate(self._faults) if f.kind == "cut-later" and not f.method
        ]

    def summary(self) -> list[str]:
        """How often each struck, of how many times that it could have; and how to repeat it."""
        counted = [
            f"fault {fault.text}: {self._struck[n]} of {self._asked[n]}"
            for n, fault in enumerate(self._faults)
        ]
        return [*counted, f"to repeat them: --fault-seed {self.seed}"] if counted else []

    def strikes(self, kind: str, method: str) -> Fault | None:
        """The fault of that kind that strikes `method` now."""
        struck = None
        for n, fault in enumerate(self._faults):
            if fault.kind != kind or fault.method not in ("", method):
                continue
            self._asked[n] += 1
            if self._chance(n, method).random() < fault.chance:
                self._struck[n] += 1
                struck = struck or fault
        return struck

    def _chance(self, n: int, method: str) -> random.Random:
        if (n, method) not in self._chances:
            self._chances[n, method] = random.Random(f"{self.seed} {self._faults[n].text} {method}")
        return self._chances[n, method]

    def redelivers(self, method: str) -> bool:
        """Whether a message that `method` is done with is to come again."""
        return self.strikes("redeliver", method) is not None

    async def before(self, method: str, context: Context) -> None:
        """What happens to a call, or to a request of a stream, before it is carried out."""
        await self._wait(method)
        if fault := self.strikes("error", method):
            await context.abort(fault.code, f"the broker was told to fail: --fault {fault.text}")
        if self.strikes("cut", method):
            await self._cut(context)

    async def _wait(self, method: str) -> None:
        for n, fault in enumerate(self._faults):
            if fault.kind == "latency" and fault.method in ("", method):
                self._asked[n] += 1
                self._struck[n] += 1
                await asyncio.sleep(self._chance(n, method).uniform(*fault.seconds))

    async def _cut(self, context: Context) -> None:
        self.cut(context.peer())
        await asyncio.sleep(_LET_GO)  # the call is cancelled by then
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection was cut")

    async def answers(self, method: str, context: Context) -> None:
        """What happens to an answer, when what was asked is done."""
        if fault := self.strikes("lose-answer", method):
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"the answer is lost: --fault {fault.text}")

    def cut_later(self, method: str, context: Context) -> Sequence[asyncio.TimerHandle]:
        """Cuts by time of the connection of a call that begins now; to be cancelled with it."""
        loop = asyncio.get_running_loop()

        def cut(n: int, peer: str) -> None:
            self._struck[n] += 1
            self.cut(peer)

        timers = []
        for n, fault in enumerate(self._faults):
            if fault.kind == "cut-later" and fault.method == method:
                self._asked[n] += 1
                timers.append(loop.call_later(fault.seconds[0], cut, n, context.peer()))
        return timers

    def wrapped(self, method: str, handler: Handler) -> Handler:
        """`handler` of `method` with the faults."""
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, handler.unary_unary))
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._subscription(method, handler.unary_stream))
        return grpc.stream_stream_rpc_method_handler(self._stream(method, handler.stream_stream))

    def _unary(self, method: str, work: Any) -> Any:
        async def call(data: bytes, context: Context) -> bytes:
            timers = self.cut_later(method, context)
            try:
                await self.before(method, context)
                answer: bytes = await work(data, context)
                await self.answers(method, context)
                return answer
            finally:
                _cancel(timers)

        return call

    def _subscription(self, method: str, work: Any) -> Any:
        async def call(data: bytes, context: Context) -> None:
            timers = self.cut_later(method, context)
            try:
                await self.before(method, context)
                await work(data, context)
            finally:
                _cancel(timers)

        return call

    def _stream(self, method: str, work: Any) -> Any:
        async def call(requests: AsyncIterator[bytes], context: Context) -> None:
            timers = self.cut_later(method, context)
            try:
                if method not in STREAMS:  # they have one answer
                    await self.before(method, context)
                await work(requests, _Answering(context, self, method))
            finally:
                _cancel(timers)

        return call


def _cancel(timers: Iterable[asyncio.TimerHandle]) -> None:
    for timer in timers:
        timer.cancel()


class _Answering:
    """A call's context: faults strike what is read of a stream, and its answers."""

    def __init__(self, context: Context, faults: Faults, method: str) -> None:
        self._context = context
        self._faults = faults
        self._method = method

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def read(self) -> object:
        request = await self._context.read()
        if self._method in STREAMS and isinstance(request, bytes):
            await self._faults.before(self._method, self._context)
        return request

    async def write(self, answer: bytes) -> None:
        await self._faults.answers(self._method, self._context)
        await self._context.write(answer)
