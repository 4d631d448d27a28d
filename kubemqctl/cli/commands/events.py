"""`kubemqctl events`: pub, sub."""

from __future__ import annotations

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.model.channels import check_channel, check_group
from kubemqctl.model.messages import Message
from kubemqctl.model.text import check_text
from kubemqctl.model.values import parse_tags

group = command_tree.CommandGroup("events")
register = group.register


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
    """Publish one or more events to current subscribers.

    The body is BODY, the content of --file, or stdin; bytes are sent unchanged. To publish many events,
    split the input with --lines, -0, --delimiter or --json-lines, or repeat --file. Prints the ID of each
    event (on a terminal, of the first ten). An event without subscribers is not an error. Events are not
    confirmed one by one: "sent" means that the server accepted the whole stream.

    Examples:
      kubemqctl events pub alarms.kitchen 'smoke' --tag level=high
      kubemqctl events pub alarms.kitchen -- "$body"
      tail -f app.log | kubemqctl events pub logs.app --lines
      seq 100 | kubemqctl events pub ticks --lines --rate 10/s
      kubemqctl events sub 'shop.>' --for 1m -o json > recording
      kubemqctl events pub --json-lines --keep-channel --pace 1x < recording
    """
    from kubemqctl.messaging.encodings import encoder
    from kubemqctl.messaging.input.splitting import Separators
    from kubemqctl.messaging.sending.send import SendOptions, publish

    to = o.destination(channel, keep_channel, "events")
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
        kept="events" if keep_channel else None,
        pace=pace,
    )
    return publish(ctx.obj, out, store=False)


@group.command("sub", command_tree.HandlerCommand)
def sub(
    ctx: typer.Context,
    channel: o.Channel,
    group: o.SubscriberGroup = "",
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
    """Subscribe to events: print them, or run COMMAND for each.

    CHANNEL can have wildcards: * for one word between dots, > for all following words. Only events that
    are published while subscribed arrive; after a lost connection it reconnects, and says that events can
    be missing. COMMAND, the handler, reads the body on stdin and the other fields from KUBEMQ_CHANNEL,
    KUBEMQ_ID, KUBEMQ_METADATA and KUBEMQ_TAGS (JSON). If a handler fails, the exit code of the run is 10.

    --ready-file is created when the subscription is live; on servers that do not report that, half a
    second after subscribing.

    With --where, only events for which all conditions hold are printed, handled and counted.

    Examples:
      kubemqctl events sub 'alarms.>' -o json
      kubemqctl events sub 'alarms.>' --where 'tags.level=high' --where 'body.celsius>=60'
      kubemqctl events sub alarms.kitchen --count 1 --for 1m
      kubemqctl events sub jobs --group workers -- ./work.sh --verbose
    """
    from kubemqctl.messaging.encodings import Protobuf
    from kubemqctl.messaging.events.subscribe import SubscribeOptions, subscribe_events
    from kubemqctl.messaging.handlers.options import handler_options
    from kubemqctl.messaging.message_view import message_view
    from kubemqctl.messaging.subscription import TimeLimits
    from kubemqctl.model.messages import Event

    check_channel(channel, "events", wildcards=True)
    if group:
        check_group(group)
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
    return subscribe_events(run, wish)
