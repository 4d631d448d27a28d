"""`-o prometheus`: what a real parser of that format makes of it."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kubemqctl.cli.description import Command
from kubemqctl.cli.main import main
from kubemqctl.model.channels import ChannelInfo
from kubemqctl.output.prometheus import metrics
from tests.support.command_tree import TREE
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
    "command",
    [c for c in TREE.commands if c.name not in ("queue list", "channel list")],
    ids=lambda c: c.name,
)
def test_elsewhere_there_are_no_metrics(
    command: Command, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens at the address: what is refused before anything is tried needs none."""
    monkeypatch.setenv("KUBEMQ_ADDRESS", "127.0.0.1:1")
    values = {"channel": "c", "TYPE": "queues", "SHELL": "bash", "[queue NAME…]": ""}
    words = [values.get(a.value.kind, values.get(a.metavar, "x")) for a in command.arguments]
    assert main([*command.path, *filter(None, words), "-o", "prometheus"]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "-o prometheus is for queue list and channel list" in captured.err


def test_an_output_format_is_checked_also_where_nothing_is_printed(run: Run) -> None:
    result = run("profile", "use", "nobody", "-o", "xml", address="")
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("error: unknown output format xml\n")
    both = run("profile", "use", "nobody", "-o", "json", "--format", "{name}", address="")
    assert "cannot be used together" in both.err
