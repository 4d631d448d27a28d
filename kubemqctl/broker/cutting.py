"""Connections that can be cut: the broker listens here, and gRPC behind it, when faults ask for it.

gRPC cannot end one client's connection. Bytes are passed on as they are, so TLS needs nothing here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

_PIECE = 65_536


class Cutting:
    """`lives` gives the seconds that the next connection has, or None; `over` is told when they are over."""

    def __init__(self, lives: Callable[[], float | None], over: Callable[[], None]) -> None:
        self._lives = lives
        self._over = over
        self._inner = 0
        self._server: asyncio.Server | None = None
        # By the address by which gRPC knows the client: ours.
        self._pairs: dict[str, tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int, inner: int) -> int:
        """Pass on what comes to HOST:PORT to port `inner` of this machine; returns the real port."""
        self._inner = inner
        # One address of a name that has several: with port 0 each would get a port of its own.
        flags = socket.AI_PASSIVE
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)[0][4]
        self._server = await asyncio.start_server(self._serve, str(address[0]), port)
        real: int = self._server.sockets[0].getsockname()[1]
        return real

    def cut(self, peer: str) -> None:
        """End the connection of a client, at once and without a word."""
        for writer in self._pairs.pop(peer, ()):
            writer.transport.abort()

    def close(self) -> None:
        """Listen no more, and cut everybody off."""
        if self._server is not None:
            self._server.close()
        for peer in list(self._pairs):
            self.cut(peer)
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._inner)
        except OSError:
            writer.transport.abort()
            return
        host, port = inner_writer.get_extra_info("sockname")[:2]
        peer = f"ipv4:{host}:{port}"
        self._pairs[peer] = (writer, inner_writer)
        lives = self._lives()
        timer = None if lives is None else asyncio.get_running_loop().call_later(lives, self._end, peer)
        tasks = [
            asyncio.ensure_future(_pass_on(reader, inner_writer)),
            asyncio.ensure_future(_pass_on(inner_reader, writer)),
        ]
        self._tasks.update(tasks)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if timer is not None:
                timer.cancel()
            self.cut(peer)
            for task in tasks:
                task.cancel()
            self._tasks.difference_update(tasks)

    def _end(self, peer: str) -> None:
        self._over()
        self.cut(peer)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
        await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()
