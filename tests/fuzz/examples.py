"""How many examples a property gets, and how many it had."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings

T = TypeVar("T", bound=Callable[..., Any])

# `make fuzz` sets it; without, each property has its few examples, and always the same ones.
TIMES = int(os.environ.get("KUBEMQ_TEST_FUZZ") or 1)

RUN: Counter[str] = Counter()
"""Examples that were run so far, by the name of the property."""


def examples(count: int) -> Callable[[T], T]:
    """`count` examples of a property in a normal run, many times as many in a long one."""

    def decorate(test: T) -> T:
        handle: Any = test
        handle.hypothesis.inner_test = _counted(handle.hypothesis.inner_test)
        # In a long run a failure is shown as it came: to shrink one that hangs would take hours.
        chosen = settings(
            max_examples=count * TIMES,
            deadline=None,
            derandomize=TIMES == 1,
            database=None,
            phases=[Phase.generate] if TIMES > 1 else [Phase.generate, Phase.shrink],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        return chosen(test)

    return decorate


def _counted(inner: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(inner)
    def run(*args: Any, **kwargs: Any) -> Any:
        RUN[inner.__name__] += 1
        return inner(*args, **kwargs)

    return run
