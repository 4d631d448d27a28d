"""Where every message of a round ended, and the sums of many rounds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.support.raw_grpc import Stub

# Rounds at a time: they mostly wait.
AT_ONCE = 8
# `make fuzz` plays more.
_TIMES = 3 if int(os.environ.get("KUBEMQ_TEST_FUZZ") or 1) > 1 else 1


class Account(NamedTuple):
    """One round: the messages that there were, and every place where one was found at the end."""

    sent: int
    doubles: int
    broken: bool
    places: Counter[str]


def settle(sent: list[str], found: Mapping[str, list[str]], *, broken: bool, may_double: bool) -> Account:
    """The account of a round. Each message must be in one place, in two only where that may be."""
    there = Counter(name for names in found.values() for name in names)
    missing = [name for name in sent if not there[name]]
    assert not missing, f"lost: {missing}\n{found}"
    foreign = set(there) - set(sent)
    assert not foreign, f"from nowhere: {foreign}"
    doubles = sum(there.values()) - len(sent)
    assert may_double or not doubles, f"twice: {[n for n, count in there.items() if count > 1]}\n{found}"
    places = Counter({place: len(names) for place, names in found.items()})
    return Account(len(sent), doubles, broken, places)


def rounds(
    count: int,
    play: Callable[[int], Account],
    record: Callable[[str, object], None],
    reaches: str,
) -> None:
    """Play so many rounds, some at a time; a failure names its seed. The sums go into the summary.

    Something must have broken, and messages must have come to the place `reaches`: else nothing was shown.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        accounts = list(pool.map(lambda seed: _named(seed, play), range(count * _TIMES)))
    sums = summed(accounts)
    record("faults", sums)
    assert sums["broken"], sums
    assert sums.get(reaches), sums


def _named(seed: int, play: Callable[[int], Account]) -> Account:
    try:
        return play(seed)
    except AssertionError as e:
        raise AssertionError(f"seed {seed}: {e}") from e


def summed(accounts: Iterable[Account]) -> dict[str, int]:
    """The sums over rounds."""
    total: Counter[str] = Counter()
    for account in accounts:
        total.update(rounds=1, messages=account.sent, broken=account.broken, doubles=account.doubles)
        total.update(account.places)
    return dict(total)


def bodies_in(stub: Stub, *channels: str) -> dict[str, list[str]]:
    """What is in the queues at the end, taken out of them; held messages are waited for."""
    found = {}
    for channel in channels:
        bodies: list[str] = []
        while waiting := sum(q.Waiting for q in stub.info(channel).Info.Queues):
            got = stub.receive(channel, min(waiting, 1024), wait=1).Messages
            bodies += [m.Body.decode() for m in got]
        found[channel.rpartition("-")[2] or channel] = bodies
    return found
