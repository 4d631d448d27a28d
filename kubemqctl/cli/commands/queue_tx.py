"""`kubemqctl queue tx`: hold one message, and decide."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import options as o
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.values import whole_seconds
from kubemqctl.output.stderr import is_terminal
from kubemqctl.runtime.invocation import Invocation

DEFAULT_VISIBILITY = 60  # seconds, the server's
DECISIONS = "--ack, --reject, --resend CHANNEL, --modify, or -- COMMAND"


def _visibility(text: str) -> int:
    return whole_seconds(text, "--visibility", minimum=1) if isinstance(text, str) else text


Visibility = Annotated[
    int,
    typer.Option(
        "--visibility",
        metavar="D",
        help="Hold it so long; whole seconds.",
        parser=_visibility,
        show_default="60s",
    ),
]
OnFail = Annotated[
    str | None,
    typer.Option(
        "--on-fail",
        metavar="WHAT",
        help="When a handler fails: reject, resend=CHANNEL, or stop (give back, and take no more).",
        show_default="reject",
    ),
]


def tx(
    ctx: typer.Context,
    channel: o.Channel,
    ack: Annotated[bool, typer.Option("--ack", help="Print it, then acknowledge it.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Print it, then reject it.")] = False,
    resend: Annotated[
        str | None, typer.Option(metavar="CHANNEL", help="Print it, then move it to CHANNEL.")
    ] = None,
    modify: Annotated[
        bool, typer.Option("--modify", help="Print it, then send it changed, in its place.")
    ] = False,
    metadata: Annotated[str | None, typer.Option(metavar="M", help="--modify: the metadata.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="K=V", help="--modify: a tag; repeatable.")
    ] = None,
    body: Annotated[
        str | None, typer.Option(metavar="BODY", help="--modify: the body; `-` reads stdin.")
    ] = None,
    file: Annotated[str | None, typer.Option(metavar="PATH", help="--modify: the body, from a file.")] = None,
    to: Annotated[
        str | None, typer.Option(metavar="CHANNEL", help="--modify: where to; else the same queue.")
    ] = None,
    visibility: Visibility = DEFAULT_VISIBILITY,
    wait: o.Wait = 1.0,
    on_fail: OnFail = None,
    handler_timeout: o.HandlerTimeout = None,
    handler_input: o.HandlerInput = None,
    grace: o.Grace = None,
    nul: o.Nul = False,
    delimiter: o.Delimiter = None,
) -> int:
    """Hold one message of a queue, and decide what becomes of it.

    While it is held nobody else sees it, for --visibility. What is decided: by a flag, at once; by a handler
    behind `--`, whose exit code 0 acknowledges and whose visibility is extended for as long as it runs; by
    lines on stdin; or at a prompt. The lines, and the words of the prompt, are: ack, reject, extend 30s,
    resend CHANNEL, modify {record}, and next for another message. Under -o json each is answered by one line.

    A message that is rejected, given back undecided, or whose visibility runs out goes to the end of its
    queue and counts as received; at its maximum the server moves it to its dead-letter queue, or drops it.

    Examples:
      kubemqctl queue tx orders --ack > order
      kubemqctl queue tx orders --modify --tag checked=yes --to orders.checked
      printf 'extend 5m\\nack\\n' | kubemqctl queue tx orders
      kubemqctl queue tx orders --visibility 30s -- ./process-order
    """
    from kubemqctl.messaging.handlers.options import handler_options
    from kubemqctl.messaging.queues.decisions import Changes, by_flags, check_plain
    from kubemqctl.messaging.queues.decisions import on_fail as parse_on_fail
    from kubemqctl.messaging.queues.tx import Handling, by_flag, by_handler, by_lines, transact
    from kubemqctl.messaging.queues.tx_message import HoldOptions

    run: Invocation = ctx.obj
    check_channel(channel)
    handler = handler_options(
        run.words, run.environ, concurrency=None, timeout=handler_timeout, input=handler_input, grace=grace
    )
    failing = parse_on_fail(on_fail, channel, handler is not None)
    changes = Changes(metadata, tag or [], body, file, to)
    decide = by_flags(ack, reject, resend, modify, changes, handler is not None)
    if handler:
        check_plain(nul, delimiter)
        decide_by = by_handler(run, Handling(handler, run.environ, failing), visibility)
    elif decide:
        decide_by = by_flag(run, decide, o.between(nul, delimiter, exact=True))
    else:
        if is_terminal(0) and not run.may_ask:
            raise UsageError("there is nobody to ask what becomes of the message", hint=f"give {DECISIONS}")
        decide_by = by_lines(run, o.between(nul, delimiter, exact=False), prompting=is_terminal(0))
    return transact(run, HoldOptions(channel, visibility, wait), decide_by)
