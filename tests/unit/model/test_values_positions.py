"""What --from and --until take: places in a store."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kubemqctl.model.errors import UsageError
from kubemqctl.model.values import End, Start, check_order, parse_end, parse_start

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("new", Start("new")),
        ("first", Start("first")),
        ("last", Start("last")),
        ("1", Start("sequence", 1)),
        ("2024", Start("sequence", 2024)),
        (str(2**63 - 1), Start("sequence", 2**63 - 1)),
        ("2024-05-31T08:30:00.000000001Z", Start("time", 1717144200 * SECOND + 1)),
        ("1.5s", Start("ago", 1_500_000_000)),
        ("2h30m", Start("ago", 9000 * SECOND)),
        ("-1", Start("back", 1)),
        ("-20", Start("back", 20)),
    ],
)
def test_every_place_to_begin(text: str, start: Start) -> None:
    assert parse_start(text) == start


@pytest.mark.parametrize(
    "text", ["", "0", "-0", "--1", str(2**63), "9" * 5000, "First", "now", "5 ", "1.5", "yesterday"]
)
def test_no_place_to_begin(text: str) -> None:
    with pytest.raises(UsageError):
        parse_start(text)


@pytest.mark.parametrize("text", ["2024-02-30T00:00:00Z", "2024-05-31T", "2024-02-30"])
def test_a_time_that_is_none_says_what_is_wrong_with_it(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a date|is not a time"):
        parse_start(text)


@pytest.mark.parametrize(
    ("text", "end"),
    [("now", End("now")), ("7", End("sequence", 7)), ("1970-01-01T00:00:01Z", End("time", SECOND))],
)
def test_every_place_to_end(text: str, end: End) -> None:
    assert parse_end(text) == end


@pytest.mark.parametrize("text", ["", "0", "new", "first", "2h"])
def test_no_place_to_end(text: str) -> None:
    with pytest.raises(UsageError):
        parse_end(text)


def test_an_end_before_the_start_is_refused_where_both_are_known() -> None:
    check_order(Start("sequence", 5), End("sequence", 5))
    check_order(Start("time", 5), End("sequence", 4))
    with pytest.raises(UsageError, match="before"):
        check_order(Start("time", 5), End("time", 4))


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize(
    ("day", "begins", "hours"),
    [
        ("2024-05-31", "2024-05-31T00:00:00-04:00", 24),
        ("2024-03-10", "2024-03-10T00:00:00-05:00", 23),  # the clocks go forward on that day
        ("2024-11-03", "2024-11-03T00:00:00-04:00", 25),
    ],
)
def test_a_date_is_a_local_day_however_long(day: str, begins: str, hours: int) -> None:
    start, end = parse_start(day), parse_end(day)
    assert start == parse_start(begins)
    assert end.value - start.value == hours * 3600 * SECOND - 1


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_date_out_of_range_says_so(day: str) -> None:
    with pytest.raises(UsageError, match=r"out of range|not a date"):
        parse_end(day)
