"""The yardstick for the broker: an asyncio gRPC handler that writes each batch to SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from typing import Any

import grpc

from tests.benchmarks.bare_client import pb


async def main(directory: str, ready_file: str) -> None:
    db = sqlite3.connect(f"{directory}/bare.db", isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE message (sequence INTEGER PRIMARY KEY, data BLOB)")

    def store(rows: list[tuple[bytes]]) -> None:
        db.execute("BEGIN")
        db.executemany("INSERT INTO message (data) VALUES (?)", rows)
        db.execute("COMMIT")

    async def batch(request: Any, context: Any) -> Any:
        await asyncio.to_thread(store, [(m.SerializeToString(),) for m in request.Messages])
        results = [pb.SendQueueMessageResult(MessageID="x" * 22, SentAt=1) for _ in request.Messages]
        return pb.QueueMessagesBatchResponse(BatchID=request.BatchID, Results=results)

    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 104_857_600)])
    handler = grpc.unary_unary_rpc_method_handler(
        batch,
        request_deserializer=pb.QueueMessagesBatchRequest.FromString,
        response_serializer=pb.QueueMessagesBatchResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("kubemq.kubemq", {"SendQueueMessagesBatch": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    with open(ready_file, "w") as file:
        file.write(f"127.0.0.1:{port}")
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
