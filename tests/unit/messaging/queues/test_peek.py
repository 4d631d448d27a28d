"""What a look at a whole queue may cost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import NamedTuple

import pytest

from kubemqctl.messaging.queues.peek import SpoolRoom
from kubemqctl.model.errors import OutputError


class Usage(NamedTuple):
    free: int


def disk(free: int) -> Callable[[str], Usage]:
    return lambda path: Usage(free)


def test_no_more_is_kept_in_a_file_than_the_disk_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    room, total, size = SpoolRoom(), 1 << 30, 0

    def fill() -> None:
        nonlocal size
        while size < total:
            size += 1 << 20
            monkeypatch.setattr(shutil, "disk_usage", disk(total - size))
            room.check(size)

    with pytest.raises(OutputError, match="do not fit into"):
        fill()
    assert total // 2 <= size <= total // 2 + SpoolRoom.EVERY
