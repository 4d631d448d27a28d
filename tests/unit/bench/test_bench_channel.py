"""The channel of a run, taken away after it."""

from __future__ import annotations

import pytest

from kubemqctl.bench.bench_channel import BenchChannel
from kubemqctl.client.connect import connect
from kubemqctl.config.settings import resolve
from kubemqctl.config.sources import Flags
from kubemqctl.model.channels import ChannelType
from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.fake_server import fake_server, nobody_answers, queues


@pytest.mark.parametrize(
    ("kind", "waiting", "was_there"), [("queues", 3, False), ("queues", 0, True), ("events_store", 0, False)]
)
def test_where_no_channel_can_be_deleted_it_is_left_empty_and_that_is_said(
    kind: ChannelType, waiting: int, was_there: bool
) -> None:
    notes: list[str] = []
    emptied: list[str] = []

    def ack_all(request: pb.AckAllQueueMessagesRequest) -> pb.AckAllQueueMessagesResponse:
        emptied.append(request.Channel)
        return pb.AckAllQueueMessagesResponse(AffectedMessages=waiting)

    found = queues(pb.QueueInfo(Name="c", Messages=3, Waiting=waiting, LastSequence=3))
    with (
        fake_server(QueuesInfo=found, SendRequest=nobody_answers, AckAllQueueMessages=ack_all) as at,
        connect(resolve(Flags(addresses=(at,)), {})) as client,
        BenchChannel(client, kind, "c", was_there, notes.append),
    ):
        assert notes == []
    assert emptied == (["c"] if waiting else [])
    assert notes == (
        [] if was_there else ["this server cannot delete channels: c stays until the server removes it"]
    )


def test_a_channel_that_could_not_be_cleaned_up_is_named() -> None:
    notes: list[str] = []
    with fake_server() as at, connect(resolve(Flags(addresses=(at,)), {})) as client:
        bench_channel = BenchChannel(client, "queues", "mine", False, notes.append)
    with bench_channel:
        pass
    assert [note.partition(":")[0] for note in notes] == ["the channel mine may still exist"]
