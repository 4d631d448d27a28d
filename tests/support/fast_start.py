"""Starts of the program that skip its imports, which are most of what a start costs.

The processes are real: `kubemqctl` in a session of its own, with a command line, streams, signals and an
exit code. But they are forked from tests/support/fast_start_server.py, which has typer, grpc and the like
imported, and all modules of ours. Where that would not be the same as a fresh interpreter, and with
KUBEMQ_TEST_FRESH=1, they are not.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from tests.support import fast_start_server

Argument = str | bytes | Path
Stream = int | IO[bytes]

# Read before the fixtures clear every KUBEMQ_* variable.
FRESH = os.environ.get("KUBEMQ_TEST_FRESH", "") not in ("", "0")
PROGRAM = (sys.executable, "-m", "kubemqctl")
# Seconds; the server takes half a one to start, a program a few thousandths.
PATIENCE = 60.0
# What an interpreter and the modules of others read at their start, and never again.
AT_START = (
    "PYTHON",
    "LANG",
    "LC_",
    "LD_",
    "TZ",
    "GRPC_",
    "PROTOCOL_BUFFERS_",
    "OPENSSL_",
    "TYPER_",
    "_TYPER_",
)
# What our client sets for grpc in this process, in tests that use it here, is not the program's to inherit.
GRPC = ("GRPC_VERBOSITY", "GRPC_ENABLE_FORK_SUPPORT")
# Room in the server's command line, where its children show theirs.
PADDING = " " * 2000
# Bytes: what the kernel takes as one word is a little more; beyond, exec says so.
LONGEST = 100_000
# Makes the terminal on stdin the controlling one of a new session, as a login does, and becomes the program.
_LOGIN = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Process(Protocol):
    """What tests use of subprocess.Popen."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None
    pid: int

    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


def launch(
    command: Sequence[Argument],
    env: Mapping[str, str],
    cwd: Path,
    *,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.PIPE,
    stderr: Stream = subprocess.PIPE,
    login: bool = False,
) -> Process:
    """Start `command` in a session of its own; warm when that makes no difference.

    With `login` the terminal on stdin becomes the controlling one of the session.
    """
    words = [os.fsdecode(word) for word in command]
    if _is_usual(words) and (server := _server()) and server.around == around(env):
        return server.start(words, env, cwd, (stdin, stdout, stderr), login)
    return subprocess.Popen(
        [sys.executable, "-c", _LOGIN, *command] if login else command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
    )


def _is_usual(words: list[str]) -> bool:
    # What exec refuses is for exec to refuse.
    exotic = any("\0" in word or len(os.fsencode(word)) > LONGEST for word in words)
    return tuple(words[:3]) == PROGRAM and not exotic


class Around(NamedTuple):
    """What a process has from its start on; a fork of a server that had the same does not differ."""

    environment: dict[str, str]
    ignored: list[int]
    blocked: set[int]
    umask: str
    limits: list[tuple[int, int]]


def around(env: Mapping[str, str]) -> Around:
    """What a process that is started now with `env` would have."""
    return Around(
        {name: value for name, value in env.items() if name.startswith(AT_START)},
        [n for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN],
        set(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        next(line for line in Path("/proc/self/status").read_text().splitlines() if "Umask" in line),
        [resource.getrlimit(value) for name, value in vars(resource).items() if name.startswith("RLIMIT_")],
    )


class Warm:
    """A program under way, forked by the server: a stand-in for subprocess.Popen."""

    def __init__(self, pid: int, line: socket.socket, ours: Sequence[IO[bytes] | None]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin, self.stdout, self.stderr = ours
        self._line = line
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Its exit code, -n for signal n; None while it runs."""
        with self._lock:
            if self.returncode is None and _readable(self._line.fileno(), 0):
                said = _next_word(self._line)
                self._line.close()
                assert said, f"the fork server died before its process {self.pid}"
                self.returncode = int(said)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """As poll, once it has ended; subprocess.TimeoutExpired after `timeout` seconds, or a minute."""
        timeout = PATIENCE if timeout is None else timeout
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired([*PROGRAM, f"(process {self.pid})"], timeout)
            # In rounds: another thread may be the one that reads it.
            _readable(self._line.fileno(), min(left, 0.1))
        return code

    def send_signal(self, sig: int) -> None:
        """Send it, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _next_word(line: socket.socket) -> str:
    """What was said up to the end of a line, and no more: a short run is over before its number is read."""
    said = b""
    while not said.endswith(b"\n"):
        byte = line.recv(1)
        if not byte:
            break
        said += byte
    return said.decode().rstrip("\n")


def _readable(fd: int, timeout: float) -> bool:
    poll = select.poll()
    if fd >= 0:
        poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


class Server:
    """The fork server of this process. `around` is what its children have from it; None: it cannot fork."""

    def __init__(self) -> None:
        env = _environment()
        self.around: Around | None = around(env)
        self._control, there = socket.socketpair()
        self._control.settimeout(PATIENCE)
        with there:
            self._process = subprocess.Popen(
                [sys.executable, fast_start_server.__file__, str(there.fileno()), PADDING],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=env,
                pass_fds=[there.fileno()],
                start_new_session=True,
            )
        atexit.register(self.close)
        said = self._control.recv(65536).decode()
        assert said in ("ready\n", "threads\n"), f"the fork server did not start\n{said}"
        if said == "threads\n":
            self.around = None

    def start(
        self, command: list[str], env: Mapping[str, str], cwd: Path, streams: Iterable[Stream], login: bool
    ) -> Warm:
        """Fork, become `command`. OSError where a process could not be started."""
        order = {"command": command, "env": dict(env), "cwd": str(cwd), "login": login}
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            ends = [_ends(stream, number, theirs) for number, stream in enumerate(streams)]
            pipes = [ours.enter_context(end) if end else None for _, end in ends]
            line, there = socket.socketpair()
            ours.enter_context(line)
            theirs.enter_context(there)
            pid = self._send(json.dumps(order).encode(), line, [there.fileno(), *(fd for fd, _ in ends)])
            ours.pop_all()
            return Warm(pid, line, pipes)

    def _send(self, order: bytes, line: socket.socket, fds: list[int]) -> int:
        line.settimeout(PATIENCE)
        socket.send_fds(self._control, [b"%*d" % (fast_start_server.LENGTH, len(order))], fds)
        line.sendall(order)
        said = _next_word(line)
        assert said, f"the fork server died\n{self._last_words()}"
        if not said.isdigit():
            raise OSError(said)
        return int(said)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return self._control.recv(65536).decode()
        return ""

    def close(self) -> None:
        """End it, and all that it started."""
        self._control.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _environment() -> dict[str, str]:
    """What a program has without changes made for a test; its own comes with each order."""
    now = {name: value for name, value in os.environ.items() if not name.startswith(AT_START)}
    return {**now, **_AT_START}


_AT_START = {name: os.environ[name] for name in os.environ if name.startswith(AT_START) and name not in GRPC}
_starting = threading.Lock()
_servers: list[Server] = []


def is_possible() -> bool:
    """Whether this system tells how a process ended by a descriptor, as Linux has done since 5.3."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def _server() -> Server | None:
    """This process's fork server; None where there is none."""
    if FRESH or not is_possible():
        return None
    with _starting:
        if not _servers:
            _servers.append(Server())
        return _servers[0]


def _ends(stream: Stream, number: int, theirs: contextlib.ExitStack) -> tuple[int, IO[bytes] | None]:
    """The child's end of one of its streams, and ours of a pipe."""
    if not isinstance(stream, int):
        return stream.fileno(), None
    if stream == subprocess.DEVNULL:
        null = os.open(os.devnull, os.O_RDWR)
        theirs.callback(os.close, null)
        return null, None
    if stream != subprocess.PIPE:
        assert stream >= 0, f"unknown stream {stream}"
        return stream, None
    read, write = os.pipe()
    child, own = (write, read) if number else (read, write)
    theirs.callback(os.close, child)
    return child, open(own, "rb" if number else "wb")
