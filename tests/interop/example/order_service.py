"""A small service, as somebody may write it with the official SDK: it packs the orders of a queue.

An order is JSON with an id and a number of items. Each packed one is announced on the queue of parcels; one
that cannot be packed is rejected, and goes where its sender said.
"""

from __future__ import annotations

import json

from kubemq.queues import Client, QueueMessage


class OrderService:
    """Packs orders from one queue, and announces parcels on another."""

    def __init__(self, address: str, orders: str, parcels: str) -> None:
        self._client = Client(address=address, client_id="order-service")
        self._orders = orders
        self._parcels = parcels

    def pack_next(self, wait: int = 1) -> bool:
        """Pack one order; False when none came within `wait` seconds."""
        taken = self._client.receive_queue_messages(
            channel=self._orders, max_messages=1, wait_timeout_in_seconds=wait
        )
        if taken.is_error:
            raise ConnectionError(taken.error)
        for order in taken.messages:
            try:
                parcel = json.dumps(self.parcel(json.loads(order.body)))
            except (ValueError, KeyError):
                order.nack()
                continue
            self._client.send_queue_message(QueueMessage(channel=self._parcels, body=parcel.encode()))
            order.ack()
        return bool(taken.messages)

    @staticmethod
    def parcel(order: dict[str, int]) -> dict[str, int]:
        """What is announced of an order."""
        return {"order": order["id"], "boxes": -(-order["items"] // 10)}

    def close(self) -> None:
        """Disconnect."""
        self._client.close()
