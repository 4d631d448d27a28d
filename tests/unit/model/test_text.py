"""Text from outside made safe for a terminal, and quantities written out."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubemqctl.model.limits import SECOND
from kubemqctl.model.text import escaped, escaped_json, figure_text, latency_text

ANY_CHARACTER = st.characters(exclude_categories=())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, größe, 東京, 👩‍🚀", "plain text, größe, 東京, 👩‍🚀"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("wakeup\x07 back\x08 nul\x00 del\x7f", "wakeup\\x07 back\\x08 nul\\x00 del\\x7f"),
        ("c1 \x9b31m", "c1 \\x9b31m"),
        ("one\ntwo\tthree\r", "one\\ntwo\\tthree\\r"),
        ("gnp.\u202egpj", "gnp.\\u202egpj"),
        ("\u2066isolate\u2069 \u200emark\u200f \u061c", "\\u2066isolate\\u2069 \\u200emark\\u200f \\u061c"),
        ("line\u2028paragraph\u2029", "line\\u2028paragraph\\u2029"),
        ("zero\u200bwidth \ufeff", "zero\\u200bwidth \\ufeff"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("half \ud83d", "half \\ud83d"),
        ("grapheme\u034f blank\u2800 null\U0001d173", "grapheme\\u034f blank\\u2800 null\\U0001d173"),
        ("ord\u200cers ord\u200ders", "ord\\u200cers ord\\u200ders"),
        ("q\ufe00 q\ufe0f q1\ufe0f q\U000e0100", "q\\ufe00 q\\ufe0f q1\\ufe0f q\\U000e0100"),
        (
            "می\u200cخواهم، क्\u200dष, ❤\ufe0f\u200d🔥, 1\ufe0f\u20e3",
            "می\u200cخواهم، क्\u200dष, ❤\ufe0f\u200d🔥, 1\ufe0f\u20e3",
        ),
        ("❤\ufe0f\ufe0f 👩\u200d\u200d🚀", "❤\ufe0f\\ufe0f 👩\\u200d\\u200d🚀"),
        ("undecodable \udcff", "undecodable \\xff"),
    ],
)
def test_what_acts_on_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_line_feeds_and_tabs_stay_where_lines_are_expected() -> None:
    assert escaped("a\n\tb\r\n\x1b\u202e", multiline=True) == "a\n\tb\\r\n\\x1b\\u202e"


@settings(deadline=None)
@given(st.text(ANY_CHARACTER), st.booleans())
def test_no_control_or_override_ever_passes(text: str, multiline: bool) -> None:
    shown = escaped(text, multiline)
    allowed = "\n\t" if multiline else ""
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in allowed]
    assert not [
        c for c in shown if unicodedata.bidirectional(c) in _BIDI_CONTROLS or c in "\u200e\u200f\u061c"
    ]
    shown.encode()


_BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


# Format characters that have a look of their own: signs that stand around Arabic and Kaithi numbers.
SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
# What Unicode calls ignorable by default, of other categories than Cf.
IGNORABLE = [
    0x34F,
    0x115F,
    0x1160,
    0x17B4,
    0x17B5,
    *range(0x180B, 0x1810),
    0x3164,
    *range(0xFE00, 0xFE10),
    0xFFA0,
]


def test_whatever_is_shown_as_nothing_is_written_out_in_a_name() -> None:
    unseen = [n for n in range(0x110000) if unicodedata.category(chr(n)) == "Cf" and n not in SEEN]
    shown = [hex(n) for n in (*unseen, *IGNORABLE) if escaped(f"a{chr(n)}b") == f"a{chr(n)}b"]
    assert shown == []


@settings(deadline=None)
@given(st.text(ANY_CHARACTER))
def test_escaped_json_means_what_it_meant(text: str) -> None:
    document = json.dumps({"x": text}, ensure_ascii=False)
    shown = escaped_json(document)
    assert json.loads(shown) == json.loads(document)
    assert escaped(shown) == shown


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("C", "Zl", "Zp", "Lo", "Mn"), exclude_characters="\u2800")))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert escaped(text) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (412_000, "412 µs"),
        (999_600, "1.00 ms"),
        (12_345_678, "12.3 ms"),
        (1_240 * 1_000_000, "1.24 s"),
        (90 * SECOND, "90.0 s"),
        (4_000 * SECOND, "4,000 s"),
        (900, "0.90 µs"),
    ],
)
def test_a_latency_has_three_figures(nanoseconds: int, text: str) -> None:
    assert latency_text(nanoseconds) == text


@pytest.mark.parametrize(
    ("name", "figure", "text"),
    [
        ("waiting", 12_345, "12,345"),
        ("bytes", 1_347, "1.3 KiB"),
        ("round_trip", 7_606_000, "7.61 ms"),
        ("oldest", 45_200 * 1_000_000, "45.2 s"),
        ("oldest", 1_371 * SECOND + 7, "22m 51s"),
    ],
)
def test_figures_are_told_to_people_in_their_units(name: str, figure: int, text: str) -> None:
    assert figure_text(name, figure) == text
