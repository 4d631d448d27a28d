"""`python -m tests.benchmarks`: what our commands cost beside a bare grpcio loop, as a table of ratios.

Each figure is the median of several rounds in which the competitors take turns, so that a machine that
slows down slows all of them. "A message" is processor time of the client process with its start-up taken
off: the difference of a long and a short run, divided by the difference of their counts.

With `KUBEMQ_TEST_ADDRESS=HOST:PORT` the clients run against that server, one for tests: the channels that
they fill there, `bench.…`, stay. Its rate of durable messages then stands below the built-in broker's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON = sys.executable
PROGRAM = [PYTHON, "-m", "kubemqctl"]
BARE = [PYTHON, str(HERE / "bare_client.py")]
SHORT, LONG = 2_000, 22_000
# Where it is set, each start compiles our source anew, and not the source of what it is compared with.
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
OTHER_SERVER = os.environ.get("KUBEMQ_TEST_ADDRESS", "")
# The environment that `make test` and `make bench` make for the official SDK.
SDK = next((str(path) for path in [ROOT / ".venv-sdk/bin/python"] if path.exists()), None)

BARE_APP = """
import typer
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
@app.command()
def one(name: str, count: int = 1): "One."
@app.command()
def two(name: str): "Two."
app()
"""


class Row(NamedTuple):
    """A line of the table: ours against theirs, and the most that the ratio may be (0: no promise)."""

    what: str
    ours: float
    theirs: float
    unit: str
    most: float

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs


class Bench:
    """A broker, files of input, and the ways to time a process against them."""

    def __init__(self, address: str, directory: Path, rounds: int, sdk: str | None) -> None:
        self.address = address
        self.directory = directory
        self.rounds = rounds
        self.sdk = sdk
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("KUBEMQ") and k != NO_BYTECODE},
            "KUBEMQ_ADDRESS": address,
            "KUBEMQCTL_CONFIG": os.devnull,
            "PYTHONPATH": str(ROOT),
        }
        self._channel = 0

    def fresh(self) -> str:
        """A channel that nobody used."""
        self._channel += 1
        return f"bench.{os.getpid()}.{self._channel}"

    def cpu(self, argv: list[str], stdin: Path | None = None, stdout: Path | None = None) -> float:
        """Processor seconds of one process, start to end; it must succeed."""
        return self._timed(argv, stdin, stdout)[0]

    def wall(self, argv: list[str]) -> float:
        """Seconds by the clock of one process."""
        return self._timed(argv, None, None)[1]

    def _timed(self, argv: list[str], stdin: Path | None, stdout: Path | None) -> tuple[float, float]:
        with open(stdin or os.devnull, "rb") as source, open(stdout or os.devnull, "wb") as target:
            began = time.perf_counter()
            process = subprocess.Popen(
                argv,
                stdin=source,
                stdout=target,
                stderr=subprocess.PIPE,
                env=self.environ,
                cwd=self.directory,
            )
            assert process.stderr is not None
            said = process.stderr.read()
            _, status, used = os.wait4(process.pid, 0)
            took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
        if process.returncode:
            raise SystemExit(f"{' '.join(argv)} ended with {process.returncode}: {said.decode()}")
        return used.ru_utime + used.ru_stime, took

    def medians(self, *runs: Callable[[], float]) -> list[float]:
        """The median of each, taken in turn."""
        for run in runs:
            run()
        figures = [[run() for run in runs] for _ in range(self.rounds)]
        return [statistics.median(column) for column in zip(*figures, strict=True)]

    def a_message(self, run: Callable[[int], float]) -> Callable[[], float]:
        """Microseconds a message of `run`, which takes a count and gives processor seconds."""
        return lambda: (run(LONG) - run(SHORT)) / (LONG - SHORT) * 1e6


def start_up(bench: Bench) -> Iterator[Row]:
    """Whole processes that make one call."""
    app = bench.directory / "app.py"
    app.write_text(BARE_APP)
    typer = [PYTHON, str(app), "--help"]
    help, version, base = bench.medians(
        lambda: bench.wall([*PROGRAM, "--help"]),
        lambda: bench.wall([*PROGRAM, "--version"]),
        lambda: bench.wall(typer),
    )
    yield Row("--help, against a bare Typer app without rich", help * 1e3, base * 1e3, "ms", 1.2)
    yield Row("--version, against the same", version * 1e3, base * 1e3, "ms", 1.1)
    name = bench.fresh()
    ours, bare = bench.medians(
        lambda: bench.wall([*PROGRAM, "queue", "send", name, "hello"]),
        lambda: bench.wall([*BARE, bench.address, "send-one", name]),
    )
    yield Row("queue send, one message, whole process", ours * 1e3, bare * 1e3, "ms", 1.3)
    ours, bare = bench.medians(
        lambda: bench.wall([*PROGRAM, "queue", "peek", name]),
        lambda: bench.wall([*BARE, bench.address, "peek-one", name]),
    )
    yield Row("queue peek, whole process", ours * 1e3, bare * 1e3, "ms", 1.5)


def bulk_send(bench: Bench) -> Iterator[Row]:
    """Many messages of 1 KiB out."""
    from tests.benchmarks.bare_client import BODY

    lines, records = (bench.directory / name for name in ("lines", "records"))
    record = json.dumps({"channel": "x", "body": BODY.decode(), "tags": {"kind": "bench"}}).encode()

    def write(count: int) -> None:
        lines.with_suffix(f".{count}").write_bytes((BODY + b"\n") * count)
        records.with_suffix(f".{count}").write_bytes((record + b"\n") * count)

    for count in (SHORT, LONG):
        write(count)

    def ours(path: Path, option: str) -> Callable[[int], float]:
        argv = [*PROGRAM, "-q", "queue", "send", bench.fresh(), option]
        return lambda count: bench.cpu(argv, path.with_suffix(f".{count}"))

    def theirs(argv: list[str]) -> Callable[[int], float]:
        return lambda count: bench.cpu([*argv, bench.address, "send", bench.fresh(), str(count)])

    runs = [ours(lines, "--lines"), ours(records, "--json-lines"), theirs(BARE)]
    if bench.sdk:
        runs.append(theirs([bench.sdk, str(HERE / "sdk_client.py")]))
    figures = bench.medians(*(bench.a_message(run) for run in runs))
    bare = figures[2]
    yield Row("queue send --lines, a message", figures[0], bare, "µs", 2)
    yield Row("queue send --json-lines, a message", figures[1], bare, "µs", 4)
    if bench.sdk:
        yield Row("the official SDK sending batches, a message", figures[3], bare, "µs", 0)


def bulk_receive(bench: Bench) -> Iterator[Row]:
    """Many messages of 1 KiB in, acknowledged."""

    def filled(count: int) -> str:
        name = bench.fresh()
        bench.cpu([*BARE, bench.address, "send", name, str(count)])
        return name

    target = bench.directory / "received"

    def ours(count: int) -> float:
        return bench.cpu([*PROGRAM, "-q", "queue", "receive", filled(count), "--all"], None, target)

    def theirs(argv: list[str]) -> Callable[[int], float]:
        return lambda count: bench.cpu(
            [*argv, bench.address, "receive", filled(count), str(count)], None, target
        )

    runs = [ours, theirs(BARE)]
    if bench.sdk:
        runs.append(theirs([bench.sdk, str(HERE / "sdk_client.py")]))
    figures = bench.medians(*(bench.a_message(run) for run in runs))
    yield Row("queue receive --all, acknowledged, a message", figures[0], figures[1], "µs", 1.5)
    if bench.sdk:
        yield Row("the official SDK receiving and acknowledging, a message", figures[2], figures[1], "µs", 0)


def events(bench: Bench) -> Iterator[Row]:
    """Many events of 1 KiB out, and those of a store in."""
    from tests.benchmarks.bare_client import BODY

    for count in (SHORT, LONG):
        (bench.directory / f"events.{count}").write_bytes((BODY + b"\n") * count)
    filled: dict[int, str] = {}

    def ours(group: str) -> Callable[[int], float]:
        def run(count: int) -> float:
            argv = [*PROGRAM, "-q", group, "pub", bench.fresh(), "--lines"]
            return bench.cpu(argv, bench.directory / f"events.{count}")

        return run

    def theirs(group: str) -> Callable[[int], float]:
        return lambda count: bench.cpu([*BARE, bench.address, group, bench.fresh(), str(count)])

    for group in ("events", "store"):
        runs = [bench.a_message(side(group)) for side in (ours, theirs)]
        figure, yardstick = bench.medians(*runs)
        yield Row(f"{group} pub --lines, an event", figure, yardstick, "µs", 1.05)

    def store(count: int) -> str:
        if count not in filled:
            filled[count] = bench.fresh()
            bench.cpu([*BARE, bench.address, "store", filled[count], str(count)])
        return filled[count]

    target = bench.directory / "read"

    def read(count: int) -> float:
        options = ["--from", "first", "--count", str(count)]
        return bench.cpu([*PROGRAM, "-q", "store", "sub", store(count), *options], None, target)

    def bare(count: int) -> float:
        return bench.cpu([*BARE, bench.address, "subscribe", store(count), str(count)], None, target)

    runs = [bench.a_message(run) for run in (read, bare)]
    figure, yardstick = bench.medians(*runs)
    yield Row("store sub --from first, an event", figure, yardstick, "µs", 1.05)


def servers(bench: Bench, built_in: str, bare: str) -> Iterator[Row]:
    """The servers' side: durable messages of 1 KiB a second, in batches of 1,000."""

    def rate(address: str) -> Callable[[], float]:
        def run() -> float:
            argv = [*BARE, address, "send", bench.fresh()]
            return (LONG - SHORT) / (bench.wall([*argv, str(LONG)]) - bench.wall([*argv, str(SHORT)]))

        return run

    measured = {"built-in broker": built_in}
    if bench.address != built_in:
        measured["KUBEMQ_TEST_ADDRESS"] = bench.address
    *ours, theirs = bench.medians(*(rate(address) for address in (*measured.values(), bare)))
    for name, figure in zip(measured, ours, strict=True):
        yield Row(f"{name}, durable messages a second, against a bare handler", figure, theirs, "/s", 0)


@contextmanager
def serving(argv: list[str], ready: Path, environ: dict[str, str]) -> Iterator[str]:
    """A server process and its address."""
    process = subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not (ready.exists() and ready.read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(argv)} did not start")
            time.sleep(0.01)
        yield ready.read_text().strip()
    finally:
        process.terminate()
        process.wait()


def table(rows: list[Row]) -> str:
    """The rows for people."""
    width = max(len(row.what) for row in rows)
    lines = [f"{'':<{width}} {'ours':>10} {'theirs':>10}      {'ratio':>6}  {'at most':>7}"]
    for row in rows:
        most = f"{row.most:g}" if row.most else ""
        lines.append(
            f"{row.what:<{width}} {row.ours:>10,.1f} {row.theirs:>10,.1f} {row.unit:<4}"
            f" {row.ratio:>6.2f}  {most:>7}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    sdk = os.environ.get("KUBEMQ_TEST_SDK_PYTHON") or SDK
    parser.add_argument("--sdk-python", default=sdk, type=os.path.abspath)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        ready, bare_ready = directory / "ready", directory / "bare-ready"
        run = [*PROGRAM, "broker", "run", "--listen", "127.0.0.1:0", "--data", f"{name}/data"]
        bare = [PYTHON, "-m", "tests.benchmarks.bare_server", name, str(bare_ready)]
        with (
            serving([*run, "--ready-file", str(ready)], ready, environ) as address,
            serving(bare, bare_ready, environ) as bare_address,
        ):
            bench = Bench(OTHER_SERVER or address, directory, options.rounds, options.sdk_python)
            rows = [
                *start_up(bench),
                *bulk_send(bench),
                *bulk_receive(bench),
                *events(bench),
                *servers(bench, address, bare_address),
            ]
    if options.json:
        for row in rows:
            print(json.dumps({**row._asdict(), "ratio": row.ratio}))
    else:
        print(table(rows))


if __name__ == "__main__":
    main()
