"""The server that tests talk to, known by nothing but its address."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.fast_start import PROGRAM, Argument
from tests.support.program import Started, environment

# Read before the fixtures clear every KUBEMQ_* variable.
OTHER_SERVER = os.environ.get("KUBEMQ_TEST_ADDRESS", "")
# A server that the shared built-in broker of this run is to be like.
LIKE = os.environ.get("KUBEMQ_TEST_LIKE", "")
# Whether the server of this run does not say when a subscription is live.
SILENT = bool(OTHER_SERVER or LIKE)


class Broker:
    """A running server. `process` is None when it is somebody else's, named by KUBEMQ_TEST_ADDRESS."""

    def __init__(self, address: str, process: Started | None) -> None:
        self.address = address
        self.process = process

    def assert_alive(self) -> None:
        """Fail with its last words when the broker has ended under the tests."""
        assert self.process is None or self.process.running, f"the broker died\n{self.process}"

    def stop(self) -> None:
        """End it with SIGTERM, which must be clean."""
        if self.process is not None and self.process.running:
            ended = self.process.stop()
            assert ended.code in (0, 143), f"the broker ended badly\n{self.process}"


def start_broker(folder: Path, *options: Argument, listen: str = "127.0.0.1:0") -> Broker:
    """A built-in broker of its own on a free port, once it answers; without options it is ephemeral."""
    file = folder / "ready"
    file.unlink(missing_ok=True)
    words = options or ("--ephemeral",)
    command = [*PROGRAM, "broker", "run", "--listen", listen, "--ready-file", file, *words]
    process = Started(command, environment(""), folder)
    try:
        return Broker(process.wait_for_file(file), process)
    except BaseException:
        process.kill()
        raise
