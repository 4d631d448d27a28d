"""Lists of channels as servers send them, and what QueuesInfo adds to them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.client.channels import merged, samples
from kubemqctl.model.channels import ChannelInfo, Sample
from kubemqctl.model.errors import KubemqctlError
from kubemqctl.model.records import to_record

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
SIDES = st.dictionaries(st.sampled_from(["messages", "volume", "waiting", "responses"]), ANYTHING)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text() | ANYTHING,
        "type": ANYTHING,
        "lastActivity": st.integers() | ANYTHING,
        "isActive": ANYTHING,
        "incoming": SIDES | ANYTHING,
        "outgoing": SIDES | ANYTHING,
    },
)


@given(st.lists(ENTRIES) | ANYTHING)
def test_any_json_is_a_list_of_channels_or_one_error(value: object) -> None:
    read(json.dumps(value).encode())


@given(st.binary())
def test_any_bytes_are_a_list_of_channels_or_one_error(body: bytes) -> None:
    read(body)


def read(body: bytes) -> None:
    code = ""
    found: list[Sample] = []
    try:
        found = samples(body, "events")
    except KubemqctlError as e:
        code = e.code
    assert code in ("", "invalid-response")
    assert [sample.info.name for sample in found] == sorted(sample.info.name for sample in found)
    for sample in found:
        record = to_record(sample.info)
        assert record["type"] == "events"
        assert all(type(record.get(name, 0)) is int for name in ("messages", "bytes"))


def listed(*names: str) -> list[Sample]:
    return [Sample(ChannelInfo(name, "queues", messages=0, active=True), 1, 1) for name in names]


def told(*names: str) -> list[Sample]:
    return [
        Sample(ChannelInfo(name, "queues", messages=n, waiting=n), n, 0)
        for n, name in enumerate(names, start=10)
    ]


def waiting(found: list[Sample]) -> dict[str, int | None]:
    return {sample.info.name: sample.info.waiting for sample in found}


def test_a_queue_has_the_numbers_of_queuesinfo_and_the_activity_of_the_list() -> None:
    [sample] = merged(listed("a"), told("a"))
    assert sample == Sample(ChannelInfo("a", "queues", messages=10, waiting=10, active=True), 10, 0)


def test_each_keeps_what_only_it_knows() -> None:
    assert waiting(merged(listed("a", "b"), told("b", "c"))) == {"a": None, "b": 10, "c": 11}


def test_events_of_the_same_name_are_left_alone() -> None:
    events = Sample(ChannelInfo("a", "events", messages=3), 3, 3)
    found = merged([*listed("a"), events], told("a"))
    assert [(s.info.type, s.info.messages) for s in found] == [("queues", 10), ("events", 3)]


@pytest.mark.parametrize(
    ("names", "shown", "expected"),
    [
        (["jobS"], ["job"], {"jobS": 10}),
        (["job", "jobS"], ["job", "job"], {"job": None, "jobS": None}),
        (["jobS", "_job"], ["job", "job"], {"jobS": None, "_job": None}),
        (["job", "jobS"], ["job"], {"job": 10, "jobS": None}),
        (["jobS"], ["jobS"], {"jobS": 10}),
    ],
)
def test_a_trimmed_name_counts_only_for_the_one_queue_that_it_can_be_of(
    names: list[str], shown: list[str], expected: dict[str, int | None]
) -> None:
    assert waiting(merged(listed(*names), told(*shown))) == expected
