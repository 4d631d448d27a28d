"""What becomes of a message: the decisions, their names, and those that options and handlers make."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from kubemqctl.messaging.input.bodies import single_body
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import Message, Received
from kubemqctl.model.text import check_text, count_text, id_text
from kubemqctl.model.values import only_one, parse_tags
from kubemqctl.output.stderr import is_terminal

Kind = Literal["ack", "reject", "extend", "resend", "retry", "dead-letter", "modify", "return", "next"]
Outcome = Literal[
    "acked", "rejected", "extended", "resent", "retried", "dead-lettered", "modified", "returned"
]
OUTCOMES: dict[Kind, Outcome] = {
    "ack": "acked",
    "reject": "rejected",
    "extend": "extended",
    "resend": "resent",
    "retry": "retried",
    "dead-letter": "dead-lettered",
    "modify": "modified",
    "return": "returned",
}


class Settlement(NamedTuple):
    """What is to become of a message; `value` is seconds to extend by, a channel, or a message."""

    kind: Kind
    value: Any = None


def name(message: Received) -> str:
    """A message, for people."""
    return f"message {id_text(message.id)}"


def is_last(message: Received) -> bool:
    """Whether one more rejection is one too many."""
    return 0 < message.policy.max_receives <= message.receive_count


def after_reject(message: Received) -> str:
    """Where a message is after it was rejected, or given back in a way that counts."""
    if not is_last(message):
        return f"it is at the end of {message.channel} again"
    times = f"received {count_text(message.receive_count, 'time')}, its maximum"
    if message.policy.dead_letter:
        return f"{times}, it is now in {message.policy.dead_letter}"
    return f"{times}, it was discarded by the server, as it has no dead-letter queue"


def modified(held: Received, **changes: Any) -> Message:
    """`held` as a message to send in its place, with `changes` to its fields."""
    kept = Message(held.body, held.channel, held.id, held.metadata, held.tags, held.policy._replace(delay=0))
    return kept._replace(**changes)


def new_id() -> str:
    """An id that no other message has."""
    return os.urandom(16).hex()


Decide = Callable[[Received], Settlement]


class Changes(NamedTuple):
    """What `--modify` changes, as given; None (no tags) where it does not."""

    metadata: str | None
    tags: Sequence[str]
    body: str | None
    file: str | None
    to: str | None

    @property
    def given(self) -> list[str]:
        """The options that were given."""
        return [f"--{name.rstrip('s')}" for name, value in self._asdict().items() if value not in (None, [])]


def by_flags(
    ack: bool, reject: bool, resend: str | None, modify: bool, changes: Changes, has_handler: bool
) -> Decide | None:
    """The one decision that was given; None for none. Raises UsageError for two, or what belongs to none."""
    flags = {"--ack": ack, "--reject": reject, "--resend": resend is not None, "--modify": modify}
    only_one({**flags, "-- COMMAND": has_handler})
    if changes.given and not modify:
        raise UsageError(f"{changes.given[0]} needs --modify", hint="add --modify")
    if modify:
        return _modifying(changes)
    if resend is not None:
        check_channel(resend)
        return lambda message: Settlement("resend", resend)
    if ack or reject:
        return lambda message: Settlement("ack" if ack else "reject")
    return None


def _modifying(changes: Changes) -> Decide:
    """Read and check all of it now, before a message is taken."""
    if not changes.given:
        raise UsageError(
            "--modify needs a change", hint="use --metadata, --tag, --body, --file or --to CHANNEL"
        )
    fixed: dict[str, object] = {}
    if changes.metadata is not None:
        check_text("--metadata", changes.metadata)
        fixed["metadata"] = changes.metadata
    if changes.to is not None:
        check_channel(changes.to)
        fixed["channel"] = changes.to
    if changes.body is not None or changes.file is not None:
        fixed["body"] = single_body(
            changes.body,
            [] if changes.file is None else [changes.file],
            stdin_is_terminal=is_terminal(0),
            # Without --metadata, that of the message stays, which is not known yet.
            has_metadata=changes.metadata != "",
        )
    tags = parse_tags(changes.tags)
    return lambda message: Settlement("modify", modified(message, **fixed, tags=_merged(message.tags, tags)))


def _merged(kept: Mapping[str, str], added: Mapping[str, str]) -> Mapping[str, str]:
    return {**kept, **added} if added else kept


def check_plain(nul: bool, delimiter: bytes | None, auto_ack: bool = False, decodes: bool = False) -> None:
    """Refuse what has no meaning with a handler."""
    if decodes:
        raise UsageError("--decode cannot be used with a handler: it gets the body as it is")
    if nul or delimiter is not None:
        raise UsageError("-0 and --delimiter cannot be used with a handler")
    if auto_ack:
        raise UsageError("--ack auto cannot be used with a handler: it would not wait for it")
