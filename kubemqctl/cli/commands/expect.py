"""`kubemqctl expect`: queue, events, store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.model.channels import check_channel
from kubemqctl.model.messages import Event, Received
from kubemqctl.model.values import Start

if TYPE_CHECKING:
    from kubemqctl.messaging.expect.watch import ExpectOptions
    from kubemqctl.runtime.invocation import Invocation

group = command_tree.CommandGroup("expect")
register = group.register
Never = Annotated[
    list[str] | None,
    typer.Option("--never", metavar="EXPR", help="Fail when EXPR holds for any message; repeatable."),
]
Least = Annotated[
    int | None, typer.Option("-n", "--count", metavar="N", min=1, help="Expect at least N.", show_default="1")
]
Exactly = Annotated[
    int | None, typer.Option("--exactly", metavar="N", min=0, help="Expect N, neither more nor fewer.")
]
NoneOf = Annotated[bool, typer.Option("--none", help="Expect none.")]
Within = Annotated[
    float, o.duration("--within", "Wait up to D, from the end of COMMAND if there is one.", "5s")
]
Take = Annotated[
    bool,
    typer.Option(
        "--take",
        help="Acknowledge what matched if all holds; only for queues that nobody else drains.",
    ),
]
WatchedFile = Annotated[
    str | None,
    typer.Option("--ready-file", metavar="PATH", help="Create the file PATH once the channel is watched."),
]


@group.command("queue", command_tree.HandlerCommand)
def queue(
    ctx: typer.Context,
    channel: o.Channel,
    where: o.Where = None,
    never: Never = None,
    count: Least = None,
    exactly: Exactly = None,
    none: NoneOf = False,
    within: Within = 5.0,
    take: Take = False,
    ready_file: WatchedFile = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    nul: o.Nul = False,
    delimiter: o.Delimiter = None,
) -> int:
    """Check that messages are in a queue, or get there when COMMAND runs.

    Looks at what waits, takes nothing, and ends with 0 as soon as --count messages match; with --exactly
    and --none it looks until --within is over. If that does not hold, the exit code is 11, and the nearest
    messages are shown with the conditions that they do not fulfil. Prints the messages that match; where
    one is asked for, a pipe gets the exact bytes of the first.

    COMMAND is started once the queue is watched. Messages that waited before do not count, its stdout goes
    to stderr, and it finds the address in KUBEMQ_ADDRESS. If it fails, the exit code is 10.

    At most 1,024 messages can be looked at: more are exit code 7, never 0. So is a result that others
    might change with what they hold. What another consumer takes before it was looked at is not seen.

    Examples:
      kubemqctl expect queue orders --where 'body.id=42' --within 10s
      kubemqctl expect queue orders.dead --none -- ./run-all-orders
      kubemqctl expect queue mails --exactly 3 --never 'tags.kind=error' -- ./send-mails
    """
    from kubemqctl.messaging.expect.queue_watch import expect_queue

    check_channel(channel)
    options = _options(
        ctx.obj,
        Received,
        channel,
        Numbers(count, exactly, none),
        where,
        never,
        within=within,
        decode=decode,
        protobuf=(proto_set, proto_type),
        nul=nul,
        delimiter=delimiter,
        ready_file=ready_file,
    )
    return expect_queue(ctx.obj, options, take)


@group.command("events", command_tree.HandlerCommand)
def events(
    ctx: typer.Context,
    channel: o.Channel,
    where: o.Where = None,
    never: Never = None,
    count: Least = None,
    exactly: Exactly = None,
    none: NoneOf = False,
    within: Within = 5.0,
    ready_file: WatchedFile = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    nul: o.Nul = False,
    delimiter: o.Delimiter = None,
) -> int:
    """Check that events are published, for instance when COMMAND runs.

    Subscribes, starts COMMAND once the subscription is live, and ends with 0 as soon as COMMAND has ended
    and --count events match; with --exactly and --none it goes on until --within is over. If that does not
    hold, the exit code is 11, and the nearest events are shown with the conditions that they do not fulfil.
    Prints the events that match.

    COMMAND's stdout goes to stderr, and it finds the address in KUBEMQ_ADDRESS. If it fails, the exit code
    is 10. Events may be missed when the connection is lost: then the exit code is 5, never 0.

    Examples:
      kubemqctl expect events 'orders.>' --where 'body.state=paid' -- ./pay-order 42
      kubemqctl expect events alarms --none --within 10s -- ./run-the-test
    """
    from kubemqctl.messaging.expect.watch import expect_events

    check_channel(channel, "events", wildcards=True)
    options = _options(
        ctx.obj,
        Event,
        channel,
        Numbers(count, exactly, none),
        where,
        never,
        within=within,
        decode=decode,
        protobuf=(proto_set, proto_type),
        nul=nul,
        delimiter=delimiter,
        ready_file=ready_file,
    )
    return expect_events(ctx.obj, options, None)


@group.command("store", command_tree.HandlerCommand)
def store(
    ctx: typer.Context,
    channel: o.Channel,
    start: o.From = None,
    where: o.Where = None,
    never: Never = None,
    count: Least = None,
    exactly: Exactly = None,
    none: NoneOf = False,
    within: Within = 5.0,
    ready_file: WatchedFile = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    nul: o.Nul = False,
    delimiter: o.Delimiter = None,
) -> int:
    """Check that events are stored, from --from on, for instance when COMMAND runs.

    As `expect events`; with --from, events that are stored already count as well. After a lost connection
    it goes on without missing events. If some are gone from the server, the exit code is 7, never 0.

    Examples:
      kubemqctl expect store audit --where 'body.user=ada' -- ./log-in ada
      kubemqctl expect store audit --from 1h --none --where 'body.level=error'
    """
    from kubemqctl.messaging.expect.watch import expect_events

    check_channel(channel, "events_store")
    options = _options(
        ctx.obj,
        Event,
        channel,
        Numbers(count, exactly, none),
        where,
        never,
        within=within,
        decode=decode,
        protobuf=(proto_set, proto_type),
        nul=nul,
        delimiter=delimiter,
        ready_file=ready_file,
    )
    return expect_events(ctx.obj, options, start or Start("new"))


class Numbers(NamedTuple):
    """--count, --exactly and --none, as given."""

    least: int | None
    exactly: int | None
    none: bool


def _options(
    run: Invocation,
    noun_type: type[Any],
    channel: str,
    numbers: Numbers,
    where: list[str] | None,
    never: list[str] | None,
    *,
    within: float,
    decode: list[str] | None,
    protobuf: tuple[str, str],
    nul: bool,
    delimiter: bytes | None,
    ready_file: str | None,
) -> ExpectOptions:
    """What is expected: all of it is read, and the command found, before anything is asked of a server."""
    from kubemqctl.messaging.conditions import parse_conditions
    from kubemqctl.messaging.encodings import Protobuf, decoder
    from kubemqctl.messaging.expect.expectation import wanted
    from kubemqctl.messaging.expect.watch import ExpectOptions
    from kubemqctl.messaging.handlers.options import find
    from kubemqctl.messaging.message_view import MessageView

    number = wanted(*numbers, where=bool(where), never=bool(never))
    conditions = parse_conditions(where or [], noun_type, run.warn)
    view: MessageView[Any] = MessageView(conditions, decoder(decode or [], Protobuf(*protobuf)), run.warn)
    forbidden = parse_conditions(never or [], noun_type, run.warn, "--never")
    command = None if run.words is None else find(run.words, run.environ)
    between = o.between(nul, delimiter, exact=number.least == 1 and number.most in (None, 1))
    return ExpectOptions(channel, number, view, forbidden, within, command, between, ready_file)
