"""The broker as a process: recovery, the gRPC server with or without TLS, and its end."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grpc
import grpc.aio

from kubemqctl.broker.cutting import Cutting
from kubemqctl.broker.events.event_store import KIND, Events, Store
from kubemqctl.broker.queues.state import BrokerState
from kubemqctl.broker.requests import Requests
from kubemqctl.broker.service import events, queues
from kubemqctl.broker.service.channel_requests import Channels
from kubemqctl.broker.service.dispatch import Service
from kubemqctl.broker.storage import data_directory
from kubemqctl.broker.storage.event_log import EventLog, Storage, in_memory, on_disk
from kubemqctl.broker.storage.journal import JournalError
from kubemqctl.broker.tls import ServerTls, credentials
from kubemqctl.config.profiles import parse_address
from kubemqctl.model.errors import KubemqctlError, UsageError
from kubemqctl.model.limits import MAX_MESSAGE, SAME_SIGNAL
from kubemqctl.model.text import reason

if TYPE_CHECKING:
    from kubemqctl.broker.faults import Faults
    from kubemqctl.broker.service.dispatch import Handlers


class Patterns:
    """Made when `state` has recovered; `end`, then `close` when nobody calls any more."""

    def __init__(self, state: BrokerState, log: EventLog) -> None:
        self._state = state
        self.events = Events(state.clock)
        self.store = Store(log, state.clock, state.new_number, community=state.community)
        self.requests = Requests(state.clock, cached=not state.community)
        self.channels = Channels(state, self.events, self.store, self.requests)
        for key in [key for key in state.names if key[0] == KIND]:
            self.store.recover(state.names.pop(key))

    def handlers(self) -> Handlers:
        """The method table of all of them."""
        return {
            **events.event_handlers(
                self.events,
                self.store,
                self._state.redelivers,
                community=self._state.community,
            ),
            **events.request_handlers(self.requests, self.channels, community=self._state.community),
        }

    def end(self, reason: str) -> None:
        """Send everybody away who listens or waits for an answer."""
        self.events.listeners.end(reason)
        self.store.end(reason)
        self.requests.end(reason)

    async def close(self) -> None:
        """Bring to the journal what is on its way there."""
        await self.store.close()


GRACE = 0.5  # seconds: for calls under way when the broker is told to stop
# Above the limit, so that it is ours to refuse with the real server's text; far above, gRPC does.
_RECEIVE_LIMIT = MAX_MESSAGE + 32 * 1024 * 1024
_OPTIONS = [
    # Otherwise a second broker takes the same port in silence.
    ("grpc.so_reuseport", 0),
    # The real server takes no compressed request either.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.max_receive_message_length", _RECEIVE_LIMIT),
    ("grpc.max_send_message_length", -1),
    # With gRPC's own limit of 1,000, a burst of 2,000 calls had 90 to 180 of them CANCELLED at random.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
]


# SDKs ping every 5 or 10 s by default, also while nothing is under way. A little less than 5 s, since pings
# arrive unevenly.
_PINGS_TAKEN = [
    ("grpc.http2.min_ping_interval_without_data_ms", 4_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 4_000),
    ("grpc.keepalive_permit_without_calls", 1),
]
# The community server ends connections for that after some 100 s.
_PINGS_REFUSED = [("grpc.http2.min_recv_ping_interval_without_data_ms", 300_000)]


class BrokerConfig(NamedTuple):
    """What a broker is started with; `data` None keeps nothing.

    `community`: answer as the community server 2.4 does where ours differs on purpose.
    """

    listen: str = "127.0.0.1:0"
    data: Path | None = None
    token: str = ""
    tls: ServerTls | None = None
    community: bool = False
    faults: Faults | None = None


class BrokerEnded(NamedTuple):
    """How a broker ended: by which signal, and what was left."""

    signum: int
    waiting: int
    queues: int


async def serve(config: BrokerConfig, ready: Callable[[str], None], stop: asyncio.Event) -> BrokerState:
    """Serve until `stop` is set. `ready` is called with HOST:PORT once the broker answers.

    Raises UsageError, ConfigError or KubemqctlError when it cannot start.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    if config.data is None:
        return await _recover_and_serve(in_memory(), config, ready, stop)
    with data_directory.claim(config.data):
        try:
            storage = on_disk(config.data / data_directory.DATABASE)
            return await _recover_and_serve(storage, config, ready, stop)
        except JournalError as e:
            raise KubemqctlError(f"the journal in {config.data} failed: {e}", code="damaged-data") from e


async def _recover_and_serve(
    storage: Storage, config: BrokerConfig, ready: Callable[[str], None], stop: asyncio.Event
) -> BrokerState:
    state = BrokerState(storage.journal, community=config.community)
    try:
        state.recover()
        await _serve(state, storage.events, config, ready, stop)
        return state
    finally:
        await state.close()


async def _serve(
    state: BrokerState,
    log: EventLog,
    config: BrokerConfig,
    ready: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    pings = _PINGS_REFUSED if config.community else _PINGS_TAKEN
    server = grpc.aio.server(options=[*_OPTIONS, *pings])
    if config.faults is not None:
        state.redelivers = config.faults.redelivers
    patterns = Patterns(state, log)
    handlers = {
        **queues.queue_handlers(state),
        **queues.stream_handlers(state),
        **patterns.handlers(),
    }
    token = "" if config.community else config.token
    server.add_generic_rpc_handlers([Service(handlers, token, config.faults)])
    cutting = _cutting(config.faults)
    try:
        address = await _listen(server, config, cutting)
        await server.start()
        ready(address)
        await stop.wait()
    finally:
        patterns.end("the broker is shutting down")
        await server.stop(GRACE)
        if cutting is not None:
            cutting.close()
        await patterns.close()


def _cutting(faults: Faults | None) -> Cutting | None:
    """What connections go through, when they are to be cut."""
    if faults is None or not faults.cuts:
        return None
    cutting = Cutting(faults.connection_lives, faults.connection_cut)
    faults.cut = cutting.cut
    return cutting


async def _listen(server: grpc.aio.Server, config: BrokerConfig, cutting: Cutting | None) -> str:
    """Bind; returns HOST:PORT with the real port."""
    host, port = _split(config.listen)
    _try_port(host, port)
    if cutting is None:
        bound = _bind(server, config, config.listen)
    else:
        bound = await cutting.listen(host, port, _bind(server, config, "127.0.0.1:0"))
    return f"{config.listen.rpartition(':')[0]}:{bound}"


def _bind(server: grpc.aio.Server, config: BrokerConfig, target: str) -> int:
    try:
        if config.tls:
            return server.add_secure_port(target, credentials(config.tls, ask_clients=not config.community))
        return server.add_insecure_port(target)
    except RuntimeError as e:
        raise _cannot_listen(config.listen, "the address cannot be bound") from e


def _split(listen: str) -> tuple[str, int]:
    port = listen.removeprefix(":")
    if port.isascii() and port.isdecimal():
        hint = f"write 127.0.0.1:{port} for this machine, 0.0.0.0:{port} for all that reach it"
        raise UsageError(f"--listen: {listen} is not HOST:PORT", hint=hint)
    host, _, port = parse_address(listen, "--listen", least=0).rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(listen: str) -> bool:
    """Whether only this machine can connect to that HOST:PORT."""
    host = listen.rpartition(":")[0].strip("[]")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True  # no address, so nobody can; `serve` refuses it
    return all(ipaddress.ip_address(address[4][0]).is_loopback for address in found)


def _try_port(host: str, port: int) -> None:
    """Bind and let go: gRPC would not tell why it cannot."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as e:
        raise _cannot_listen(f"{host}:{port}", reason(e)) from e


def _cannot_listen(address: str, why: str) -> KubemqctlError:
    return KubemqctlError(
        f"cannot listen on {address}: {why}",
        hint="name another with --listen; port 0 takes a free one",
        code="cannot-listen",
    )


def run(config: BrokerConfig, ready: Callable[[str], None]) -> BrokerEnded:
    """A broker until SIGINT, SIGTERM or SIGHUP. A second signal ends the process at once.

    That is another one, or the same one later than SAME_SIGNAL.
    """
    return asyncio.run(_until_a_signal(config, ready))


async def _until_a_signal(config: BrokerConfig, ready: Callable[[str], None]) -> BrokerEnded:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    caught: list[tuple[int, float]] = []

    def catch(signum: int) -> None:
        now = loop.time()
        if not caught:
            caught.append((signum, now))
            stop.set()
        elif signum != caught[0][0] or now - caught[0][1] >= SAME_SIGNAL:
            os._exit(128 + signum)

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            loop.add_signal_handler(signum, catch, signum)
    state = await serve(config, ready, stop)
    holding = [queue for queue in state.queues.values() if queue.waiting]
    return BrokerEnded(caught[0][0], sum(queue.waiting for queue in holding), len(holding))
