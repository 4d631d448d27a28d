"""Control lines: decisions as words, from a pipe or typed at a prompt."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from kubemqctl.messaging.input.message_parsers import check_dead_letter
from kubemqctl.messaging.queues.decisions import Settlement, modified
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import KubemqctlError, RecordError, UsageError
from kubemqctl.model.limits import MAX_RECORD
from kubemqctl.model.messages import Message, Received
from kubemqctl.model.record_parser import message_from_record, parse
from kubemqctl.model.records import to_record
from kubemqctl.model.text import escaped, reason
from kubemqctl.model.values import whole_seconds

WORDS = "ack, reject, extend 30s, resend CHANNEL, modify {record}, next"
HELP = """\
ack              acknowledge the message: it is done
reject           return it to the end of its queue; the delivery counts
extend 30s       hide it from other consumers for so long from now on
resend CHANNEL   put it into another queue
modify {record}  send it with these fields changed: modify {"body":"new","channel":"orders.later"}
next             receive another message
quit, Ctrl-D     end; a message without a decision is returned to its queue"""
_CHUNK = 64 << 10


def decision(line: bytes, held: Received | None) -> Settlement:
    """What `line` decides about `held`. Raises UsageError for what cannot be understood, or not now."""
    word, _, rest = line.decode("utf-8", "surrogateescape").strip().partition(" ")
    rest = rest.strip()
    if word not in _PARSERS:
        raise UsageError(f"{escaped(word[:60])} is not a control line", hint=f"use one of {WORDS}")
    if held is None and word != "next":
        raise UsageError(f"there is no message to {word}", hint="use `next` to receive one")
    if held is not None and word == "next":
        raise UsageError(
            "the current message has no decision yet", hint=f"one of {WORDS.removesuffix(', next')}"
        )
    return _PARSERS[word](rest, held)


def _bare(kind: str, rest: str, held: Received) -> Settlement:
    if rest:
        raise UsageError(f"{kind} takes no arguments: {escaped(rest[:60])}")
    return Settlement(kind)  # type: ignore[arg-type]


def _extend(rest: str, held: Received) -> Settlement:
    return Settlement("extend", whole_seconds(rest, "extend", minimum=1))


def _resend(rest: str, held: Received) -> Settlement:
    check_channel(rest)
    return Settlement("resend", rest)


def _modify(rest: str, held: Received) -> Settlement:
    if not rest:
        raise UsageError("modify needs a record", hint='as in: modify {"body":"new"}')
    return Settlement("modify", changed(held, rest.encode("utf-8", "surrogateescape")))


_PARSERS: dict[str, Callable[..., Settlement]] = {
    **{word: partial(_bare, word) for word in ("ack", "reject", "next")},
    "extend": _extend,
    "resend": _resend,
    "modify": _modify,
}


def changed(held: Received, line: bytes) -> Message:
    """`held` with the fields that a record gives; what the record leaves out stays as it is."""
    given = parse(line)
    if type(given) is not dict:
        raise RecordError("a record is a JSON object")
    record = to_record(modified(held))
    if "body" in given or "body_base64" in given:
        record.pop("body", None)
        record.pop("body_base64", None)
    message = message_from_record({**record, **given}, keep_id=True)
    check_channel(message.channel)
    if message.policy.dead_letter:
        check_dead_letter(message.policy.dead_letter)
    return message


class LineReader:
    """Lines of a descriptor, one `read` a time, so that the caller can wait for other things meanwhile.

    What has no newline is not a line: whoever wrote it may have been stopped in the middle of a word.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.number = 0
        self._rest = bytearray()
        self._searched = 0
        self._at_end = False

    @property
    def over(self) -> bool:
        """Whether there is nothing more: a last line without its newline is none."""
        return self._at_end and b"\n" not in self._rest

    @property
    def cut_short(self) -> bool:
        """Whether the input ended within a line."""
        return self.over and bool(self._rest.strip())

    def read(self) -> None:
        """Take what is there; to be called when `fd` is readable."""
        try:
            chunk = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError as e:
            raise KubemqctlError(f"stdin cannot be read: {reason(e)}") from e
        self._rest += chunk
        self._at_end = not chunk
        if len(self._rest) > MAX_RECORD:
            raise UsageError(f"line {self.number + 1} is too long for a control line")

    def next(self) -> bytes | None:
        """The next line that says something; None when it is not there yet, or there is none."""
        while (line := self._next()) is not None:
            self.number += 1
            if line.strip():
                return line
        return None

    def _next(self) -> bytes | None:
        at = self._rest.find(b"\n", self._searched)
        if at < 0:
            self._searched = len(self._rest)
            return None
        line = bytes(self._rest[:at])
        del self._rest[: at + 1]
        self._searched = 0
        return line
