"""StreamQueueMessage: protobuf in and out. Errors are in-band, as on the real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from kubemqctl.broker.core import Core, TooLarge
from kubemqctl.broker.held import Holding
from kubemqctl.broker.service import stream, too_large
from kubemqctl.broker.service_queues import framed
from kubemqctl.wire import kubemq_pb2 as pb

if TYPE_CHECKING:
    from kubemqctl.broker.service import Context, Handlers

_IN_ANSWER = 3 << 3 | 2  # the tag of StreamQueueMessagesResponse.Message


def stream_handlers(core: Core) -> Handlers:
    """The method table of the transactional stream."""

    async def serve(requests: AsyncIterator[pb.StreamQueueMessagesRequest], context: Context) -> None:
        async def answer(request: pb.StreamQueueMessagesRequest, error: str, message: bytes) -> None:
            head = pb.StreamQueueMessagesResponse(
                RequestID=request.RequestID,
                StreamRequestTypeData=request.StreamRequestTypeData,
                IsError=bool(error),
                Error=error,
            ).SerializeToString()
            await context.write(framed(head, _IN_ANSWER, [message]) if message else head)

        try:
            await Holding(core, answer).serve(requests)
        except TooLarge as e:
            await too_large(context, e)

    return {"StreamQueueMessage": stream(pb.StreamQueueMessagesRequest, serve)}
