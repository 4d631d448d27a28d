"""A received message with every field."""

from __future__ import annotations

from kubemqctl.model.messages import Policy, Received

NS = 1795441240123456789

WHEN = "2026-11-23T13:40:40.123456789Z"

RECEIVED = Received(
    channel="orders",
    id="id-1",
    client_id="sender",
    metadata="meta",
    body=b"hello",
    tags={"kind": "order"},
    timestamp=NS,
    sequence=7,
    receive_count=2,
    re_routed_from="orders.main",
    expires_at=NS + 1,
    delayed_to=NS + 2,
    policy=Policy(30, 5, 3, "dead"),
)
