"""A broker around one command: it runs as long as the command does, and both end with this process.

The command's process is forked before gRPC and its threads exist, and waits for the address on a pipe: a
fork is safe only without threads, and the wait costs nothing. On Linux the kernel kills the command when
this process is killed with SIGKILL; every other signal is passed on.

What the command leaves running is ended before the broker is: with SIGTERM, after GRACE with SIGKILL. On
Linux that is every process that descends from it, also one with a session of its own: orphans become our
children. Elsewhere it is the command's process group, which it has when we are not at a terminal.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from kubemqctl.model.errors import KubemqctlError, UsageError, shell_code
from kubemqctl.model.text import quoted, why_not_started

if TYPE_CHECKING:
    from kubemqctl.broker.server import BrokerConfig

GRACE = 2.0  # seconds: for what the command left running
PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_FROM_THE_KEYBOARD = (signal.SIGINT, signal.SIGQUIT)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# No profile is in it, and none can be written there.
_NO_CONFIGURATION = os.devnull


def run_command(
    program: str, command: tuple[str, ...], environ: Mapping[str, str], config: Callable[[], BrokerConfig]
) -> int:
    """Run `program` as `command` with a broker of its own; returns its exit code, 128+n for signal n.

    `config` is called when the command's process is there: it may import gRPC, and says first what gRPC reads
    from the environment. Raises KubemqctlError when the command or the broker cannot start.
    """
    if sys.platform == "linux":
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = CommandProcess(program, command, environ)
    try:
        return asyncio.run(_around(child, config))
    finally:
        child.kill()


class CommandProcess:
    """The command's process, forked at once; it begins when `start` tells it the address."""

    def __init__(self, program: str, command: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self.code: int | None = None
        self._name = command[0]
        # At a terminal the command stays in our group, for Ctrl-C and job control; elsewhere it gets one
        # of its own, so that a signal passed on reaches all that it started.
        self._own_group = not _at_a_terminal()
        receive, self._send = os.pipe()
        self._failed, fail = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._send)
            os.close(self._failed)
            self._become(program, command, environ, receive, fail)
        os.close(receive)
        os.close(fail)

    def start(self, address: str) -> None:
        """Let the command run. Raises KubemqctlError when the system cannot."""
        with suppress(BrokenPipeError):
            os.write(self._send, address.encode())
        os.close(self._send)
        self._send = -1
        error = os.read(self._failed, 16)
        if error:
            self._note(*os.waitpid(self.pid, 0))
            raise _cannot_run(self._name, int(error))

    def pass_on(self, signum: int) -> None:
        """Give the command a signal that we got, unless the terminal gave it to both."""
        if self._own_group or signum not in _FROM_THE_KEYBOARD:
            self._signal(signum)

    def reap(self) -> bool:
        """Whether the command has ended; `code` then says how. Takes note of the end of orphans too."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._note(*ended)
        return self.code is not None

    def kill(self) -> None:
        """Make sure that it is gone."""
        if self._send >= 0:
            os.close(self._send)
            self._send = -1
        os.close(self._failed)
        if not self.reap():
            self._signal(signal.SIGKILL)
            self._note(*os.waitpid(self.pid, 0))

    async def end_what_is_left(self) -> None:
        """End what the command left running."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GRACE
        told: set[int] = set()
        while left := self._left():
            late = loop.time() > deadline
            for pid in left:
                if late or pid not in told:
                    told.add(pid)
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            if late and loop.time() > deadline + GRACE:
                return  # in a system call that nothing interrupts, or somebody else's
            await asyncio.sleep(0.01)
            self.reap()

    def _left(self) -> list[int]:
        """The processes to end, as numbers for kill(2)."""
        if sys.platform == "linux":
            return _descendants()
        if not self._own_group:
            return []
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return []
        return [-self.pid]

    def _note(self, pid: int, status: int) -> None:
        if pid == self.pid:
            self.code = shell_code(os.waitstatus_to_exitcode(status))

    def _signal(self, signum: int) -> None:
        with suppress(ProcessLookupError):
            (os.killpg if self._own_group else os.kill)(self.pid, signum)

    def _become(
        self, program: str, command: tuple[str, ...], environ: Mapping[str, str], receive: int, fail: int
    ) -> None:
        """In the new process: wait for the address, then be the command. Never returns."""
        try:
            if self._own_group:
                os.setpgid(0, 0)
            _default_signals()
            _die_with_parent()
            address = os.read(receive, 1024).decode()
            if address:
                os.execve(program, command, _environment(environ, address))
        except OSError as e:
            os.write(fail, str(e.errno).encode())
        finally:
            os._exit(127)


def _cannot_run(name: str, number: int) -> UsageError:
    why, hint = why_not_started(OSError(number, os.strerror(number)))
    return UsageError(f"the command {quoted(name, 200)} cannot be run: {why}", hint=hint)


async def _around(child: CommandProcess, config: Callable[[], BrokerConfig]) -> int:
    # gRPC starts threads on import: not before the fork.
    serves = config()
    from kubemqctl.broker.server import serve

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    ending: list[asyncio.Task[None]] = []

    async def end() -> None:
        await child.end_what_is_left()
        stop.set()

    def child_changed() -> None:
        if child.reap() and not ending:
            ending.append(loop.create_task(end()))

    loop.add_signal_handler(signal.SIGCHLD, child_changed)
    for name in PASSED_ON:
        signum = getattr(signal, name)
        if signal.getsignal(signum) is not signal.SIG_IGN:
            loop.add_signal_handler(signum, child.pass_on, signum)
    await serve(serves, child.start, stop)
    if child.code is None:
        raise KubemqctlError("the broker ended before the command did")
    return child.code


def _descendants() -> list[int]:
    """All processes that descend from this one and have not ended, on Linux."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b") ")[2].split()[:2]
                if state not in (b"Z", b"X"):
                    children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    parents = [os.getpid()]
    while parents:
        parents = [pid for parent in parents for pid in children.get(parent, ())]
        found += parents
    return found


def _environment(environ: Mapping[str, str], address: str) -> dict[str, str]:
    kept = {k: v for k, v in environ.items() if not k.startswith(("KUBEMQ_", "KUBEMQCTL_"))}
    return {**kept, "KUBEMQ_ADDRESS": address, "KUBEMQCTL_CONFIG": _NO_CONFIGURATION}


def _at_a_terminal() -> bool:
    """Whether this process is in the foreground of a terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _default_signals() -> None:
    """Undo what Python did to signals at its start; what our parent ignored stays ignored."""
    for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(option, value)
