"""`kubemqctl bench`: queue, events, store, cmd, query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.cli.command_tree import F
from kubemqctl.model.errors import UsageError
from kubemqctl.model.text import docstring
from kubemqctl.model.values import parse_rate, parse_size

group = command_tree.CommandGroup("bench")
register = group.register
MOST_WORKERS = 64
Own = Annotated[
    str,
    typer.Option(
        "--channel", metavar="NAME", help="Use this channel instead of a new one.", show_default=False
    ),
]
Producers = Annotated[
    int,
    typer.Option("--producers", metavar="N", min=1, max=MOST_WORKERS, help="Number of sending processes."),
]
Consumers = Annotated[
    int,
    typer.Option("--consumers", metavar="N", min=1, max=MOST_WORKERS, help="Number of receiving processes."),
]
Responders = Annotated[
    int | None,
    typer.Option(
        "--consumers",
        metavar="N",
        min=1,
        max=MOST_WORKERS,
        help="Number of responding processes.",
        show_default="1",
    ),
]
Existing = Annotated[
    str,
    typer.Option(
        "--existing",
        metavar="CHANNEL",
        help="Measure the responders that are there on CHANNEL, instead of own ones.",
        show_default=False,
    ),
]
Size = Annotated[
    int,
    typer.Option(
        "--size",
        metavar="SIZE",
        help="Size of a message body, at least 32B.",
        show_default="1KiB",
        parser=o.valued("--size", parse_size),
    ),
]
Count = Annotated[int | None, o.count("Measure N messages, instead of --duration.")]
Duration = Annotated[float | None, o.duration("--duration", "How long to measure.", "5s")]
WarmUp = Annotated[float, o.duration("--warm-up", "How long to send before the measurement begins.", "1s")]
BatchSize = Annotated[
    int, typer.Option("--batch", metavar="N", min=1, max=10_000, help="Messages in a request.")
]
InFlight = Annotated[
    int,
    typer.Option(
        "--in-flight", metavar="N", min=1, max=10_000, help="Unanswered messages of a producer at a time."
    ),
]
Asking = Annotated[
    int,
    typer.Option(
        "--in-flight", metavar="N", min=1, max=256, help="Unanswered messages of a producer at a time."
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        metavar="N/s",
        help="Send at this total rate, at even intervals, for example 500/s.",
        parser=o.valued("--rate", parse_rate),
    ),
]
Assert = Annotated[
    list[str] | None,
    typer.Option(
        "--assert",
        metavar="ASSERTION",
        help="Fail if this does not hold, for example 'p99<20ms'; repeatable.",
    ),
]
_RESULT = """
Prints a table with a histogram on a terminal, and only the rate in a pipe; -o json prints everything. With
--rate, latency is measured from the time at which a message was due, so that delays of the sender count.
Without, it is measured from sending: then a server that stalls also slows the senders down, and its worst
times are missing from the percentiles. Each producer and consumer is a process. If the processes themselves
were the limit (about 10,000 single messages a second each), the result says so. Messages go through a new
channel, which is deleted at the end.

--assert takes p50, p99.9 and other percentiles, min, mean, max, throughput, bandwidth, send_rate, sent,
received, {counts}errors, with < <= = != >= or >. If one does not hold, it is
named, and the exit code is 11.

"""


def _measurement(name: str, counts: str = "") -> Callable[[F], F]:
    """Add a command whose help tells, before its examples, what all of them print and assert."""

    def add(function: F) -> F:
        text, examples, rest = docstring(function).partition("Examples:\n")
        function.__doc__ = text.rstrip("\n") + "\n" + _RESULT.format(counts=counts) + examples + rest
        return group.command(name)(function)

    return add


@_measurement("queue", "loss, doubles, disorder and ")
def queue(
    ctx: typer.Context,
    producers: Producers = 1,
    consumers: Consumers = 1,
    size: Size = 1024,
    count: Count = None,
    duration: Duration = None,
    rate: Rate = None,
    batch: BatchSize = 100,
    warm_up: WarmUp = 1.0,
    check: Assert = None,
    channel: Own = "",
) -> int:
    """Measure a queue: messages sent, received and acknowledged.

    A producer sends --batch messages in a request (with --rate, those that are due), and waits for the
    response. A consumer receives the messages that are waiting, up to --batch, in a transaction.

    Examples:
      kubemqctl bench queue
      kubemqctl bench queue --producers 2 --consumers 2 --size 4KiB --duration 30s
      kubemqctl bench queue --rate 500/s --batch 1 --assert 'p99<20ms,loss=0' -o json
    """
    from kubemqctl.bench.benchmark import benchmark
    from kubemqctl.bench.workload import Workload

    work = Workload("queue", channel, producers, consumers, size, count, duration, rate, warm_up, batch=batch)
    return benchmark(ctx.obj, work, check or [])


@_measurement("events", "loss, doubles, disorder and ")
def events(
    ctx: typer.Context,
    producers: Producers = 1,
    consumers: Consumers = 1,
    size: Size = 1024,
    count: Count = None,
    duration: Duration = None,
    rate: Rate = None,
    warm_up: WarmUp = 1.0,
    check: Assert = None,
    channel: Own = "",
) -> int:
    """Measure events: a stream that every consumer receives.

    Events are not stored: those that a subscriber is too slow for are lost, and counted.

    Examples:
      kubemqctl bench events
      kubemqctl bench events --consumers 3 --rate 1000/s --assert 'loss<0.1%'
      kubemqctl bench events --count 100000 --size 128B --format '{rate} {p99}'
    """
    from kubemqctl.bench.benchmark import benchmark
    from kubemqctl.bench.workload import Workload

    work = Workload("events", channel, producers, consumers, size, count, duration, rate, warm_up)
    return benchmark(ctx.obj, work, check or [])


@_measurement("store", "loss, doubles, disorder and ")
def store(
    ctx: typer.Context,
    producers: Producers = 1,
    consumers: Consumers = 1,
    size: Size = 1024,
    count: Count = None,
    duration: Duration = None,
    rate: Rate = None,
    in_flight: InFlight = 100,
    warm_up: WarmUp = 1.0,
    check: Assert = None,
    channel: Own = "",
) -> int:
    """Measure stored events: each one confirmed, and received by every consumer.

    A producer has up to --in-flight unconfirmed events.

    Examples:
      kubemqctl bench store
      kubemqctl bench store --in-flight 1000 --duration 20s
      kubemqctl bench store --rate 200/s --assert 'p99.9<100ms' --assert loss=0
    """
    from kubemqctl.bench.benchmark import benchmark
    from kubemqctl.bench.workload import Workload

    work = Workload(
        "store", channel, producers, consumers, size, count, duration, rate, warm_up, in_flight=in_flight
    )
    return benchmark(ctx.obj, work, check or [])


@_measurement("cmd")
def cmd(
    ctx: typer.Context,
    producers: Producers = 1,
    consumers: Responders = None,
    size: Size = 1024,
    count: Count = None,
    duration: Duration = None,
    rate: Rate = None,
    in_flight: Asking = 1,
    timeout: o.RequestTimeout = 10.0,
    warm_up: WarmUp = 1.0,
    check: Assert = None,
    channel: Own = "",
    existing: Existing = "",
) -> int:
    """Measure commands: requests that are sent and confirmed.

    Latency is the round-trip time. Consumers are the responders; each request goes to one of them. A
    request that is not answered within --timeout is an error. With --existing there are no consumers: what
    is measured is the responder of somebody else, who gets random bytes in the body.

    Examples:
      kubemqctl bench cmd
      kubemqctl bench cmd --in-flight 16 --consumers 2
      kubemqctl bench cmd --existing price.tea --duration 10s
      kubemqctl bench cmd --rate 100/s --duration 30s --assert 'p99<50ms,errors=0'
    """
    from kubemqctl.bench.benchmark import benchmark
    from kubemqctl.bench.workload import Workload

    work = Workload(
        "cmd",
        existing or channel,
        producers,
        _own_responders(consumers, channel, existing),
        size,
        count,
        duration,
        rate,
        warm_up,
        in_flight=in_flight,
        timeout=timeout,
        existing=bool(existing),
    )
    return benchmark(ctx.obj, work, check or [])


@_measurement("query")
def query(
    ctx: typer.Context,
    producers: Producers = 1,
    consumers: Responders = None,
    size: Size = 1024,
    count: Count = None,
    duration: Duration = None,
    rate: Rate = None,
    in_flight: Asking = 1,
    timeout: o.RequestTimeout = 10.0,
    warm_up: WarmUp = 1.0,
    check: Assert = None,
    channel: Own = "",
    existing: Existing = "",
) -> int:
    """Measure queries: requests that are answered with their own body.

    Latency is the round-trip time. Consumers are the responders; each request goes to one of them. A
    request that is not answered within --timeout is an error. With --existing there are no consumers: what
    is measured is the responder of somebody else, who gets random bytes in the body.

    Examples:
      kubemqctl bench query
      kubemqctl bench query --in-flight 16 --consumers 2
      kubemqctl bench query --existing price.tea --duration 10s
      kubemqctl bench query --rate 100/s --duration 30s --assert 'p99<50ms,errors=0'
    """
    from kubemqctl.bench.benchmark import benchmark
    from kubemqctl.bench.workload import Workload

    work = Workload(
        "query",
        existing or channel,
        producers,
        _own_responders(consumers, channel, existing),
        size,
        count,
        duration,
        rate,
        warm_up,
        in_flight=in_flight,
        timeout=timeout,
        existing=bool(existing),
    )
    return benchmark(ctx.obj, work, check or [])


def _own_responders(consumers: int | None, channel: str, existing: str) -> int:
    """How many responders of its own a benchmark has. Raises UsageError for options that contradict."""
    if not existing:
        return consumers or 1
    for option, is_given in (("--consumers", consumers is not None), ("--channel", bool(channel))):
        if is_given:
            raise UsageError(f"--existing and {option} cannot be used together")
    return 0
