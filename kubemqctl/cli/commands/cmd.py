"""`kubemqctl cmd`: send, respond."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.model.messages import AnsweredRequest, Request
from kubemqctl.model.text import check_text
from kubemqctl.model.values import parse_tags
from kubemqctl.runtime.invocation import Invocation

group = command_tree.CommandGroup("cmd")
register = group.register


@group.command("send")
def send(
    ctx: typer.Context,
    channel: o.ChannelUnlessKept = None,
    body: o.Body = None,
    file: o.File = None,
    timeout: o.AskTimeout = None,
    metadata: o.Metadata = "",
    tag: o.Tags = None,
    lines: o.Lines = False,
    nul: o.Nul = False,
    delimiter: o.Delimiter = None,
    json_lines: o.JsonLines = False,
    keep_id: o.KeepId = False,
    keep_channel: o.KeepChannel = False,
    pace: o.Pace = None,
    encode: o.Encode = None,
    rate: o.Rate = None,
    concurrency: o.AskConcurrency = None,
) -> int:
    """Send a command and wait for its result.

    The exit code is 9 if the responder refuses the command (its reason is printed to stderr), and 6 if
    nobody responds in time. In a pipe nothing is printed; -o json prints the response.

    To send many commands, split the input with --lines, -0, --delimiter or --json-lines. Results come in the
    order of the input; if only some commands were carried out, the exit code is 7.
    With --keep-channel each record goes to the channel that it names, and with --pace records keep the gaps
    between their times: what `cmd respond` has recorded with -o json is replayed.

    Examples:
      kubemqctl cmd send lights.kitchen on --timeout 2s
      kubemqctl cmd send lights.kitchen --file /etc/hosts --tag by=ci && echo done
      kubemqctl cmd send lights.kitchen off -o json
      seq 100 | kubemqctl cmd send jobs.start --lines --concurrency 8 -o json
    """
    from kubemqctl.messaging.encodings import encoder
    from kubemqctl.messaging.input.splitting import Separators
    from kubemqctl.messaging.requests.ask import ask
    from kubemqctl.messaging.requests.ask_options import AskOptions, ManyOptions

    to = o.destination(channel, keep_channel, "commands")
    check_text("--metadata", metadata)
    request = Request(to, metadata=metadata, tags=parse_tags(tag or ()), timeout=o.asked(timeout))
    separators = Separators(lines, nul, delimiter, json_lines)
    many = ManyOptions(separators, keep_id, rate, concurrency, encoder(encode or []), keep_channel, pace)
    return ask(ctx.obj, "commands", AskOptions(request, body, file, many))


@group.command("respond", command_tree.HandlerCommand)
def respond(
    ctx: typer.Context,
    channel: o.Channel,
    ok: Annotated[bool, typer.Option("--ok", help="Confirm every command as executed.")] = False,
    error: o.Error = None,
    group: o.SubscriberGroup = "",
    count: o.RequestCount = None,
    concurrency: o.Concurrency = None,
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
    """Respond to commands: with a fixed response, or by running COMMAND.

    COMMAND, the handler, reads the body on stdin and the other fields from KUBEMQ_CHANNEL, KUBEMQ_ID,
    KUBEMQ_METADATA, KUBEMQ_TAGS (JSON) and KUBEMQ_TIMEOUT. If it exits with 0, the command is confirmed as
    executed; otherwise it is refused with the last line of the handler's stderr. Responses to commands
    have no body, so its stdout goes to stderr. A handler is stopped shortly before the sender's time-out,
    or after --handler-timeout. CHANNEL can have wildcards: * for one word between dots, > for all
    following words. With --background it runs detached, and its process ID is printed once it is live.

    Examples:
      kubemqctl cmd respond lights.kitchen --ok
      kubemqctl cmd respond 'lights.*' --group house -- sh -c 'echo "$KUBEMQ_CHANNEL $(cat)" >> lights.log'
      kubemqctl cmd respond deploy --count 1 -o json -- sh -c 'cat > plan.json'
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
        ResponderSubscription("commands", channel, group, not no_reconnect, ready_file),
        AnswerChoice(ok=ok, error=error),
        HandlerFlags(concurrency, handler_timeout, handler_input, handler_output, grace, persistent),
        tags=tag or (),
        count=count or 0,
        background=InBackground(background, log),
        view=message_view(AnsweredRequest, [], decode or [], Protobuf(proto_set, proto_type), run.warn),
    )
