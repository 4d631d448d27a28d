"""A Python that has imported what the program is made of, and forks to become the program.

`python tests/support/fast_start_server.py FD PADDING`: see fast_start.py, which starts it and speaks to it
over FD. It imports our modules too, which takes half of what a start then costs. None does anything at its
import that depends on when or where that is (test_fast_start.py), and no two import each other
(test_architecture.py), so it makes no difference which came first. It ends with the socket FD, and kills
what it started.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import importlib.machinery
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import termios
import time
import traceback
from contextlib import suppress
from typing import Any, NamedTuple, TextIO

# Seconds for the rest of an order whose beginning is there.
PATIENCE = 10.0
LENGTH = 8
# What commands import of others. One that none needs any more costs a little time, and nothing else.
OTHERS = """
asyncio concurrent.futures csv dataclasses difflib encodings.idna fractions hashlib hmac importlib.metadata
ipaddress pickle queue random resource secrets sqlite3 ssl tempfile tty unicodedata uuid
email.parser encodings.utf_8_sig hdrh.histogram
typer.main typer._click.decorators typer._click._textwrap yaml rich.console rich.table rich.text
grpc grpc.aio grpc.experimental grpc._channel grpc._utilities
google.protobuf.internal.builder google.protobuf.text_format
"""
PROGRAM = "kubemqctl"
# Runs at its import, or is for pytest.
NOT_BEFORE = (f"{PROGRAM}.__main__", f"{PROGRAM}.testing.")


class Order(NamedTuple):
    """One start: the words behind `kubemqctl`, and what stdin, stdout and stderr are to be."""

    command: list[str]
    env: dict[str, str]
    cwd: str
    login: bool
    line: socket.socket
    streams: list[int]


class Child:
    """A process under way. It stays a zombie, its number its own, until the test knows of its end."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self.line = line
        self.end = os.pidfd_open(pid)

    def report(self) -> None:
        """Say how it ended, as subprocess has it: the exit code, or -n for signal n."""
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        with suppress(OSError):
            self.line.sendall(b"%d\n" % code)

    def bury(self) -> None:
        os.waitpid(self.pid, 0)
        self.forget()

    def forget(self) -> None:
        """Let go of what this process holds of it."""
        self.line.close()
        os.close(self.end)


class Server:
    """Takes orders until the socket ends; in a forked process `serve` returns its order."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._running: dict[int, Child] = {}
        self._known: dict[int, Child] = {}

    def serve(self) -> Order | None:
        """None once there will be no more orders."""
        while True:
            for fd, _ in self._poll.poll():
                if fd in self._running:
                    self._ended(self._running.pop(fd))
                elif fd in self._known:
                    self._told(self._known.pop(fd))
                elif fd == self._control.fileno():
                    order = take(self._control)
                    if order is None:
                        return None
                    if not self._start(order):
                        return order

    def _start(self, order: Order) -> int:
        pid = os.fork()
        if not pid:
            self._forget()
            return 0
        for stream in order.streams:
            os.close(stream)
        child = Child(pid, order.line)
        self._running[child.end] = child
        self._poll.register(child.end, select.POLLIN)
        return pid

    def _ended(self, child: Child) -> None:
        self._poll.unregister(child.end)
        child.report()
        self._known[child.line.fileno()] = child
        self._poll.register(child.line, select.POLLIN)

    def _told(self, child: Child) -> None:
        """The test has closed its end of the line: it will not ask for that process any more."""
        self._poll.unregister(child.line)
        child.bury()

    def _forget(self) -> None:
        for child in (*self._running.values(), *self._known.values()):
            child.forget()
        self._running.clear()
        self._control.close()

    def close(self) -> None:
        """Kill what runs, with all that it started in its group, and tell how it ended."""
        for child in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.report()


def take(control: socket.socket) -> Order | None:
    """The next order; None at the end. EOFError or TimeoutError for half an order."""
    length, fds, _, _ = socket.recv_fds(control, LENGTH, 4)
    if not length:
        return None
    line = socket.socket(fileno=fds[0])
    line.settimeout(PATIENCE)
    return Order(**json.loads(receive(line, int(length))), line=line, streams=fds[1:])


def receive(line: socket.socket, length: int) -> bytes:
    """Exactly so many bytes."""
    data = bytearray()
    while len(data) < length:
        chunk = line.recv(length - len(data))
        if not chunk:
            raise EOFError("half an order")
        data += chunk
    return bytes(data)


# ---- in the forked process ----


def become(order: Order) -> None:
    """Make of this process what exec would have made of it, and tell the test that it is one of its own."""
    try:
        os.setsid()
        for number, stream in enumerate(order.streams):
            os.dup2(stream, number)
        if order.login:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.chdir(order.cwd)
    except OSError as e:
        order.line.sendall(f"{e}\n".encode())
        os._exit(127)
    os.environ.clear()
    os.environ.update(order.env)
    time.tzset()
    rename(order.command)
    sys.orig_argv[:] = order.command
    sys.argv[:] = ["-m", *order.command[3:]]
    sys.path.insert(0, os.getcwd())
    forget_ours_beside_another()
    open_streams()
    order.line.sendall(b"%d\n" % os.getpid())
    order.line.close()
    os.closerange(3, 1 + max(int(fd) for fd in os.listdir("/proc/self/fd")))


def forget_ours_beside_another() -> None:
    """Where `python -m kubemqctl` finds another program first, it is that one."""
    found = importlib.machinery.PathFinder.find_spec(PROGRAM)
    if found is None or found.origin != sys.modules[PROGRAM].__file__:
        for name in [name for name in sys.modules if name.partition(".")[0] == PROGRAM]:
            del sys.modules[name]


def rename(command: list[str]) -> None:
    """Show the words in the process list, as far as this process's own command line has room for them."""
    with open("/proc/self/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    text = b"\0".join(map(os.fsencode, command))[: max(0, end - start - 1)]
    ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


def open_streams() -> None:
    """Make sys.stdin, stdout and stderr as the interpreter does at its start."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(fd, f"<{name}>", getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _stream(fd: int, name: str, before: TextIO) -> TextIO:
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    mode = "w" if fd else "r"
    file: Any = open(fd, f"{mode}b", 0 if at_once and fd else -1, closefd=False)  # noqa: SIM115
    getattr(file, "raw", file).name = name
    stream: Any = io.TextIOWrapper(
        file,
        before.encoding,
        before.errors,
        newline="\n",
        line_buffering=not at_once and (fd == 2 or file.isatty()),
        write_through=at_once,
    )
    stream.mode = mode
    return stream  # type: ignore[no-any-return]


# ---- before the first fork ----


def prepare() -> bool:
    """Import what commands need; False when that started threads, which a fork would lose."""
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    # As the program has it; it is read at import. What else it sets comes with its own environment.
    os.environ |= {"GRPC_ENABLE_FORK_SUPPORT": "0", "GRPC_VERBOSITY": "NONE"}
    import_others()
    import_ours()
    del os.environ["GRPC_ENABLE_FORK_SUPPORT"], os.environ["GRPC_VERBOSITY"]
    gc.collect()
    gc.freeze()
    return len(os.listdir("/proc/self/task")) == 1


def import_others() -> None:
    for name in OTHERS.split():
        importlib.import_module(name)


def import_ours() -> None:
    program = importlib.import_module(PROGRAM)
    for module in pkgutil.walk_packages(program.__path__, f"{PROGRAM}."):
        if not module.name.startswith(NOT_BEFORE):
            importlib.import_module(module.name)


def main(control: socket.socket) -> Order | None:
    """Serve; returns an order in a forked process that has become the program but for running it."""
    server = Server(control)
    try:
        control.sendall(b"ready\n" if prepare() else b"threads\n")
        order = server.serve()
    except BaseException:
        with suppress(OSError):
            control.sendall(traceback.format_exc().encode())
        server.close()
        raise
    if order:
        become(order)
    else:
        server.close()
    return order


if __name__ == "__main__" and main(socket.socket(fileno=int(sys.argv[1]))):
    runpy.run_module("kubemqctl", run_name="__main__", alter_sys=True)
