"""A cable between a program and a server that a test can cut, and plug in again."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class Cable:
    """Listens at `address` and hands all bytes on to `target`, both ways."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._ends: list[socket.socket] = []
        self._plugged = True
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Cable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A blocked accept is not woken by close alone.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection, and let none through until `plug`."""
        with self._lock:
            self._plugged = False
            ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def plug(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._plugged = True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connect(self._listener.accept()[0])

    def _connect(self, here: socket.socket) -> None:
        with self._lock:
            if not self._plugged:
                here.close()
                return
            there = socket.create_connection(self._target)
            self._ends += [here, there]
        for source, stdout in ((here, there), (there, here)):
            threading.Thread(target=_hand_on, args=(source, stdout), daemon=True).start()


def _hand_on(source: socket.socket, stdout: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            stdout.sendall(data)
    with contextlib.suppress(OSError):
        stdout.shutdown(socket.SHUT_WR)
