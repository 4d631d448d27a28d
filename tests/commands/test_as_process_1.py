"""The program as process 1, as it is in a container: nobody else reaps, and signals have no default there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.fast_start import PROGRAM
from tests.support.program import environment
from tests.support.raw_grpc import Stub
from tests.support.server import Broker
from tests.support.waiting import until

UNSHARE = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]


def is_possible() -> bool:
    found = shutil.which("unshare")
    return (
        bool(found) and subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    )


pytestmark = pytest.mark.skipif(not is_possible(), reason="needs namespaces of its own")


def started(broker: Broker, folder: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*UNSHARE, *PROGRAM, *words],
        env=environment(broker.address),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_what_handlers_leave_behind_does_not_stay_as_zombies(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.fill(channel, 3)
    handler = (
        "read n; if [ $n != 3 ]; then sleep 0 & exit; fi; i=0; "
        "while grep -q '^State:.Z' /proc/[0-9]*/status && [ $i -lt 100 ]; do i=$((i + 1)); sleep 0.02; done; "
        "[ $i -lt 100 ] && echo clean"
    )
    process = started(broker, tmp_path, "queue", "receive", channel, "--all", "--", "sh", "-c", handler)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, b"clean\n"), err


@pytest.mark.parametrize("words", [("queue", "send"), ("queue", "receive", "--follow"), ("events", "sub")])
def test_a_stop_is_heard(words: tuple[str, ...], broker: Broker, channel: str, tmp_path: Path) -> None:
    process = started(broker, tmp_path, *words[:2], channel, *words[2:])
    ours = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until(lambda: ours.exists() and ours.read_text().strip(), "it runs")
    pid = int(ours.read_text())
    # Behind its first lines, before which process 1 hears of nothing.
    until(lambda: b"kubemqctl" in Path(f"/proc/{pid}/cmdline").read_bytes(), "it is the program")
    until(lambda: int(caught(pid), 16) & 1 << signal.SIGTERM - 1, "it has begun")
    os.kill(pid, signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143


def caught(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith("SigCgt")).split()[1]
