"""The steps of a diagnosis: taken in turn, and skipped behind a failure."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from kubemqctl.client.doctor.steps import DiagnosisRun, StepResult, run_steps
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import KubemqctlError, Unreachable
from kubemqctl.model.reports import Check


def case() -> DiagnosisRun:
    return DiagnosisRun(Flags(), MappingProxyType({}))


def found(text: str, advice: str = "", warning: bool = False) -> Callable[[DiagnosisRun], StepResult]:
    return lambda case: StepResult(text, advice, warning)


def failing(error: KubemqctlError) -> Callable[[DiagnosisRun], StepResult]:
    def step(case: DiagnosisRun) -> StepResult:
        raise error

    return step


def test_a_step_is_ok_or_a_warning_and_the_others_go_on() -> None:
    steps = [
        ("one", found("good")),
        ("two", found("so so", "mend it", warning=True)),
        ("three", found("fine")),
    ]
    assert list(run_steps(case(), steps)) == [
        Check("one", "ok", "good"),
        Check("two", "warning", "so so", "mend it"),
        Check("three", "ok", "fine"),
    ]


def test_behind_a_failure_everything_is_skipped_and_says_why() -> None:
    error = Unreachable("refused", hint="start it")
    steps = [("one", found("good")), ("two", failing(error)), ("three", found("fine")), ("four", found(""))]
    assert list(run_steps(case(), steps))[1:] == [
        Check("two", "failed", "refused", "start it", error),
        Check("three", "skipped", "two failed"),
        Check("four", "skipped", "two failed"),
    ]


def test_a_step_is_taken_when_it_is_asked_for() -> None:
    taken = []

    def step(case: DiagnosisRun) -> StepResult:
        taken.append(1)
        return StepResult("")

    checks = run_steps(case(), [("one", step), ("two", step)])
    next(checks)
    assert len(taken) == 1
