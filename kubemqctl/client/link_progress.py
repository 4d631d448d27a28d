"""Whether anything comes over a connection, also while no answer is whole.

A large message on a slow link takes minutes, and the answer to a ping waits behind it: an unanswered ping
then says nothing. gRPC tells of whole messages only, but the system counts the bytes of each connection.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

# The option of a TCP socket, and where it tells the bytes sent and received, 64 bits each. Linux (since 4.1):
# <linux/tcp.h>, tcpi_bytes_acked and tcpi_bytes_received; macOS: <netinet/tcp.h>, tcpi_txbytes, tcpi_rxbytes.
_TOLD = {"linux": (11, 120, 128), "darwin": (0x106, 64, 88)}
_COUNT = struct.Struct("=Q")
_OPEN_FILES = "/dev/fd"


def bytes_received(address: str) -> int | None:
    """What the open connections of this process to the port of `address` have brought.

    None where the system does not count it.
    """
    return sum(received for _, received in _counts(address)) if sys.platform in _TOLD else None


def bytes_moved(address: str) -> int:
    """The same of both directions; always 0 where the system does not count it."""
    return sum(map(sum, _counts(address)))


def _counts(address: str) -> Iterator[tuple[int, int]]:
    """What each connection has sent and received."""
    option, sent, received = _TOLD.get(sys.platform, (0, 0, 0))
    port = int(address.rpartition(":")[2])
    for fd in os.listdir(_OPEN_FILES) if option else ():
        # Any may be closed by another thread meanwhile, be not connected, or of another family.
        with suppress(OSError, IndexError, TypeError, struct.error):
            if stat.S_ISSOCK(os.fstat(int(fd)).st_mode):
                # A duplicate: closing it leaves gRPC's own descriptor alone.
                with socket.socket(fileno=os.dup(int(fd))) as connection:
                    if connection.getpeername()[1] == port:
                        told = connection.getsockopt(socket.IPPROTO_TCP, option, 256)
                        yield _COUNT.unpack_from(told, sent)[0], _COUNT.unpack_from(told, received)[0]
