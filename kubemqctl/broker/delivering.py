"""How a subscription's call goes on: it says that it is live, then puts what comes on its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import grpc

from kubemqctl.broker.outbox import Backlog, Ended
from kubemqctl.broker.topic import Member

if TYPE_CHECKING:
    from kubemqctl.broker.service import Context


async def pour(outbox: Backlog, context: Context) -> None:
    """Put on the stream what comes, until the client goes away or nothing comes any more."""
    # The real server gives no sign; with ours a client need not guess how long to wait before it publishes.
    await context.send_initial_metadata(())
    try:
        while True:
            await context.write(await outbox.next())
    except Ended as e:
        await gone(context, e)


async def pour_stored(member: Member, context: Context) -> None:
    """The same with stored events; one that the client's end overtook counts as delivered."""
    await context.send_initial_metadata(())
    try:
        while True:
            stored = await member.next()
            try:
                await context.write(stored.event)
            finally:
                member.sent()
    except Ended as e:
        await gone(context, e)


async def refuse(context: Context, error: str) -> NoReturn:
    """End a call with one of the broker's errors."""
    await context.abort(grpc.StatusCode.INTERNAL, error)


async def gone(context: Context, why: Ended) -> NoReturn:
    """End a call that the broker cannot go on with."""
    await context.abort(grpc.StatusCode.UNAVAILABLE, str(why))
