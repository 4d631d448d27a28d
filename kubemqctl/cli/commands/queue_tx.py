"""`kubemqctl queue tx`: hold one message, and decide."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kubemqctl.cli import options as o
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import Received
from kubemqctl.output.stderr import is_terminal
from kubemqctl.runtime.invocation import Invocation

DEFAULT_VISIBILITY = 60  # seconds, the server's
DECISIONS = "--ack, --reject, --resend CHANNEL, --modify, or -- COMMAND"


Visibility = Annotated[
    int, o.seconds("--visibility", "Hold the message for D, in whole seconds.", minimum=1, default="60s")
]


def on_fail_option(more: str = "") -> Any:
    """The option `--on-fail`; `more` is what it can be besides."""
    return typer.Option(
        "--on-fail",
        metavar="WHAT",
        help=f"If a handler fails: reject; resend=CHANNEL; {more}or stop (return the message and end).",
        show_default="reject",
    )


OnFail = Annotated[str | None, on_fail_option()]


def tx(
    ctx: typer.Context,
    channel: o.Channel,
    ack: Annotated[bool, typer.Option("--ack", help="Acknowledge the message.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Reject the message.")] = False,
    resend: Annotated[
        str | None, typer.Option(metavar="CHANNEL", help="Move the message to CHANNEL.")
    ] = None,
    modify: Annotated[bool, typer.Option("--modify", help="Replace the message by a changed one.")] = False,
    metadata: Annotated[str | None, typer.Option(metavar="M", help="New metadata.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="K=V", help="Tag to set; repeat for more tags.")
    ] = None,
    body: Annotated[str | None, typer.Option(metavar="BODY", help="New body; `-` reads stdin.")] = None,
    file: Annotated[str | None, typer.Option(metavar="PATH", help="Read the new body from PATH.")] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="CHANNEL", help="Queue of the changed message. [default: same queue]"),
    ] = None,
    visibility: Visibility = DEFAULT_VISIBILITY,
    wait: o.Wait = 1.0,
    on_fail: OnFail = None,
    handler_timeout: o.HandlerTimeout = None,
    handler_input: o.HandlerInput = None,
    grace: o.Grace = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    nul: o.Nul = False,
    delimiter: o.Delimiter = None,
) -> int:
    """Receive one message, hold it, and decide what happens to it.

    The message is printed, and hidden from other consumers for --visibility. The decision comes from a
    flag; from the exit code of a handler (0 acknowledges; the visibility is extended while it runs); from
    control lines on stdin; or from a prompt on a terminal. Control lines are: ack, reject, extend 30s,
    resend CHANNEL, modify {record}, and next for another message. With -o json each one is answered by a
    record.

    A message that is rejected, that is returned without a decision, or whose visibility expires goes to
    the end of its queue, and the delivery counts. At its limit of deliveries the server moves it to its
    dead-letter queue, or discards it if it has none.

    Examples:
      kubemqctl queue tx orders --ack > order
      kubemqctl queue tx orders --modify --tag checked=yes --to orders.checked
      printf 'extend 5m\\nack\\n' | kubemqctl queue tx orders
      kubemqctl queue tx orders --visibility 30s -- ./process-order
    """
    from kubemqctl.messaging.encodings import Protobuf
    from kubemqctl.messaging.handlers.options import handler_options
    from kubemqctl.messaging.message_view import message_view
    from kubemqctl.messaging.queues.decisions import Changes, by_flags, check_plain
    from kubemqctl.messaging.queues.failing import parse_on_fail
    from kubemqctl.messaging.queues.tx import by_flag, by_handler, by_lines, transact
    from kubemqctl.messaging.queues.tx_message import HoldOptions

    run: Invocation = ctx.obj
    check_channel(channel)
    handler = handler_options(
        run, concurrency=None, timeout=handler_timeout, input=handler_input, grace=grace
    )
    failing = parse_on_fail(on_fail, None, None, channel, handler is not None).settlement
    if failing.kind == "retry":
        raise UsageError(
            "--on-fail retry belongs to queue receive", hint="use --on-fail reject or resend=CHANNEL"
        )
    changes = Changes(metadata, tag or [], body, file, to)
    decide = by_flags(ack, reject, resend, modify, changes, handler is not None)
    view = message_view(Received, [], decode or [], Protobuf(proto_set, proto_type), run.warn)
    if handler:
        check_plain(nul, delimiter, decodes=view is not None)
        decide_by = by_handler(run, handler, failing, visibility)
    elif decide:
        decide_by = by_flag(run, decide, o.between(nul, delimiter, exact=True), view)
    else:
        if is_terminal(0) and not run.may_ask:
            raise UsageError("no decision was given, and prompting is off", hint=f"give {DECISIONS}")
        decide_by = by_lines(run, o.between(nul, delimiter, exact=False), prompting=is_terminal(0), view=view)
    return transact(run, HoldOptions(channel, visibility, wait), decide_by)
