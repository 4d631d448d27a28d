"""The service's tests, with nothing but the fixtures that come with kubemqctl."""

from __future__ import annotations

import json
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
    after = OrderService(kubemq_broker.address, kubemq_channel, f"{kubemq_channel}.parcels")
    assert after.pack_next(5)
    after.close()
