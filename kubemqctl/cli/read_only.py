"""What each command changes on a server, and its refusal under a profile that is read-only.

A test wants every command in this table: a new one is not forgotten, and somebody has thought of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kubemqctl.config.settings import profile_in_force
from kubemqctl.model.errors import UsageError
from kubemqctl.runtime.invocation import Invocation


class Changes(NamedTuple):
    """When a command changes the server of its profile: always, with one of `options`, or `without` any."""

    always: bool = False
    options: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def by(self, given: Mapping[str, Any]) -> str | None:
        """What changes it, of the parameters `given`: an option, or an empty text; None when nothing does."""
        if self.always or (self.without and not any(map(given.get, self.without))):
            return ""
        return next((_flag(name) for name in self.options if given.get(name)), None)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


_NEVER, _ALWAYS = Changes(), Changes(always=True)

TABLE: dict[tuple[str, ...], Changes] = {
    ("queue", "send"): _ALWAYS,
    ("queue", "receive"): _ALWAYS,
    ("queue", "peek"): _NEVER,
    ("queue", "ack-all"): _ALWAYS,
    ("queue", "tx"): _ALWAYS,
    ("queue", "move"): Changes(without=("dry_run",)),
    # A copy to another server only reads this one.
    ("queue", "copy"): Changes(without=("to_profile", "dry_run")),
    ("queue", "list"): _NEVER,
    ("queue", "info"): _NEVER,
    ("events", "pub"): _ALWAYS,
    # A member of a group takes events from the others; the server remembers a durable name's position.
    ("events", "sub"): Changes(options=("group",)),
    ("store", "pub"): _ALWAYS,
    ("store", "sub"): Changes(options=("group", "durable")),
    ("store", "copy"): Changes(without=("to_profile",)),
    ("cmd", "send"): _ALWAYS,
    ("cmd", "respond"): _ALWAYS,
    ("query", "send"): _ALWAYS,
    ("query", "respond"): _ALWAYS,
    ("expect", "queue"): Changes(options=("take",)),
    ("expect", "events"): _NEVER,
    ("expect", "store"): _NEVER,
    ("channel", "list"): _NEVER,
    ("channel", "create"): _ALWAYS,
    ("channel", "delete"): _ALWAYS,
    ("top",): _NEVER,
    ("ping",): _NEVER,
    ("check",): _NEVER,
    ("doctor",): _NEVER,
    ("bench", "queue"): _ALWAYS,
    ("bench", "events"): _ALWAYS,
    ("bench", "store"): _ALWAYS,
    ("bench", "cmd"): _ALWAYS,
    ("bench", "query"): _ALWAYS,
    **{
        ("profile", name): _NEVER
        for name in ("list", "show", "set", "use", "check", "remove", "rename", "copy", "path")
    },
    # A broker of our own knows no profiles.
    ("broker", "run"): _NEVER,
    ("broker", "exec"): _NEVER,
    ("schema",): _NEVER,
    ("completion",): _NEVER,
    ("help",): _NEVER,
}


def refuse_changes(run: Invocation, path: tuple[str, ...], given: Mapping[str, Any]) -> None:
    """Raise UsageError when the command at `path` would change the server of a read-only profile."""
    option = TABLE[path].by(given)
    if option is None:
        return
    profile = profile_in_force(run.common.flags, run.environ)
    if profile is None or not profile.read_only:
        return
    words = " ".join(filter(None, (*path, option)))
    raise UsageError(
        f"the profile {profile.name} is read-only, and `{words}` changes the server",
        hint=f"to allow changes: kubemqctl profile set {profile.name} --no-read-only",
    )
