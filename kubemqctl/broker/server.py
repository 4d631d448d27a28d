"""Running a broker: listen, recover, serve until a signal, drain.

`serve` is the broker on a running event loop; `run` is a whole process's worth of it, signals included.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import grpc
import grpc.aio

from kubemqctl.broker import data, service_queues, service_stream
from kubemqctl.broker.core import Core
from kubemqctl.broker.journal import Journal, JournalError, NoJournal, SqliteJournal
from kubemqctl.broker.patterns import Patterns
from kubemqctl.broker.refusals import MAX_MESSAGE
from kubemqctl.broker.service import Service
from kubemqctl.broker.tls import Tls, credentials
from kubemqctl.model.errors import KubemqctlError, UsageError

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


class BrokerConfig(NamedTuple):
    """What a broker is started with; `data` None keeps nothing."""

    listen: str = "127.0.0.1:0"
    data: Path | None = None
    token: str = ""
    tls: Tls | None = None


class Ended(NamedTuple):
    """How a broker ended: by which signal, and what was left."""

    signum: int
    waiting: int
    queues: int


async def serve(config: BrokerConfig, ready: Callable[[str], None], stop: asyncio.Event) -> Core:
    """Serve until `stop` is set. `ready` is called with HOST:PORT once the broker answers.

    Raises UsageError, ConfigError or KubemqctlError when it cannot start.
    """
    if config.data is None:
        return await _recover_and_serve(NoJournal(), config, ready, stop)
    lock = data.claim(config.data)
    try:
        journal = SqliteJournal(config.data / data.DATABASE)
        return await _recover_and_serve(journal, config, ready, stop)
    except JournalError as e:
        raise KubemqctlError(f"the journal in {config.data} failed: {e}", code="damaged-data") from e
    finally:
        os.close(lock)


async def _recover_and_serve(
    journal: Journal, config: BrokerConfig, ready: Callable[[str], None], stop: asyncio.Event
) -> Core:
    core = Core(journal)
    try:
        core.recover()
        await _serve(core, config, ready, stop)
        return core
    finally:
        await core.close()


async def _serve(core: Core, config: BrokerConfig, ready: Callable[[str], None], stop: asyncio.Event) -> None:
    server = grpc.aio.server(options=_OPTIONS)
    patterns = Patterns(core)
    handlers = {
        **service_queues.queue_handlers(core),
        **service_stream.stream_handlers(core),
        **patterns.handlers(),
    }
    server.add_generic_rpc_handlers([Service(handlers, config.token)])
    address = _listen(server, config)
    await server.start()
    try:
        ready(address)
        await stop.wait()
    finally:
        patterns.end("the broker is shutting down")
        await server.stop(GRACE)
        await patterns.close()


def _listen(server: grpc.aio.Server, config: BrokerConfig) -> str:
    """Bind; returns HOST:PORT with the real port."""
    host, port = _split(config.listen)
    _try_port(host, port)
    target = config.listen
    try:
        if config.tls:
            bound = server.add_secure_port(target, credentials(config.tls))
        else:
            bound = server.add_insecure_port(target)
    except RuntimeError as e:
        raise _cannot_listen(config.listen, "the address cannot be bound") from e
    return f"{config.listen.rpartition(':')[0]}:{bound}"


def _split(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(
            f"{listen!r} is not HOST:PORT", hint="for instance 127.0.0.1:50000, [::1]:50000, or port 0"
        )
    return host.strip("[]"), int(port)


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
        raise _cannot_listen(f"{host}:{port}", e.strerror or str(e)) from e


def _cannot_listen(address: str, why: str) -> KubemqctlError:
    return KubemqctlError(
        f"cannot listen on {address}: {why}",
        hint="name another with --listen; port 0 takes a free one",
        code="cannot-listen",
    )


def run(config: BrokerConfig, ready: Callable[[str], None]) -> Ended:
    """A broker until SIGINT, SIGTERM or SIGHUP. A second signal ends the process at once."""
    return asyncio.run(_until_a_signal(config, ready))


async def _until_a_signal(config: BrokerConfig, ready: Callable[[str], None]) -> Ended:
    stop = asyncio.Event()
    caught: list[int] = []

    def catch(signum: int) -> None:
        if caught:
            os._exit(128 + signum)
        caught.append(signum)
        stop.set()

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            loop.add_signal_handler(signum, catch, signum)
    core = await serve(config, ready, stop)
    holding = [queue for queue in core.queues.values() if queue.waiting]
    return Ended(caught[0], sum(queue.waiting for queue in holding), len(holding))
