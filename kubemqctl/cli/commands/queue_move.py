"""`kubemqctl queue move` and `queue copy`: from one queue to another, perhaps on another server."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import options as o
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import Policy, Received
from kubemqctl.model.values import only_one
from kubemqctl.runtime.invocation import Invocation

Source = Annotated[str, typer.Argument(metavar="SOURCE", show_default=False)]
Target = Annotated[str, typer.Argument(metavar="TARGET", show_default=False)]
MaxReceives = Annotated[
    int,
    typer.Option(metavar="N", min=0, max=1024, help="Set a new limit of deliveries.", show_default=False),
]
DeadLetter = Annotated[
    str, typer.Option(metavar="CHANNEL", help="Set a new dead-letter queue.", show_default=False)
]


def move(
    ctx: typer.Context,
    source: Source,
    target: Target,
    count: Annotated[int | None, o.count("Move up to N messages.")] = None,
    all: o.All = False,
    where: o.Where = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    max_receives: MaxReceives = 0,
    dead_letter: DeadLetter = "",
    rate: o.Rate = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print how many messages would be moved.")
    ] = False,
    to_profile: o.ToProfile = None,
) -> int:
    """Move messages to another queue, for instance dead letters back to work.

    ID, body, metadata, tags and the remaining time to live stay the same; tags that tell why a message was
    dead-lettered (kubemqctl-error and the like) are taken off. Dead letters have lost their delivery policy:
    set a new one with --max-receives and --dead-letter, or they are not dead-lettered again. With --where,
    messages that do not match stay in place, and their deliveries are not counted; what --decode makes of a
    body is for the conditions alone. Prints how many messages were moved.

    With --to-profile, TARGET is a queue of that profile's server. A message is acknowledged at the source
    only once the target has confirmed it: none is lost, but up to 500 messages, the batch in flight when a
    connection breaks or the command is killed, can then be in both queues.

    Examples:
      kubemqctl queue move orders.dead orders --all --max-receives 3 --dead-letter orders.dead
      kubemqctl queue move orders.dead orders --count 10 --where 'body.total<100' --dry-run
      kubemqctl queue move orders orders --all --to-profile staging
    """
    conditions = (where or [], decode or [], proto_set, proto_type)
    policy = Policy(max_receives=max_receives, dead_letter=dead_letter)
    return _transfer(ctx, source, target, count, all, conditions, policy, rate, dry_run, to_profile, False)


def copy(
    ctx: typer.Context,
    source: Source,
    target: Target,
    count: Annotated[int | None, o.count("Copy up to N messages.")] = None,
    all: o.All = False,
    where: o.Where = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    max_receives: MaxReceives = 0,
    dead_letter: DeadLetter = "",
    rate: o.Rate = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print how many messages would be copied.")
    ] = False,
    to_profile: o.ToProfile = None,
) -> int:
    """Copy messages to another queue, perhaps on another server; the source keeps them.

    ID, body, metadata, tags and the remaining time to live stay the same. Order, sequences and delivery
    counts of the source stay as they are; of more than 1024 messages all are held until the last one is
    copied, and other consumers do not see them meanwhile. Prints how many messages were copied.

    If a server is lost, the command waits until it is back, and does not send again what the target has
    confirmed. Up to 500 messages, the batch in flight at that moment, can be in the target twice.

    Examples:
      kubemqctl queue copy orders orders.test --count 100
      kubemqctl queue copy orders orders --all --to-profile staging
    """
    conditions = (where or [], decode or [], proto_set, proto_type)
    policy = Policy(max_receives=max_receives, dead_letter=dead_letter)
    return _transfer(ctx, source, target, count, all, conditions, policy, rate, dry_run, to_profile, True)


def _transfer(
    ctx: typer.Context,
    source: str,
    target: str,
    count: int | None,
    all: bool,
    conditions: tuple[list[str], list[str], str, str],
    policy: Policy,
    rate: float | None,
    dry_run: bool,
    to_profile: str | None,
    copies: bool,
) -> int:
    from kubemqctl.messaging.encodings import Protobuf
    from kubemqctl.messaging.message_view import message_view
    from kubemqctl.messaging.queues.move import move_messages
    from kubemqctl.messaging.queues.move_target import MoveOptions

    run: Invocation = ctx.obj
    for channel in (source, target, *([policy.dead_letter] if policy.dead_letter else [])):
        check_channel(channel)
    if source == target and to_profile is None:
        raise UsageError(f"source and target are the same queue: {source}")
    if not only_one({"--count": count is not None, "--all": all}):
        raise UsageError("either --count N or --all is required")
    where, decode, proto_set, proto_type = conditions
    view = message_view(Received, where, decode, Protobuf(proto_set, proto_type), run.warn)
    wanted = (lambda message: view(message) is not None) if view else None
    options = MoveOptions(source, target, count, wanted, policy, rate, dry_run, copies)
    return move_messages(run, options, to_profile)
