"""`bench`, from its options to the result and the exit code."""

from __future__ import annotations

from collections.abc import Sequence

from kubemqctl.bench.bench_channel import BenchChannel, fresh_name
from kubemqctl.bench.coordinator import Measured, ProgressLine, measure
from kubemqctl.bench.recorder import Latencies
from kubemqctl.bench.result import Assertion, compute_result, hold, is_held, parse
from kubemqctl.bench.workload import SMALLEST, Workload
from kubemqctl.client.connection import ping
from kubemqctl.model.channels import TYPE_OF_GROUP, check_channel
from kubemqctl.model.errors import AuthError, KubemqctlError, NothingArrived, Partial, Unsupported, UsageError
from kubemqctl.model.limits import SECOND
from kubemqctl.model.reports import BenchResult
from kubemqctl.model.text import count_text, size_text
from kubemqctl.model.values import check_timeout
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal

DURATION = 5.0
SHORTEST = 0.01
# A server takes 100 MiB a message, and its answers have room for no more; the rest is for what is not body.
LARGEST = 99 << 20
MOST_IN_FLIGHT = 1 << 30
BEHIND = 0.3
"""Seconds that consumers may need for the rest before the user is told that they are slower."""


def benchmark(run: Invocation, work: Workload, assertions: Sequence[str]) -> int:
    """Measure, print the result, and judge it; returns a signal's exit code or raises what went wrong."""
    checked = _measurable(parse(assertions), work)
    given = bool(work.channel)
    work = _whole(work)
    render = run.renderer(BenchResult)
    latencies = Latencies()
    with run.client() as client, StopSignal() as stop:
        ping(client)  # before there is anything that could be left behind
        kind = TYPE_OF_GROUP[work.pattern]
        with BenchChannel(client, kind, work.channel, given, run.note, work.existing) as bench_channel:
            run.note(_announced(work, client.address))
            with ProgressLine(2 if run.is_watched else None) as line:
                measured = measure(client, run.settings(), work, stop, line.watch)
            bench_channel.was_used = not isinstance(measured.failure, (AuthError, Unsupported))
        result = compute_result(measured, work, latencies)
        if result.received or result.sent:
            run.write(render.one(result))
        _judge(run, work, measured, result, checked, latencies)
        return stop.exit_code


def _whole(work: Workload) -> Workload:
    """`work` with defaults for what was not given. Raises UsageError for what cannot be measured."""
    if work.total is not None and work.duration is not None:
        raise UsageError("--count and --duration cannot be used together")
    if work.duration is not None and work.duration < SHORTEST:
        raise UsageError("--duration must be 10ms or more")
    if work.size < SMALLEST:
        raise UsageError(f"--size must be {SMALLEST}B or more: messages carry a number and a time")
    if work.size * max(1, work.batch) > LARGEST:
        each = (
            f"{work.batch:,} messages of {size_text(work.size)}" if work.batch > 1 else size_text(work.size)
        )
        raise UsageError(f"{each} are too large: a server accepts up to 100 MiB in a request")
    if work.size * work.in_flight > MOST_IN_FLIGHT:
        raise UsageError("--in-flight messages of this --size need more than 1 GiB of memory")
    if work.is_asking:
        check_timeout(work.timeout)
    if work.channel:
        check_channel(work.channel, TYPE_OF_GROUP[work.pattern])
    if work.total is not None and work.total < work.producers:
        raise UsageError(f"--count {work.total} is less than the number of --producers, {work.producers}")
    timed = DURATION if work.total is None and work.duration is None else work.duration
    return work._replace(channel=work.channel or fresh_name(), duration=timed)


def _measurable(assertions: list[Assertion], work: Workload) -> list[Assertion]:
    """Raise UsageError for an assertion about what is never measured."""
    for assertion in assertions:
        if work.is_asking and assertion.metric in ("loss", "doubles", "disorder"):
            raise UsageError(
                f"{assertion.text}: requests have no {assertion.metric}", hint="assert errors=0 instead"
            )
    return assertions


def _announced(work: Workload, address: str) -> str:
    end = f"{work.total:,} messages" if work.total is not None else f"{work.duration:g} s"
    return f"bench {work.pattern} at {address} on {work.channel}: {end}"


def _judge(
    run: Invocation,
    work: Workload,
    measured: Measured,
    result: BenchResult,
    assertions: Sequence[Assertion],
    latencies: Latencies,
) -> None:
    """Print notes on the result. Raises an error for what was wrong with it, the worst first."""
    if measured.signum:
        run.note("stopped by a signal: the result covers the time until then")
        return
    if measured.failure:
        raise _told(measured.failure, result)
    if result.sent and not result.received and not result.errors:
        raise NothingArrived(f"{count_text(result.sent, 'message')} sent, but none arrived")
    _warn(run, work, result)
    hold(assertions, result, latencies.at)
    asserted = {assertion.metric for assertion in assertions}
    if result.errors and "errors" not in asserted:
        raise _of_errors(measured, result)
    if result.loss and "loss" not in asserted and result.pattern != "events":
        whole = result.received - result.doubles + result.loss
        raise Partial(f"{count_text(result.loss, 'message')} of {whole:,} lost", code="messages-lost")
    if not result.sent:
        raise NothingArrived("nothing was sent during the measurement", hint="use a longer --duration")


def _told(failure: KubemqctlError, result: BenchResult) -> KubemqctlError:
    if result.received:
        failure.message += f"; the result covers the {result.received:,} messages until then"
    return failure


def _of_errors(measured: Measured, result: BenchResult) -> KubemqctlError:
    first = next(measured.error for measured in measured.producers if measured.error)
    whole = (
        f"{count_text(result.errors, 'message')} of {result.sent + result.errors:,} failed: {first.message}"
    )
    if result.sent:
        return Partial(whole, server_message=first.server_message)
    first.message = f"all of {count_text(result.errors, 'message')} failed: {first.message}"
    return first


def _warn(run: Invocation, work: Workload, result: BenchResult) -> None:
    if work.rate and not is_held(work, result.sent, result.send_rate):
        run.warn(
            f"the rate of {result.target_rate:,.10g}/s was not reached: {result.send_rate:,.0f}/s was sent"
        )
    behind = result.elapsed / SECOND - (result.sent / result.send_rate if result.send_rate else 0.0)
    if behind > BEHIND and not work.is_asking:
        run.warn(
            f"consumers were {behind:.1f} s behind producers at the end: latency is mostly waiting time;"
            " use a lower --rate to avoid that"
        )
