"""The official SDK doing the same, in its own interpreter. `sdk_client.py ADDRESS WHAT CHANNEL N`."""

from __future__ import annotations

import sys

from kubemq.queues import Client, QueueMessage

BODY = b"x" * 1023
BATCH = 1000


def send(client: Client, name: str, count: int) -> None:
    for _ in range(count // BATCH):
        batch = [QueueMessage(channel=name, body=BODY) for _ in range(BATCH)]
        for result in client.send_queue_messages_batch(batch):
            assert not result.is_error, result.error


def receive(client: Client, name: str, count: int) -> None:
    out = sys.stdout.buffer
    for _ in range(count // BATCH):
        answer = client.receive_queue_messages(channel=name, max_messages=BATCH, wait_timeout_in_seconds=1)
        for message in answer.messages:
            out.write(message.body + b"\n")
        answer.ack_all()
    out.flush()


if __name__ == "__main__":
    address, what, name, count = sys.argv[1:]
    with Client(address=address, client_id="sdk") as client:
        (send if what == "send" else receive)(client, name, int(count))
