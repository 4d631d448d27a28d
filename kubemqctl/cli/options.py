"""Every option that is used twice, as an Annotated alias: one name, one meaning, one help text.

Durations arrive as seconds. Defaults are written as a user would type them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from kubemqctl.model.channels import ChannelType, check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.limits import MAX_QUEUE_SECONDS
from kubemqctl.model.text import quoted
from kubemqctl.model.values import (
    End,
    Start,
    check_timeout,
    parse_delimiter,
    parse_duration,
    parse_end,
    parse_pace,
    parse_rate,
    parse_start,
    whole_seconds,
)

T = TypeVar("T")


def valued(option: str, parse: Callable[[str], T]) -> Callable[[Any], T]:
    """`parse`, naming `option` in what it refuses. Typer passes defaults through it as well."""

    def parsed(text: Any) -> T:
        if not isinstance(text, str):
            return text  # type: ignore[no-any-return]
        try:
            return parse(text)
        except UsageError as e:
            e.message = f"{option}: {e.message}"
            raise

    return parsed


def duration(option: str, help: str, default: str = "", *, positive: bool = False) -> Any:
    """An option that takes a duration and gives seconds; `default` is what the help shows as its default.

    With `positive`, 0s is refused: where it would not mean "at once", but that nothing can ever succeed.
    """

    def parse(text: str) -> float:
        seconds = parse_duration(text)
        if positive and not seconds:
            raise UsageError(f"{quoted(text)} is too short: the minimum is 1ms")
        return seconds

    return typer.Option(
        option, metavar="D", help=help, show_default=default or False, parser=valued(option, parse)
    )


def seconds(
    option: str, help: str, minimum: int = 0, maximum: int = MAX_QUEUE_SECONDS, default: str = ""
) -> Any:
    """An option whose duration the server counts in whole seconds; `default` as in `duration`."""

    def parse(text: str) -> int:
        return whole_seconds(text, option, minimum=minimum, maximum=maximum)

    return typer.Option(
        option,
        metavar="D",
        help=help,
        show_default=default or False,
        parser=lambda t: parse(t) if isinstance(t, str) else t,
    )


def between(nul: bool, delimiter: bytes | None, *, exact: bool) -> bytes | None:
    """What separates bodies in raw output; None for the exact bytes of a single one."""
    if nul and delimiter is not None:
        raise UsageError("-0 and --delimiter cannot be used together")
    if nul:
        return b"\0"
    if delimiter is None:
        return None if exact else b"\n"
    return delimiter


def count(help: str) -> Any:
    """The option that limits how many messages, requests or the like a run takes."""
    return typer.Option("-n", "--count", metavar="N", min=1, help=help)


def asked(timeout: float | None) -> float:
    """A request's timeout in seconds, 0 for one that was not given. Raises UsageError."""
    if timeout is not None:
        check_timeout(timeout)
    return timeout or 0.0


def destination(channel: str | None, keep_channel: bool, kind: ChannelType) -> str:
    """CHANNEL, checked, or nothing where the records say where they go.

    Raises UsageError for both, for neither, and for a name that cannot be sent.
    """
    if keep_channel and channel is not None:
        raise UsageError(
            f"CHANNEL {quoted(channel)} and --keep-channel contradict each other",
            hint="leave one of them out; a body comes from stdin or --file then",
        )
    if not keep_channel and channel is None:
        raise UsageError(
            "missing argument 'CHANNEL'",
            hint="write it before the body; with --json-lines --keep-channel each record names its own",
        )
    if channel is not None:
        check_channel(channel, kind)
    return channel or ""


Channel = Annotated[str, typer.Argument(metavar="CHANNEL", show_default=False)]
ChannelUnlessKept = Annotated[
    str | None,
    typer.Argument(metavar="CHANNEL", help="Left out with --keep-channel.", show_default=False),
]
Body = Annotated[
    str | None, typer.Argument(metavar="[BODY]", help="The body; `-` reads stdin.", show_default=False)
]
Files = Annotated[
    list[str] | None,
    typer.Option("--file", metavar="PATH", help="Read the body from PATH; repeat to send several messages."),
]
File = Annotated[str | None, typer.Option("--file", metavar="PATH", help="Read the body from PATH.")]
Metadata = Annotated[
    str, typer.Option("--metadata", metavar="M", help="Set the metadata text.", show_default=False)
]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="K=V", help="Set a tag; repeat for more tags.")
]
Id = Annotated[
    str,
    typer.Option(
        "--id", metavar="ID", help="Set the message ID; only for a single message.", show_default=False
    ),
]
Lines = Annotated[bool, typer.Option("--lines", help="Send each line of the input as a message.")]
Nul = Annotated[bool, typer.Option("-0", "--null", help="Separate messages by NUL instead of newline.")]
Delimiter = Annotated[
    bytes | None,
    typer.Option(
        "--delimiter",
        metavar="S",
        help=r"Separate messages by S; \n \t \0 \xHH are escapes.",
        parser=valued("--delimiter", parse_delimiter),
    ),
]
JsonLines = Annotated[
    bool, typer.Option("--json-lines", help="Send each line as a JSON record, as `-o json` prints them.")
]
KeepId = Annotated[bool, typer.Option("--keep-id", help="Keep the message IDs of the records.")]
KeepChannel = Annotated[
    bool,
    typer.Option("--keep-channel", help="Send each record to the channel that it names, without CHANNEL."),
]
Pace = Annotated[
    float | None,
    typer.Option(
        "--pace",
        metavar="FACTORx",
        help="Keep the gaps between the times of the records: 1x as they are, 2x half as long.",
        parser=valued("--pace", parse_pace),
    ),
]
Encode = Annotated[
    list[str] | None,
    typer.Option(
        "--encode",
        metavar="ENCODING",
        help="Encode each body as gzip, zlib or base64; repeat to apply several in this order.",
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        metavar="N/s",
        help="Limit the rate, for example to 100/s.",
        parser=valued("--rate", parse_rate),
    ),
]
FailedFile = Annotated[
    str | None,
    typer.Option(
        "--failed",
        metavar="FILE",
        help="Write messages that were not accepted to FILE, as JSON records.",
    ),
]
UnknownFile = Annotated[
    str | None,
    typer.Option(
        "--unknown", metavar="FILE", help="Write messages whose outcome is unknown to FILE, as JSON records."
    ),
]
Retry = Annotated[
    int,
    typer.Option("--retry", metavar="N", min=0, help="Retry up to N times; this can send a message twice."),
]
Count = Annotated[int | None, count("Stop after N messages.")]
All = Annotated[bool, typer.Option("--all", help="All messages that are waiting when the run begins.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="EXPR",
        help="Only messages for which EXPR holds, such as 'body.id=42'; repeat for more conditions.",
    ),
]
Decode = Annotated[
    list[str] | None,
    typer.Option(
        "--decode",
        metavar="ENCODING",
        help="Decode each body from gzip, zlib, base64 or protobuf; repeat to apply several in this order.",
    ),
]
ProtoSet = Annotated[
    str,
    typer.Option(
        "--proto-set",
        metavar="FILE",
        help="Descriptor set for --decode protobuf, as written by protoc --descriptor_set_out.",
        show_default=False,
    ),
]
ProtoType = Annotated[
    str,
    typer.Option(
        "--proto-type",
        metavar="TYPE",
        help="Full name of the message type for --decode protobuf.",
        show_default=False,
    ),
]
ToProfile = Annotated[
    str | None,
    typer.Option("--to-profile", metavar="NAME", help="TARGET is on the server of the profile NAME."),
]
Follow = Annotated[bool, typer.Option("--follow", help="Keep waiting for new messages.")]
NameFilter = Annotated[
    str,
    typer.Option("--filter", metavar="TEXT", help="Show only names that contain TEXT.", show_default=False),
]
Wait = Annotated[float, duration("--wait", "Wait up to D for the first message.", "1s")]
Idle = Annotated[float | None, duration("--idle", "Stop when no message has arrived for D.")]
For = Annotated[float | None, duration("--for", "Stop after D in total.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Confirm = Annotated[
    str | None,
    typer.Option(
        "--confirm",
        metavar="NAME",
        help="Confirm by the name of what is deleted; needed for a protected profile.",
    ),
]
ReadyFile = Annotated[
    str | None,
    typer.Option("--ready-file", metavar="PATH", help="Create the file PATH once messages can arrive."),
]
Background = Annotated[
    bool, typer.Option("--background", help="Start it detached, and return when it is live.")
]
Log = Annotated[
    str | None,
    typer.Option("--log", metavar="FILE", help="With --background: append its output to FILE."),
]
SubscriberGroup = Annotated[
    str,
    typer.Option(
        "--group",
        metavar="G",
        help="Join the consumer group G: each message goes to one member.",
        show_default=False,
    ),
]
NoReconnect = Annotated[
    bool,
    typer.Option("--no-reconnect", help="Exit with code 5 instead of reconnecting."),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        metavar="N",
        min=1,
        max=1024,
        help="Run up to N handlers at the same time.",
        show_default="1",
    ),
]
Persistent = Annotated[
    bool,
    typer.Option(
        "--persistent", help="Start the handler once; it reads and answers lines of JSON (help handlers)."
    ),
]
HandlerTimeout = Annotated[
    float | None, duration("--handler-timeout", "Stop a handler that runs longer than D.", positive=True)
]
HandlerInput = Annotated[
    str | None,
    typer.Option(
        "--handler-input",
        metavar="FORMAT",
        help="Pass the handler the body on stdin, or the whole record with `json`.",
        show_default="body",
    ),
]
HandlerOutput = Annotated[
    str | None,
    typer.Option(
        "--handler-output",
        metavar="FORMAT",
        help="Read the handler's stdout as the body, or as a whole record with `json`.",
        show_default="body",
    ),
]
Grace = Annotated[
    float | None, duration("--grace", "When stopping, wait up to D for running handlers.", "10s")
]
AskConcurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        metavar="N",
        min=1,
        max=1024,
        help="Send up to N requests at the same time.",
        show_default="1",
    ),
]
RequestTimeout = Annotated[float, duration("--timeout", "Wait up to D for the response.", "10s")]
AskTimeout = Annotated[float | None, duration("--timeout", "Wait up to D for the response.", "10s")]
RequestCount = Annotated[int | None, count("Stop after N requests.")]
Error = Annotated[
    str | None,
    typer.Option("--error", metavar="TEXT", help="Refuse every request with the error message TEXT."),
]


# Positions in a store


def _from(default: str) -> Any:
    return typer.Option(
        "--from",
        metavar="START",
        help="Start: new, first, last, -10 (the last 10), a sequence, a time, a date, or 2h (ago).",
        show_default=default,
        parser=valued("--from", parse_start),
    )


From = Annotated[Start | None, _from("new")]
FromFirst = Annotated[Start | None, _from("first")]
Until = Annotated[
    End | None,
    typer.Option(
        "--until",
        metavar="END",
        help="End position, inclusive: now, a sequence, a time, or a date (that day included).",
        parser=valued("--until", parse_end),
    ),
]
CheckpointFile = Annotated[
    str | None, typer.Option("--checkpoint", metavar="FILE", help="Remember the position in FILE.")
]
