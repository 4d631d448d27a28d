"""A file that remembers how far a store was read, so that the next run goes on from there.

It holds the last event that was dealt with: its sequence to go on from, its id and time to recognise it by.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from kubemqctl.config.files import reason, write_whole
from kubemqctl.model.errors import ConfigError, OutputError
from kubemqctl.model.messages import Event
from kubemqctl.model.text import quoted

_TYPES = {"channel": str, "sequence": int, "id": str, "timestamp": int}


class CheckpointPosition(NamedTuple):
    """How far `channel` was read. Sequence 0 is before its first event; `timestamp` is Unix nanoseconds."""

    channel: str
    sequence: int
    id: str = ""
    timestamp: int = 0

    def is_of(self, event: Event) -> bool:
        """Whether `event` is the very one that was dealt with last."""
        return (self.sequence, self.id, self.timestamp) == (event.sequence, event.id, event.timestamp)


class Checkpoint:
    """The file at `path` for `channel`; `position` is what it says, None while there is no file.

    Raises ConfigError for a file that says nothing, or something of another channel.
    """

    def __init__(self, path: str, channel: str) -> None:
        self.path = path
        self.position = _read(path)
        if self.position and self.position.channel != channel:
            raise ConfigError(
                f"the checkpoint {path} belongs to channel {quoted(self.position.channel)}, not {channel}",
                hint="use a separate file for each channel",
            )
        self._channel = channel
        _check_folder(path)

    def save(self, event: Event | None) -> None:
        """All up to `event` is dealt with; None: the channel's beginning."""
        if event is None:
            self._save(CheckpointPosition(self._channel, 0))
        else:
            self._save(CheckpointPosition(self._channel, event.sequence, event.id, event.timestamp))

    def _save(self, position: CheckpointPosition) -> None:
        # No fsync: a crash of the machine takes the output's last bytes too, and a position that is older
        # than they are prints again what was lost, where a newer one would skip it.
        try:
            write_whole(self.path, (json.dumps(position._asdict()) + "\n").encode())
        except OSError as e:
            raise OutputError(f"cannot write the checkpoint {self.path}: {reason(e)}") from e
        self.position = position


def _read(path: str) -> CheckpointPosition | None:
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        return None  # a device or a pipe keeps nothing, and reading one may wait for ever
    try:
        with open(path, "rb") as file:
            data = file.read(1 << 16)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise ConfigError(f"cannot read the checkpoint {path}: {(e.strerror or str(e)).lower()}") from e
    found = _parsed(data)
    if found is None:
        raise ConfigError(
            f"{path} is not a checkpoint of kubemqctl",
            hint="to start over, delete it, and give the position with --from",
        )
    return found


def _parsed(data: bytes) -> CheckpointPosition | None:
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or set(found) != set(_TYPES):
        return None
    if (
        any(type(found[name]) is not kind for name, kind in _TYPES.items())
        or not 0 <= found["sequence"] < 2**63 - 1
    ):
        return None
    return CheckpointPosition(**found)


def _check_folder(path: str) -> None:
    folder = os.path.dirname(os.path.realpath(path))
    is_writable = os.access(path, os.W_OK) or os.access(folder, os.W_OK | os.X_OK)
    if os.path.isdir(path) or not is_writable:
        raise ConfigError(
            f"the checkpoint {path} cannot be written", hint="use a file in a directory that you can write to"
        )
