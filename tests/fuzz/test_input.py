"""Any input of `queue send`, cut in any way: all of it arrives as it was, or is refused by line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import Message
from kubemqctl.model.record_parser import message_from_line
from kubemqctl.wire import kubemq_pb2 as pb
from tests.fuzz.examples import examples
from tests.fuzz.hostile import HostileServer, Plan, hostile_server
from tests.fuzz.inprocess import Ended, run
from tests.fuzz.test_records import LINES


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with hostile_server() as hostile:
        yield hostile


def sent(server: HostileServer, options: Sequence[str], stdin: bytes) -> tuple[Ended, list[pb.QueueMessage]]:
    """How it ended, and what the server got."""
    server.plan = plan = Plan({})
    ended = run(["queue", "send", "q", "--address", server.address, *options], stdin)
    requests = map(pb.QueueMessagesBatchRequest.FromString, plan.asked["SendQueueMessagesBatch"])
    return ended, [message for request in requests for message in request.Messages]


SEPARATORS = st.sampled_from(
    [
        (["--lines"], b"\n"),
        (["-0"], b"\0"),
        (["--delimiter", ";"], b";"),
        (["--delimiter", r"\r\n"], b"\r\n"),
        (["--delimiter", r"\xff\0"], b"\xff\0"),
        (["--delimiter", "aa"], b"aa"),
    ]
)
PIECES = st.sampled_from([b"\n", b"\r\n", b"\0", b";", b"\xff\0", b"a", b"aa", b"", b"\xff", b"one"])
INPUTS = st.lists(PIECES | st.binary(max_size=5), max_size=30).map(b"".join)


@examples(20)
@given(SEPARATORS, INPUTS)
def test_every_piece_arrives_as_it_was_and_in_order(
    server: HostileServer, separator: tuple[list[str], bytes], stdin: bytes
) -> None:
    options, between = separator
    ended, arrived = sent(server, options, stdin)
    wanted = [piece for piece in stdin.split(between) if piece]
    assert ended.code == 0
    assert [message.Body for message in arrived] == wanted
    assert f"{len(wanted)} sent" in ended.err


def meant(line: bytes) -> Message | None:
    """What a line says; None when it is refused."""
    try:
        message = message_from_line(line, keep_id=True)
        if message.policy.dead_letter:
            check_channel(message.policy.dead_letter)
    except UsageError:
        return None
    return message


@examples(25)
@given(st.lists(LINES, max_size=6).map(b"\n".join))
def test_every_record_arrives_as_it_was_or_is_named_by_its_line(server: HostileServer, stdin: bytes) -> None:
    ended, arrived = sent(server, ["--json-lines", "--keep-id"], stdin)
    lines = {number: meant(line) for number, line in enumerate(stdin.split(b"\n"), start=1) if line}
    good = [message for message in lines.values() if message]
    bad = [number for number, message in lines.items() if not message]
    assert [(m.MessageID, m.Body, m.Metadata, dict(m.Tags)) for m in arrived] == [
        (m.id, m.body, m.metadata, dict(m.tags)) for m in good
    ]
    assert [int(number) for number in re.findall(r"^error: line (\d+)", ended.err, re.MULTILINE)][
        : len(bad)
    ] == bad
    assert ended.code == ((7 if good else 2) if bad else 0)
