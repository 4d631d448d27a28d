"""Limits of the wire and of server 2.4.0, and figures that every package means alike."""

from __future__ import annotations

SECOND = 1_000_000_000
"""In nanoseconds."""
LARGEST = 2**63 - 1
"""The largest integer of the wire: of a sequence, a time, a position."""
MAX_WIRE_SECONDS = 2**31 - 1
MAX_MESSAGE = 104_857_600
"""The server's limit for a whole gRPC message, in bytes."""
MAX_BODY = MAX_MESSAGE - 64
"""No message has room for a larger body: channel, client id and lengths take the rest."""
MAX_RECORD = 6 * MAX_MESSAGE + (1 << 20)
"""No message's record is longer, in bytes of JSON: a byte is at most six characters there (`\\u0001`), and
what only a receiver knows has room beside."""
MAX_QUEUE_SECONDS = 43_200
"""The server's maximum for expiration, delay and visibility."""
MAX_RECEIVES = 1_024
"""The server's maximum for a policy's receives; also what it makes of 0."""
MAX_PEEK = 1_024
"""How many messages a server shows or hands out in one plain call."""
MIN_GET_WAIT = 1.0
"""Seconds: a shorter wait of a Get counts as this long."""
SAME_SIGNAL = 0.1
"""Seconds in which the same signal is not a second one: timeout(1) signals its command, and then the whole
process group. Nobody presses Ctrl-C twice so quickly."""
STILL = 2
"""Between two answered pings no byte came, so many times running: nothing is on its way."""
MOST_NAMED = 20
"""Of many failures so many are named; the rest are counted."""
