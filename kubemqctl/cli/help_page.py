"""The help of a command: its options under headings, each with its default, in the width of the terminal.

HEADINGS says which option stands under which heading. The man pages and the reference use the same table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kubemqctl.cli.description import Option

_HANDLER = (
    "Handler",
    "--concurrency --persistent --handler-timeout --grace --on-fail --max-attempts --dead-letter --prefix"
    " --handler-input --handler-output",
)
_DECODE = "--decode --proto-set --proto-type"
_PRINTED = ("Output", f"--null --delimiter {_DECODE}")
_RUN = ("Running in scripts", "--ready-file --no-reconnect --background --log")
_CONSUME = (
    ("What to receive", "--count --all --follow --from --until --where --group --durable --checkpoint --ack"),
    ("When to stop", "--wait --idle --for"),
    _HANDLER,
    _PRINTED,
    _RUN,
)
_PRODUCE = (
    ("Message", "--file --metadata --tag --id"),
    ("Delivery", "--expire --delay --max-receives --dead-letter"),
    (
        "Many messages",
        "--lines --null --delimiter --json-lines --keep-id --keep-channel --pace --rate --encode",
    ),
    ("Messages that fail", "--retry --failed --unknown"),
)
_REQUEST = (
    ("Request", "--file --metadata --tag --timeout --cache-key --cache-ttl"),
    (
        "Many requests",
        "--lines --null --delimiter --json-lines --keep-id --keep-channel --pace --rate --concurrency",
    ),
    ("Encodings", f"--encode {_DECODE}"),
)
_RESPOND = (
    ("Response", "--ok --reply --reply-file --echo --error --metadata --tag"),
    ("Requests", "--group --count"),
    _HANDLER,
    _PRINTED,
    _RUN,
)
_MOVE = (
    ("Which messages", "--count --all --from --until --follow --checkpoint --where"),
    ("Target", "--to-profile --max-receives --dead-letter"),
    ("Decoding for conditions", _DECODE),
    _RUN,
)
_EXPECT = (
    ("What to expect", "--where --never --count --exactly --none --within --from --take"),
    ("Output", "--null --delimiter"),
    ("Decoding", _DECODE),
    _RUN,
)
_BENCH = (
    ("Load", "--producers --consumers --size --batch --in-flight --rate --timeout"),
    ("Measurement", "--count --duration --warm-up --assert"),
    ("Channel", "--channel --existing"),
)
HEADINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("Connection", "--profile --address --client-id --connect-timeout --connect-wait"),
        ("Authentication and TLS", "--token-file --tls --tls-ca --tls-cert --tls-key --tls-server-name"),
        ("Output", "--output --json --format --quiet --verbose"),
    ),
    **dict.fromkeys(("queue send", "events pub", "store pub"), _PRODUCE),
    **dict.fromkeys(("queue receive", "queue peek", "events sub", "store sub"), _CONSUME),
    **dict.fromkeys(("queue move", "queue copy", "store copy"), _MOVE),
    "queue tx": (
        ("Decision", "--ack --reject --resend --modify"),
        ("What --modify changes", "--metadata --tag --body --file --to"),
        ("Holding the message", "--wait --visibility"),
        _HANDLER,
        _PRINTED,
    ),
    **dict.fromkeys(("cmd send", "query send"), _REQUEST),
    **dict.fromkeys(("cmd respond", "query respond"), _RESPOND),
    **dict.fromkeys(("expect queue", "expect events", "expect store"), _EXPECT),
    **dict.fromkeys((f"bench {pattern}" for pattern in ("queue", "events", "store", "cmd", "query")), _BENCH),
    "broker run": (
        ("Listening", "--listen --ready-file --background --log"),
        ("Storage", "--data --ephemeral"),
        ("For tests of clients", "--fault --fault-seed --like"),
    ),
}
"""By command, the headings of its help in their order, each with the long names of its options."""
OTHERS = "Options"
"""The heading of what no heading of the table names, `--help` among it."""
HELP = Option(("-h", "--help"), (), "Show this help.", "", None, "", False, "")
METAVARS = {
    "D": "D is a duration: 500ms, 30s, 10min, 1h30m.",
    "SIZE": "SIZE is 512B, 4KiB or 1MB.",
    "EXPR": "EXPR is FIELD OP VALUE; OP is one of = != ~ !~ < <= > >=.",
}
"""What a value looks like whose placeholder does not say it."""


class Section(NamedTuple):
    """Options under one heading."""

    heading: str
    options: tuple[Option, ...]


def sections(name: str, options: Iterable[Option]) -> Iterator[Section]:
    """The options of the command `name` ("queue send", "" for the program) under their headings, in order."""
    left = list(options)
    for heading, words in HEADINGS.get(name, ()):
        wanted = words.split()
        found = [option for option in left if option.name in wanted]
        left = [option for option in left if option not in found]
        if found:
            yield Section(heading, tuple(sorted(found, key=lambda option: wanted.index(option.name))))
    if left:
        yield Section(OTHERS, tuple(left))


def rows(options: Iterable[Option], *, align: bool = False) -> Iterator[tuple[str, str]]:
    """An option as it is typed, and what it does: (`-n, --count N`, `Stop after N messages.`).

    With `align`, long names stand below one another, whether or not there is a short one.
    """
    for option in options:
        names = ", ".join(option.names) + (f" / {', '.join(option.off)}" if option.off else "")
        typed = f"{names} {option.metavar}" if option.metavar else names
        indent = "    " if align and option.names[0].startswith("--") else ""
        yield indent + typed, explanation(option)


def explanation(option: Option) -> str:
    """What an option does, and what holds without it."""
    return f"{option.help} [default: {option.default}]" if option.default else option.help


def placeholders(options: Iterable[Option]) -> str:
    """What is to be written for the placeholders of these options, where METAVARS has it; else empty."""
    used = {option.metavar for option in options}
    return " ".join(text for metavar, text in METAVARS.items() if metavar in used)


def table(found: Iterable[tuple[str, str]], width: int, left: int = 0) -> str:
    """Two columns, indented by two: the first `left` wide, or as wide as it needs; the second wrapped."""
    from textwrap import wrap

    listed = list(found)
    left = left or column([name for name, _ in listed], width)
    pad = " " * (left + 4)
    lines = []
    for name, text in listed:
        wrapped = wrap(_whole_default(text), max(20, width - len(pad)), break_on_hyphens=False) or [""]
        if len(name) > left:
            lines.append(f"  {name}")
        else:
            lines.append(f"  {name:<{left}}  {wrapped.pop(0)}".rstrip())
        lines += [pad + line for line in wrapped]
    return restored("".join(f"{line}\n" for line in lines))


NARROW = 50
"""Columns. Typer makes no help narrower, which a terminal that is breaks within words."""


def column(names: Iterable[str], width: int) -> int:
    """How wide a column of these names is; those over a third of `width` stand on lines of their own."""
    most = max(24, width // 3) if width >= NARROW else width // 3
    return max((len(name) for name in names if len(name) <= most), default=0)


# What stands for a space and a hyphen at which no line may be broken; textwrap does not know them.
_FIXED = {" ": "\x00", "-": "\x01"}


def unbroken(text: str, at: str) -> str:
    """`text` that is not broken at a space or a hyphen, `at`; once wrapped, it is `restored`."""
    return text.replace(at, _FIXED[at])


def restored(text: str) -> str:
    """What was `unbroken`, as it is shown."""
    for shown, fixed in _FIXED.items():
        text = text.replace(fixed, shown)
    return text


def _whole_default(text: str) -> str:
    """`text` whose default stays on one line: `[default: 1s]`."""
    text, bracket, default = text.partition("[default: ")
    return text + unbroken(bracket, " ") + default
