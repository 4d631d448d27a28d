"""What tests of input read from: pipes, a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.unit.messaging.input.pipes import Pipe


@pytest.fixture
def new_pipe() -> Iterator[Callable[[], Pipe]]:
    pipes: list[Pipe] = []

    def begin() -> Pipe:
        pipes.append(Pipe())
        return pipes[-1]

    yield begin
    for pipe in pipes:
        pipe.close()


@pytest.fixture
def pipe(new_pipe: Callable[[], Pipe]) -> Pipe:
    return new_pipe()


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The keyboard's end and the program's end of a terminal."""
    keyboard, program = os.openpty()
    yield keyboard, program
    os.close(keyboard)
    os.close(program)
