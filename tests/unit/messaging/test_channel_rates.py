"""What top shows: rates from two samples, order, filter, keys; the clock is the test's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.messaging.channel_rates import LONGEST_FILTER, SORTS, ChannelRow, ChannelTable, keys, rate_text
from kubemqctl.model.channels import ChannelInfo, Sample


def sample(
    name: str, incoming: int | None = None, outgoing: int | None = None, kind: str = "queues", **told: Any
) -> Sample:
    return Sample(ChannelInfo(name, kind)._replace(**told), incoming, outgoing)


def names(watch: ChannelTable) -> list[str]:
    return [row.info.name for row in watch.rows()]


def row(watch: ChannelTable, name: str) -> ChannelRow:
    return next(row for row in watch.rows() if row.info.name == name)


def typed(watch: ChannelTable, text: str) -> None:
    for key in keys(text):
        watch.key(key)


# --- rates ---


def test_one_sample_has_no_rates() -> None:
    watch = ChannelTable()
    watch.take([sample("a", 5, 5)], now=10.0)
    assert (row(watch, "a").rate_in, row(watch, "a").rate_out) == (None, None)


def test_rates_are_what_came_and_went_since_the_last_sample_by_the_second() -> None:
    watch = ChannelTable()
    watch.take([sample("a", 100, 40)], now=10.0)
    watch.take([sample("a", 150, 41)], now=12.0)
    assert (row(watch, "a").rate_in, row(watch, "a").rate_out) == (25.0, 0.5)
    watch.take([sample("a", 150, 41)], now=13.0)
    assert (row(watch, "a").rate_in, row(watch, "a").rate_out) == (0.0, 0.0)


def test_a_counter_that_began_anew_has_no_rate_until_the_next_sample() -> None:
    watch = ChannelTable()
    for at, count in enumerate((100, 3, 5), start=1):
        watch.take([sample("a", count)], now=float(at))
        assert row(watch, "a").rate_in == (2.0 if count == 5 else None)


def test_a_counter_that_is_not_told_has_no_rate() -> None:
    watch = ChannelTable()
    for now in (1.0, 2.0):
        watch.take([sample("a", 1, None)], now)
    assert (row(watch, "a").rate_in, row(watch, "a").rate_out) == (0.0, None)


def test_two_samples_of_one_moment_divide_nothing_by_zero() -> None:
    watch = ChannelTable()
    watch.take([sample("a", 1)], now=1.0)
    watch.take([sample("a", 2)], now=1.0)
    assert row(watch, "a").rate_in is None


def test_channels_of_one_name_and_two_types_are_two() -> None:
    watch = ChannelTable()
    watch.take([sample("a", 1), sample("a", 100, kind="events")], now=1.0)
    watch.take([sample("a", 2), sample("a", 110, kind="events")], now=2.0)
    assert {row.info.type: row.rate_in for row in watch.rows()} == {"queues": 1.0, "events": 10.0}


def test_a_channel_that_is_gone_is_gone_and_a_new_one_is_there() -> None:
    watch = ChannelTable(sort="name")
    watch.take([sample("a"), sample("b")], now=1.0)
    watch.take([sample("b"), sample("c")], now=2.0)
    assert names(watch) == ["b", "c"]


# --- order and filter ---


@pytest.fixture
def three() -> ChannelTable:
    watch = ChannelTable()
    watch.take([sample("a", 0, waiting=1), sample("b", 0, waiting=9), sample("c", 0, waiting=9)], now=0.0)
    watch.take([sample("a", 8, waiting=1), sample("b", 0, waiting=9), sample("c", 2, waiting=9)], now=1.0)
    return watch


@pytest.mark.parametrize(
    ("sort", "order"), [("in", "acb"), ("waiting", "bca"), ("name", "abc"), ("messages", "bca")]
)
def test_numbers_begin_with_the_greatest_names_with_the_first_and_ties_with_what_waits(
    sort: str, order: str, three: ChannelTable
) -> None:
    three.sort = sort
    assert "".join(names(three)) == order


def test_reversed_it_begins_with_the_smallest(three: ChannelTable) -> None:
    typed(three, "r")
    assert names(three) == ["b", "c", "a"]
    three.sort = "name"
    assert names(three) == ["c", "b", "a"]


def test_what_is_not_told_comes_behind_zero() -> None:
    watch = ChannelTable(sort="waiting")
    watch.take([sample("untold"), sample("zero", waiting=0)], now=0.0)
    assert names(watch) == ["zero", "untold"]


def test_the_filter_is_part_of_a_name() -> None:
    watch = ChannelTable(sort="name", filter="der")
    watch.take([sample("orders"), sample("jobs"), sample("Ders")], now=0.0)
    assert names(watch) == ["orders"]


# --- keys ---


def test_s_goes_through_all_columns_and_capital_s_back() -> None:
    watch = ChannelTable(sort=SORTS[0])
    seen = []
    for _ in SORTS:
        seen.append(watch.sort)
        typed(watch, "s")
    assert tuple(seen) == SORTS
    assert watch.sort == SORTS[0]
    typed(watch, "S")
    assert watch.sort == SORTS[-1]


@pytest.mark.parametrize("arrow", ["\x1b[C", "\x1bOC"])
def test_the_arrows_do_the_same(arrow: str) -> None:
    watch = ChannelTable(sort="in")
    typed(watch, arrow)
    assert watch.sort == "out"
    typed(watch, arrow.replace("C", "D"))
    assert watch.sort == "in"


def test_q_ends_it_but_not_inside_a_filter(three: ChannelTable) -> None:
    typed(three, "/q")
    assert not three.quit
    typed(three, "\rq")
    assert three.quit


def test_a_filter_counts_while_it_is_typed_and_enter_keeps_it(three: ChannelTable) -> None:
    typed(three, "/b")
    assert (names(three), three.asking) == (["b"], "b")
    typed(three, "\r")
    assert (names(three), three.filter, three.asking) == (["b"], "b", None)


def test_escape_keeps_the_filter_from_before(three: ChannelTable) -> None:
    three.filter = "a"
    typed(three, "/x\x1b")
    assert (three.filter, names(three)) == ("a", ["a"])


def test_a_filter_can_be_corrected_and_taken_away(three: ChannelTable) -> None:
    typed(three, "/ab\x7f\x08c\r")
    assert three.filter == "c"
    typed(three, "/\x15\r")
    assert three.filter == ""


@given(st.text())
def test_no_key_breaks_it_and_none_puts_a_control_character_into_the_filter(text: str) -> None:
    watch = ChannelTable()
    watch.take([sample("a", 1)], now=0.0)
    typed(watch, text)
    typed(watch, "/" + text)
    watch.rows()
    assert all(character.isprintable() or character > "\x9f" for character in watch.asking or "")
    assert len(watch.asking or "") <= LONGEST_FILTER


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("\x1b[Aq", ["\x1b[A", "q"]),
        ("\x1b[1;5D\x1bOB", ["\x1b[1;5D", "\x1bOB"]),
        ("\x1b[15~/", ["\x1b[15~", "/"]),
        ("\x1bq", ["\x1b", "q"]),
        ("\x1b[1", ["\x1b[1"]),
    ],
)
def test_an_escape_sequence_is_one_key(text: str, apart: list[str]) -> None:
    assert keys(text) == apart


@given(st.text(alphabet="\x1b[OABCD~1;q/"))
def test_keys_lose_nothing_of_what_was_typed(text: str) -> None:
    assert "".join(keys(text)) == text


# --- rates as text ---


@pytest.mark.parametrize(
    ("rate", "text"),
    [(None, ""), (0.0, "0"), (0.5, "0.5"), (9.94, "9.9"), (9.96, "10"), (12.4, "12"), (12345.6, "12,346")],
)
def test_a_rate_reads_well(rate: float | None, text: str) -> None:
    assert rate_text(rate) == text
