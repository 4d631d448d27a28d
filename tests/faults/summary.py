"""The counts of the fault suite, in the summary of the run: hooks that tests/conftest.py takes in.

They must be there in the process that prints, which under xdist looks into no folder of tests.
"""

from __future__ import annotations

from collections import Counter

import pytest

_TOLD: dict[str, Counter[str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Called where the summary is printed, also when other processes ran the tests."""
    for name, value in report.user_properties:
        if name == "faults" and report.when == "call" and isinstance(value, dict):
            _TOLD.setdefault(report.nodeid.rpartition("::")[2], Counter()).update(value)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _TOLD:
        return
    terminalreporter.section("faults")
    for test, counts in _TOLD.items():
        first = ("rounds", "broken", "messages", "doubles")
        places = ", ".join(f"{n} in {place}" for place, n in counts.items() if place not in first and n)
        terminalreporter.write_line(
            f"{test}: {counts['rounds']} rounds ({counts['broken']} broken), {counts['messages']} messages: "
            f"{places}; {counts['doubles']} doubles"
        )
