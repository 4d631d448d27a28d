"""What goes to stdout: one function decides the form, one renderer turns nouns into bytes.

A renderer writes nowhere. Errors are rendered here too, for stderr. Every command loads this module,
so json, yaml, rich and the templates are imported when the form asks for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import Affected, AnsweredRequest, Event, Message, Received, Response, SendResult
from kubemqctl.model.records import to_record
from kubemqctl.model.reports import BenchResult, Check, HealthCheck, Pong
from kubemqctl.model.text import escaped_json, escaped_yaml, quoted, text_bytes
from kubemqctl.model.values import OUTPUT_FORMS
from kubemqctl.output.tsv import cell, row

FormName = Literal["human", "json", "yaml", "raw", "template", "prometheus"]
METRICS = "prometheus"
"""A further form, of listings of channels only."""

Raw = Callable[[object], bytes]


class Form(NamedTuple):
    """The form of the output; `template` holds the text of `--format` where that is the form."""

    name: FormName
    template: str = ""


class Renderer(NamedTuple):
    """`one` renders a record as it comes; `all` a finished list, of which people get a table."""

    one: Callable[[object], bytes]
    all: Callable[[Iterable[object]], bytes]


def decide(output: str | None, template: str | None, profile_output: str, stdout_is_terminal: bool) -> Form:
    """The form for what `-o` and `--format` say (None: not given), the profile says, and stdout is.

    The profile's word counts on a terminal only, so that a pipe reads the same everywhere. UsageError for
    an unknown form and for both options at once.
    """
    if template is not None:
        if output is not None:
            raise UsageError("-o/--output and --format cannot be used together")
        return Form("template", template)
    wanted = output
    if wanted is None:
        wanted = profile_output if stdout_is_terminal else ""
    if wanted in ("", "auto"):
        return Form("human" if stdout_is_terminal else "raw")
    return Form(_known(wanted))


def _known(name: str) -> FormName:
    for form in ("human", "json", "yaml", "raw", "prometheus"):
        if name == form:
            return form
    raise UsageError(f"unknown output format {quoted(name)}", hint=f"use one of {', '.join(OUTPUT_FORMS)}")


def make_renderer(
    form: Form,
    noun_type: type,
    *,
    delimiter: bytes | None = b"\n",
    raw: Raw | None = None,
    colour: bool = False,
    width: int = 80,
    on_terminal: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> Renderer:
    """The renderer for `form`. `noun_type` is what the command prints: a template is checked against it.

    `delimiter` follows each value under `raw`; None means the exact bytes and nothing else. `raw` is what a
    pipe wants of a noun, where that is not the same in every command. `colour`, `width` (columns) and
    `on_terminal` are for people, who are told by `note` what has no room. UsageError for a bad template.
    """
    if form.name == "human":
        from kubemqctl.output.human.renderer import human_renderer

        # A pager is a terminal to who has colours sent to it.
        return Renderer(*human_renderer(colour, width, spread=on_terminal or colour, note=note))
    if form.name == "prometheus":
        from kubemqctl.output.prometheus import metrics

        return Renderer(lambda noun: metrics([noun]), metrics)  # type: ignore[list-item, arg-type]
    one = _one(form, noun_type, delimiter, raw, on_terminal)
    return Renderer(one, lambda nouns: b"".join(map(one, nouns)))


def _one(form: Form, noun_type: type, delimiter: bytes | None, raw: Raw | None, on_terminal: bool) -> Raw:
    if form.name == "raw":
        return raw_renderer(delimiter, raw)
    if form.name == "json":
        return json_renderer()
    if form.name == "yaml":
        return yaml_renderer()
    from kubemqctl.output.template import compile_template

    return compile_template(form.template, noun_type, on_terminal)


def no_metrics() -> UsageError:
    """The error for `-o prometheus` with a command that is no listing of channels."""
    hint = f"use one of {', '.join(OUTPUT_FORMS)}"
    return UsageError("-o prometheus is for queue list and channel list", hint=hint)


# --- raw ---

CHANNEL_ROW = ("name", "type", "waiting", "messages", "bytes", "subscribers", "last_activity")
_RAW: dict[type, Callable[..., bytes]] = {
    Received: lambda noun: noun.body,
    Event: lambda noun: noun.body,
    Message: lambda noun: noun.body,
    Response: lambda noun: noun.body,
    AnsweredRequest: lambda noun: b"",
    # Nearly every id is letters and digits: looking for what has to be written out takes 0.4 µs more.
    SendResult: lambda noun: text_bytes(noun.id if noun.id.isalnum() else cell(noun.id)),
    Affected: lambda noun: b"%d" % noun.affected,
    ChannelInfo: row(CHANNEL_ROW),
    Check: row(("status", "name", "found")),
    HealthCheck: row(("status", "name", "reason")),
    BenchResult: lambda noun: b"%.1f" % noun.rate,
    Pong: lambda noun: b"%.3f" % (noun.round_trip / 1e6),
    dict: lambda noun: text_bytes(str(next(iter(noun.values()), ""))),
}


def raw_renderer(delimiter: bytes | None, raw: Raw | None = None) -> Raw:
    """What a pipe wants: a body, an id, a number, a row of values; of a dict its first value."""
    end = delimiter or b""
    if raw is not None:
        return lambda noun: raw(noun) + end
    values = _RAW
    return lambda noun: values[type(noun)](noun) + end


# --- json ---


def json_renderer() -> Callable[[object], bytes]:
    """One compact object a line. Escaped is what terminals obey or readers take for a line's end, as well."""
    from json import JSONEncoder

    encode = JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode
    return lambda noun: escaped_json(encode(to_record(noun))).encode("utf-8", "backslashreplace") + b"\n"


# --- yaml ---


def yaml_renderer() -> Callable[[object], bytes]:
    """One document a record, each begun with `---`. What terminals obey or hide is escaped, as in JSON."""
    import yaml

    # libyaml is twenty times as fast; a PyYAML built without it has the other one.
    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        """Long texts in blocks, and no aliases for what is the same twice."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        whole = value.encode("utf-8", "backslashreplace").decode()
        return dumper.represent_scalar("tag:yaml.org,2002:str", whole, style=_style(whole))

    Dumper.add_representer(str, text)

    def one(noun: object) -> bytes:
        document = yaml.dump(
            to_record(noun),
            Dumper=Dumper,
            explicit_start=True,
            allow_unicode=True,
            sort_keys=False,
            width=2**30,
        )
        return escaped_yaml(document).encode()

    return one


def _style(value: str) -> str | None:
    """The scalar style that keeps `value` for other readers too; None leaves the choice to PyYAML.

    YAML 1.2 takes for numbers what 1.1, and so PyYAML, leaves unquoted (1e3, 0o17), and the two disagree
    about which characters break a line. Only between double quotes can a character be escaped.
    """
    if "\r" in value or escaped_yaml(value) != value:
        return '"'
    if "\n" in value:
        return '"' if value[0].isspace() else "|"
    return "'" if re.match(r"[-+.0-9]", value) else None
