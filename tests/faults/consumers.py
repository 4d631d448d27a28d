"""The rooms of the program, in this process, with a server behind a proxy: a round takes a moment."""

from __future__ import annotations

import os
import random
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from kubemqctl.client.connect import connect
from kubemqctl.client.connection import Client
from kubemqctl.config.settings import resolve
from kubemqctl.config.sources import Flags
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Common, Invocation
from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.proxy import Proxy, some_plan
from tests.support.raw_grpc import Stub


class Quiet(Invocation):
    """A run that says nothing; what it would have said is in `said`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ, None)
        self.common = Common(output="raw")
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(text)


class Scene(NamedTuple):
    """What a round has: a queue of its own with messages, and the way to the server that will break."""

    rng: random.Random
    stub: Stub
    channel: str
    names: list[str]
    proxy: Proxy


@contextmanager
def scene(
    server: str, seed: int, *, most: int, traffic: int = 20_000, max_receives: int = 0
) -> Iterator[Scene]:
    """Up to `most` messages, the body of each its name; with `max_receives` they end in CHANNEL-dead."""
    rng = random.Random(seed)
    channel = f"f-{uuid.uuid4().hex[:10]}-queue"
    dead = f"{channel}-dead" if max_receives else ""
    names = [f"{n}" for n in range(1, rng.randint(1, most) + 1)]
    with Stub(server) as stub, Proxy(server, some_plan(rng, traffic), rng) as proxy:
        policy = pb.QueueMessagePolicy(MaxReceiveCount=max_receives, MaxReceiveQueue=dead)
        messages = [stub.message(channel, name, MessageID=name, Policy=policy) for name in names]
        assert not any(result.IsError for result in stub.batch(messages).Results)
        yield Scene(rng, stub, channel, names, proxy)


def connected(proxy: Proxy) -> Client:
    """A client of the server behind `proxy`. Raises as `connect` does."""
    return client_of(proxy.address)


def client_of(address: str) -> Client:
    """A client of the server at `address`. Raises as `connect` does."""
    return connect(resolve(Flags(addresses=(address,)), {"HOME": "/nonexistent"}))


class Pipe:
    """An output whose reader leaves after `most` bytes, or stays to the end."""

    def __init__(self, most: int | None, chunk: int) -> None:
        self._read_fd, self._write_fd = os.pipe()
        self.stdout = Stdout(self._write_fd)
        self.taken = b""
        self._most = most
        self._chunk = chunk
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while self._most is None or len(self.taken) < self._most:
            left = self._chunk if self._most is None else min(self._chunk, self._most - len(self.taken))
            data = os.read(self._read_fd, left)
            if not data:
                break
            self.taken += data
        os.close(self._read_fd)

    def finish(self) -> list[str]:
        """The end of the output; returns the whole lines that were read."""
        self.stdout.close()
        os.close(self._write_fd)
        self._reader.join(20)
        assert not self._reader.is_alive(), "the output has no end"
        return [line.decode() for line in self.taken.split(b"\n")[:-1]]
