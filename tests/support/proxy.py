"""A TCP proxy between a client and a server that delays, goes silent and breaks, by a plan or when told."""

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
    """Listens on `address` and passes everything on to `upstream`. A context manager.

    Without a plan it breaks nothing by itself; `rng` decides the delays of a plan. `rate` is how many bytes
    a second each connection passes.
    """

    def __init__(
        self,
        upstream: str,
        plan: Plan = Plan(),  # noqa: B008
        rng: random.Random | None = None,
        *,
        rate: float | None = None,
    ) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._plan = plan
        self._rate = rate
        self._rng = rng or random.Random(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        if rate:
            # What is slow is the link, and not the last of many buffers.
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.broke = False  # whether the plan has broken a connection
        self.frozen = False
        self.turned_away = 0  # connections that were ended at once
        self._lock = threading.Lock()
        self._plugged = True
        self._connections = 0
        self._open: set[socket.socket] = set()
        self._silenced: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Break every connection; from now on they are refused."""
        # A blocked accept is not woken by close alone.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection, and end each new one at once until `plug`."""
        with self._lock:
            self._plugged = False
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def plug(self) -> None:
        """Let new connections through again."""
        with self._lock:
            self._plugged = True

    def freeze(self) -> None:
        """Let nothing through the connections that are there, without an end; new ones work."""
        with self._lock:
            self.frozen = True
            self._silenced |= self._open

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connect(self._listener.accept()[0])

    def _connect(self, client: socket.socket) -> None:
        with self._lock:
            try:
                if not self._plugged:
                    raise ConnectionError
                server = socket.create_connection(self._upstream)
            except OSError:
                self.turned_away += 1
                client.close()
                return
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open |= {client, server}
        threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._pass_on(client, server)
        with self._lock:
            self._open -= {client, server}
            for end in (client, server):
                if self._plan.rudely:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        """Until one end closes, or the plan says so."""
        plan = self._plan
        passed = 0
        cut_at: float | None = None  # when the silence of the plan's hole ends
        first = True
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select(None if cut_at is None else max(0, cut_at - time.monotonic())):
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
                    if source in self._silenced or cut_at is not None:
                        continue
                    if plan.hole_after is not None and passed + len(data) > plan.hole_after:
                        self.broke = True
                        data, cut_at = data[: plan.hole_after - passed], time.monotonic() + plan.hole_for
                    if plan.cut_after is not None:
                        data = data[: plan.cut_after - passed]
                    if plan.delay:
                        time.sleep(self._rng.uniform(0, plan.delay))
                    if self._rate:
                        time.sleep(len(data) / self._rate)
                    key.data.sendall(data)
                    passed += len(data)
                    if plan.cut_after is not None and passed >= plan.cut_after:
                        self.broke = True
                        return
                if cut_at is not None and time.monotonic() >= cut_at:
                    return


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
