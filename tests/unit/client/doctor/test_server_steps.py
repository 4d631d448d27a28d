"""Which steps there are, and what the clock of a server shows."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from kubemqctl.client.doctor.server_steps import CONNECTION, EVERYTHING, clock
from kubemqctl.client.doctor.steps import DiagnosisRun, StepResult
from kubemqctl.config.sources import Flags
from kubemqctl.model.reports import Pong


def test_the_check_of_a_profile_is_part_of_the_doctor_s() -> None:
    names = [name for name, _ in EVERYTHING]
    assert set(CONNECTION) <= set(EVERYTHING)
    assert [name for name in names if name in dict(CONNECTION)] == [name for name, _ in CONNECTION]


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (1000.0, "agrees"),
        (1002.5, "agrees"),
        (998.0, "agrees"),
        (1060.5, "1m ahead of"),
        (940.5, "1m behind"),
    ],
)
def test_a_clock_that_is_off_by_more_than_whole_seconds_can_hide_is_a_warning(
    server: float, says: str
) -> None:
    a_case = DiagnosisRun(Flags(), MappingProxyType({}))
    a_case.pinged_at = 1000.0
    a_case.pong = Pong("", "", int(server) - 61, 60, 1)
    finding = clock(a_case)
    assert says in finding.found
    assert finding.warning is (says != "agrees")


def test_a_server_that_tells_no_time_has_no_clock_to_compare() -> None:
    a_case = DiagnosisRun(Flags(), MappingProxyType({}))
    a_case.pong = Pong("", "", 0, 0, 1)
    assert clock(a_case) == StepResult("the server does not report its time")
