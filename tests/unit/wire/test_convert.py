"""Protobuf to nouns: what is not a field for a field."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kubemqctl.wire import convert
from kubemqctl.wire import kubemq_pb2 as pb

# So many that protobuf's own order, another one in every process, is not theirs by chance.
TAGS = {name: name.upper() for name in "hgfedcba"}


@pytest.mark.parametrize(
    "tags",
    [
        convert.received(pb.QueueMessage(Tags=TAGS)).tags,
        convert.event(pb.EventReceive(Tags=TAGS)).tags,
        convert.request(pb.Request(Tags=TAGS)).tags,
        convert.response(pb.Response(Tags=TAGS), "c", 0).tags,
    ],
    ids=["queue", "events", "requests", "responses"],
)
def test_tags_come_in_the_order_of_their_names(tags: Mapping[str, str]) -> None:
    assert list(tags.items()) == sorted(TAGS.items())
