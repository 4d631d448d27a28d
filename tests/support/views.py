"""What `--where` means, for tests: by the view that the commands use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kubemqctl.messaging.encodings import Protobuf
from kubemqctl.messaging.message_view import message_view


def where(texts: Sequence[str], noun_type: type[Any]) -> Callable[[Any], bool] | None:
    """Whether a noun fulfils all of these conditions; None for no condition. Raises UsageError."""
    view = message_view(noun_type, texts, [], Protobuf(), pytest.fail)
    return None if view is None else lambda noun: view(noun) is not None
