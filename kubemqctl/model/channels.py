"""Channels: what a server tells of one, and the names that are safe to send.

Server 2.4.0 hangs on some other names, breaks on some for everybody, and swallows what is sent to the
rest, so they are refused here, before anything is sent. Each check raises InvalidRequest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from kubemqctl.model.errors import InvalidRequest
from kubemqctl.model.text import is_utf8, quoted

MAX_NAME_BYTES = 240
"""Server 2.4.0 turns names into directory names, prefixed; longer ones fail or vanish."""
ChannelType = Literal["queues", "events", "events_store", "commands", "queries"]
CHANNEL_TYPES: tuple[ChannelType, ...] = get_args(ChannelType)
TYPE_OF_GROUP: dict[str, ChannelType] = {
    "queue": "queues",
    "events": "events",
    "store": "events_store",
    "cmd": "commands",
    "query": "queries",
}
"""The type of the channels that a group of commands works on."""
TYPE_OF_WORD: dict[str, ChannelType] = {**TYPE_OF_GROUP, **{name: name for name in CHANNEL_TYPES}}
"""A type by what people call it: its own name, or the group of commands that works on it."""


def check_channel(name: str, kind: ChannelType = "queues", wildcards: bool = False) -> None:
    """Raise InvalidRequest for a name that the server would break on, hang on, or swallow messages for.

    `wildcards` allows `*` for one word between dots and `>` for all that follow, as some subscriptions do.
    """
    _check_channel(name, kind, wildcards)


@lru_cache(maxsize=1024)
def _check_channel(name: str, kind: ChannelType, wildcards: bool) -> None:
    what = "channel"
    _check_name(what, name)
    for char in "*>":
        if char in name and not wildcards:
            raise _bad_name(
                what, name, f"contains {char}: wildcards are only for subscribing to events and requests"
            )
    words = name.split(".")
    if "" in words:
        raise _bad_name(what, name, "has an empty word: dots can only stand between words")
    if "/" in name:
        raise _bad_name(what, name, "contains /, which the server cannot store: use a dot or a dash")
    if ":" in name and kind == "queues":
        raise _bad_name(what, name, "contains a colon: such a queue can be sent to but never received from")
    if wildcards:
        _check_wildcards(name, words)


def _check_wildcards(name: str, words: Sequence[str]) -> None:
    for at, word in enumerate(words, start=1):
        alone = word == "*" or (word == ">" and at == len(words))
        if not alone and ("*" in word or ">" in word):
            rule = "matches nothing: * stands for one whole word between dots, > for all words at the end"
            raise _bad_name("channel", name, rule)


def check_group(name: str, kind: ChannelType = "events") -> None:
    """Raise InvalidRequest for a group that the server refuses; `:` only for events_store."""
    _check_name("group", name)
    if ":" in name and kind == "events_store":
        raise _bad_name("group", name, "contains a colon, which groups of stored events cannot have")


def check_client_id(name: str) -> None:
    """Raise InvalidRequest for a client id that cannot be."""
    if not name:
        raise InvalidRequest("the client ID is empty: leave it out for a random one")
    if not is_utf8(name):
        raise _bad_name("client ID", name, "is not valid UTF-8")
    control = next(filter(_is_control, name), "")
    if control:
        raise _bad_name("client ID", name, f"contains a control character, {quoted(control)}")


def check_durable(name: str) -> None:
    """Raise InvalidRequest for a durable name that cannot be: it is a client id of stored events."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise InvalidRequest(
            f"--durable: {quoted(name)} is not a name: only letters, digits, - and _ are allowed"
        )


def _check_name(what: str, name: str) -> None:
    if not name:
        raise InvalidRequest(f"the {what} name is empty")
    if not is_utf8(name):
        raise _bad_name(what, name, "is not valid UTF-8")
    for char in name:
        if _is_control(char):
            raise _bad_name(
                what, name, f"contains a control character, {quoted(char)}, which can break the server"
            )
        if char.isspace():
            raise _bad_name(what, name, f"contains white space ({_space_name(char)}): use a dot or a dash")
    size = len(name.encode())
    if size > MAX_NAME_BYTES:
        raise _bad_name(what, name, f"is too long: {size} bytes, the maximum is {MAX_NAME_BYTES}")


def _bad_name(what: str, name: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{what} {quoted(name)} {problem}")


def _is_control(char: str) -> bool:
    return char < " " or "\x7f" <= char < "\xa0"


def _space_name(char: str) -> str:
    return "a space" if char == " " else f"U+{ord(char):04X}"


class ChannelInfo(NamedTuple):
    """A channel and what the server tells of it.

    None where it tells nothing.
    """

    name: str
    type: str
    messages: int | None = None
    bytes: int | None = None
    waiting: int | None = None
    subscribers: int | None = None
    first_sequence: int | None = None
    last_sequence: int | None = None
    active: bool | None = None
    last_activity: int | None = None
    rate_in: float | None = None  # messages a second, as `top` measures them
    rate_out: float | None = None


class Sample(NamedTuple):
    """A channel with its counters: how many messages ever came in and went out; None where untold."""

    info: ChannelInfo
    incoming: int | None = None
    outgoing: int | None = None
