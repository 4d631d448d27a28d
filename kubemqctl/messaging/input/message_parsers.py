"""Pieces of input to messages: a body each, or a JSON record each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from kubemqctl.messaging.input.splitting import InputBatch
from kubemqctl.model import record_parser
from kubemqctl.model.channels import ChannelType, check_channel
from kubemqctl.model.errors import KubemqctlError, RecordError, TooLarge, UsageError
from kubemqctl.model.limits import MAX_BODY
from kubemqctl.model.messages import NO_POLICY, Message, Policy
from kubemqctl.model.record_parser import message_from_line, time_of

_TOO_LARGE = f"too large: the maximum is {MAX_BODY} bytes"


class MessageBatch(NamedTuple):
    """Messages to send in one request, and where in the input each came from.

    `times` are those of their records, in Unix nanoseconds, 0 for none; only where somebody asks for them.
    """

    messages: Sequence[Message]
    lines: Sequence[int]
    times: Sequence[int] = ()

    def portions(self, most: int) -> Iterator[MessageBatch]:
        """The job in parts of at most `most` messages."""
        for at in range(0, len(self.messages), most):
            yield self.between(at, at + most)

    def between(self, begin: int, end: int) -> MessageBatch:
        """The messages from place `begin` to before `end`."""
        return MessageBatch(self.messages[begin:end], self.lines[begin:end], self.times[begin:end])

    def at(self, indexes: Sequence[int]) -> MessageBatch:
        """The messages at these places."""
        return MessageBatch([self.messages[i] for i in indexes], [self.lines[i] for i in indexes])

    def split(self, at: int) -> tuple[MessageBatch, MessageBatch]:
        """The first `at` messages, and the rest."""
        return MessageBatch(self.messages[:at], self.lines[:at]), MessageBatch(
            self.messages[at:], self.lines[at:]
        )


class ParsedBatch(NamedTuple):
    """What a batch of input came to: a job, and the lines that are no messages, with the reason."""

    job: MessageBatch
    bad: Sequence[tuple[int, KubemqctlError]] = ()


Parse = Callable[[InputBatch], ParsedBatch]


def parse_bodies(template: Message) -> Parse:
    """Each piece is a body; all the rest is the template's."""
    _, channel, id, metadata, tags, policy = template

    def parse(batch: InputBatch) -> ParsedBatch:
        messages = [Message(piece, channel, id, metadata, tags, policy) for piece in batch.pieces]
        return ParsedBatch(MessageBatch(messages, batch.lines), _oversize(batch))

    return parse


def parse_records(
    template: Message, keep_id: bool, kept: ChannelType | None = None, with_times: bool = False
) -> Parse:
    """Each piece is a record; what the template has beats what the record says.

    `kept` is the type of the channels that the records name, where they go there and not to the template's.
    """
    override = _override(template) if _overrides_more_than_channel(template) else None
    channel = template.channel
    known: set[str] = set()  # channels whose names have been checked

    def parse(batch: InputBatch) -> ParsedBatch:
        messages: list[Message] = []
        lines: list[int] = []
        times: list[int] = []
        bad = _oversize(batch)
        for line, piece in zip(batch.lines, batch.pieces, strict=True):
            try:
                message = message_from_line(piece, keep_id)
                body, to, id, metadata, tags, policy = message
                if kept and to not in known:
                    check_kept(to, kept)
                    known.add(to)
                at = time_of(record_parser.parse(piece)) if with_times else 0
                if len(body) > MAX_BODY:
                    raise TooLarge(_TOO_LARGE)
                if policy is not NO_POLICY and policy.dead_letter:
                    check_dead_letter(policy.dead_letter)
            except UsageError as e:
                bad.append((line, e))
                continue
            goes_to = to if kept else channel
            if override:
                message = override(message, goes_to)
            elif to != goes_to:
                message = Message(body, goes_to, id, metadata, tags, policy)
            messages.append(message)
            lines.append(line)
            if with_times:
                times.append(at)
        return ParsedBatch(MessageBatch(messages, lines, times), bad)

    return parse


def check_kept(channel: str, kept: ChannelType) -> None:
    """Refuse the channel that a record names where it cannot go there. Raises UsageError."""
    if not channel:
        raise RecordError("the record names no channel, and --keep-channel sends it where it names one")
    check_channel(channel, kept)


def check_dead_letter(name: str) -> None:
    """Refuse a record's dead-letter queue that no server could move a message to. Raises UsageError."""
    try:
        check_channel(name)
    except UsageError as e:
        e.message = f"policy.dead_letter: {e.message}"
        raise


def _override(template: Message) -> Callable[[Message, str], Message]:
    _, _, _, metadata, tags, policy = template

    def whole(message: Message, channel: str) -> Message:
        return Message(
            message.body,
            channel,
            message.id,
            metadata or message.metadata,
            {**message.tags, **tags} if tags else message.tags,
            _mixed(policy, message.policy),
        )

    return whole


def _overrides_more_than_channel(template: Message) -> bool:
    return bool(template.metadata or template.tags) or template.policy != NO_POLICY


def _mixed(mine: Policy, theirs: Policy) -> Policy:
    return Policy(
        mine.expiration or theirs.expiration,
        mine.delay or theirs.delay,
        mine.max_receives or theirs.max_receives,
        mine.dead_letter or theirs.dead_letter,
    )


def _oversize(batch: InputBatch) -> list[tuple[int, KubemqctlError]]:
    return [(line, TooLarge(_TOO_LARGE)) for line in batch.oversize]
