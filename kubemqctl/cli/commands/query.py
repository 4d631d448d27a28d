"""`kubemqctl query`: send, respond."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.model.errors import UsageError
from kubemqctl.model.limits import MAX_WIRE_SECONDS
from kubemqctl.model.messages import AnsweredRequest, Request, Response
from kubemqctl.model.text import check_text
from kubemqctl.model.values import parse_tags
from kubemqctl.runtime.invocation import Invocation

group = command_tree.CommandGroup("query")
register = group.register
CacheKey = Annotated[
    str,
    typer.Option(
        "--cache-key",
        metavar="K",
        help="Let the server answer from its cache, under the key K.",
        show_default=False,
    ),
]
CacheTtl = Annotated[
    int,
    o.seconds(
        "--cache-ttl", "How long the server caches the response, in whole seconds.", 1, MAX_WIRE_SECONDS
    ),
]


@group.command("send")
def send(
    ctx: typer.Context,
    channel: o.ChannelUnlessKept = None,
    body: o.Body = None,
    file: o.File = None,
    timeout: o.AskTimeout = None,
    metadata: o.Metadata = "",
    tag: o.Tags = None,
    cache_key: CacheKey = "",
    cache_ttl: CacheTtl = 0,
    lines: o.Lines = False,
    nul: o.Nul = False,
    delimiter: o.Delimiter = None,
    json_lines: o.JsonLines = False,
    keep_id: o.KeepId = False,
    keep_channel: o.KeepChannel = False,
    pace: o.Pace = None,
    encode: o.Encode = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    rate: o.Rate = None,
    concurrency: o.AskConcurrency = None,
) -> int:
    """Send a query and print the response.

    In a pipe the body of the response is printed, byte for byte; -o json prints all of the response. The
    exit code is 9 if the responder refuses the query (its reason is printed to stderr), and 6 if nobody
    responds in time.

    To send many queries, split the input with --lines, -0, --delimiter or --json-lines. Responses come in the
    order of the input; if only some queries were answered, the exit code is 7.
    With --keep-channel each record goes to the channel that it names, and with --pace records keep the gaps
    between their times: what `query respond` has recorded with -o json is replayed.

    Examples:
      kubemqctl query send price.tea 100g
      kubemqctl query send report --metadata 2024-05 --timeout 1m > report.pdf
      kubemqctl query send price.tea 100g --cache-key tea-100 --cache-ttl 30s -o json
      kubemqctl query send price.tea --lines --concurrency 8 < orders.txt
    """
    from kubemqctl.messaging.encodings import Protobuf, encoder
    from kubemqctl.messaging.input.splitting import Separators
    from kubemqctl.messaging.message_view import message_view
    from kubemqctl.messaging.requests.ask import ask
    from kubemqctl.messaging.requests.ask_options import AskOptions, ManyOptions

    to = o.destination(channel, keep_channel, "queries")
    check_text("--metadata", metadata)
    check_text("--cache-key", cache_key)
    if bool(cache_key) != bool(cache_ttl):
        raise UsageError("--cache-key and --cache-ttl must be used together")
    tags = parse_tags(tag or ())
    request = Request(to, b"", metadata, tags, o.asked(timeout), cache_key, cache_ttl)
    separators = Separators(lines, nul, delimiter, json_lines)
    many = ManyOptions(separators, keep_id, rate, concurrency, encoder(encode or []), keep_channel, pace)
    run: Invocation = ctx.obj
    view = message_view(Response, [], decode or [], Protobuf(proto_set, proto_type), run.warn)
    return ask(run, "queries", AskOptions(request, body, file, many, view))


@group.command("respond", command_tree.HandlerCommand)
def respond(
    ctx: typer.Context,
    channel: o.Channel,
    reply: Annotated[
        str | None, typer.Option("--reply", metavar="BODY", help="Respond with this body; `-` reads stdin.")
    ] = None,
    reply_file: Annotated[
        str | None,
        typer.Option(
            "--reply-file", metavar="PATH", help="Respond with the content of PATH, as it is at the start."
        ),
    ] = None,
    echo: Annotated[
        bool, typer.Option("--echo", help="Respond with the body, metadata and tags of the query.")
    ] = False,
    error: o.Error = None,
    group: o.SubscriberGroup = "",
    count: o.RequestCount = None,
    concurrency: o.Concurrency = None,
    metadata: o.Metadata = "",
    tag: o.Tags = None,
    handler_input: o.HandlerInput = None,
    handler_output: o.HandlerOutput = None,
    persistent: o.Persistent = False,
    handler_timeout: o.HandlerTimeout = None,
    grace: o.Grace = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    ready_file: o.ReadyFile = None,
    background: o.Background = False,
    log: o.Log = None,
    no_reconnect: o.NoReconnect = False,
) -> int:
    """Respond to queries: with a fixed response, or with what COMMAND prints.

    COMMAND, the handler, reads the body on stdin and the other fields from KUBEMQ_CHANNEL, KUBEMQ_ID,
    KUBEMQ_METADATA, KUBEMQ_TAGS (JSON) and KUBEMQ_TIMEOUT. Its stdout is the body of the response; with
    --handler-output json it is a record with body, metadata, tags and error. If it does not exit with 0,
    the query is refused with the last line of its stderr. A handler is stopped shortly before the sender's
    time-out, or after --handler-timeout. CHANNEL can have wildcards: * for one word between dots, > for
    all following words. With --background it runs detached, and its process ID is printed once it is live.

    Examples:
      kubemqctl query respond price.tea --reply '4.20'
      kubemqctl query respond 'echo.>' --echo
      kubemqctl query respond shout --concurrency 4 -- tr a-z A-Z
    """
    from kubemqctl.messaging.encodings import Protobuf
    from kubemqctl.messaging.message_view import message_view
    from kubemqctl.messaging.requests.respond import (
        AnswerChoice,
        HandlerFlags,
        InBackground,
        ResponderSubscription,
        respond,
    )

    run: Invocation = ctx.obj
    return respond(
        run,
        ResponderSubscription("queries", channel, group, not no_reconnect, ready_file),
        AnswerChoice(error=error, reply=reply, reply_file=reply_file, echo=echo),
        HandlerFlags(concurrency, handler_timeout, handler_input, handler_output, grace, persistent),
        metadata=metadata,
        tags=tag or (),
        count=count or 0,
        background=InBackground(background, log),
        view=message_view(AnsweredRequest, [], decode or [], Protobuf(proto_set, proto_type), run.warn),
    )
