"""What becomes of a message whose handler failed: rejected, sent to work again later, or put elsewhere.

A server counts deliveries of one message. A copy that comes back with a delay is another message to it, so
what has to outlive the copy travels in tags: how often it was tried, its first id, and what went wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.messaging.queues.decisions import Settlement, new_id
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.limits import SECOND
from kubemqctl.model.messages import (
    ATTEMPTS_TAG,
    ERROR_TAG,
    FAILED_AT_TAG,
    FAILED_FROM_TAG,
    FIRST_ID_TAG,
    NO_POLICY,
    Message,
    Policy,
    Received,
    time_left,
)
from kubemqctl.model.text import escaped, quoted, time_text
from kubemqctl.model.values import whole_seconds

if TYPE_CHECKING:
    from kubemqctl.messaging.handlers.outcomes import HandlerOutcome

LONGEST_ERROR = 500
"""Bytes."""
SENT_ON = ("resend", "retry", "dead-letter")
"""Decisions by which a copy is sent before the message is acknowledged."""
_MOST_ATTEMPTS = 10**9


class OnFail(NamedTuple):
    """What is to become of a message whose handler failed.

    Of "retry" the value is the first and the longest delay, in seconds. After `most` attempts (0 for no
    limit) it goes to `dead_letter`.
    """

    settlement: Settlement
    most: int = 0
    dead_letter: str = ""

    def decide(self, message: Received, now: int) -> Settlement:
        """What becomes of `message`, whose handler failed at `now`, the server's time."""
        tried = attempts(message)
        if self.settlement.kind != "retry":
            # Rejecting is counted by the server.
            tried += max(0, message.receive_count - 1)
        if 0 < self.most <= tried:
            return Settlement("dead-letter", self.dead_letter)
        if self.settlement.kind != "retry":
            return self.settlement
        first, longest = self.settlement.value
        delay = min(first * 2 ** min(tried - 1, 20), longest)
        if message.expires_at and message.expires_at <= now + delay * SECOND:
            dead = self.dead_letter or message.policy.dead_letter
            return Settlement("dead-letter", dead) if dead else Settlement("reject")
        return Settlement("retry", delay)


def attempts(message: Received) -> int:
    """How often a handler has run for `message`, this time included, as far as its tag tells."""
    text = message.tags.get(ATTEMPTS_TAG, "")
    known = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    return min(known, _MOST_ATTEMPTS) + 1


def first_id(message: Received) -> str:
    """The id that `message` had before it was sent to work again."""
    return message.tags.get(FIRST_ID_TAG) or message.id


def sent_on(message: Received, decision: Settlement, outcome: HandlerOutcome, now: int) -> Message:
    """The copy of `message` by which `decision` is carried out; it tells what went wrong."""
    tags = {name: value for name, value in message.tags.items() if name != FIRST_ID_TAG}
    tags |= {
        ERROR_TAG: error_text(outcome),
        ATTEMPTS_TAG: str(attempts(message)),
        FAILED_AT_TAG: time_text(now),
        FAILED_FROM_TAG: message.channel,
    }
    if decision.kind != "retry":
        policy = message.policy._replace(delay=0) if decision.kind == "resend" else NO_POLICY
        return Message(message.body, decision.value, first_id(message), message.metadata, tags, policy)
    # Of two delayed messages with one id servers keep the later one only.
    tags[FIRST_ID_TAG] = first_id(message)
    delay = decision.value
    policy = message.policy
    left = time_left(message.expires_at, now)
    policy = Policy(max(left - delay, 1) if left else 0, delay, policy.max_receives, policy.dead_letter)
    return Message(message.body, message.channel, new_id(), message.metadata, tags, policy)


def error_text(outcome: HandlerOutcome) -> str:
    """How a handler ended and the last line of its stderr, in LONGEST_ERROR bytes at most."""
    said = f"{outcome.short}: {outcome.last_line}" if outcome.last_line else outcome.short
    return escaped(said).encode()[:LONGEST_ERROR].decode(errors="ignore")


# --- the options ---


def parse_on_fail(
    text: str | None, most: int | None, dead_letter: str | None, channel: str, has_handler: bool
) -> OnFail:
    """What `--on-fail`, `--max-attempts` and `--dead-letter` ask for, None for what is not given."""
    for option, value in (("--on-fail", text), ("--max-attempts", most), ("--dead-letter", dead_letter)):
        if value is not None and not has_handler:
            raise UsageError(f"{option} needs a handler", hint="its command goes after --")
    if (most is None) != (dead_letter is None):
        given, missing = ("--max-attempts", "--dead-letter CHANNEL")
        if most is None:
            given, missing = "--dead-letter", "--max-attempts N"
        raise UsageError(f"{given} needs {missing} as well")
    if dead_letter is not None:
        _check_elsewhere("--dead-letter", dead_letter, channel)
    return OnFail(_settlement(text, channel), most or 0, dead_letter or "")


def _settlement(text: str | None, channel: str) -> Settlement:
    if text is None or text == "reject":
        return Settlement("reject")
    if text == "stop":
        return Settlement("return")
    word, _, value = text.partition("=")
    if word == "resend" and value:
        _check_elsewhere("--on-fail resend", value, channel)
        return Settlement("resend", value)
    if word == "retry" and value:
        return Settlement("retry", _delays(value))
    raise UsageError(
        f"--on-fail takes reject, stop, resend=CHANNEL or retry=DELAY[..MAX], not {quoted(text)}"
    )


def _delays(text: str) -> tuple[int, int]:
    first, dots, longest = text.partition("..")
    shortest = whole_seconds(first, "--on-fail retry", minimum=1)
    most = whole_seconds(longest, "--on-fail retry", minimum=1) if dots else shortest
    if most < shortest:
        raise UsageError(f"--on-fail retry={quoted(text)}: the longest delay is shorter than the first")
    return shortest, most


def _check_elsewhere(option: str, target: str, channel: str) -> None:
    check_channel(target)
    if target == channel:
        raise UsageError(
            f"{option} {target} would deliver the message again and again",
            hint="use --on-fail reject, which counts deliveries, or retry=DELAY with --max-attempts",
        )
