"""A file that remembers how far a store was read, so that the next run goes on from there.

It holds the last event that was dealt with: its sequence to go on from, its id and time to recognise it by.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from errno import EACCES, EPERM, EROFS
from typing import Any, NamedTuple

from kubemqctl.config.files import check_place, refuse_dash, write_whole
from kubemqctl.model.errors import ConfigError, OutputError
from kubemqctl.model.messages import Event
from kubemqctl.model.text import quoted, reason

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

    It belongs to one run at a time, until `close`: two would put the position back behind each other.
    Raises ConfigError for a file that another run holds, that says nothing, or something of another channel,
    NotFound or UsageError for one that cannot be written.
    """

    def __init__(self, path: str, channel: str) -> None:
        refuse_dash("--checkpoint", path)
        self.path = path
        _check_folder(path)
        self._lock = _locked(path)
        try:
            self._begin(path, channel)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let other runs have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _begin(self, path: str, channel: str) -> None:
        self.position = _read(path)
        if self.position and self.position.channel != channel:
            raise ConfigError(
                f"the checkpoint {path} belongs to channel {quoted(self.position.channel)}, not {channel}",
                hint="use a separate file for each channel",
            )
        self._channel = channel

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


@contextmanager
def checkpoint_at(path: str | None, channel: str) -> Iterator[Checkpoint | None]:
    """The checkpoint at `path` as long as it is needed; None where none is wanted."""
    if path is None:
        yield None
        return
    with closing(Checkpoint(path, channel)) as checkpoint:
        yield checkpoint


def _locked(path: str) -> int | None:
    """A descriptor that holds the lock of the checkpoint at `path`; None for a device or a pipe.

    The lock is on a file beside it, as the checkpoint itself is replaced at every save; by whatever name it
    is reached, that is the same file. It stays when the run is over: taken away, it could be locked twice.
    """
    if _keeps_nothing(path):
        return None
    beside = os.path.realpath(path) + ".lock"
    try:
        # A name that anybody can know: no link that was put there is followed.
        fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as e:
        if e.errno not in (EACCES, EPERM, EROFS) or not os.path.isfile(path):
            raise ConfigError(f"cannot lock the checkpoint {path}: {beside}: {reason(e)}") from e
        # Where no file can be made beside it, it cannot be replaced either, and is written in place.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        os.close(fd)
        if not isinstance(e, BlockingIOError):
            raise ConfigError(f"cannot lock the checkpoint {path}: {beside}: {reason(e)}") from e
        raise ConfigError(
            f"the checkpoint {path} is in use by another run, which holds {beside}",
            hint="use a separate file for each run",
        ) from e
    return fd


def _keeps_nothing(path: str) -> bool:
    """Whether it is a device or a pipe: reading one may wait for ever."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _read(path: str) -> CheckpointPosition | None:
    if _keeps_nothing(path):
        return None
    try:
        with open(path, "rb") as file:
            data = file.read(1 << 16)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise ConfigError(f"cannot read the checkpoint {path}: {reason(e)}") from e
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
    check_place("--checkpoint", path)
    folder = os.path.dirname(os.path.realpath(path))
    if not (os.access(path, os.W_OK) or os.access(folder, os.W_OK | os.X_OK)):
        raise ConfigError(
            f"the checkpoint {path} cannot be written", hint="use a file in a directory that you can write to"
        )
