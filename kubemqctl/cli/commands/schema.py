"""`kubemqctl schema`: the program described for programs, as one document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import typer

from kubemqctl import __version__
from kubemqctl.cli import command_tree
from kubemqctl.cli.description import Argument, Command, Option, Tree, Value
from kubemqctl.config.sources import VARIABLES
from kubemqctl.model import errors
from kubemqctl.model.errors import ExitCode, KubemqctlError, UsageError
from kubemqctl.model.record_schema import schemas
from kubemqctl.output.forms import CHANNEL_ROW
from kubemqctl.runtime.invocation import Invocation


def register(root: typer.Typer, only: str | None) -> None:
    """Add the command to the tree."""
    command_tree.register(root, "schema", schema)


def schema(ctx: typer.Context) -> None:
    """Print a machine-readable description of this program.

    A JSON document with all commands, their arguments, options, types, defaults and environment
    variables; exit codes and error codes; and JSON Schemas of all records, with the commands that print
    them. -o json prints it on one line.

    Examples:
      kubemqctl schema > kubemqctl.schema.json
      kubemqctl schema -o yaml | less
      kubemqctl schema | python3 -c 'import json, sys; print(*json.load(sys.stdin)["records"])'
    """
    from kubemqctl.cli.command_tree import build
    from kubemqctl.cli.description import describe

    run: Invocation = ctx.obj
    if run.common.template is not None:
        raise UsageError("schema does not support --format")
    found = document(describe(build()))
    run.show_document(json.dumps(found, indent=2, ensure_ascii=False) + "\n", found)


Document = dict[str, Any]
FORMAT = 1
"""Counted up when something in the document changes its place or its meaning."""
MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.UNEXPECTED: "unexpected failure, or stdout cannot be written",
    ExitCode.USAGE: "wrong usage or configuration, or an invalid request",
    ExitCode.NOT_FOUND: "not found: profile, channel, file or handler command",
    ExitCode.AUTH: "authentication or authorization failed",
    ExitCode.UNREACHABLE: "cannot connect, or the connection was lost for good",
    ExitCode.TIMEOUT: "timed out: nothing arrived, nobody responded, or a visibility expired",
    ExitCode.PARTIAL: "partly done: some messages failed or may have, or stored events are gone",
    ExitCode.RETRYABLE: "try again: the server is not ready or overloaded",
    ExitCode.REFUSED: "refused by the responder: executed=false",
    ExitCode.HANDLER: "a handler failed for at least one message",
    ExitCode.EXPECTATION: "an expectation does not hold: `expect`, `bench --assert` or `check`",
    ExitCode.SIGINT: "ended by SIGINT",
    ExitCode.SIGPIPE: "ended by SIGPIPE: the reader of stdout has closed it",
    ExitCode.SIGTERM: "ended by SIGTERM",
}
MEANING_OF_VARIABLE = {
    **{variable.name: variable.meaning for variable in VARIABLES},
    "XDG_CONFIG_HOME": "directory of the configuration file, kubemqctl/config.yaml",
    "XDG_STATE_HOME": "directory of the messages of `broker run`, kubemqctl/broker",
    "XDG_CACHE_HOME": "directory of channel names that completion caches for ten seconds, kubemqctl",
    "NO_COLOR": "turns colors off",
    "FORCE_COLOR": "turns colors on, also if stdout is not a terminal",
    "CI": "true: never prompt",
}


class Printed(NamedTuple):
    """What a command prints: the records that it may be, by their names, and what of it `raw` prints."""

    records: tuple[str, ...]
    raw: str


_MESSAGE = Printed(("message",), "the body")
_RESULT = Printed(("result",), "the id")
_CHANNEL = Printed(("channel",), "the name")
_CHANNEL_ROW = Printed(("channel",), " ".join(CHANNEL_ROW) + ", tab-separated")
_FIELDS = "a line `field value` for each field, tab-separated"
_NOTHING = Printed((), "nothing")
PRINTS: dict[str, Printed] = {
    "queue send": _RESULT,
    "queue receive": Printed(("message", "handled-message"), "the body; with a handler, its stdout"),
    "queue peek": _MESSAGE,
    "queue ack-all": Printed(("affected",), "the number"),
    "queue tx": Printed(("message", "decision", "handled-message"), "the body; with a handler, its stdout"),
    "queue move": Printed(("affected",), "the number"),
    "queue copy": Printed(("affected",), "the number"),
    "queue list": _CHANNEL_ROW,
    "queue info": Printed(("channel",), _FIELDS),
    "events pub": _RESULT,
    "events sub": Printed(("event", "handled-event"), "the body; with a handler, its stdout"),
    "store pub": _RESULT,
    "store copy": Printed(("affected",), "the number"),
    "store sub": Printed(("event", "handled-event"), "the body; with a handler, its stdout"),
    "cmd send": Printed(("response",), "nothing"),
    "cmd respond": Printed(("answered-request",), "nothing"),
    "query send": Printed(("response",), "the body"),
    "query respond": Printed(("answered-request",), "nothing"),
    "expect queue": Printed(("message",), "the body of each message that matches"),
    "expect events": Printed(("event",), "the body of each event that matches"),
    "expect store": Printed(("event",), "the body of each event that matches"),
    "channel list": _CHANNEL_ROW,
    "channel create": _CHANNEL,
    "channel delete": _CHANNEL,
    "top": Printed(("channel",), " ".join(CHANNEL_ROW) + " rate_in rate_out, tab-separated"),
    "ping": Printed(("pong",), "the round trip in milliseconds"),
    "check": Printed(("health-check",), "status, name and reason, tab-separated"),
    "doctor": Printed(("check",), "status, name and finding, tab-separated"),
    **dict.fromkeys(
        ("bench queue", "bench events", "bench store", "bench cmd", "bench query"),
        Printed(("benchmark",), "the rate"),
    ),
    "profile list": Printed(("profile",), "the values of all fields, tab-separated"),
    "profile show": Printed(("stored-profile", "settings"), _FIELDS),
    "profile set": _NOTHING,
    "profile use": _NOTHING,
    "profile check": Printed(("check",), "status, name and finding, tab-separated"),
    "profile remove": _NOTHING,
    "profile rename": _NOTHING,
    "profile copy": _NOTHING,
    "profile path": Printed(("path",), "the path"),
    "broker run": _NOTHING,
    "broker exec": Printed((), "what the command prints"),
    "schema": Printed(("schema",), "the document"),
    "completion": Printed(("script",), "the script"),
    "help": Printed(("help",), "the text"),
}
"""By command; a test holds what every one of them really prints against it."""


def document(tree: Tree) -> Document:
    """All of it."""
    return {
        "format": FORMAT,
        "program": "kubemqctl",
        "version": __version__,
        "exit_codes": [
            {"code": int(code), "name": code.name.lower(), "meaning": MEANINGS[code]} for code in ExitCode
        ],
        "errors": error_codes(),
        "variables": [{"name": name, "meaning": meaning} for name, meaning in MEANING_OF_VARIABLE.items()],
        "common_options": [_option(option) for option in tree.common],
        "groups": [{"name": name, "help": help} for name, help in tree.groups.items()],
        "commands": [_command(command) for command in tree.commands],
        "records": schemas(),
    }


def _command(command: Command) -> Document:
    printed = PRINTS[command.name]
    return {
        "path": list(command.path),
        "usage": command.usage,
        "help": command.help,
        "details": command.details,
        "examples": list(command.examples),
        "arguments": [_argument(argument) for argument in command.arguments],
        "options": [_option(option) for option in command.options],
        "takes_handler": bool(command.handler),
        "records": list(printed.records),
        "raw": printed.raw,
    }


def _argument(argument: Argument) -> Document:
    return {
        "metavar": argument.metavar,
        "help": argument.help,
        "required": argument.required,
        "repeatable": argument.repeatable,
        **_value(argument.value),
    }


def _option(option: Option) -> Document:
    return {
        "names": list(option.names),
        "off": list(option.off),
        "help": option.help,
        "metavar": option.metavar or None,
        "default": option.default or None,
        "repeatable": option.repeatable,
        "variable": option.variable or None,
        **(_value(option.value) if option.value else {"type": "switch"}),
    }


def _value(value: Value) -> Document:
    said: Document = {"type": value.kind}
    if value.words:
        said["values" if value.closed else "suggestions"] = list(value.words)
    if value.of and value.of != "@":
        said["channel_type"] = value.of
    return said


# ---- error codes ----

# The codes that are given where an error is raised; those of the server's errors are in
# client/error_translation.py.
GIVEN_CODES: dict[str, type[KubemqctlError]] = {
    "assertion-failed": errors.ExpectationFailed,
    "check-failed": errors.ExpectationFailed,
    "cannot-listen": KubemqctlError,
    "command-failed": errors.HandlerFailed,
    "damaged-data": KubemqctlError,
    "data-in-use": KubemqctlError,
    "extra-missing": errors.UsageError,
    "handler-not-started": errors.HandlerFailed,
    "invalid-response": KubemqctlError,
    "messages-lost": errors.Partial,
    "no-answer": errors.Unreachable,
    "not-all-seen": errors.Partial,
    "not-settled": errors.Partial,
    "not-taken": errors.Partial,
    "system": KubemqctlError,
    "tls-failed": errors.Unreachable,
    "token-command-failed": errors.AuthError,
    "token-renewed": errors.Unreachable,
    "undecided": errors.UsageError,
    "visibility-expired": errors.TimedOut,
}


def error_codes() -> list[Document]:
    """Every `error` of an error record, with its exit code and whether trying again may help."""
    from kubemqctl.client import error_translation

    told = (
        *error_translation.BY_NUMBER.values(),
        *(kind for _, kind in error_translation.BY_TEXT),
        *error_translation.BY_STATUS.values(),
        error_translation.UNKNOWN,
    )
    kinds = {cls.code: cls for cls in _classes(KubemqctlError) if cls is not errors.Stopped}
    kinds |= {code: cls for cls, code in told} | GIVEN_CODES
    return [
        {"error": code, "exit_code": int(cls.exit_code), "retryable": cls.retryable}
        for code, cls in sorted(kinds.items(), key=lambda kind: (int(kind[1].exit_code), kind[0]))
    ]


def _classes(cls: type[KubemqctlError]) -> Iterator[type[KubemqctlError]]:
    yield cls
    for inner in cls.__subclasses__():
        yield from _classes(inner)
