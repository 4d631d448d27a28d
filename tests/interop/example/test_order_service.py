"""The service's tests, with nothing but the fixtures that come with kubemqctl."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from kubemq.queues import Client, QueueMessage
from order_service import OrderService

from kubemqctl.testing import Broker


@pytest.fixture
def client(kubemq_address: str) -> Iterator[Client]:
    client = Client(address=kubemq_address, client_id="test")
    yield client
    client.close()


@pytest.fixture
def service(kubemq_address: str, kubemq_channel: str) -> Iterator[OrderService]:
    service = OrderService(kubemq_address, kubemq_channel, f"{kubemq_channel}.parcels")
    yield service
    service.close()


def order(channel: str, body: bytes) -> QueueMessage:
    return QueueMessage(
        channel=channel,
        body=body,
        max_receive_count=1,
        max_receive_queue=f"{channel}.dead",
    )


def bodies(client: Client, channel: str) -> list[bytes]:
    return [message.body for message in client.peek_queue_messages(channel, 10, 1).messages]


def packed_by_another(address: str, channel: str) -> bool:
    """Whether a new service packs an order; gRPC pauses before it tries an address again that it lost."""
    for _ in range(50):
        service = OrderService(address, channel, f"{channel}.parcels")
        try:
            return bool(service.pack_next(5))
        except ConnectionError:
            time.sleep(0.2)
        finally:
            service.close()
    return False


def test_an_order_is_packed(client: Client, service: OrderService, kubemq_channel: str) -> None:
    client.send_queue_message(order(kubemq_channel, b'{"id": 7, "items": 25}'))
    assert service.pack_next()
    assert [json.loads(body) for body in bodies(client, f"{kubemq_channel}.parcels")] == [
        {"order": 7, "boxes": 3}
    ]
    assert not bodies(client, kubemq_channel)


def test_an_order_without_items_is_a_dead_letter(
    client: Client, service: OrderService, kubemq_channel: str
) -> None:
    client.send_queue_message(order(kubemq_channel, b'{"id": 8}'))
    assert service.pack_next()
    assert bodies(client, f"{kubemq_channel}.dead") == [b'{"id": 8}']


def test_orders_outlive_a_crash_of_the_broker(
    client: Client, service: OrderService, kubemq_broker: Broker, kubemq_channel: str
) -> None:
    client.send_queue_message(order(kubemq_channel, b'{"id": 9, "items": 1}'))
    kubemq_broker.restart(kill=True)
    assert packed_by_another(kubemq_broker.address, kubemq_channel)
