"""The result of a benchmark, drawn for people."""

from __future__ import annotations

import pytest

from kubemqctl.bench.recorder import Latencies
from kubemqctl.bench.workload import Pattern
from kubemqctl.output.human.benchmark import draw_bench
from kubemqctl.output.stderr import DIM, ORANGE, RED, ViewOptions
from tests.unit.bench.sample_run import result


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("pattern", ["queue", "cmd"])
def test_no_line_of_the_drawing_is_wider_than_the_page(width: int, pattern: Pattern) -> None:
    latencies = Latencies()
    latencies.add((round(10**5 * 1.01**n), 10**7 * (n % 7)) for n in range(900))
    found = result()._replace(
        pattern=pattern,
        histogram=latencies.bars(),
        received=123_456_789,
        sent=123_456_789,
        rate=98_765.4,
        send_rate=98_765.4,
        limit="server",
        stopped="SIGINT",
    )
    lines = draw_bench(found, ViewOptions(False, width, lambda: 0)).splitlines()
    assert max(map(len, lines)) <= max(width, 34)
    assert any("█" in line for line in lines) is (width > 20)


def test_what_went_wrong_is_painted_and_what_did_not_is_faint() -> None:
    page = ViewOptions(True, 80, lambda: 0)
    text = draw_bench(result(6, [0, 2, 1, 2]), page)
    assert page.paint("lost 3", RED) in text
    assert page.paint("doubles 1", ORANGE) in text
    assert page.paint("errors 0", DIM) in text
