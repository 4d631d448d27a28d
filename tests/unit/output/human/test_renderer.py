"""What people see: safe on any terminal, aligned, and with the quantities written out."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.messages import (
    NO_POLICY,
    NO_TAGS,
    Affected,
    Event,
    Policy,
    Received,
    Response,
    SendResult,
)
from kubemqctl.model.reports import HealthCheck, Pong
from kubemqctl.model.text import count_text, moment_text, relative_text, size_text, span_text
from kubemqctl.output.human.renderer import human_renderer
from kubemqctl.output.human.tables import Column, draw_table
from kubemqctl.output.stderr import DIM, GREEN, ViewOptions

NOW = 1795441240123456789
SECOND = 10**9


def received(body: bytes = b"hello", **others: Any) -> Received:
    plain = Received("orders", "id-1", "me", "", body, NO_TAGS, NOW - 3 * SECOND, 7, 1, "", 0, 0, NO_POLICY)
    return plain._replace(**others)


def shown(*nouns: object, width: int = 80, colour: bool = False) -> str:
    one, every = human_renderer(colour, width, now=lambda: NOW)
    return (every(nouns) if len(nouns) > 1 else one(nouns[0])).decode()


# --- messages ---


def test_a_message_is_a_header_and_its_body() -> None:
    assert shown(received()) == "── #7 · 3s ago (2026-11-23 13:40:37.123Z) · id id-1\n  hello\n"


def test_a_header_tells_everything_that_is_unusual_and_stays_within_the_width() -> None:
    noun = received(
        b"two\nlines\n",
        metadata="m",
        tags={"kind": "order", "地域": "東京"},
        receive_count=3,
        re_routed_from="main",
        expires_at=NOW + 90 * SECOND,
        policy=Policy(90, 0, 3, "dead"),
    )
    text = shown(noun)
    assert text == (
        "── #7 · 3s ago (2026-11-23 13:40:37.123Z) · received 3 times · id id-1\n"
        "── re-routed from main · expires in 1m 30s (2026-11-23 13:42:10.123Z)\n"
        "── metadata m · kind=order · 地域=東京 · dead letters to dead\n"
        "  two\n"
        "  lines\n"
    )
    assert max(map(cell_len, text.splitlines())) <= 80
    assert shown(noun, width=200).count("\n") == 3


def test_an_event_says_where_it_was_published_unless_it_is_stored() -> None:
    plain = Event("alarms.kitchen", "e1", "", b"smoke", {"level": "high"}, 0, 0)
    assert shown(plain) == "── alarms.kitchen · id e1 · level=high\n  smoke\n"
    stored = plain._replace(sequence=7, timestamp=NOW)
    assert shown(stored).startswith("── #7 · ")
    assert "alarms" not in shown(stored)


def test_a_body_ends_its_line_and_an_empty_one_says_so() -> None:
    assert shown(received(b"x")).endswith("\n  x\n")
    assert shown(received(b"x\n")).endswith("\n  x\n")
    assert shown(received(b"", metadata="m")).endswith("\n(no body)\n")


def test_a_body_that_is_no_text_is_a_short_hex_view_with_its_length() -> None:
    lines = shown(received(bytes(range(256)) * 90)).splitlines()
    assert lines[1] == "  00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|"
    assert lines[4] == "  00000030  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  |0123456789:;<=>?|"
    assert lines[5:] == ["(not UTF-8 text: 23,040 bytes, 22.5 KiB; the first 64 are shown)"]
    assert shown(received(b"\xff")).splitlines()[1:] == [
        "  00000000  ff                                                |.|",
        "(not UTF-8 text: 1 byte)",
    ]
    assert max(map(len, shown(received(b"\xff" * 99), width=60).splitlines()[:-1])) <= 60


FORGED = "── #8 · 1s ago · id forged"


@pytest.mark.parametrize(
    "body",
    [
        f"x\n{FORGED}",
        FORGED,
        f"x\r\n{FORGED}\n\n{FORGED}",
        f"{'x' * 38}{FORGED}",
        f"{'東' * 19}{FORGED}",
        f"\t\t\t\t\t{FORGED}",
        f'{{"a": "{"x" * 31}{FORGED}"}}',
        f'["{"x" * 34}{FORGED}", "{"y" * 36}{FORGED}"]',
    ],
)
@pytest.mark.parametrize("colour", [True, False])
def test_no_line_of_a_body_can_pass_for_a_header(body: str, colour: bool) -> None:
    one, _ = human_renderer(colour, 40, now=lambda: NOW, spread=True)
    text = re.sub("\x1b\\[[0-9;]*m", "", one(SMALL._replace(body=body.encode())).decode())
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("──")] == ["── #7"]
    assert [line for line in lines[1:] if line and not line.startswith("  ")] == []
    assert max(map(cell_len, lines)) <= 40


@pytest.mark.parametrize(
    "noun",
    [
        SendResult("id", "c", 0, 0, 0, "x" * 26 + FORGED),
        Response("c", "id", executed=False, error="x" * 22 + FORGED),
    ],
    ids=["sent", "response"],
)
def test_no_text_of_a_refusal_can_pass_for_a_header(noun: object) -> None:
    one, _ = human_renderer(False, 40, now=lambda: NOW, spread=True)
    first, *rest = one(noun).decode().splitlines()
    assert first.startswith("not ")
    assert rest
    assert [line for line in rest if not line.startswith("  ")] == []


@given(st.text(st.characters(codec="utf-8")), st.integers(20, 90), st.booleans())
def test_only_lines_of_ours_begin_in_the_first_column(body: str, width: int, colour: bool) -> None:
    one, _ = human_renderer(colour, width, now=lambda: NOW, spread=True)
    noun = SMALL._replace(body=b"x" + body.encode())
    first, *rest = one(noun).decode().splitlines()
    assert first == one(SMALL).decode().splitlines()[0]
    assert [line for line in rest if line and not line.startswith("  ")] == []
    assert max((cell_len(re.sub("\x1b\\[[0-9;]*m", "", line)) for line in rest), default=0) <= width


SMALL = Received("q", "", "", "", b"", NO_TAGS, 0, 7, 0, "", 0, 0, NO_POLICY)


def test_what_is_no_terminal_gets_the_lines_of_a_body_whole() -> None:
    assert shown(received(b"x" * 500)).endswith(f"\n  {'x' * 500}\n")


def test_markup_and_escapes_in_data_are_text() -> None:
    text = shown(received(b"[bold]x[/bold] \x1b[31m", metadata="[red]\n", tags={"\x07": "\u202e"}), width=120)
    assert "[bold]x[/bold] \\x1b[31m\n" in text
    assert "metadata [red]\\n · \\x07=\\u202e" in text


ANYTHING = st.text(st.characters(codec="utf-8"))
NOUNS = st.one_of(
    st.builds(
        Received, *[ANYTHING] * 4,
        st.binary() | ANYTHING.map(str.encode), st.dictionaries(ANYTHING, ANYTHING),
        *[st.integers(-(2**63), 2**63)] * 3, ANYTHING, *[st.integers(-(2**63), 2**63)] * 2,
        st.builds(Policy, dead_letter=ANYTHING),
    ),
    st.builds(SendResult, ANYTHING, ANYTHING, *[st.integers(-(2**63), 2**63)] * 3, ANYTHING),
    st.builds(Affected, ANYTHING, st.integers(0), ANYTHING),
    st.builds(Pong, ANYTHING, ANYTHING, *[st.integers(-(2**63), 2**63)] * 3),
    st.builds(ChannelInfo, ANYTHING, ANYTHING, *[st.none() | st.integers(-(2**63), 2**63)] * 8),
    st.dictionaries(ANYTHING, ANYTHING | st.lists(ANYTHING) | st.dictionaries(ANYTHING, ANYTHING)),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(NOUNS, max_size=3), st.integers(0, 200), st.booleans())
def test_nothing_from_outside_acts_on_the_terminal(nouns: list[object], width: int, spread: bool) -> None:
    one, every = human_renderer(False, width, now=lambda: NOW, spread=spread)
    rendered = b"".join(map(one, nouns)) + b"".join(every([noun, noun]) for noun in nouns)
    assert not [c for c in rendered.decode() if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert not [c for c in rendered.decode() if unicodedata.bidirectional(c) in ("RLO", "LRO", "RLI", "FSI")]


def test_colour_is_there_when_asked_for_and_only_then() -> None:
    assert shown(received(), colour=True).startswith(f"\x1b[{DIM}m── \x1b[0m\x1b[1m#7\x1b[0m")
    assert f"\x1b[{DIM}m" in shown(ChannelInfo("a", "queues"), ChannelInfo("b", "queues"), colour=True)
    assert "\x1b" not in shown(ChannelInfo("a", "queues"), ChannelInfo("b", "queues"))


# --- answers ---


@pytest.mark.parametrize(
    ("noun", "text"),
    [
        (SendResult("a", "q", NOW), "sent a to q"),
        (
            SendResult("a", "q", NOW, NOW + 60 * SECOND, NOW + 30 * SECOND),
            "sent a to q, delivered in 30s (2026-11-23 13:41:10.123Z),"
            " expires in 1m (2026-11-23 13:41:40.123Z)",
        ),
        (SendResult("a", "q", error="Error 133: no\n"), "not sent a to q: Error 133: no\\n"),
        (SendResult("", "q", error="no"), "not sent to q: no"),
        (Affected("q", 12345), "q: 12,345 messages acknowledged"),
        (Affected("q", 1, "t"), "q to t: 1 message"),
        (Pong("h", "2.4.0", NOW // SECOND, 183_204, 1_234_567),
         "h 2.4.0 answered in 1.235 ms, up 2d 2h since 2026-11-23 13:40:40Z"),
        (Pong("", "", 0, 0, 999), "the server answered in 0.001 ms, up 0s"),
        (HealthCheck("q", "critical", 6, bytes=1347, oldest=1371 * SECOND, round_trip=7_606_000, reason="w"),
         "critical q  waiting 6, bytes 1.3 KiB, oldest 22m 51s, round trip 7.61 ms\n         w"),
        ({"name": "dev", "address": ["a:1", "b:2"], "tls": {"enabled": True}},
         "name     dev\naddress  a:1, b:2\ntls\n  enabled  yes"),
        (ChannelInfo("q", "queues", messages=12345, bytes=2**21),
         "name      q\ntype      queues\nmessages  12,345\nsize      2.0 MiB"),
    ],
)  # fmt: skip
def test_an_answer_is_a_sentence_or_a_list_of_names_and_values(noun: object, text: str) -> None:
    assert shown(noun) == text + "\n"


# --- tables ---

QUEUES = (
    ChannelInfo("orders", "queues", 12345, 9_999_999, 12, 1, 1, 12345),
    ChannelInfo("東京", "queues", 0, 0, 0, 0, 0, 0),
)


def test_a_list_of_channels_is_a_table_aligned_also_under_wide_characters() -> None:
    assert shown(*QUEUES) == (
        "NAME    TYPE    WAITING  MESSAGES     SIZE  SUBSCRIBERS  FIRST    LAST\n"
        "orders  queues       12    12,345  9.5 MiB            1      1  12,345\n"
        "東京    queues        0         0      0 B            0      0       0\n"
    )


def test_a_table_of_one_is_a_table() -> None:
    _, every = human_renderer(False, 80, now=lambda: NOW)
    assert every(QUEUES[:1]).startswith(b"NAME    TYPE")


def test_columns_of_which_the_server_tells_nothing_are_left_out() -> None:
    events = ChannelInfo("a", "events", active=True, last_activity=NOW - 400 * SECOND)
    silent = ChannelInfo("b", "queues", active=False)
    assert shown(events, silent) == (
        "NAME  TYPE    ACTIVE  LAST ACTIVITY                        AT\n"
        "a     events  yes        6m 40s ago  2026-11-23 13:34:00.123Z\n"
        "b     queues  no\n"
    )
    assert shown(events, silent, width=40).startswith("NAME  TYPE    ACTIVE  LAST ACTIVITY\n")


LONG = "shop.europe-west.orders.incoming.priority.today"


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (40, "messages, size, subscribers, first, last"),
        (60, "subscribers, first, last"),
        (80, "first, last"),
        (120, ""),
    ],
)
def test_a_name_is_never_broken_and_a_column_without_room_is_said(width: int, left_out: str) -> None:
    said: list[str] = []
    _, every = human_renderer(False, width, now=lambda: NOW, note=said.append)
    lines = every([*QUEUES, QUEUES[0]._replace(name=LONG)]).decode().splitlines()
    assert said == ([f"no room for {left_out}; -o json has all"] if left_out else [])
    assert [line for line in lines if LONG in line]
    if width < 120:
        assert lines[3] == LONG
        assert lines[4].split() == lines[1].split()[1:]
        assert lines[4].index("12") == lines[1].index("12")
    assert max(cell_len(line) for line in lines if line != LONG) <= width


def test_a_column_that_only_repeats_another_is_not_missed() -> None:
    said: list[str] = []
    _, every = human_renderer(False, 60, now=lambda: NOW, note=said.append)
    text = every([ChannelInfo("a", "events", active=True, last_activity=NOW - 400 * SECOND)]).decode()
    assert ("LAST ACTIVITY" in text, " AT" in text, said) == (True, False, [])


def test_a_cropped_row_is_one_line_and_shows_that_its_name_goes_on() -> None:
    table = [Column("name", ["orders", LONG]), Column("waiting", ["1", "2"], numeric=True)]
    assert draw_table(table, ViewOptions(False, 30, lambda: NOW), crop=True) == (
        "NAME                   WAITING\norders                       1\nshop.europe-west.ord…        2\n"
    )


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 200])
def test_no_page_is_too_narrow_for_a_table_that_still_tells_what_is_what(width: int) -> None:
    lines = shown(*QUEUES, ChannelInfo("orders", "events", active=True), width=width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert lines[0].startswith("NAME")
    assert lines[1].startswith("orders")
    assert "WAITING" in lines[0]
    assert ("TYPE" in lines[0]) is (width >= 30)


def test_records_without_room_for_a_table_are_told_one_below_the_other() -> None:
    profiles = (
        {"name": "dev", "current": True, "address": "localhost:50000"},
        {"name": "prod", "current": False, "address": "a-host-with-a-long-name.example.com:50000"},
    )
    assert shown(*profiles).startswith("NAME  CURRENT  ADDRESS\n")
    assert shown(*profiles, width=30) == (
        "name     dev\ncurrent  yes\naddress  localhost:50000\n\n"
        "name     prod\ncurrent  no\naddress\n  a-host-with-a-long-name.example.com:50000\n"
    )


@pytest.mark.parametrize(
    ("width", "first"),
    [
        (80, "00000000  66 66 66 66 66 66 66 66  66 66 66 66 66 66 66 ff  |fffffffffffffff.|"),
        (79, "00000000  66 66 66 66  66 66 66 66  |ffffffff|"),
        (47, "00  66 66 66 66  66 66 66 66  |ffffffff|"),
        (41, "00  66 66  66 66"),
    ],
)
def test_a_hex_view_is_as_wide_as_the_page_allows(width: int, first: str) -> None:
    lines = shown(received(b"f" * 15 + b"\xff"), width=width).splitlines()
    assert next(line for line in lines if line.startswith("  00")) == f"  {first}"


def test_what_says_nothing_is_grey_and_what_waits_is_bold() -> None:
    busy, idle = shown(*QUEUES, colour=True).splitlines()[1:]
    assert "\x1b[1m12\x1b[0m" in busy.replace(" ", "")
    assert f"\x1b[{DIM}m0\x1b[0m" in idle.replace(" ", "")
    active = shown(ChannelInfo("a", "q", active=True), ChannelInfo("no", "q", active=False), colour=True)
    assert f"\x1b[{GREEN}myes" in active
    assert f"\x1b[{DIM}mno" in active
    assert active.splitlines()[2].startswith("no")


def test_a_moment_of_a_single_channel_is_told_both_ways() -> None:
    told = shown(ChannelInfo("a", "queues", last_activity=NOW - 400 * SECOND))
    assert "last activity  6m 40s ago (2026-11-23 13:34:00.123Z)\n" in told


def test_a_list_of_records_has_the_columns_that_any_of_them_has() -> None:
    assert shown({"name": "dev", "current": True}, {"name": "prod", "tls": {"ca": "/x"}}) == (
        "NAME  CURRENT  TLS\ndev   yes\nprod           ca=/x\n"
    )


def test_the_terminal_of_the_moment_does_not_overrule_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "30")
    long = ChannelInfo("x" * 120, "queues")
    assert "x" * 120 in shown(long, long, width=200)


# --- quantities ---


def test_quantities_are_written_for_people() -> None:
    assert [count_text(12345), count_text(1, "message"), count_text(0, "message")] == [
        "12,345", "1 message", "0 messages"
    ]  # fmt: skip
    assert [size_text(size) for size in (0, 1023, 1024, 1024**2 - 1, 1_258_291, 10**12, 2**70)] == [
        "0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.2 MiB", "931.3 GiB", "1,024.0 EiB"
    ]  # fmt: skip
    assert [span_text(seconds) for seconds in (0, 59, 60, 3_605, 183_204, 10**9)] == [
        "0s", "59s", "1m", "1h", "2d 2h", "11,574d 1h"
    ]  # fmt: skip


def test_a_moment_is_told_both_ways() -> None:
    assert [relative_text(NOW + d, NOW) for d in (0, -SECOND, SECOND, 1, -1, SECOND + 1)] == [
        "now", "1s ago", "in 1s", "in 1s", "now", "in 2s"
    ]  # fmt: skip
    assert moment_text(NOW - 90 * SECOND, NOW) == "1m 30s ago (2026-11-23 13:39:10.123Z)"
    assert moment_text(10**30, NOW).endswith("(@1000000000000000000000.000000000)")
