"""What tests of input read from: pipes, a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.terminal.pseudo_terminal import PseudoTerminal
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
def terminal() -> Iterator[PseudoTerminal]:
    with PseudoTerminal() as opened:
        yield opened
