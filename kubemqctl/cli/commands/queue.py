"""`kubemqctl queue`: send, receive, peek, ack-all, list, info; tx, move and copy have files of their own."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.cli.commands.queue_move import copy, move
from kubemqctl.cli.commands.queue_tx import on_fail_option, tx
from kubemqctl.model.channels import ChannelInfo, check_channel
from kubemqctl.model.errors import NotFound, NothingArrived, UsageError
from kubemqctl.model.messages import Affected, Message, Policy, Received
from kubemqctl.model.text import check_text, quoted
from kubemqctl.model.values import parse_tags
from kubemqctl.output.tsv import pairs
from kubemqctl.runtime.invocation import Invocation

group = command_tree.CommandGroup("queue")
register = group.register
Expire = Annotated[
    int, o.seconds("--expire", "Discard the message if it is not received within D, in whole seconds.")
]
Delay = Annotated[int, o.seconds("--delay", "Deliver the message only after D, in whole seconds.")]
MaxReceives = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        max=1024,
        help="Allow at most N deliveries; then dead-letter or discard the message.",
        show_default=False,
    ),
]
Wait = Annotated[float | None, o.duration("--wait", "Wait up to D for the first message.", "1s")]
OnFail = Annotated[str | None, on_fail_option("retry=DELAY[..MAX]; ")]
DeadLetter = Annotated[
    str, typer.Option(metavar="CHANNEL", help="Dead-letter queue for --max-receives.", show_default=False)
]


@group.command("send")
def send(
    ctx: typer.Context,
    channel: o.ChannelUnlessKept = None,
    body: o.Body = None,
    file: o.Files = None,
    metadata: o.Metadata = "",
    tag: o.Tags = None,
    id: o.Id = "",
    expire: Expire = 0,
    delay: Delay = 0,
    max_receives: MaxReceives = 0,
    dead_letter: DeadLetter = "",
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
    """Send one or more messages to a queue.

    The body is BODY, the content of --file, or stdin; bytes are sent unchanged. To send many messages,
    split the input with --lines, -0, --delimiter or --json-lines, or repeat --file. Prints the ID of each
    message (on a terminal, of the first ten). --encode packs the bodies, for instance as gzip.

    With --keep-channel each record goes to the queue that it names, and with --pace records keep the gaps
    between their times: what `queue peek` or `events sub` has recorded with -o json is replayed.

    Examples:
      kubemqctl queue send orders 'order 1' --tag kind=new --expire 1h
      kubemqctl queue send orders -- "$body"
      tail -f app.log | kubemqctl queue send logs --lines
      kubemqctl queue send orders --json-lines < saved.jsonl
    """
    from kubemqctl.messaging.encodings import encoder
    from kubemqctl.messaging.input.splitting import Separators
    from kubemqctl.messaging.sending.send import SendOptions
    from kubemqctl.messaging.sending.send import send as send_messages

    to = o.destination(channel, keep_channel, "queues")
    if dead_letter:
        check_channel(dead_letter)
    check_text("--metadata", metadata)
    check_text("--id", id)
    run: Invocation = ctx.obj
    template = Message(
        channel=to,
        id=id,
        metadata=metadata,
        tags=parse_tags(tag or ()),
        policy=Policy(expire, delay, max_receives, dead_letter),
    )
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
        kept="queues" if keep_channel else None,
        pace=pace,
    )
    return send_messages(run, out)


@group.command("receive", command_tree.HandlerCommand)
def receive(
    ctx: typer.Context,
    channel: o.Channel,
    count: o.Count = None,
    all: o.All = False,
    follow: o.Follow = False,
    wait: Wait = None,
    idle: o.Idle = None,
    lasting: o.For = None,
    ack: Annotated[
        str,
        typer.Option(
            "--ack",
            metavar="WHEN",
            help="When to acknowledge: after-output, or auto: on delivery (at most once).",
        ),
    ] = "after-output",
    concurrency: o.Concurrency = None,
    on_fail: OnFail = None,
    max_attempts: Annotated[
        int | None,
        typer.Option(
            "--max-attempts",
            metavar="N",
            min=1,
            help="Run the handler N times at most for a message, then send it to --dead-letter.",
            show_default="no limit",
        ),
    ] = None,
    dead_letter: Annotated[
        str | None,
        typer.Option(
            "--dead-letter", metavar="CHANNEL", help="Where messages go after --max-attempts, with tags."
        ),
    ] = None,
    persistent: o.Persistent = False,
    handler_timeout: o.HandlerTimeout = None,
    handler_input: o.HandlerInput = None,
    grace: o.Grace = None,
    prefix: Annotated[
        bool, typer.Option("--prefix", help="Begin each line of a handler's stderr with #SEQUENCE.")
    ] = False,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    nul: o.Nul = False,
    delimiter: o.Delimiter = None,
) -> int:
    """Receive messages: print them, or run COMMAND for each.

    Receives one message, unless --count, --all or --follow asks for more.

    A message is acknowledged only after it has been written to stdout. If that fails (closed pipe, full
    disk, signal), the message returns to the queue in order, and the delivery is not counted. With
    --ack auto the server acknowledges on delivery: a message that cannot be written is lost.

    COMMAND, the handler, reads the body on stdin and the other fields from KUBEMQ_* variables. If it exits
    with 0, the message is acknowledged; otherwise --on-fail applies, and the exit code of the run is 10.

    With --on-fail retry=DELAY[..MAX], a message that failed comes again after DELAY, which is doubled each
    time up to MAX. What is retried, resent or sent to --dead-letter says in its tags what went wrong:
    kubemqctl-error, kubemqctl-attempts, kubemqctl-failed-at, kubemqctl-failed-from.

    Examples:
      kubemqctl queue receive orders > order
      kubemqctl queue receive orders --all -o json | head -n 3
      kubemqctl queue receive logs --follow --idle 1m
      kubemqctl queue receive orders --follow --concurrency 4 -- ./process-order
      kubemqctl queue receive orders --follow --on-fail retry=10s..10min -- ./process-order
    """
    from kubemqctl.messaging.encodings import Protobuf
    from kubemqctl.messaging.handlers.options import handler_options
    from kubemqctl.messaging.message_view import message_view
    from kubemqctl.messaging.queues.decisions import check_plain
    from kubemqctl.messaging.queues.failing import parse_on_fail
    from kubemqctl.messaging.queues.receive import receive_messages, receive_options

    check_channel(channel)
    if ack not in ("after-output", "auto"):
        raise UsageError(f"--ack takes after-output or auto, not {quoted(ack)}")
    run: Invocation = ctx.obj
    handler = handler_options(
        run,
        concurrency=concurrency,
        timeout=handler_timeout,
        input=handler_input,
        grace=grace,
        persistent=persistent,
        prefix=prefix,
    )
    failing = parse_on_fail(on_fail, max_attempts, dead_letter, channel, handler is not None)
    wish = receive_options(channel, count, all, follow, wait, idle, lasting, ack == "auto")
    view = message_view(Received, [], decode or [], Protobuf(proto_set, proto_type), run.warn)
    if handler:
        from kubemqctl.messaging.queues.handle import handle_messages

        check_plain(nul, delimiter, wish.auto_ack, view is not None)
        return handle_messages(run, wish, handler, failing)
    return receive_messages(run, wish, o.between(nul, delimiter, exact=wish.most == 1), view)


@group.command("peek")
def peek(
    ctx: typer.Context,
    channel: o.Channel,
    count: o.Count = None,
    all: o.All = False,
    wait: o.Wait = 1.0,
    where: o.Where = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    nul: o.Nul = False,
    delimiter: o.Delimiter = None,
) -> int:
    """Print the first messages of a queue without removing them.

    Prints one message, unless --count or --all asks for more. With --where, all that waits is looked at, and
    what does not match is neither printed nor counted. Messages that are held by other consumers or still
    delayed are not visible. To show more than 1024 messages, they are taken in a transaction that is
    then rolled back: order, sequences and receive counts stay the same, but in the meantime other
    consumers do not see them. On KubeMQ's community server, what is looked at while another consumer holds
    messages of the queue can be out of everybody's reach until that one is done.

    Examples:
      kubemqctl queue peek orders
      kubemqctl queue peek orders --count 10 -o json
      kubemqctl queue peek orders --all --format '{sequence} {tags[kind]} {body}'
      kubemqctl queue peek orders --where 'body.price>=9.5' --where 'tags.kind!=test'
    """
    from kubemqctl.messaging.encodings import Protobuf
    from kubemqctl.messaging.message_view import message_view
    from kubemqctl.messaging.queues.peek import peek_messages

    check_channel(channel)
    if all and count is not None:
        raise UsageError("--all and --count cannot be used together")
    between = o.between(nul, delimiter, exact=not all and count in (None, 1))
    run: Invocation = ctx.obj
    view = message_view(Received, where or [], decode or [], Protobuf(proto_set, proto_type), run.warn)
    found = peek_messages(run, channel, None if all else count or 1, wait, between, view)
    if not found and not all:
        what = "message that matches" if where else "message to show"
        raise NothingArrived(f"{channel} has no {what}", hint="to wait longer: --wait 30s")
    return 0


@group.command("ack-all")
def ack_all(ctx: typer.Context, channel: o.Channel, yes: o.Yes = False, confirm: o.Confirm = None) -> int:
    """Delete all waiting messages of a queue, by acknowledging them.

    Messages that are held by other consumers or still delayed stay. Asks for confirmation on a terminal,
    and needs --yes elsewhere. Prints how many messages were acknowledged.

    Examples:
      kubemqctl queue ack-all orders --yes
    """
    check_channel(channel)
    run: Invocation = ctx.obj
    render = run.renderer(Affected)
    doing = f"delete all waiting messages of {channel}"
    run.confirm(doing, channel, yes=yes, confirm=confirm, protected=run.settings().protected)
    with run.client() as client:
        from kubemqctl.client import emptying
        from kubemqctl.messaging.queues.receive_options import not_given

        emptied = emptying.ack_all(client, channel)
    if emptied.left:
        run.warn(not_given(emptied.left))
    run.write(render.one(Affected(channel, emptied.affected)))
    return 0


group.command("tx", command_tree.HandlerCommand)(tx)
group.command("move")(move)
group.command("copy")(copy)


@group.command("list", command_tree.MetricsCommand)
def list_queues(ctx: typer.Context) -> int:
    """List all queues with their statistics.

    WAITING counts messages that are not acknowledged yet; MESSAGES and SIZE count all that the server
    still stores, acknowledged ones included. SUBSCRIBERS counts the consumers that the server remembers,
    whether or not they are connected.

    Examples:
      kubemqctl queue list
      kubemqctl queue list --format '{name} {waiting}'
    """
    run: Invocation = ctx.obj
    render = run.renderer(ChannelInfo)
    with run.client() as client:
        from kubemqctl.client import queues

        found = sorted(queues.infos(client), key=lambda queue: queue.name)
    run.write(render.all(found))
    return 0


@group.command("info")
def info(ctx: typer.Context, channel: o.Channel) -> int:
    """Show the statistics of a queue. The exit code is 3 if it does not exist.

    Waiting messages are those that are not acknowledged yet; messages and size count all that the server
    still stores, acknowledged ones included. Subscribers are the consumers that the server remembers,
    whether or not they are connected.

    Examples:
      kubemqctl queue info orders
      kubemqctl queue info orders --format '{waiting}'
    """
    check_channel(channel)
    run: Invocation = ctx.obj
    render = run.renderer(ChannelInfo, raw=pairs)
    with run.client() as client:
        from kubemqctl.client import queues

        found = queues.named(client, channel)
    if not found:
        raise NotFound(f"there is no queue {channel}", hint="to list all queues: kubemqctl queue list")
    if len(found) > 1 or found[0].name != channel:
        run.warn(f"this server shortens names: {found[0].name} may be a different queue")
    run.write(b"".join(map(render.one, found)))
    return 0
