"""`store sub` where an event takes longer than any silence that means something.

The built-in broker tells how many events there are; server 2.4.0, which the fake store without a sign of life
stands for, answers a subscription with headers once it has an event for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubemqctl.cli.main import main
from kubemqctl.client import events
from kubemqctl.messaging import heartbeat
from kubemqctl.messaging.events import subscribe
from tests.support.fake_store_server import FakeStore, fake_store_server
from tests.support.proxy import Proxy
from tests.support.raw_grpc import Stub, publish
from tests.support.server import Broker

LARGE = b"x" * 240_000
RATE = 300_000.0  # bytes a second: the large event takes 0.8 s


class Link:
    """A channel with three small events and a large one, behind a slow link."""

    def __init__(self, address: str, channel: str, capfd: pytest.CaptureFixture[str]) -> None:
        self.address = address
        self.channel = channel
        self._capfd = capfd

    def sub(self, *options: str) -> tuple[int, list[bytes], str]:
        """Exit code, the bodies printed and stderr of `store sub`."""
        code = main(["-a", self.address, "store", "sub", self.channel, *options])
        said = self._capfd.readouterr()
        return code, said.out.encode().split(b"\n")[:-1], said.err


ALL = [b"1", b"2", b"3", LARGE]


@pytest.fixture(params=["built-in", "2.4.0"])
def link(request: pytest.FixtureRequest, channel: str, capfd: pytest.CaptureFixture[str]) -> Iterator[Link]:
    opened = _built_in if request.param == "built-in" else _fake
    for address in opened(request.getfixturevalue, channel):
        with Proxy(address, rate=RATE) as proxy:
            yield Link(proxy.address, channel, capfd)


def _built_in(fixture: Callable[[str], object], channel: str) -> Iterator[str]:
    broker = fixture("broker")
    assert isinstance(broker, Broker)
    with Stub(broker.address, client="writer") as stub:
        for body in ALL:
            publish(stub, channel, body, store=True)
    yield broker.address


def _fake(fixture: Callable[[str], object], channel: str) -> Iterator[str]:
    with fake_store_server() as fake:
        fake.shows_life = False
        _fill(fake)
        yield fake.address


def _fill(fake: FakeStore) -> None:
    fake.put(3)
    fake.put(1, Body=LARGE)


def test_until_now_brings_all_that_is_stored(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribe, "OVERDUE", 0.2)
    code, bodies, err = link.sub("--from", "first", "--until", "now")
    assert (code, bodies) == (0, ALL), err
    assert "gone" not in err


def test_a_checkpoint_for_what_is_new_begins_behind_the_newest(link: Link, tmp_path: Path) -> None:
    path = tmp_path / "position"
    code, bodies, err = link.sub("--checkpoint", str(path), "--for", "0s")
    assert (code, bodies) == (0, []), err
    assert json.loads(path.read_text())["sequence"] == 4


def test_a_good_checkpoint_is_taken(link: Link, tmp_path: Path) -> None:
    path = tmp_path / "position"
    link.sub("--checkpoint", str(path), "--for", "0s")
    code, bodies, err = link.sub("--checkpoint", str(path), "--for", "0s")
    assert (code, bodies) == (0, []), err


def test_idle_does_not_count_while_an_event_is_announced(link: Link) -> None:
    code, bodies, err = link.sub("--from", "4", "--idle", "0s")
    assert (code, bodies) == (0, [LARGE]), err


@pytest.mark.parametrize("stored", [0, 2])
def test_a_server_that_sends_headers_at_once_is_believed_when_nothing_comes(
    channel: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stored: int
) -> None:
    monkeypatch.setattr(events, "ASK_EVERY", 0.2)
    with fake_store_server() as fake:
        fake.tells_stored = False
        fake.put(stored)
        ended = Link(fake.address, channel, capfd).sub("--from", "first", "--until", "now")
    assert ended == (0, [b"1", b"2"][:stored], f"{stored} received\n")


def test_idle_counts_again_where_headers_came_at_once_and_nothing_else_does(
    channel: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    timing = heartbeat.TIMING._replace(ping_every=0.1)
    monkeypatch.setattr(subscribe.subscribe_store, "__defaults__", (timing,))
    with fake_store_server() as fake:
        fake.tells_stored = False
        code, _, err = Link(fake.address, channel, capfd).sub("--idle", "100ms")
    assert (code, "nothing arrived" in err) == (6, True)


def test_bytes_that_come_keep_a_link_alive_whose_pings_are_not_answered(
    channel: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Half of what the large event takes; so long no machine here holds up all that comes.
    patience = len(LARGE) / RATE
    monkeypatch.setattr(events, "CLOCK_TIMEOUT", patience)
    timing = heartbeat.TIMING._replace(hush=0.0, ping_every=0.1, ping_patience=patience)
    monkeypatch.setattr(subscribe.subscribe_store, "__defaults__", (timing,))
    with fake_store_server() as fake:
        fake.answers_pings = False
        _fill(fake)
        with Proxy(fake.address, rate=RATE / 2) as proxy:
            code, bodies, err = Link(proxy.address, channel, capfd).sub("--from", "4", "--until", "4")
    assert (code, bodies) == (0, [LARGE]), err
    assert "lost" not in err
