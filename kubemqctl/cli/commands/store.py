"""`kubemqctl store`: pub, sub; copy has a file of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.cli.commands.store_copy import copy
from kubemqctl.model.channels import check_channel, check_durable, check_group
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import Message
from kubemqctl.model.text import check_text
from kubemqctl.model.values import End, Start, only_one, parse_tags

group = command_tree.CommandGroup("store")
register = group.register


Durable = Annotated[
    str | None,
    typer.Option("--durable", metavar="NAME", help="Let the server remember the position under NAME."),
]


@group.command("pub")
def pub(
    ctx: typer.Context,
    channel: o.ChannelUnlessKept = None,
    body: o.Body = None,
    file: o.Files = None,
    metadata: o.Metadata = "",
    tag: o.Tags = None,
    id: o.Id = "",
    lines: o.Lines = False,
    nul: o.Nul = False,
    delimiter: o.Delimiter = None,
    json_lines: o.JsonLines = False,
    keep_id: o.KeepId = False,
    keep_channel: o.KeepChannel = False,
    pace: o.Pace = None,
    encode: o.Encode = None,
    rate: o.Rate = None,
    failed: o.FailedFile = None,
    unknown: o.UnknownFile = None,
    retry: o.Retry = 0,
) -> int:
    """Publish one or more events that are stored.

    The body is BODY, the content of --file, or stdin; bytes are sent unchanged. To publish many events,
    split the input with --lines, -0, --delimiter or --json-lines, or repeat --file. Prints the ID of each
    event (on a terminal, of the first ten).

    Examples:
      kubemqctl store pub orders 'order 1' --tag kind=new
      kubemqctl store pub orders -- "$body"
      tail -f audit.log | kubemqctl store pub audit --lines
      kubemqctl store sub orders --from first --until now -o json | kubemqctl store pub copy --json-lines
    """
    from kubemqctl.messaging.encodings import encoder
    from kubemqctl.messaging.input.splitting import Separators
    from kubemqctl.messaging.sending.send import SendOptions, publish

    to = o.destination(channel, keep_channel, "events_store")
    check_text("--metadata", metadata)
    check_text("--id", id)
    template = Message(channel=to, id=id, metadata=metadata, tags=parse_tags(tag or ()))
    out = SendOptions(
        template,
        body=body,
        files=file or [],
        separators=Separators(lines, nul, delimiter, json_lines),
        keep_id=keep_id,
        rate=rate,
        failed=failed,
        unknown=unknown,
        retry=retry,
        encode=encoder(encode or []),
        kept="events_store" if keep_channel else None,
        pace=pace,
    )
    return publish(ctx.obj, out, store=True)


@group.command("sub", command_tree.HandlerCommand)
def sub(
    ctx: typer.Context,
    channel: o.Channel,
    start: o.From = None,
    until: o.Until = None,
    group: o.SubscriberGroup = "",
    durable: Durable = None,
    checkpoint: o.CheckpointFile = None,
    count: o.Count = None,
    idle: o.Idle = None,
    lasting: o.For = None,
    nul: o.Nul = False,
    delimiter: o.Delimiter = None,
    concurrency: o.Concurrency = None,
    handler_input: o.HandlerInput = None,
    persistent: o.Persistent = False,
    handler_timeout: o.HandlerTimeout = None,
    grace: o.Grace = None,
    ready_file: o.ReadyFile = None,
    no_reconnect: o.NoReconnect = False,
    where: o.Where = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
) -> int:
    """Read stored events from any position: print them, or run COMMAND for each.

    Continues with new events until --until, --count, --idle or --for ends it. Events arrive in order,
    without gaps or duplicates, across lost connections and server restarts. If the server no longer has
    some of them, that is reported, and the exit code is 7.

    --checkpoint saves the position in FILE after an event was written or its handler succeeded. The next
    run continues there, and --from is ignored. If a handler fails, the run ends at that event.

    --durable and --group let the server remember the position, under NAME or for the members of G. Then
    --from counts only the first time, and events that were in transit when a subscriber disconnected are
    not sent again. A durable name can have one subscriber at a time.

    COMMAND, the handler, reads the body on stdin and the other fields from KUBEMQ_CHANNEL, KUBEMQ_ID,
    KUBEMQ_METADATA, KUBEMQ_SEQUENCE, KUBEMQ_TIMESTAMP and KUBEMQ_TAGS (JSON). If a handler fails, the exit
    code of the run is 10. --ready-file is created when the subscription is live; on servers that do not
    report that, half a second after subscribing.

    With --where, only events for which all conditions hold are printed, handled and counted.

    Examples:
      kubemqctl store sub orders --from first --until now -o json
      kubemqctl store sub orders --from 2h --idle 5s --where 'body.total>=100'
      kubemqctl store sub orders --from first --checkpoint orders.position -- ./import.sh
    """
    from kubemqctl.messaging.encodings import Protobuf
    from kubemqctl.messaging.events.subscribe import StoreOptions, SubscribeOptions, subscribe_store
    from kubemqctl.messaging.handlers.options import handler_options
    from kubemqctl.messaging.message_view import message_view
    from kubemqctl.messaging.subscription import TimeLimits
    from kubemqctl.model.messages import Event
    from kubemqctl.model.values import check_order

    check_channel(channel, "events_store")
    begin = start or Start("new")
    _check_position(group, durable, checkpoint, begin, until)
    if until:
        check_order(begin, until)
    run = ctx.obj
    handler = handler_options(
        run,
        concurrency=concurrency,
        timeout=handler_timeout,
        input=handler_input,
        grace=grace,
        persistent=persistent,
    )
    wish = SubscribeOptions(
        channel,
        group,
        count or 0,
        TimeLimits(idle, lasting),
        reconnect=not no_reconnect,
        ready_file=ready_file,
        delimiter=o.between(nul, delimiter, exact=count == 1),
        handler=handler,
        view=message_view(Event, where or [], decode or [], Protobuf(proto_set, proto_type), run.warn),
    )
    return subscribe_store(run, wish, StoreOptions(begin, until, durable or "", checkpoint))


group.command("copy")(copy)


def _check_position(
    group: str, durable: str | None, checkpoint: str | None, start: Start, until: End | None
) -> None:
    """Only one may keep the position, and only we know the end."""
    keepers = {
        "--group": bool(group),
        "--durable": durable is not None,
        "--checkpoint": checkpoint is not None,
    }
    given = only_one(keepers, ": each keeps the position in its own way")
    if start.kind == "back" and (group or durable is not None):
        raise UsageError(
            f"--from -{start.value} cannot be used with {given[0]}: only the server knows where that starts",
            hint="use --from first, a sequence, a time or a duration",
        )
    if until and (group or durable is not None):
        raise UsageError(
            f"--until cannot be used with {given[0]}: only the server knows where that starts",
            hint="use --idle or --count to end the run",
        )
    if group:
        check_group(group, "events_store")
    if durable is not None:
        check_durable(durable)
