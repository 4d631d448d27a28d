"""Room for what frees room: on a full disk messages can still be acknowledged, and the journal goes on then.

Deleting rows writes to the log too (the WAL), and what is in the log needs room in the database before the
log can begin anew. So a file of a fixed size is held in reserve, growth is refused while it is not whole or
while what the log holds would not fit into the database, and it is given up when something cannot be deleted.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

NAME = "reserve"
_LARGEST = 40 * 1024 * 1024  # bytes
_SMALLEST = 1024 * 1024
_SHARE = 20  # of a small file system no more than one part in so many is held


class Reserve:
    """The reserve beside the journal at `path`. `whole` is whether growth is allowed as far as it goes."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._path = path.with_name(NAME)
        found = os.statvfs(self._folder)
        self.size = min(_LARGEST, max(_SMALLEST, found.f_blocks * found.f_frsize // _SHARE))
        self.whole = False

    def take(self) -> bool:
        """Make it whole, where the disk has so much room."""
        if not self.whole:
            try:
                self._allocate()
            except OSError:
                self.release()
                return False
            self.whole = True
        return True

    def release(self) -> None:
        """Give its room to what frees room."""
        self.whole = False
        with suppress(OSError):
            self._path.unlink()

    def fits(self, size: int) -> bool:
        """Whether there is room for `size` more bytes."""
        try:
            found = os.statvfs(self._folder)
        except OSError:
            # What SQLite has open it can still write; whether the folder is gone the journal asks.
            return True
        return found.f_bavail * found.f_frsize >= size

    def _allocate(self) -> None:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if limit != resource.RLIM_INFINITY and limit < self.size:
            return  # it is no disk that ends here: SQLite is told to keep below (journal.connect)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, self.size)
            else:
                while (left := self.size - os.lseek(fd, 0, os.SEEK_END)) > 0:
                    os.write(fd, bytes(min(left, 1 << 20)))
        finally:
            os.close(fd)


def most_pages(page_size: int) -> int | None:
    """The most pages that a database may have under a limit for file sizes; None without one."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else max(1, limit // page_size)
