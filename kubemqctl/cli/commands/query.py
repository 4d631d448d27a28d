"""`kubemqctl query`: send, respond."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.limits import MAX_WIRE_SECONDS
from kubemqctl.model.messages import NO_TAGS, Request
from kubemqctl.model.text import check_text
from kubemqctl.model.values import parse_tags

group = command_tree.CommandGroup("query", "Send queries, which are answered, and respond to them.")
register = group.register
CacheKey = Annotated[
    str,
    typer.Option(
        "--cache-key", metavar="K", help="Let the server answer from its cache.", show_default=False
    ),
]
CacheTtl = Annotated[
    int, o.seconds("--cache-ttl", "How long it may keep this answer there.", 1, MAX_WIRE_SECONDS)
]


@group.command("send")
def send(
    ctx: typer.Context,
    channel: o.Channel,
    body: o.Body = None,
    file: o.File = None,
    timeout: o.RequestTimeout = 10.0,
    metadata: o.Metadata = "",
    tag: o.Tags = None,
    cache_key: CacheKey = "",
    cache_ttl: CacheTtl = 0,
) -> int:
    """Send a query and print the answer.

    To a pipe goes the answer's body, byte for byte; -o json prints the whole response. Ends with 9 when
    the responder refuses, its words on stderr, and with 6 when nobody answers in time.

    Examples:
      kubemqctl query send price.tea 100g
      kubemqctl query send report --metadata 2024-05 --timeout 1m > report.pdf
      kubemqctl query send price.tea 100g --cache-key tea-100 --cache-ttl 30s -o json
    """
    from kubemqctl.messaging.requests.ask import AskOptions, ask

    check_channel(channel, "queries")
    check_text("--metadata", metadata)
    check_text("--cache-key", cache_key)
    if bool(cache_key) != bool(cache_ttl):
        raise UsageError("--cache-key and --cache-ttl belong together: give both, as --cache-ttl 30s")
    tags = parse_tags(tag) if tag else NO_TAGS
    request = Request(channel, b"", metadata, tags, timeout, cache_key, cache_ttl)
    return ask(ctx.obj, "queries", AskOptions(request, body, file))


@group.command("respond", handler=True)
def respond(
    ctx: typer.Context,
    channel: o.Channel,
    reply: Annotated[
        str | None, typer.Option("--reply", metavar="BODY", help="Answer every query so; `-` reads stdin.")
    ] = None,
    reply_file: Annotated[
        str | None, typer.Option("--reply-file", metavar="PATH", help="Answer with what this file holds now.")
    ] = None,
    echo: Annotated[
        bool, typer.Option("--echo", help="Answer every query with itself: body, metadata and tags.")
    ] = False,
    error: o.Error = None,
    group: o.SubscriberGroup = "",
    count: o.RequestCount = None,
    concurrency: o.Concurrency = None,
    metadata: o.Metadata = "",
    tag: o.Tags = None,
    handler_input: o.HandlerInput = None,
    handler_output: o.HandlerOutput = None,
    handler_timeout: o.HandlerTimeout = None,
    grace: o.Grace = None,
    ready_file: o.ReadyFile = None,
    no_reconnect: o.NoReconnect = False,
) -> int:
    """Respond to queries: with one answer, or what COMMAND prints.

    The handler reads the body on stdin and the rest from KUBEMQ_CHANNEL, KUBEMQ_ID, KUBEMQ_METADATA,
    KUBEMQ_TAGS (JSON) and KUBEMQ_TIMEOUT; its stdout is the answer's body. Any exit code but 0 refuses
    the query with the last line of the handler's stderr. --handler-output json takes a record instead:
    body, metadata, tags, error. A handler is stopped shortly before the sender gives up, or after
    --handler-timeout. CHANNEL may have wildcards: * for one word between dots, > for all that follow.

    Examples:
      kubemqctl query respond price.tea --reply '4.20'
      kubemqctl query respond 'echo.>' --echo
      kubemqctl query respond shout --concurrency 4 -- tr a-z A-Z
    """
    from kubemqctl.messaging.requests.respond import (
        AnswerChoice,
        HandlerFlags,
        ResponderSubscription,
        respond,
    )

    return respond(
        ctx.obj,
        ResponderSubscription("queries", channel, group, not no_reconnect, ready_file),
        AnswerChoice(error=error, reply=reply, reply_file=reply_file, echo=echo),
        HandlerFlags(concurrency, handler_timeout, handler_input, handler_output, grace),
        metadata=metadata,
        tags=tag or (),
        count=count or 0,
    )
