"""The yardstick: the least that grpcio can do for the same calls. `ADDRESS WHAT CHANNEL [N]`."""

from __future__ import annotations

import importlib.util
import os
import queue
import sys
from pathlib import Path
from typing import Any

import grpc

BODY = b"x" * 1023
BATCH = 1000
OPTIONS = (("grpc.max_receive_message_length", 104_857_600),)


def messages() -> Any:
    """The generated code alone, without the package around it."""
    path = Path(__file__).parents[2] / "kubemqctl" / "wire" / "kubemq_pb2.py"
    spec = importlib.util.spec_from_file_location("kubemq_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pb = messages()


def unary(channel: grpc.Channel, method: str, request: Any, answer: Any) -> Any:
    return channel.unary_unary(
        f"/kubemq.kubemq/{method}",
        request_serializer=request.SerializeToString,
        response_deserializer=answer.FromString,
    )


def send_one(channel: grpc.Channel, name: str) -> None:
    call = unary(channel, "SendQueueMessage", pb.QueueMessage, pb.SendQueueMessageResult)
    print(call(pb.QueueMessage(ClientID="bare", Channel=name, Body=b"hello")).MessageID)


def peek_one(channel: grpc.Channel, name: str) -> None:
    call = unary(
        channel, "ReceiveQueueMessages", pb.ReceiveQueueMessagesRequest, pb.ReceiveQueueMessagesResponse
    )
    request = pb.ReceiveQueueMessagesRequest(
        ClientID="bare", Channel=name, MaxNumberOfMessages=1, WaitTimeSeconds=1, IsPeak=True
    )
    sys.stdout.buffer.write(call(request).Messages[0].Body)


def send_many(channel: grpc.Channel, name: str, count: int) -> None:
    call = unary(
        channel, "SendQueueMessagesBatch", pb.QueueMessagesBatchRequest, pb.QueueMessagesBatchResponse
    )
    for _ in range(count // BATCH):
        batch = [pb.QueueMessage(ClientID="bare", Channel=name, Body=BODY) for _ in range(BATCH)]
        answer = call(pb.QueueMessagesBatchRequest(Messages=batch))
        for result in answer.Results:
            assert not result.IsError, result.Error


def receive_many(channel: grpc.Channel, name: str, count: int) -> None:
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    call: Any = channel.stream_stream(
        "/kubemq.kubemq/QueuesDownstream",
        request_serializer=pb.QueuesDownstreamRequest.SerializeToString,
        response_deserializer=pb.QueuesDownstreamResponse.FromString,
    )(iter(requests.get, None))
    out = sys.stdout.buffer
    for _ in range(count // BATCH):
        requests.put(
            pb.QueuesDownstreamRequest(
                ClientID="bare", RequestTypeData=pb.Get, Channel=name, MaxItems=BATCH, WaitTimeout=1000
            )
        )
        answer = next(call)
        assert len(answer.Messages) == BATCH
        for message in answer.Messages:
            out.write(message.Body + b"\n")
        sequences = [message.Attributes.Sequence for message in answer.Messages]
        for kind in (pb.AckRange, pb.ActiveOffsets):
            requests.put(
                pb.QueuesDownstreamRequest(
                    ClientID="bare",
                    RequestTypeData=kind,
                    RefTransactionId=answer.TransactionId,
                    SequenceRange=sequences if kind == pb.AckRange else (),
                )
            )
        next(call)
    out.flush()
    call.cancel()


def publish_many(channel: grpc.Channel, name: str, count: int, store: bool) -> None:
    call: Any = channel.stream_stream(
        "/kubemq.kubemq/SendEventsStream",
        request_serializer=pb.Event.SerializeToString,
        response_deserializer=pb.Result.FromString,
    )
    events = (pb.Event(ClientID="bare", Channel=name, Body=BODY, Store=store) for _ in range(count))
    answered = 0
    for result in call(events):
        assert result.Sent, result.Error
        answered += 1
    assert answered == (count if store else 0)


def subscribe(channel: grpc.Channel, name: str, count: int) -> None:
    """All events of a store, from the first."""
    call: Any = channel.unary_stream(
        "/kubemq.kubemq/SubscribeToEvents",
        request_serializer=pb.Subscribe.SerializeToString,
        response_deserializer=pb.EventReceive.FromString,
    )
    request = pb.Subscribe(
        SubscribeTypeData=pb.Subscribe.EventsStore,
        ClientID=f"bare-{os.getpid()}",
        Channel=name,
        EventsStoreTypeData=pb.Subscribe.StartFromFirst,
    )
    came = call(request)
    out = sys.stdout.buffer
    for _, event in zip(range(count), came, strict=False):
        out.write(event.Body + b"\n")
    out.flush()
    came.cancel()


def main(address: str, what: str, name: str, count: str = "0") -> None:
    with grpc.insecure_channel(address, OPTIONS) as channel:
        if what == "send-one":
            send_one(channel, name)
        elif what == "peek-one":
            peek_one(channel, name)
        elif what == "send":
            send_many(channel, name, int(count))
        elif what in ("events", "store"):
            publish_many(channel, name, int(count), what == "store")
        elif what == "subscribe":
            subscribe(channel, name, int(count))
        else:
            receive_many(channel, name, int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
