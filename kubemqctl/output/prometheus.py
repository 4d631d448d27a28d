"""Channels as the Prometheus text format 0.0.4: gauges without timestamps, for a textfile collector."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.limits import SECOND
from kubemqctl.model.text import text_bytes

_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
# Gauge, what it is, and its value for a channel: None where the server does not tell it.
_GAUGES: tuple[tuple[str, str, Callable[[ChannelInfo], float | None]], ...] = (
    ("waiting", "Messages of a queue that are not acknowledged.", lambda c: c.waiting),
    ("messages", "Messages that the server stores, acknowledged ones included.", lambda c: c.messages),
    ("bytes", "Size of the messages that the server stores.", lambda c: c.bytes),
    ("subscribers", "Consumers that the server remembers.", lambda c: c.subscribers),
    ("first_sequence", "Sequence of the first message that is stored.", lambda c: c.first_sequence),
    ("last_sequence", "Sequence of the last message.", lambda c: c.last_sequence),
    ("active", "Whether the channel is in use.", lambda c: None if c.active is None else int(c.active)),
    (
        "last_activity_seconds",
        "When the channel was used last, in Unix seconds.",
        lambda c: c.last_activity / SECOND if c.last_activity else None,
    ),
)


def metrics(channels: Iterable[ChannelInfo]) -> bytes:
    """All gauges of all channels: each with its help and type, then a sample a channel that tells it."""
    listed = list(channels)
    lines = []
    for name, meaning, value in _GAUGES:
        metric = f"kubemq_channel_{name}"
        lines += [f"# HELP {metric} {meaning}", f"# TYPE {metric} gauge"]
        for channel in listed:
            if (number := value(channel)) is not None:
                lines.append(f"{metric}{_labels(channel)} {number:.16g}")
    return text_bytes("".join(f"{line}\n" for line in lines))


def _labels(channel: ChannelInfo) -> str:
    return f'{{name="{channel.name.translate(_ESCAPED)}",type="{channel.type}"}}'
