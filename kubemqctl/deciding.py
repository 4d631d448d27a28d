"""What the flags of `queue tx` decide, before there is a message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kubemqctl.messaging.input.bodies import single_body
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import Received
from kubemqctl.model.text import check_text
from kubemqctl.model.values import parse_tags
from kubemqctl.output.stderr import is_terminal
from kubemqctl.settling import Decision, modified

Decide = Callable[[Received], Decision]


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
    given = [
        flag
        for flag, is_given in (
            ("--ack", ack),
            ("--reject", reject),
            ("--resend", resend is not None),
            ("--modify", modify),
            ("-- COMMAND", has_handler),
        )
        if is_given
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other: a message is decided once")
    if changes.given and not modify:
        raise UsageError(f"{changes.given[0]} says what --modify changes", hint="add --modify")
    if modify:
        return _modifying(changes)
    if resend is not None:
        check_channel(resend)
        return lambda message: Decision("resend", resend)
    if ack or reject:
        return lambda message: Decision("ack" if ack else "reject")
    return None


def _modifying(changes: Changes) -> Decide:
    """Read and check all of it now, before a message is taken."""
    if not changes.given:
        raise UsageError(
            "--modify changes nothing", hint="say what: --metadata, --tag, --body, --file or --to CHANNEL"
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
            has_metadata=True,
        )
    tags = parse_tags(changes.tags)
    return lambda message: Decision("modify", modified(message, **fixed, tags=_merged(message.tags, tags)))


def _merged(kept: Mapping[str, str], added: Mapping[str, str]) -> Mapping[str, str]:
    return {**kept, **added} if added else kept
