"""Text from strangers on a terminal, and the question of colour."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubemqctl.model.text import escaped
from kubemqctl.output.stderr import colour_wanted

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


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("C", "Zl", "Zp", "Lo"))))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert escaped(text) == text


@pytest.mark.parametrize(
    ("environ", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": ""}, False, False),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        ({"TERM": "xterm-256color"}, True, True),
    ],
)
def test_colour_follows_the_environment_before_the_stream(
    environ: dict[str, str], terminal: bool, wanted: bool
) -> None:
    assert colour_wanted(environ, terminal) is wanted
