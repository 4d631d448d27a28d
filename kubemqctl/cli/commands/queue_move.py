"""`kubemqctl queue move`: from one queue to another."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import options as o
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import Policy
from kubemqctl.runtime.invocation import Invocation


def move(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", show_default=False)],
    target: Annotated[str, typer.Argument(metavar="TARGET", show_default=False)],
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="Move N messages at most.")] = None,
    all: o.All = False,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Only such messages; repeat it for more conditions."),
    ] = None,
    max_receives: Annotated[
        int, typer.Option(metavar="N", min=0, max=1024, help="A new maximum of receives.", show_default=False)
    ] = 0,
    dead_letter: Annotated[
        str, typer.Option(metavar="CHANNEL", help="A new dead-letter queue.", show_default=False)
    ] = "",
    rate: o.Rate = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be.")] = False,
) -> int:
    """Move messages to another queue: dead letters back to work.

    Id, body, metadata and tags stay as they are, and so does what is left of a message's time. A dead letter
    has lost its policy: give it a new one, or it will not be dead-lettered again. FIELD is a field of the
    record, as in --format: metadata, tags[kind], re_routed_from. What does not match goes back to its place,
    uncounted. Prints how many were moved.

    Nothing is lost, whatever interrupts it; but the batch in flight, 500 messages at most, may then be in
    both queues.

    Examples:
      kubemqctl queue move orders.dead orders --all --max-receives 3 --dead-letter orders.dead
      kubemqctl queue move orders.dead orders --count 10 --where 'tags[kind]=new' --dry-run
    """
    from kubemqctl.messaging.queues.move import MoveOptions, move_messages
    from kubemqctl.messaging.queues.move import where as parse_where

    run: Invocation = ctx.obj
    for channel in (source, target, *([dead_letter] if dead_letter else [])):
        check_channel(channel)
    if source == target:
        raise UsageError(f"{source} is the source and the target: a queue cannot be moved to itself")
    if all == (count is not None):
        raise UsageError("say how many: --count N or --all", hint="one of the two")
    policy = Policy(max_receives=max_receives, dead_letter=dead_letter)
    order = MoveOptions(source, target, count, parse_where(where or []), policy, rate, dry_run)
    return move_messages(run, order)
