"""Messages keep the numbers of their lines."""

from __future__ import annotations

from kubemqctl.messaging.input.message_parsers import MessageBatch
from kubemqctl.model.messages import Message


def test_portions_keep_messages_and_their_lines_together() -> None:
    job = MessageBatch([Message(b"%d" % n) for n in range(5)], [2, 3, 5, 8, 9])
    assert [(len(part.messages), list(part.lines)) for part in job.portions(2)] == [
        (2, [2, 3]),
        (2, [5, 8]),
        (1, [9]),
    ]
