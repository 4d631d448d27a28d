"""`Broker`: the built-in broker in a process of its own, as long as a test needs it."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

# As long as a loaded CI machine may take to start an interpreter, and to bring back a great journal.
START_TIMEOUT = 30.0
# A broker that is asked to stop waits for the calls under way, and closes its journal.
STOP_TIMEOUT = 10.0
_LAST_LINES = 10
# Not `-m`: that would look for modules, also those of the standard library, in the working directory first.
_CODE = (
    "import sys; sys.path.remove(''); sys.path.append(sys.argv.pop(1)); "
    "from kubemqctl.testing.process import run; run()"
)
_PACKAGE_DIRECTORY = str(Path(__file__).parents[2])


class BrokerError(Exception):
    """The broker could not start, or has ended by itself. The text has the last lines that it printed."""


class Broker:
    """A broker on a free port of 127.0.0.1, for tests: it speaks KubeMQ's gRPC protocol to any client.

        with Broker() as broker:
            client = Client(address=broker.address)

    Messages are kept in a directory that goes with the broker, or in `data`; with `ephemeral` in memory
    only, which is faster and does not outlive `restart`. `options` are further words of
    `kubemqctl broker run`: `options=["--token-file", "token"]`. It ends with this process at the latest,
    however that ends. Not for use from several threads at a time.
    """

    def __init__(
        self,
        *,
        ephemeral: bool = False,
        data: str | os.PathLike[str] | None = None,
        options: Sequence[str] = (),
        start_timeout: float = START_TIMEOUT,
    ) -> None:
        """Describe a broker; `start`, or `with`, starts it. `start_timeout` is in seconds.

        Raises ValueError when both `ephemeral` and `data` are given.
        """
        if ephemeral and data is not None:
            raise ValueError("a broker that is ephemeral keeps no data: give one of the two")
        self._ephemeral = ephemeral
        self._data = data
        self._options = [*options]
        self._start_timeout = start_timeout
        self._directory: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""

    @property
    def address(self) -> str:
        """HOST:PORT where it listens, also after a restart. Raises BrokerError when it was never started."""
        if not self._address:
            raise BrokerError("the broker has not been started: use `with Broker() as broker:`, or start()")
        return self._address

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has printed since its first start: errors, and a line at each start and end."""
        if self._directory is None:
            return ""
        return Path(self._directory, "log").read_text("utf-8", "replace")

    def start(self) -> None:
        """Start it, and return once it accepts calls; nothing happens while it is running.

        Raises BrokerError with the reason, and with its last lines, when it ends or is silent instead.
        """
        if self.running:
            return
        if self._directory is None:
            self._directory = tempfile.mkdtemp(prefix="kubemqctl-testing-")
        self._end_process(kill=True)
        with open(Path(self._directory, "log"), "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE, _PACKAGE_DIRECTORY, *self._words()],
                # It ends when this pipe does: also when this process is killed and can do nothing for it.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C is for the tests: those that clean up may still need a broker.
                start_new_session=True,
            )
        try:
            self._address = self._wait_for_address(self._process)
        except BaseException:
            self._end_process(kill=True)
            raise

    def stop(self) -> None:
        """End it cleanly, and remove its directory (never `data`). One that is not running is no failure."""
        self._end_process()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def restart(self, *, kill: bool = False) -> None:
        """End it and start it anew on the same port; with `kill` it ends by SIGKILL, as in a crash.

        What was stored is there again, unless the broker is ephemeral. Clients lose their connection, and
        find it again by the means that they have. Raises BrokerError as `start` does.
        """
        self._end_process(kill=kill)
        self.start()

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _words(self) -> list[str]:
        assert self._directory is not None
        data = os.fspath(self._data) if self._data is not None else str(Path(self._directory, "data"))
        kept = ["--ephemeral"] if self._ephemeral else ["--data", data]
        return ["--listen", self._address or "127.0.0.1:0", *kept, *self._options]

    def _wait_for_address(self, process: subprocess.Popen[bytes]) -> str:
        """The address, which the process prints on stdout once it accepts calls."""
        assert process.stdout is not None
        said = b""
        deadline = time.monotonic() + self._start_timeout
        while not said.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise BrokerError(
                    f"the broker was not ready within {self._start_timeout:g} s{self._last_lines()}"
                )
            if not (piece := os.read(process.stdout.fileno(), 1024)):
                code = process.wait()
                raise BrokerError(f"the broker ended with exit code {code} at its start{self._last_lines()}")
            said += piece
        return said.decode().strip()

    def _last_lines(self) -> str:
        lines = self.log.splitlines()[-_LAST_LINES:]
        return ":\n" + "\n".join(lines) if lines else ", and printed nothing"

    def _end_process(self, *, kill: bool = False) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdin.close()
        process.stdout.close()
