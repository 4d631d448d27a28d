"""A warm start is a fresh start in everything that a program can see, or it is none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import fast_start
from tests.support.fast_start import PROGRAM, Process, Server, Stream, Warm, launch
from tests.support.program import environment
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(not fast_start.is_possible(), reason="no warm starts on this system")

ROOT = Path(__file__).parents[2]

# Runs in place of the program, as `python -m` finds it first where the process begins.
REPORT = """
import gc, json, locale, os, resource, signal, sys, threading

def stream(s):
    return [s.encoding, s.errors, s.line_buffering, s.write_through, s.isatty(), repr(s), repr(s.buffer)]

status = open("/proc/self/status").read().splitlines()
found = {
    "name": [__name__, __file__, __package__, __spec__.name, sys.modules["__main__"].__file__],
    "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "flags": repr(sys.flags),
    "ours": [name for name in sys.modules if name.startswith(("kubemqctl", "tests"))],
    "streams": [stream(s) for s in (sys.stdin, sys.stdout, sys.stderr)],
    "same": [sys.__stdin__ is sys.stdin, sys.__stdout__ is sys.stdout, sys.__stderr__ is sys.stderr],
    "environ": dict(os.environ), "cwd": os.getcwd(), "locale": locale.setlocale(locale.LC_ALL),
    "signals": [line for line in status if line.startswith(("SigB", "SigI", "SigC", "Umask"))],
    "handlers": [str(signal.getsignal(n)) for n in signal.valid_signals()],
    "wakeup": signal.set_wakeup_fd(-1),
    "limits": [resource.getrlimit(n) for n in range(16)],
    "session": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid(), os.nice(0)],
    "fds": sorted(os.listdir("/proc/self/fd"))[:-1],
    "threads": [threading.active_count(), threading.current_thread() is threading.main_thread()],
    "gc": [gc.isenabled(), gc.get_threshold()],
    "words": os.fsdecode(open("/proc/self/cmdline", "rb").read()).rstrip("\\0 "),
}
print(json.dumps(found))
"""


# Imports our modules as the fork server does, and ends with 1 where one of them looks around meanwhile.
LOOKOUT = """
import os, random, socket, sys, threading, time, uuid
from tests.support.fast_start_server import import_ours, import_others

class Environment(type(os.environ)):
    def __getitem__(self, name):
        seen.append(name)
        return super().__getitem__(name)

def no(*args, **more):
    raise AssertionError("looks around at its import")

import_others()
seen, before = [], set(os.listdir("/proc/self/fd"))
os.environ.__class__ = Environment
os.getpid = os.getppid = os.getcwd = os.urandom = os.isatty = os.getuid = os.umask = no
time.time = time.monotonic = time.localtime = random.random = uuid.uuid4 = socket.gethostname = no
import_ours()
assert not seen, seen
assert threading.active_count() == len(os.listdir("/proc/self/task")) == 1
assert len(os.listdir("/proc/self/fd")) == len(before)
print(sum(name.startswith("kubemqctl.") for name in sys.modules))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder where `python -m kubemqctl` reports what it sees."""
    program = tmp_path / "kubemqctl" / "__main__.py"
    program.parent.mkdir()
    (program.parent / "__init__.py").touch()
    program.write_text(REPORT)
    return tmp_path


@contextmanager
def started(folder: Path, *words: str | bytes, env: Any = None, **more: Any) -> Iterator[Process]:
    """A program under way, which is ended with its pipes closed."""
    process = launch([*PROGRAM, *words], environment("", env), folder, **more)
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def report(folder: Path, stdin: Stream, **more: Any) -> dict[str, Any]:
    """What a start says of itself."""
    words = (b"\xff byte", "", "two words")
    with started(folder, *words, stdin=stdin, env={"A": "b\udcff", "KUBEMQ_X": None}, **more) as process:
        assert isinstance(process, subprocess.Popen if fast_start.FRESH else Warm)
        out, err = process.stdout, process.stderr
        assert out
        said = out.readline()
        assert process.wait(20) == 0, err and err.read()
        found: dict[str, Any] = json.loads(said)
        return found


@pytest.mark.parametrize("terminal", [False, True])
def test_a_warm_start_sees_what_a_fresh_one_sees(
    folder: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    master, slave = os.openpty()
    stdin = slave if terminal else subprocess.PIPE
    more: dict[str, Any] = {"stderr": slave, "login": True} if terminal else {}
    try:
        ours = report(folder, stdin, **more)
        monkeypatch.setattr(fast_start, "FRESH", True)
        assert report(folder, stdin, **more) == ours
    finally:
        os.close(master)
        os.close(slave)
    assert ours["ours"] == ["kubemqctl"]


def test_an_import_of_ours_is_the_same_whenever_and_wherever_it_is() -> None:
    """Forks share it: what reads the environment, the clock or a random number there would be shared, too."""
    done = subprocess.run(
        [sys.executable, "-c", LOOKOUT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


@pytest.fixture(autouse=True)
def _warm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_start, "FRESH", False)


def wait_forever(folder: Path) -> None:
    (folder / "kubemqctl" / "__main__.py").write_text(
        "import subprocess, sys; subprocess.run(['sleep', '60'], check=False)"
    )


def test_a_signal_is_how_it_ended(folder: Path) -> None:
    wait_forever(folder)
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with started(folder) as process:
            assert process.poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.01)
            process.send_signal(signum)
            assert process.wait(20) == process.poll() == process.returncode == -signum
            process.send_signal(signum)


def test_a_pipe_ends_with_its_process(folder: Path) -> None:
    (folder / "kubemqctl" / "__main__.py").write_text("import sys; sys.exit(len(sys.stdin.buffer.read()))")
    with started(folder) as beside, started(folder, stdin=subprocess.PIPE) as process:
        assert beside.wait(20) == 0
        assert process.stdin
        process.stdin.write(b"12345")
        process.stdin.close()
        assert process.wait(20) == 5
        assert process.stdout
        assert process.stdout.read() == b""


def test_an_uncaught_exception_ends_it_as_ever(folder: Path) -> None:
    (folder / "kubemqctl" / "__main__.py").write_text("1 / 0")
    with started(folder) as process:
        assert process.wait(20) == 1
        assert process.stderr
        assert process.stderr.read().endswith(b"ZeroDivisionError: division by zero\n")


def test_a_folder_that_is_not_there_is_an_error_and_the_next_start_works(folder: Path) -> None:
    with pytest.raises(OSError, match="No such file"), started(folder / "nowhere"):
        pass
    with started(folder) as process:
        assert process.wait(20) == 0


@pytest.mark.parametrize("name", ["PYTHONUTF8", "LC_ALL", "GRPC_TRACE", "LD_LIBRARY_PATH", "TZ"])
def test_a_variable_that_is_read_at_the_start_makes_it_a_fresh_one(folder: Path, name: str) -> None:
    with started(folder, env={name: "0"}) as process:
        assert isinstance(process, subprocess.Popen)


def test_what_a_process_inherits_otherwise_makes_it_a_fresh_one(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        with started(folder) as process:
            assert isinstance(process, subprocess.Popen)
    finally:
        os.umask(before)
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with started(folder) as process:
            assert isinstance(process, subprocess.Popen)
    finally:
        signal.signal(signal.SIGHUP, handler)
    with pytest.raises(OSError, match="too long"), started(folder, "x" * (1 << 17)):
        pass
    with started(folder) as process:
        assert isinstance(process, Warm)


def test_with_the_server_ends_what_it_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_forever(folder)
    server = Server()
    monkeypatch.setattr(fast_start, "_servers", [server])
    with started(folder) as process:
        server.close()
        assert process.wait(20) == -signal.SIGKILL
    until(lambda: not Path(f"/proc/{process.pid}/exe").exists(), "the process gone")
