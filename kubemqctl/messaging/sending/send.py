"""Sending one message or many, and publishing events, from the options to the exit code."""

from __future__ import annotations

import gc
import os
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.messaging.input.bodies import bytes_to_come, file_batches, single_body, split_source
from kubemqctl.messaging.input.message_parsers import Parse, ParsedBatch, parse_bodies, parse_records
from kubemqctl.messaging.input.splitting import MAX_BYTES, MAX_COUNT, InputBatch, Separators
from kubemqctl.messaging.sending.pace import Pacer
from kubemqctl.messaging.sending.retry import (
    UNKNOWN,
    Link,
    Open,
    Outlet,
    PendingRequest,
    Reconnection,
    in_doubt,
    is_unknown,
    retry_request,
)
from kubemqctl.messaging.sending.sender import Sender
from kubemqctl.messaging.sending.unsent_files import UnsentFiles
from kubemqctl.model.channels import ChannelType
from kubemqctl.model.errors import ExitCode, KubemqctlError, Unreachable, UsageError
from kubemqctl.model.messages import Message, SendResult
from kubemqctl.output.progress import Progress
from kubemqctl.output.stderr import is_terminal
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import RateLimiter, StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.events import Upload


# A stream of events ends, and its last answer comes, before the next one begins: with 1,000 in each, that
# pause was a tenth of the time.
EVENTS_AT_ONCE = 4 * MAX_COUNT


class SendOptions(NamedTuple):
    """What is to be sent: `template` has everything but the bodies."""

    template: Message
    body: str | None
    files: Sequence[str]
    separators: Separators
    keep_id: bool
    rate: float | None
    failed: str | None
    unknown: str | None
    retry: int
    new_id: Callable[[], str] | None = None  # for messages without one; None leaves that to the server
    encode: Callable[[bytes], bytes] | None = None  # what --encode makes of a body
    kept: ChannelType | None = None  # with --keep-channel, the type of the channels that records name
    pace: float | None = None
    most_at_once: int = MAX_COUNT

    @property
    def is_many(self) -> bool:
        """Whether more than one message may come of it."""
        return bool(self.separators) or len(self.files) > 1


Emit = Callable[[Sequence[SendResult]], None]


def send_one(run: Invocation, out: SendOptions, opened: Open) -> int:
    """Send one message with one call; raises what it was refused for."""
    _check_single(out)
    run.settings()
    with closing(Stdout()) as stdout:
        emit = _emitter(run, stdout)
        body = single_body(
            out.body,
            out.files,
            stdin_is_terminal=is_terminal(0),
            has_metadata=bool(out.template.metadata),
        )
        message = _finished(out.template._replace(body=body), out)
        with UnsentFiles(out.failed, out.unknown, out.files) as unsent:
            try:
                with run.client() as client:
                    outlet = opened(client)
                    try:
                        result = outlet.one(message)
                    except KubemqctlError as e:
                        # Signals do what they do by default: one message is not worth settling for.
                        way, stop = _reconnection(run, client), StopSignal()
                        result = retry_request(lambda: outlet.one(message), e, out.retry, way, stop)
            except KubemqctlError as e:
                unknown = is_unknown(e)
                emit([SendResult(message.id, message.channel, error=UNKNOWN if unknown else e.message)])
                (unsent.unknown if unknown else unsent.failed)([message])
                raise (in_doubt(e, 1) if unknown else e) from None
            emit([result])
    return 0


def _check_single(out: SendOptions) -> None:
    if out.rate is not None:
        raise UsageError("--rate needs many messages", hint="split the input with --lines, -0 or --delimiter")
    _check_records(out)


def _check_records(out: SendOptions) -> None:
    out.separators.check_records(keep_id=out.keep_id, keep_channel=bool(out.kept), pace=out.pace)


def send_many(run: Invocation, out: SendOptions, opened: Open) -> int:
    """Send what the input brings, in batches; raises what became of it, or returns a signal's exit code."""
    _check_many(out)
    run.settings()
    with (
        StopSignal() as stop,
        closing(Stdout(1, stop.fd)) as stdout,
        _batches(out, stop) as (source, batches),
        UnsentFiles(out.failed, out.unknown, out.files) as unsent,
        _connection(run, unsent, opened) as link,
        Progress(
            2 if run.is_watched else None,
            is_terminal(1),
            0 if source is None else bytes_to_come(source),
            len(out.separators.between),
        ) as progress,
    ):
        sender = Sender(
            link,
            progress.around(_emitter(run, stdout)),
            progress.apart(run.report),
            stop,
            unsent,
            most=_most(out),
            limiter=RateLimiter(out.rate, stop.wait) if out.rate else None,
            pacer=Pacer(out.pace, stop.wait) if out.pace else None,
            retry=out.retry,
            more_input=lambda: source is not None and bool(select.select([source], [], [], 0)[0]),
        )
        # What was imported stays: the collector need not walk it again and again (0.5 of 12 µs a record).
        gc.freeze()
        try:
            sender.run(progress.through(batches), _parser(out))
        except KubemqctlError as e:
            if e.exit_code != ExitCode.SIGPIPE:
                progress.clear()
                run.note(sender.summary.summary())
            raise
    return _conclude(run, sender, stop)


def _conclude(run: Invocation, sender: Sender, stop: StopSignal) -> int:
    """Say how it ended."""
    summary = sender.summary
    if stop:
        run.note(f"{summary.stopping()}: {summary.summary()}")
        return stop.exit_code
    if error := summary.ending():
        raise error
    run.note(summary.summary())
    return 0


def _check_many(out: SendOptions) -> None:
    if out.template.id:
        raise UsageError(
            "--id can only be used for a single message",
            hint="to keep the IDs of records: --json-lines --keep-id",
        )
    out.separators.check()
    if out.separators and len(out.files) > 1:
        raise UsageError(
            "several --file, a message each, cannot be split by --lines, -0, --delimiter or --json-lines"
        )
    _check_records(out)
    if out.pace is not None and out.rate is not None:
        raise UsageError("--pace and --rate cannot be used together")


@contextmanager
def _batches(out: SendOptions, stop: StopSignal) -> Iterator[tuple[int | None, Iterator[InputBatch]]]:
    """The input in batches, from wherever it comes, and its descriptor where there is one."""
    if len(out.files) > 1:
        if out.body is not None:
            raise UsageError("the body is given twice: as an argument and with --file")
        yield None, file_batches(out.files, has_metadata=bool(out.template.metadata))
        return
    with split_source(
        out.body,
        out.files,
        out.separators,
        stdin_is_terminal=is_terminal(0),
        stop_fd=stop.fd,
        max_count=out.most_at_once,
    ) as source:
        yield source


def _most(out: SendOptions) -> int:
    """How many messages a request may have: what they all carry beside their bodies takes room too."""
    template = out.template
    tags = sum(len(key.encode()) + len(value.encode()) for key, value in template.tags.items())
    return max(1, min(out.most_at_once, MAX_BYTES // (len(template.metadata.encode()) + tags + 1)))


def _parser(out: SendOptions) -> Parse:
    parse = (
        parse_records(out.template, out.keep_id, out.kept, out.pace is not None)
        if out.separators.json_lines
        else parse_bodies(out.template)
    )
    if out.new_id is None and out.encode is None:
        return parse

    def parse_and_finish(batch: InputBatch) -> ParsedBatch:
        job, bad = parse(batch)
        return ParsedBatch(job._replace(messages=[_finished(m, out) for m in job.messages]), bad)

    return parse_and_finish


def _finished(message: Message, out: SendOptions) -> Message:
    """`message` with its body encoded, and with an id where the server makes none."""
    if out.encode:
        message = message._replace(body=out.encode(message.body))
    return message if message.id or out.new_id is None else message._replace(id=out.new_id())


@contextmanager
def _connection(run: Invocation, unsent: UnsentFiles, opened: Open) -> Iterator[Link]:
    """A link to the server, or to none where a file is to keep what could not be sent; raises Unreachable."""
    try:
        client = run.client()
    except Unreachable as e:
        if not unsent.keeps_failed:
            raise
        yield _dead_end(e)
        return
    with client:
        yield _link(run, client, opened(client))


def _link(run: Invocation, client: Client, outlet: Outlet) -> Link:
    from kubemqctl.client.error_translation import server_error

    return Link(outlet.build, _reconnection(run, client), server_error)


def _reconnection(run: Invocation, client: Client) -> Reconnection:
    return Reconnection(client.reconnect, run.settings().connect_timeout)


def _dead_end(error: Unreachable) -> Link:
    def fail() -> PendingRequest:
        raise error

    return Link(lambda messages: fail, Reconnection(fail, 0))


MOST_SHOWN = 10
"""So many results of one run are listed for people; the summary counts them all."""


def _emitter(run: Invocation, stdout: Stdout) -> Emit:
    """Prints results as they come. A pipe that wants ids gets those of accepted messages only.

    So do people, who read of the others on stderr; of many they see the first, and with -q none.
    """
    render = run.renderer(SendResult).one
    form = run.form().name
    only_accepted = form in ("raw", "human")
    left = None if form != "human" else 0 if run.common.quiet else MOST_SHOWN

    def emit(results: Sequence[SendResult]) -> None:
        nonlocal left
        shown = [r for r in results if not r.error] if only_accepted else results
        if left is not None:
            shown = shown[:left]
            left -= len(shown)
        if not stdout.write(b"".join(map(render, shown))):
            run.warn("stopped while nobody read the output: the last results were not printed")

    return emit


def send(run: Invocation, out: SendOptions) -> int:
    """Send what `out` says to a queue; returns the exit code and raises as `send_one` and `send_many` do."""

    def opened(client: Client) -> Outlet:
        from kubemqctl.client import queues

        return Outlet(partial(queues.send, client), partial(queues.batch, client))

    return (send_many if out.is_many else send_one)(run, out, opened)


def publish(run: Invocation, out: SendOptions, store: bool) -> int:
    """Publish what `out` says, as plain events or stored ones; returns and raises as `queue send` does."""

    def opened(client: Client) -> Outlet:
        from kubemqctl.client import events

        def build(messages: Sequence[Message]) -> Callable[[], Upload]:
            return events.Upload(client, messages, store).begin

        return Outlet(lambda message: events.publish(client, message, store), build)

    out = out._replace(new_id=new_id, most_at_once=EVENTS_AT_ONCE)
    return (send_many if out.is_many else send_one)(run, out, opened)


def new_id() -> str:
    """22 characters, as long as the server's own ids."""
    return os.urandom(11).hex()
