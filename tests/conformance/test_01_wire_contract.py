"""Section 1: methods, fields that nothing fills, and the ids that a server makes."""

from __future__ import annotations

import re
from typing import Any

import grpc
import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.together import Together
from tests.support.raw_grpc import Stub

together = Together()

NUID = re.compile(r"[0-9A-Za-z]{22}")
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def failure(stub: Stub, method: str, request: bytes = b"", **options: Any) -> tuple[grpc.StatusCode, str]:
    """The status of a unary call of raw bytes that must fail."""
    call = stub.grpc_channel.unary_unary(method, bytes, bytes)
    with pytest.raises(grpc.RpcError) as failed:
        call(request, timeout=10, **options)
    return failed.value.code(), str(failed.value.details())


def test_an_unknown_method_is_named(stub: Stub) -> None:
    assert failure(stub, "/kubemq.kubemq/X") == (
        grpc.StatusCode.UNIMPLEMENTED,
        "unknown method X for service kubemq.kubemq",
    )


@pytest.mark.parametrize("service", ["nosuch.Service", "kubemq.Kubemq"])
def test_an_unknown_service_is_named_and_case_matters(service: str, stub: Stub) -> None:
    assert failure(stub, f"/{service}/Ping") == (
        grpc.StatusCode.UNIMPLEMENTED,
        f"unknown service {service}",
    )


def test_a_path_without_a_service_is_named(stub: Stub) -> None:
    code, details = failure(stub, "/x")
    assert code != grpc.StatusCode.UNKNOWN
    assert details == 'malformed method name: "/x"'


def test_bytes_that_are_no_protobuf_are_internal(stub: Stub) -> None:
    code, _ = failure(stub, "/kubemq.kubemq/SendQueueMessage", b"\xff\xff\xff")
    assert code == grpc.StatusCode.INTERNAL


def test_a_compressed_request_is_unimplemented(stub: Stub, channel: str) -> None:
    request = stub.message(channel, b"x" * 10_000).SerializeToString()
    code, details = failure(
        stub, "/kubemq.kubemq/SendQueueMessage", request, compression=grpc.Compression.Gzip
    )
    assert code == grpc.StatusCode.UNIMPLEMENTED
    assert "gzip" in details


def test_topic_and_partition_are_handed_back_on_the_first_delivery_and_dropped_from_a_copy(
    stub: Stub, channel: str
) -> None:
    stub.send(channel, Topic="t", Partition=7, PartitionKey="k")
    stream = stub.downstream()
    first = stream.get(channel)
    (message,) = first.Messages
    assert (message.Topic, message.Partition, message.PartitionKey) == ("t", 7, "k")
    stream.settle(pb.NAckAll, first.TransactionId)
    (copy,) = stream.get(channel, wait=5000).Messages
    assert (copy.Topic, copy.Partition, copy.PartitionKey) == ("", 0, "")


def test_the_references_of_a_result_are_never_filled(stub: Stub, channel: str) -> None:
    result = stub.send(channel, Topic="t", Partition=7, PartitionKey="k")
    assert (result.RefChannel, result.RefTopic, result.RefPartition, result.RefHash) == ("", "", 0, "")


def test_the_md5_of_a_body_is_always_empty(stub: Stub, channel: str) -> None:
    stub.send(channel, "body")
    assert stub.receive(channel).Messages[0].Attributes.MD5OfBody == ""


def test_metadata_of_a_downstream_request_is_ignored_and_not_echoed(stub: Stub, channel: str) -> None:
    stub.send(channel)
    assert dict(stub.downstream().get(channel, Metadata={"a": "b"}).Metadata) == {}


def test_transaction_complete_is_never_true(stub: Stub, channel: str) -> None:
    stub.send(channel)
    stream = stub.downstream()
    answer = stream.get(channel)
    assert not answer.TransactionComplete
    stream.settle(pb.AckAll, answer.TransactionId)
    assert not stream.active(answer.TransactionId).TransactionComplete


def test_a_message_id_that_the_server_makes_is_22_base62_characters(stub: Stub, channel: str) -> None:
    assert NUID.fullmatch(stub.send(channel).MessageID)


@together
def test_a_request_id_that_the_server_makes_is_22_base62_characters(stub: Stub, channel: str) -> None:
    assert NUID.fullmatch(stub.receive(channel).RequestID)
    assert NUID.fullmatch(stub.ack_all(channel).RequestID)


@together
def test_a_request_id_of_ones_own_is_echoed(stub: Stub, channel: str) -> None:
    stub.send(channel)
    assert stub.receive(channel, RequestID="mine").RequestID == "mine"
    assert stub.ack_all(channel, RequestID="mine").RequestID == "mine"


def test_a_transaction_id_is_a_uuid4(stub: Stub, channel: str) -> None:
    stub.send(channel)
    assert UUID4.fullmatch(stub.downstream().get(channel).TransactionId)


@pytest.mark.parametrize("own", ["", "mine"])
def test_batch_upstream_and_downstream_echo_an_id_even_an_empty_one(
    own: str, stub: Stub, channel: str
) -> None:
    assert stub.batch([stub.message(channel)], batch_id=own).BatchID == own
    upstream = stub.upstream()
    request = pb.QueuesUpstreamRequest(RequestID=own, Messages=[stub.message(channel)])
    assert upstream.ask(request).RefRequestID == own
    upstream.half_close()
    assert stub.downstream().get(channel, RequestID=own).RefRequestId == own
