"""The number of examples in the summary of the run, and a folder of its own for what programs write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.examples import RUN

_TOLD: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _count_examples(request: pytest.FixtureRequest) -> Iterator[None]:
    before = RUN.total()
    yield
    request.node.user_properties.append(("examples", RUN.total() - before))


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    folder = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(folder)
    return folder


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Called where the summary is printed, also when other processes ran the tests."""
    if report.when == "teardown":
        for name, value in report.user_properties:
            if name == "examples" and isinstance(value, int) and value:
                _TOLD[report.nodeid.rpartition("::")[2].partition("[")[0]] += value


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _TOLD:
        return
    terminalreporter.section("fuzz")
    for test, count in _TOLD.items():
        terminalreporter.write_line(f"{count:7,} {test}")
    terminalreporter.write_line(f"{_TOLD.total():7,} examples")
