"""The installed program as tests see it: a real process with a command line, streams and an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from tests.support.fast_start import GRPC, PROGRAM, launch
from tests.support.fast_start import Argument as Argument
from tests.support.waiting import until

Stdin = bytes | int | IO[bytes]

# What the person or the CI that runs the tests has set must not change what the program prints.
_PRESENTATION = ("CI", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES")
# Seconds that what surely comes to an end is given for it.
_PATIENCE = 20.0


class Result(NamedTuple):
    """How a process ended: its exit code (128+n for signal n, as a shell has it) and what it wrote."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output as UTF-8."""
        return self.out.decode()

    def records(self) -> list[dict[str, Any]]:
        """Standard output read as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Started:
    """A process under way, its output gathered by threads so that it never waits for its reader."""

    def __init__(
        self,
        command: list[Argument],
        env: Mapping[str, str],
        cwd: Path,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
    ) -> None:
        self.command = command
        self.ready = ""
        self.process = launch(command, env, cwd, stdin=stdin, stdout=stdout)
        self._out = bytearray()
        self._err = bytearray()
        self._readers = [
            _gather(stream, into)
            for stream, into in ((self.process.stdout, self._out), (self.process.stderr, self._err))
            if stream is not None
        ]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe to the process; only with `stdin=subprocess.PIPE`."""
        assert self.process.stdin is not None, "started without stdin=subprocess.PIPE"
        return self.process.stdin

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def out(self) -> bytes:
        """Standard output so far."""
        return bytes(self._out)

    @property
    def err(self) -> str:
        """Standard error so far."""
        return bytes(self._err).decode(errors="replace")

    def wait_for_stdout(self, data: bytes, timeout: float = 10.0) -> bytes:
        """Standard output once it holds `data`."""
        self._until(lambda: data in self._out, f"{data!r} on stdout", timeout)
        return self.out

    def wait_for_stderr(self, text: str, timeout: float = 10.0) -> str:
        """Standard error once it holds `text`."""
        self._until(lambda: text in self.err, f"{text!r} on stderr", timeout)
        return self.err

    def wait_for_file(self, path: Path, timeout: float = 20.0) -> str:
        """What `path` holds once it exists: how `--ready-file` says that the process is live."""
        self._until(path.exists, f"{path.name} written", timeout)
        return path.read_text().strip()

    def send(self, signum: signal.Signals) -> None:
        """Send a signal to the process alone, not to its children."""
        self.process.send_signal(signum)

    def wait(self, timeout: float = 30.0) -> Result:
        """Its end. One that does not come in `timeout` seconds is a failure that shows the output."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no end within {timeout:g} s\n{self}") from None
        self._close()
        return Result(code if code >= 0 else 128 - code, self.out, self.err)

    def stop(self, timeout: float = 15.0) -> Result:
        """Ask it to end as a service manager would, with SIGTERM."""
        self.send(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """End it and all it started, at once; nothing to do when it has ended."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait(_PATIENCE)
        self._close()

    def __str__(self) -> str:
        state = "running" if self.running else f"exit code {self.process.returncode}"
        return f"{self.command} ({state})\n--- stdout\n{self.out!r}\n--- stderr\n{self.err}"

    def _until(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        def met() -> bool:
            ended = not self.running
            if ended:
                self._join()
            if condition():
                return True
            assert not ended, f"ended before this was so: {what}"
            return False

        try:
            until(met, what, timeout)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self}") from None

    def _join(self) -> None:
        # A grandchild that keeps the pipe open must not hold the test up for ever.
        for reader in self._readers:
            reader.join(timeout=2)

    def _close(self) -> None:
        self._join()
        stdin = self.process.stdin
        if stdin is not None and not stdin.closed:
            finish(threading.Thread(target=_shut, args=(stdin,), daemon=True), "closing its stdin")


def _shut(pipe: IO[bytes]) -> None:
    # What was written last may find no reader; one that is there and does not read would hold this up.
    # A thread of the test that still writes may close it at the same moment: then Python says ValueError.
    with contextlib.suppress(BrokenPipeError, ValueError):
        pipe.close()


def finish(thread: threading.Thread, what: str) -> None:
    """Run a thread to its end, or wait for it; AssertionError naming `what` when there is none."""
    if thread.ident is None:
        thread.start()
    thread.join(_PATIENCE)
    assert not thread.is_alive(), f"after {_PATIENCE:g} s still not done: {what}"


def _gather(stream: IO[bytes], into: bytearray) -> threading.Thread:
    def read() -> None:
        with stream:
            while chunk := os.read(stream.fileno(), 65536):
                into.extend(chunk)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def environment(address: str, changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """This process's environment for a program under test; a change to None takes the variable away."""
    env = {name: value for name, value in os.environ.items() if name not in _PRESENTATION + GRPC}
    env["TERM"] = "xterm-256color"
    if address:
        env["KUBEMQ_ADDRESS"] = address
    for name, value in (changes or {}).items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


class Start:
    """Starts the program for a test, which need not end it: `close` does."""

    def __init__(self, address: Callable[[], str], folder: Path) -> None:
        self._address = address
        self._folder = folder
        self._started: list[Started] = []

    def __call__(
        self,
        *args: Argument,
        env: Mapping[str, str | None] | None = None,
        address: str | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        ready: bool = False,
    ) -> Started:
        """Start `kubemqctl ARGS`, with KUBEMQ_ADDRESS the broker's, `address`, or none for "".

        With `ready` it is given a --ready-file and is live on return; `.ready` is what the file holds.
        """
        where = self._address() if address is None else address
        file = self._folder / f"ready-{len(self._started)}"
        words = _with_ready_file(list(args), file) if ready else list(args)
        started = Started([*PROGRAM, *words], environment(where, env), self._folder, stdin, stdout)
        self._started.append(started)
        if ready:
            started.ready = started.wait_for_file(file)
        return started

    def close(self) -> None:
        """End whatever is still running."""
        for started in self._started:
            started.kill()


def _with_ready_file(args: list[Argument], file: Path) -> list[Argument]:
    at = args.index("--") if "--" in args else len(args)
    return [*args[:at], "--ready-file", file, *args[at:]]


class Run:
    """Runs the program to its end."""

    def __init__(self, start: Start) -> None:
        self._start = start

    def __call__(
        self,
        *args: Argument,
        stdin: Stdin = subprocess.DEVNULL,
        env: Mapping[str, str | None] | None = None,
        address: str | None = None,
        timeout: float = 30.0,
    ) -> Result:
        """Run `kubemqctl ARGS`; `stdin` is bytes for a pipe, a file, or /dev/null. `address` as in Start."""
        if not isinstance(stdin, bytes):
            return self._start(*args, env=env, address=address, stdin=stdin).wait(timeout)
        started = self._start(*args, env=env, address=address, stdin=subprocess.PIPE)
        feeder = threading.Thread(target=_feed, args=(started.stdin, stdin), daemon=True)
        feeder.start()
        result = started.wait(timeout)
        finish(feeder, "writing its stdin: what it started holds that open, and does not read")
        return result


def _feed(pipe: IO[bytes], data: bytes) -> None:
    # The program may end without reading it all.
    with contextlib.suppress(BrokenPipeError), pipe:
        pipe.write(data)
