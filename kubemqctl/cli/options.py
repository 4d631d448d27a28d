"""Every option that is used twice, as an Annotated alias: one name, one meaning, one help text.

Durations arrive as seconds. Defaults are written as a user would type them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from kubemqctl.model.errors import UsageError
from kubemqctl.model.limits import MAX_QUEUE_SECONDS
from kubemqctl.model.values import parse_delimiter, parse_duration, parse_rate, whole_seconds

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


def duration(option: str, help: str, default: str = "") -> Any:
    """An option that takes a duration and gives seconds; `default` is what the help says of it."""
    return typer.Option(
        option, metavar="D", help=help, show_default=default or False, parser=valued(option, parse_duration)
    )


def seconds(option: str, help: str, minimum: int = 0, maximum: int = MAX_QUEUE_SECONDS) -> Any:
    """An option whose duration the server counts in whole seconds."""

    def parse(text: str) -> int:
        return whole_seconds(text, option, minimum=minimum, maximum=maximum)

    return typer.Option(
        option,
        metavar="D",
        help=help,
        show_default=False,
        parser=lambda t: parse(t) if isinstance(t, str) else t,
    )


def between(nul: bool, delimiter: bytes | None, *, exact: bool) -> bytes | None:
    """What separates bodies in raw output; None for the exact bytes of a single one."""
    if nul and delimiter is not None:
        raise UsageError("-0 and --delimiter exclude each other")
    if nul:
        return b"\0"
    if delimiter is None:
        return None if exact else b"\n"
    return delimiter


Channel = Annotated[str, typer.Argument(metavar="CHANNEL", show_default=False)]
Body = Annotated[
    str | None, typer.Argument(metavar="[BODY]", help="The body; `-` reads stdin.", show_default=False)
]
Files = Annotated[
    list[str] | None,
    typer.Option("--file", metavar="PATH", help="Take the body from PATH; repeat for more messages."),
]
File = Annotated[str | None, typer.Option("--file", metavar="PATH", help="Take the body from PATH.")]
Metadata = Annotated[
    str, typer.Option("--metadata", metavar="M", help="The metadata text.", show_default=False)
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="K=V", help="A tag; repeatable.")]
Id = Annotated[
    str, typer.Option("--id", metavar="ID", help="The message's id (one message only).", show_default=False)
]
Lines = Annotated[bool, typer.Option("--lines", help="One message a line of the input.")]
Nul = Annotated[bool, typer.Option("-0", "--null", help="NUL instead of newline between messages.")]
Delimiter = Annotated[
    bytes | None,
    typer.Option(
        "--delimiter",
        metavar="S",
        help=r"The text between messages; \n \t \0 \xHH are understood.",
        parser=valued("--delimiter", parse_delimiter),
    ),
]
JsonLines = Annotated[
    bool, typer.Option("--json-lines", help="One JSON record a line: what `-o json` prints.")
]
KeepId = Annotated[bool, typer.Option("--keep-id", help="Keep the ids of the records.")]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        metavar="N/s",
        help="At most so many messages a second.",
        parser=valued("--rate", parse_rate),
    ),
]
FailedFile = Annotated[
    str | None,
    typer.Option(
        "--failed",
        metavar="FILE",
        help="Write messages that were not accepted to FILE (lines that are no record are only named).",
    ),
]
UnknownFile = Annotated[
    str | None,
    typer.Option("--unknown", metavar="FILE", help="Write messages whose answer was lost to FILE."),
]
Retry = Annotated[
    int, typer.Option("--retry", metavar="N", min=0, help="Send again up to N times, at the risk of doubles.")
]
Count = Annotated[int | None, typer.Option("--count", metavar="N", min=1, help="Stop after N messages.")]
All = Annotated[bool, typer.Option("--all", help="All that waits when the run begins.")]
Follow = Annotated[bool, typer.Option("--follow", help="Keep waiting for more.")]
Wait = Annotated[float, duration("--wait", "Wait so long for the first message.", "1s")]
Idle = Annotated[float | None, duration("--idle", "Stop when nothing came for so long.")]
For = Annotated[float | None, duration("--for", "Stop after so long in all.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Confirm = Annotated[
    str | None, typer.Option("--confirm", metavar="NAME", help="Do not ask: the name of what is destroyed.")
]
ReadyFile = Annotated[
    str | None, typer.Option("--ready-file", metavar="PATH", help="Write PATH once this is live.")
]
SubscriberGroup = Annotated[
    str,
    typer.Option("--group", metavar="G", help="Share what comes with the others of G.", show_default=False),
]
NoReconnect = Annotated[bool, typer.Option("--no-reconnect", help="End with 5 when the connection is lost.")]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        metavar="N",
        min=1,
        max=1024,
        help="Run up to N handlers at a time.",
        show_default="1",
    ),
]
HandlerTimeout = Annotated[float | None, duration("--handler-timeout", "Stop a handler that takes longer.")]
HandlerInput = Annotated[
    str | None,
    typer.Option(
        "--handler-input",
        metavar="FORM",
        help="What a handler reads: body, or json for the record.",
        show_default="body",
    ),
]
HandlerOutput = Annotated[
    str | None,
    typer.Option(
        "--handler-output",
        metavar="FORM",
        help="What a handler writes: body, or json for a record.",
        show_default="body",
    ),
]
Grace = Annotated[float | None, duration("--grace", "At the end, let running handlers have so long.", "10s")]
RequestTimeout = Annotated[float, duration("--timeout", "Wait so long for the answer.", "10s")]
RequestCount = Annotated[
    int | None, typer.Option("--count", metavar="N", min=1, help="Stop after N requests.")
]
Error = Annotated[str | None, typer.Option("--error", metavar="TEXT", help="Refuse every request with TEXT.")]
