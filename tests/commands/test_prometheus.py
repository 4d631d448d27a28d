"""`-o prometheus`: what a real parser of that format makes of it."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.output.prometheus import metrics
from tests.support.program import Run
from tests.support.raw_grpc import Stub


def test_a_parser_reads_gauges_of_every_queue(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    stub.receive(channel)
    families = {
        family.name: family
        for family in text_string_to_metric_families(run("queue", "list", "-o", "prometheus").text)
    }
    assert {family.type for family in families.values()} == {"gauge"}
    values = {
        name: sample.value
        for name, family in families.items()
        for sample in family.samples
        if sample.labels == {"name": channel, "type": "queues"}
    }
    assert values["kubemq_channel_waiting"] == 2
    assert values["kubemq_channel_messages"] == 3
    assert values["kubemq_channel_last_sequence"] == 3
    assert all(sample.timestamp is None for family in families.values() for sample in family.samples)


@pytest.mark.builtin
def test_channel_list_has_it_too(run: Run, channel: str) -> None:
    run("channel", "create", "events", channel)
    assert f'name="{channel}",type="events"' in run("channel", "list", "-o", "prometheus").text


def test_a_name_with_quotes_and_backslashes_stays_what_it_is() -> None:
    name = 'a"b\\c\nd'
    text = metrics([ChannelInfo(name, "queues", waiting=1)]).decode()
    (sample,) = next(
        f for f in text_string_to_metric_families(text) if f.name == "kubemq_channel_waiting"
    ).samples
    assert (sample.labels["name"], sample.value) == (name, 1)


def test_no_channels_are_no_samples() -> None:
    assert [f for f in text_string_to_metric_families(metrics([]).decode()) if f.samples] == []


@pytest.mark.parametrize(
    "line",
    ["ping", "queue info q", "queue peek q", "top", "doctor", "profile list", "queue send q x", "schema"],
)
def test_elsewhere_there_are_no_metrics(run: Run, line: str) -> None:
    result = run(*line.split(), "-o", "prometheus")
    assert (result.code, result.out) == (2, b"")
    assert "-o prometheus is for queue list and channel list" in result.err
