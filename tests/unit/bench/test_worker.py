"""The counters that all workers of a run share."""

from __future__ import annotations

from kubemqctl.bench.worker import (
    ACCEPTED,
    CLAIMED,
    Scoreboard,
    scoreboard,
)


def test_consumers_of_a_queue_ask_for_what_is_there_and_nobody_else_asked_for() -> None:
    with scoreboard(3) as board:
        others = Scoreboard(board.fd, 3)
        board.add(0, ACCEPTED, 12)
        assert others.claim(1, 10) == 10
        assert board.claim(2, 10) == 2
        assert board.claim(1, 10) == 1, "one is waited for"
        board.add(0, ACCEPTED, 5)
        assert board.claim(2, 10) == 4, "one of the five is for whoever waits"
        assert others.total(CLAIMED) == 17
