"""`kubemqctl queue move`: from one queue to another."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import options as o
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import Policy, Received
from kubemqctl.runtime.invocation import Invocation


def move(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", show_default=False)],
    target: Annotated[str, typer.Argument(metavar="TARGET", show_default=False)],
    count: Annotated[int | None, o.count("Move up to N messages.")] = None,
    all: o.All = False,
    where: o.Where = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    max_receives: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=1024, help="Set a new limit of deliveries.", show_default=False),
    ] = 0,
    dead_letter: Annotated[
        str, typer.Option(metavar="CHANNEL", help="Set a new dead-letter queue.", show_default=False)
    ] = "",
    rate: o.Rate = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print how many messages would be moved.")
    ] = False,
) -> int:
    """Move messages to another queue, for instance dead letters back to work.

    ID, body, metadata, tags and the remaining time to live stay the same. Dead letters have lost their
    delivery policy: set a new one with --max-receives and --dead-letter, or they are not dead-lettered
    again. With --where, messages that do not match stay in place, and their deliveries are not counted; what
    --decode makes of a body is for the conditions alone. Prints how many messages were moved.

    No message is lost if the command is interrupted, but up to 500 messages, the batch in flight, can then
    be in both queues.

    Examples:
      kubemqctl queue move orders.dead orders --all --max-receives 3 --dead-letter orders.dead
      kubemqctl queue move orders.dead orders --count 10 --where 'body.total<100' --dry-run
    """
    from kubemqctl.messaging.encodings import Protobuf
    from kubemqctl.messaging.message_view import message_view
    from kubemqctl.messaging.queues.move import MoveOptions, move_messages

    run: Invocation = ctx.obj
    for channel in (source, target, *([dead_letter] if dead_letter else [])):
        check_channel(channel)
    if source == target:
        raise UsageError(f"source and target are the same queue: {source}")
    if all == (count is not None):
        raise UsageError("either --count N or --all is required")
    policy = Policy(max_receives=max_receives, dead_letter=dead_letter)
    view = message_view(Received, where or [], decode or [], Protobuf(proto_set, proto_type), run.warn)
    wanted = (lambda message: view(message) is not None) if view else None
    order = MoveOptions(source, target, count, wanted, policy, rate, dry_run)
    return move_messages(run, order)
