"""The languages of option values: what is read, what is refused, and that the refusal says what to write."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.model.channels import ChannelType, check_channel, check_client_id, check_durable, check_group
from kubemqctl.model.errors import InvalidRequest, UsageError
from kubemqctl.model.text import argument_bytes, check_text, quoted
from kubemqctl.model.values import (
    ceil_seconds,
    format_duration,
    parse_delimiter,
    parse_duration,
    parse_rate,
    parse_size,
    parse_tag,
    parse_tags,
    parse_time,
    whole_seconds,
)

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2),
        ("1.5s", 1.5),
        ("1h30m", 5400),
        ("1d", 86400),
        ("1d2h3m4s5ms", 93784.005),
        ("0s", 0),
        ("4.35h", 15660),
        ("1.9999999999s", 2),
        ("36500d", 3_153_600_000),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("30", "30 has no unit: write 30s"),
        ("0", "0 has no unit: write 0s"),
        ("1.5", "1.5 has no unit: write 1.5s"),
        ("-3s", "-3s is negative"),
        ("-3", "-3 is negative"),
        ("", "'' is not a duration: write it as 500ms, 2s, 10min, 1h30m or 1d"),
        ("soon", "not a duration"),
        ("3 s", "not a duration"),
        (" 3s", "not a duration"),
        ("3s\n", r"3s\\n is not a duration"),
        ("3S", "not a duration"),
        ("3us", "not a duration"),
        (".5s", "not a duration"),
        ("1..5s", "not a duration"),
        ("1e3s", "not a duration"),
        ("٣s", "not a duration"),
        ("\x1b[31m3s", r"^\\x1b\[31m3s is not a duration"),
        ("30m1h", "has its units in the wrong order"),
        ("1s1s", "has its units in the wrong order"),
        ("36501d", "too long: the maximum is 36500d"),
        ("9" * 39 + "d", "too long: the maximum is 36500d"),
        ("9" * 5000 + "s", "not a duration"),
    ],
)
def test_what_is_no_duration_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (30, "30s"),
        (90, "1m30s"),
        (3600, "1h"),
        (86400, "1d"),
        (0.5, "500ms"),
        (1.5, "1.5s"),
        (0.00025, "0.25ms"),
        (90061.25, "1d1h1m1.25s"),
        (-2, "-2s"),
    ],
)
def test_a_duration_has_one_written_form(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 36_500 * 86_400 * SECOND))
def test_a_written_duration_reads_back_the_same(nanoseconds: int) -> None:
    seconds = nanoseconds / SECOND
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("12h", 43200), ("1.5m", 90), ("2000ms", 2), ("0s", 0)]
)
def test_whole_seconds_are_taken_however_they_are_written(text: str, seconds: int) -> None:
    assert whole_seconds(text, "--expire") == seconds


def test_a_fraction_of_a_second_is_refused_as_the_server_has_none() -> None:
    with pytest.raises(
        UsageError, match=r"--delay 1\.5s is a fraction of a second: the server counts in whole"
    ):
        whole_seconds("1.5s", "--delay")


def test_what_is_no_duration_is_refused_with_the_name_of_its_option() -> None:
    with pytest.raises(UsageError, match=r"^--delay: 30 has no unit: write 30s"):
        whole_seconds("30", "--delay")


def test_the_servers_maximum_is_named_both_ways() -> None:
    with pytest.raises(UsageError, match=r"--expire 13h is over .* of 12h \(43200 seconds\)"):
        whole_seconds("13h", "--expire")
    assert whole_seconds("13h", "--cache-ttl", maximum=2**31 - 1) == 46800


def test_a_minimum_is_named() -> None:
    with pytest.raises(UsageError, match="--cache-ttl 0s is too short: the minimum is 1s"):
        whole_seconds("0s", "--cache-ttl", minimum=1)


@pytest.mark.parametrize(
    ("seconds", "whole"), [(0, 0), (0.001, 1), (1, 1), (1.0001, 2), (59.9, 60), (0.1 + 0.2 + 0.7, 1)]
)
def test_waits_are_rounded_up(seconds: float, whole: int) -> None:
    assert ceil_seconds(seconds) == whole


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512B", 512),
        ("0B", 0),
        ("4KiB", 4096),
        ("1MB", 1_000_000),
        ("1.5mib", 1_572_864),
        ("2gb", 2 * 10**9),
        ("1TiB", 2**40),
    ],
)
def test_a_size_is_read_in_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10", "10 has no unit: write 10B for bytes"),
        ("1K", "unknown unit, K: use one of B, KB, KiB"),
        ("", "not a size"),
        ("-1B", "not a size"),
        ("1 MB", "not a size"),
        ("9999999TB", "is too large"),
        ("9" * 5000, "not a size"),
    ],
)
def test_what_is_no_size_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_size(text)


@pytest.mark.parametrize(("text", "rate"), [("100/s", 100), ("30/m", 0.5), ("7200/h", 2), ("0.5/s", 0.5)])
def test_a_rate_is_read_as_so_many_a_second(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("100", "100 has no unit: write 100/s"),
        ("0/s", "would send nothing"),
        ("-1/s", "not a rate"),
        ("1/d", "not a rate: write it as 100/s"),
        ("1/", "not a rate"),
        ("/s", "not a rate"),
        ("9" * 400 + "/s", "not a rate"),
    ],
)
def test_what_is_no_rate_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_rate(text)


@pytest.mark.parametrize(
    ("text", "tag"), [("a=b", ("a", "b")), ("a=b=c", ("a", "b=c")), ("a=", ("a", "")), ("é= ", ("é", " "))]
)
def test_a_tag_is_split_at_its_first_equals_sign(text: str, tag: tuple[str, str]) -> None:
    assert parse_tag(text) == tag


@pytest.mark.parametrize(
    ("text", "words"),
    [("ab", "tag ab has no value"), ("=b", "has no key"), ("", "write KEY=VALUE"), ("a=\udcff", "UTF-8")],
)
def test_what_is_no_tag_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_tag(text)


def test_tags_keep_their_order_and_a_key_given_twice_is_refused() -> None:
    assert list(parse_tags(["b=1", "a=2"]).items()) == [("b", "1"), ("a", "2")]
    with pytest.raises(UsageError, match="tag a is given twice"):
        parse_tags(["a=1", "b=2", "a=1"])


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("", b""),
        (r"\n", b"\n"),
        (r"\t\r\0", b"\t\r\0"),
        (r"\x1E\xff", b"\x1e\xff"),
        (r"a\x41A", b"aAA"),
        (r"\\n", b"\\n"),
        (r"\\\n", b"\\\n"),
        (r"\012", b"\x0012"),
        ("--", b"--"),
        ("\n", b"\n"),
        ("§", "§".encode()),
        ("\udcff\udc80", b"\xff\x80"),
    ],
)
def test_a_delimiter_is_its_bytes_with_escapes_for_those_hard_to_type(text: str, delimiter: bytes) -> None:
    assert parse_delimiter(text) == delimiter


@pytest.mark.parametrize("text", [r"\q", "\\", r"\x4", r"\x", r"\xg1", r"\X41", "\\\n", r"a\ b"])
def test_an_unknown_escape_is_refused_with_the_list_of_those_there_are(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not an escape: use one of \\n \\t \\r \\0 \\\\ \\xHH"):
        parse_delimiter(text)


@given(st.binary())
def test_an_argument_keeps_its_bytes_whether_they_are_text_or_not(data: bytes) -> None:
    assert argument_bytes(os.fsdecode(data)) == data


def test_text_that_is_not_utf_8_is_refused_and_shown() -> None:
    check_text("--metadata", "häß \x00")
    with pytest.raises(UsageError, match=r"--metadata caf\\xe9 is not valid UTF-8"):
        check_text("--metadata", os.fsdecode(b"caf\xe9"))


GOOD_CHANNELS = ["a", "orders.new", "häuser.日本", "a_b-c;d\\e", "x" * 240, "é" * 120]


@pytest.mark.parametrize("name", GOOD_CHANNELS)
def test_a_good_channel_name_passes(name: str) -> None:
    check_channel(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "channel name is empty"),
        ("a b", r"white space \(a space\)"),
        ("a\u00a0b", r"white space \(U\+00A0\)"),
        ("a\u2028b", r"white space \(U\+2028\)"),
        ("a\tb", r"channel a\\tb contains a control character, \\t, which can break the server"),
        ("a\r\n", r"control character, \\r"),
        ("a\x00", r"control character, \\x00"),
        ("a\x7f", r"control character, \\x7f"),
        ("a\x85", r"control character, \\x85"),
        ("a*", r"contains \*: wildcards"),
        (">", "contains >: wildcards"),
        (".a", "has an empty word"),
        ("a.", "has an empty word"),
        ("a..b", "has an empty word"),
        ("a/b", "contains /"),
        ("a:b", "contains a colon"),
        ("x" * 241, "241 bytes, the maximum is 240"),
        ("é" * 121, "242 bytes, the maximum is 240"),
        ("a\udcff", r"a\\xff is not valid UTF-8"),
    ],
)
def test_a_bad_channel_name_is_refused_and_the_offender_shown(name: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        check_channel(name)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("kind", ["events", "events_store", "commands", "queries"])
def test_only_queues_cannot_have_a_colon(kind: ChannelType) -> None:
    check_channel("a:b", kind)


@pytest.mark.parametrize("name", ["*", ">", "a.*", "a.>", "*.b.*", "*.>", "a"])
def test_wildcards_pass_where_they_are_whole_words(name: str) -> None:
    check_channel(name, "events", wildcards=True)


@pytest.mark.parametrize("name", ["a*", "*a.b", "a.>.b", ">.a", "a.>b", "**"])
def test_a_wildcard_that_would_match_nothing_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="matches nothing"):
        check_channel(name, "events", wildcards=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [("", "group name is empty"), ("a b", "white space"), ("a\n", "control"), ("g" * 241, "241 bytes")],
)
def test_a_bad_group_is_refused(name: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        check_group(name)


def test_a_group_of_stored_events_cannot_have_a_colon() -> None:
    check_group("team:a", "events")
    with pytest.raises(InvalidRequest, match="group team:a contains a colon"):
        check_group("team:a", "events_store")


def test_a_client_id_is_anything_printable_except_for_stored_events() -> None:
    check_client_id("svc a/é:1")
    check_durable("svc-a_1")
    for name, words in [("", "empty"), ("a\n", r"control character, \\n"), ("a\udcff", "not valid UTF-8")]:
        with pytest.raises(InvalidRequest, match=words):
            check_client_id(name)
    with pytest.raises(InvalidRequest, match="only letters, digits, - and _"):
        check_durable("svc.a")


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-05-31T08:30:00.123456789Z", 1_717_144_200_123_456_789),
        ("2024-05-31T08:30:00.5+02:00", 1_717_137_000_500_000_000),
        ("2024-05-31t08:30:00z", 1_717_144_200_000_000_000),
        ("2024-05-31 08:30:00-00:30", 1_717_146_000_000_000_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000_000),
        ("1969-12-31T23:59:59.9Z", -100_000_000),
    ],
)
def test_a_time_is_read_to_the_nanosecond(text: str, nanoseconds: int) -> None:
    assert parse_time(text) == nanoseconds


@given(
    st.datetimes(datetime(1700, 1, 1), datetime(2260, 1, 1)),
    st.integers(-23 * 60, 23 * 60),
)
def test_a_time_means_what_the_standard_library_says(moment: datetime, offset: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    microseconds = (aware - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
    assert parse_time(aware.isoformat()) == microseconds * 1000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2024-05-31", "write it as 2024-05-31T08:30:00Z"),
        ("2024-05-31T08:30:00", "not a time"),
        ("2024-05-31T08:30Z", "not a time"),
        ("2024-05-31T08:30:00.0123456789Z", "not a time"),
        ("yesterday", "not a time"),
        ("٢٠٢٤-05-31T08:30:00Z", "not a time"),
        ("2024-02-30T00:00:00Z", "not a date"),
        ("2024-13-01T00:00:00Z", "not a date"),
        ("2024-05-31T24:00:00Z", "invalid time of day"),
        ("2024-05-31T08:60:00Z", "invalid time of day"),
        ("2024-05-31T08:30:61Z", "invalid time of day"),
        ("2024-05-31T08:30:00+24:00", "invalid time of day"),
        ("2024-05-31T08:30:00+01:60", "invalid time of day"),
        ("2300-01-01T00:00:00Z", "out of range"),
    ],
)
def test_what_is_no_time_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_time(text)


def test_what_a_terminal_would_act_on_is_shown_instead() -> None:
    assert quoted("a\x1b[2J\u202eb\udcff é") == "a\\x1b[2J\\u202eb\\xff é"
    assert quoted("") == "''"
    assert quoted("x" * 61) == "x" * 59 + "…"
