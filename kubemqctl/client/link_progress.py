"""Whether anything comes over a connection, also while no answer is whole.

A large message on a slow link takes minutes, and the answer to a ping waits behind it: an unanswered ping
then says nothing. gRPC tells of whole messages only, but the system counts the bytes of each connection.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

# Where Linux's struct tcp_info has tcpi_bytes_received (since 4.1): after 8 bytes and 24 numbers of 32 bits,
# then two pacing rates and the bytes acknowledged, 64 bits each.
_RECEIVED = struct.Struct("@Q")
_AT = 128
_OPEN_FILES = "/proc/self/fd"


def bytes_received(address: str) -> int | None:
    """What the open connections of this process to the port of `address` have brought.

    None where the system does not count it.
    """
    if not sys.platform.startswith("linux"):
        return None
    port = int(address.rpartition(":")[2])
    counts = (_received(int(name), port) for name in os.listdir(_OPEN_FILES))
    return sum(count for count in counts if count is not None)


def _received(fd: int, port: int) -> int | None:
    try:
        if not os.readlink(f"{_OPEN_FILES}/{fd}").startswith("socket:"):
            return None
        # A duplicate: closing it leaves gRPC's own descriptor alone.
        with socket.socket(fileno=os.dup(fd)) as connection:
            if connection.getpeername()[1] != port:
                return None
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except (OSError, IndexError, TypeError):
        return None  # closed meanwhile, not connected, or of another family
    return int(_RECEIVED.unpack_from(info, _AT)[0]) if len(info) >= _AT + _RECEIVED.size else None
