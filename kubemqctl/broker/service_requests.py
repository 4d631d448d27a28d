"""The methods of commands and queries: protobuf in and out, no state. Errors are gRPC statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubemqctl.broker import admission, channels, refusals
from kubemqctl.broker.channels import Channels
from kubemqctl.broker.delivering import gone, pour, refuse
from kubemqctl.broker.outbox import Ended
from kubemqctl.broker.requests import NoAnswer, Requests
from kubemqctl.broker.service import subscription, unary
from kubemqctl.wire import kubemq_pb2 as pb

if TYPE_CHECKING:
    from kubemqctl.broker.service import Context, Handlers


def request_handlers(requests: Requests, channels_: Channels) -> Handlers:
    """The method table of requests."""
    calls = RequestCalls(requests, channels_)
    return {
        "SendRequest": unary(pb.Request, calls.send),
        "SendResponse": unary(pb.Response, calls.respond),
        "SubscribeToRequests": subscription(pb.Subscribe, calls.subscribe),
    }


class RequestCalls:
    """One method a call, named after it."""

    def __init__(self, requests: Requests, channels_: Channels) -> None:
        self._requests = requests
        self._channels = channels_

    async def send(self, request: pb.Request, context: Context) -> bytes:
        if refused := admission.request(request):
            await refuse(context, refused)
        if request.Channel == channels.CHANNEL and request.RequestTypeData == pb.Request.Query:
            return (await self._channels.answer(request)).SerializeToString()
        try:
            return (await self._requests.ask(request)).SerializeToString()
        except NoAnswer:
            await refuse(context, refusals.NO_ANSWER)
        except Ended as e:
            await gone(context, e)

    async def respond(self, response: pb.Response, context: Context) -> bytes:
        if refused := admission.response(response):
            await refuse(context, refused)
        self._requests.respond(response)
        return pb.Empty().SerializeToString()

    async def subscribe(self, s: pb.Subscribe, context: Context) -> None:
        if s.SubscribeTypeData not in (pb.Subscribe.Commands, pb.Subscribe.Queries):
            await refuse(context, admission.SUBSCRIBE_TYPE)
        if refused := admission.subscription(s):
            await refuse(context, refused)
        subscribed = self._requests.subscribe(s)
        try:
            await pour(subscribed.outbox, context)
        finally:
            self._requests.leave(subscribed)
