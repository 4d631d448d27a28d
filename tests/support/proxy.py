"""A network that breaks on purpose: a TCP proxy that delays, goes silent, and cuts, by a plan."""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import struct
import threading
import time
from typing import NamedTuple


class Plan(NamedTuple):
    """What happens on the first connection; later ones only have the delay. Bytes are of both directions.

    From `hole_after` on nothing gets through any more, and `hole_for` seconds later the connection is cut.
    """

    cut_after: int | None = None
    hole_after: int | None = None
    hole_for: float = 0.2
    delay: float = 0.0  # at most so many seconds a piece
    rudely: bool = False  # with a reset instead of an end

    @property
    def breaks(self) -> bool:
        return self.cut_after is not None or self.hole_after is not None


class Proxy:
    """Listens on `address` and passes everything on to `upstream`. A context manager."""

    def __init__(self, upstream: str, plan: Plan, rng: random.Random) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._plan = plan
        self._rng = rng
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.broke = False
        self.silent = False  # from then on nothing gets through, and nobody is told
        self._connections = 0
        self._closed = False
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
            except OSError:
                return
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open |= {client, server}
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        try:
            self._pass_on(client, server)
        except OSError:
            pass
        finally:
            for end in (client, server):
                self._open.discard(end)
                if self._plan.rudely:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        """Until one end closes, or the plan says so."""
        plan = self._plan
        passed = 0
        silent_since: float | None = None
        first = True
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select(0.02):
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    data = source.recv(16384)
                    if not data:
                        return
                    if first:
                        # A probe connects and says nothing; the connection that counts is one that speaks.
                        first, self._connections = False, self._connections + 1
                        if self._connections > 1:
                            plan = Plan(delay=plan.delay)
                    if self.silent or silent_since is not None:
                        continue
                    data, silent_since = self._cut_off(plan, passed, data)
                    self._wait(plan)
                    key.data.sendall(data)
                    passed += len(data)
                    if plan.cut_after is not None and passed >= plan.cut_after:
                        self.broke = True
                        return
                if silent_since is not None and time.monotonic() > silent_since + plan.hole_for:
                    return

    def _cut_off(self, plan: Plan, passed: int, data: bytes) -> tuple[bytes, float | None]:
        """As much of `data` as gets through, and since when nothing does any more."""
        if plan.hole_after is not None and passed + len(data) > plan.hole_after:
            self.broke = True
            return data[: plan.hole_after - passed], time.monotonic()
        if plan.cut_after is not None:
            return data[: plan.cut_after - passed], None
        return data, None

    def _wait(self, plan: Plan) -> None:
        if plan.delay:
            time.sleep(self._rng.uniform(0, plan.delay))


def some_plan(rng: random.Random, most: int) -> Plan:
    """A plan for a conversation of up to about `most` bytes; two of seven break nothing."""
    at = int(2 ** rng.uniform(6, max(7, most.bit_length())))
    delay = rng.choice([0.0, 0.0, 0.003])
    return rng.choice(
        [
            Plan(delay=delay),
            Plan(delay=0.005),
            Plan(cut_after=at, delay=delay),
            Plan(cut_after=at, delay=delay, rudely=True),
            Plan(cut_after=at, rudely=True),
            Plan(hole_after=at, hole_for=rng.uniform(0.01, 0.2)),
            Plan(hole_after=at, hole_for=rng.uniform(0.01, 0.2), rudely=True),
        ]
    )
