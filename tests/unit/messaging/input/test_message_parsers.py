"""Messages keep the numbers of their lines."""

from __future__ import annotations

import pytest

from kubemqctl.messaging.input import message_parsers
from kubemqctl.messaging.input.message_parsers import MessageBatch, parse_records
from kubemqctl.messaging.input.splitting import InputBatch
from kubemqctl.model.errors import TooLarge
from kubemqctl.model.messages import Message


def test_portions_keep_messages_and_their_lines_together() -> None:
    job = MessageBatch([Message(b"%d" % n) for n in range(5)], [2, 3, 5, 8, 9])
    assert [(len(part.messages), list(part.lines)) for part in job.portions(2)] == [
        (2, [2, 3]),
        (2, [5, 8]),
        (1, [9]),
    ]


def test_a_record_whose_body_no_message_has_room_for_is_its_lines_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(message_parsers, "MAX_BODY", 3)
    batch = InputBatch([b'{"body":"abc"}', b'{"body":"abcd"}', b'{"body_base64":"AAAAAA=="}'], [1, 2, 3])
    parsed = parse_records(Message(channel="q"), keep_id=False)(batch)
    assert [m.body for m in parsed.job.messages] == [b"abc"]
    assert [(line, type(error)) for line, error in parsed.bad] == [(2, TooLarge), (3, TooLarge)]
