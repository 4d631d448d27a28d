"""Bodies that are JSON: laid out for people, token for token as they were; everything else left alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubemqctl.model.messages import NO_POLICY, NO_TAGS, Received
from kubemqctl.output.human.json_body import DEEPEST, LARGEST, LONGEST_LINE, laid_out
from kubemqctl.output.human.renderer import human_renderer
from kubemqctl.output.stderr import BLUE, BOLD, DIM, GREEN, ORANGE, PURPLE, RED, ViewOptions

TOKEN = re.compile(r'[{}\[\],:]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s{}\[\],:"]+')
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def shown(text: str, width: int = 80, colour: bool = False) -> str | None:
    return laid_out(text, ViewOptions(colour, width, lambda: 0, spread=True))


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ('{"a":1,"b":[true,null]}', 80, ['{"a": 1, "b": [true, null]}']),
        ('\n {"a" :\n1}\t\n', 80, ['{"a": 1}']),
        ("[]", 20, ["[]"]),
        ('{"a":{},"b":[ ]}', 5, ["{", '  "a": {},', '  "b": []', "}"]),
        (
            '{"order":1234,"items":[{"sku":"A-1","n":2},{"sku":"B-7","n":1}],"note":"x"}', 40,
            ["{", '  "order": 1234,', '  "items": [', '    {"sku": "A-1", "n": 2},',
             '    {"sku": "B-7", "n": 1}', "  ],", '  "note": "x"', "}"],
        ),
        ("[1,2,3,40000,5,6,7]", 12, ["[", "  1, 2, 3,", "  40000, 5,", "  6, 7", "]"]),
        ('[1,"a",2]', 8, ["[", "  1,", '  "a",', "  2", "]"]),
        ('{"東京":"ｶﾞ"}', 13, ["{", '  "東京": "ｶﾞ"', "}"]),
        ('{"東京":"ｶﾞ"}', 14, ['{"東京": "ｶﾞ"}']),
    ],
)  # fmt: skip
def test_what_fits_on_a_line_stays_on_it(text: str, width: int, lines: list[str]) -> None:
    assert shown(text, width) == "\n".join(lines) + "\n"


def test_tokens_are_kept_as_they_were_written() -> None:
    text = '{"a":1.0,"a":1e400,"n":' + "9" * 5000 + ',"s":"\\u00e9\\/\\u001b","t":"{not [json],}:"}'
    assert TOKEN.findall(shown(text) or "") == TOKEN.findall(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "42", '"text"', "true", "{", '{"a":1', "{'a':1}", '{"a":1}{"b":2}', '{"a":NaN}', "[Infinity]",
        "[1,]", '{"a":1}\n{"a":2}\n', "[01]", "{a:1}", "[\u00a01]", '["\t"]', "[" * 100_000, "\ufeff{}",
        "[1] trailing", "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2), '["' + "x" * LARGEST + '"]',
    ],
)  # fmt: skip
def test_what_is_no_json_or_too_much_of_it_is_left_as_it_is(text: str) -> None:
    assert shown(text) is None


def test_the_deepest_that_is_laid_out_stays_small() -> None:
    text = "[" * DEEPEST + "1" * 200 + "]" * DEEPEST
    assert len(shown(text, 20) or "") < 10_000


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(
    JSON, st.integers(1, 120), st.booleans(), st.sampled_from([None, 2]), st.sampled_from([(",", ":"), None])
)
def test_any_json_keeps_its_meaning_and_nothing_in_it_acts(
    value: Any, width: int, ascii_only: bool, indent: int | None, separators: tuple[str, str] | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators)
    plain, colourful = shown(text, width), shown(text, width, colour=True)
    if not isinstance(value, (dict, list)):
        assert plain is None
        return
    assert plain is not None
    assert colourful is not None
    assert STYLE.sub("", colourful) == plain
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", plain)
    assert json.loads(plain) == value
    assert all(len(line) <= LONGEST_LINE for line in plain.split("\n") if ", " in line and '"' not in line)


@settings(deadline=None)
@given(st.text('[]{},:"\\ \n0123456789eE+-.truefalsn\u202e\x1b', max_size=40))
def test_near_json_never_breaks_it(text: str) -> None:
    found = shown(text, 20, colour=True)
    assert found is None or TOKEN.findall(STYLE.sub("", found))


# --- where it is used ---

MESSAGE = Received("q", "1", "", "", b'{"a":[1,2]}', NO_TAGS, 0, 0, 0, "", 0, 0, NO_POLICY)


def test_a_body_is_laid_out_on_a_terminal_and_nowhere_else() -> None:
    def body(spread: bool, colour: bool = False) -> str:
        one, _ = human_renderer(colour, 80, now=lambda: 0, spread=spread)
        return one(MESSAGE).decode().partition("\n")[2]

    assert body(spread=False) == '  {"a":[1,2]}\n'
    assert body(spread=True) == '  {"a": [1, 2]}\n'
    assert f"\x1b[{BLUE}m" in body(spread=True, colour=True)


# --- the colours ---

BACKGROUNDS = {
    "black": "000000", "VS Code dark": "1e1e1e", "One Dark": "282c34", "Solarized dark": "002b36",
    "white": "ffffff", "Solarized light": "fdf6e3", "Tango light": "eeeeec",
}  # fmt: skip


def luminance(red: int, green: int, blue: int) -> float:
    """As WCAG 2 defines it; of 0 to 255."""
    parts = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (red / 255, green / 255, blue / 255)
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def of_cube(style: str) -> float:
    """The luminance of `38;5;N`, N in the cube of 6 by 6 by 6 or among the 24 greys behind it."""
    number = int(style.removeprefix("38;5;")) - 16
    if number >= 216:
        return luminance(*[8 + 10 * (number - 216)] * 3)
    levels = (0, 95, 135, 175, 215, 255)
    return luminance(levels[number // 36], levels[number // 6 % 6], levels[number % 6])


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("style", [RED, GREEN, ORANGE, BLUE, PURPLE, DIM])
def test_every_colour_can_be_read_on_dark_and_on_light(style: str, background: str) -> None:
    behind = luminance(*bytes.fromhex(BACKGROUNDS[background]))
    light, dark = sorted((of_cube(style), behind), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_colours_differ_and_none_of_them_is_bold_or_grey() -> None:
    assert len({RED, GREEN, ORANGE, BLUE, PURPLE, BOLD, DIM}) == 7
