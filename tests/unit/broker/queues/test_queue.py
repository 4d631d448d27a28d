"""Who gets what: lines, blocks, turns, giving back, and a backlog that is read by pages."""

from __future__ import annotations

import random

import pytest

from kubemqctl.broker.queues.queue import PAGE, WINDOW, Memory, Queue, Taker
from kubemqctl.broker.storage.journal import JournalError
from kubemqctl.broker.storage.schema import Entry

NOW = 1_000


class Disk:
    """A backlog in memory that counts how often it is read."""

    def __init__(self) -> None:
        self.rows: dict[int, Entry] = {}
        self.reads = 0
        self.broken_at = 0  # the read that fails

    def __call__(self, after: int, upto: int, limit: int) -> list[Entry]:
        self.reads += 1
        if self.reads == self.broken_at:
            raise JournalError("disk I/O error")
        found = [e for seq, e in sorted(self.rows.items()) if after < seq <= upto][:limit]
        return [Entry(e.sequence, e.expires, e.size, b"x" * e.size) for e in found]


def make(limit: int | None = 1 << 20) -> tuple[Queue, Disk]:
    disk = Disk()
    return Queue(1, "q", Memory(limit), disk), disk


def put(queue: Queue, disk: Disk, count: int, *, expires: int = 0, size: int = 10) -> None:
    first = queue.claim(count)
    entries = [Entry(n, expires, size, b"x" * size) for n in range(first, first + count)]
    disk.rows.update({e.sequence: Entry(e.sequence, e.expires, e.size, None) for e in entries})
    queue.admit(entries, NOW)


class Consumer(Taker):
    """A taker that knows whether it was told to be full."""

    __slots__ = ("is_full",)

    def __init__(self, wants: float, *, skips_expired: bool = False) -> None:
        super().__init__(wants, self._filled, skips_expired=skips_expired)
        self.is_full = False

    def _filled(self) -> None:
        self.is_full = True


def sequences(taker: Taker) -> list[int]:
    return [entry.sequence for entry in taker.taken]


def test_on_a_filled_queue_each_consumer_gets_a_block() -> None:
    queue, disk = make()
    put(queue, disk, 5)
    first, second = Consumer(3), Consumer(3)
    queue.join(first, NOW)
    queue.join(second, NOW)
    assert (sequences(first), sequences(second)) == ([1, 2, 3], [4, 5])
    assert (first.is_full, second.is_full) == (True, False)


def test_what_arrives_goes_round_those_who_wait_one_by_one() -> None:
    queue, disk = make()
    first, second = Consumer(4), Consumer(4)
    queue.join(first, NOW)
    queue.join(second, NOW)
    put(queue, disk, 3)
    put(queue, disk, 3)
    assert (sequences(first), sequences(second)) == ([1, 3, 5], [2, 4, 6])


def test_a_full_consumer_is_out_of_the_line_and_the_others_go_on() -> None:
    queue, disk = make()
    consumers = [Consumer(1), Consumer(3), Consumer(1)]
    for consumer in consumers:
        queue.join(consumer, NOW)
    put(queue, disk, 6)
    assert [sequences(c) for c in consumers] == [[1], [2, 4, 5], [3]]
    late = Consumer(1)
    queue.join(late, NOW)
    assert sequences(late) == [6]


def test_two_hundred_who_want_one_each_are_served_first_come_first_served() -> None:
    queue, disk = make()
    consumers = [Consumer(1) for _ in range(200)]
    for consumer in consumers:
        queue.join(consumer, NOW)
    for _ in range(200):
        put(queue, disk, 1)
    assert [sequences(c) for c in consumers] == [[n] for n in range(1, 201)]


def test_who_left_gets_nothing() -> None:
    queue, disk = make()
    gone, here = Consumer(2), Consumer(2)
    queue.join(gone, NOW)
    queue.join(here, NOW)
    queue.leave(gone)
    put(queue, disk, 2)
    assert (sequences(gone), sequences(here)) == ([], [1, 2])


def test_what_comes_back_is_in_its_place_again() -> None:
    queue, disk = make()
    put(queue, disk, 6)
    first, second = Consumer(2), Consumer(2)
    queue.join(first, NOW)
    queue.join(second, NOW)
    queue.give_back(second.taken, NOW)
    queue.give_back(first.taken[:1], NOW)
    third = Consumer(10)
    queue.join(third, NOW)
    assert sequences(third) == [1, 3, 4, 5, 6]


def test_portions_that_come_back_in_any_order_are_in_their_places_again() -> None:
    rng = random.Random(7)
    for _ in range(50):
        queue, disk = make()
        put(queue, disk, 60)  # more than all of them want
        takers = [Consumer(rng.randint(1, 9)) for _ in range(6)]
        for taker in takers:
            queue.join(taker, NOW)
        held = [entry for taker in takers for entry in taker.taken]
        put(queue, disk, 5)
        rng.shuffle(held)
        while held:
            portion, held = held[: (at := rng.randint(1, 9))], held[at:]
            queue.give_back(portion, NOW)
        whole = Consumer(100)
        queue.join(whole, NOW)
        assert sequences(whole) == list(range(1, 66))


def test_what_comes_back_goes_to_whoever_waits() -> None:
    queue, disk = make()
    put(queue, disk, 2)
    first, second = Consumer(2), Consumer(2)
    queue.join(first, NOW)
    queue.join(second, NOW)
    queue.give_back(first.taken, NOW)
    assert sequences(second) == [1, 2]
    assert second.is_full


def test_a_consumer_that_skips_expired_ones_puts_them_aside_and_they_do_not_count() -> None:
    queue, disk = make()
    put(queue, disk, 2, expires=NOW)
    put(queue, disk, 2, expires=NOW + 1)
    consumer = Consumer(2, skips_expired=True)
    queue.join(consumer, NOW)
    assert sequences(consumer) == [3, 4]
    assert [entry.sequence for entry in consumer.expired] == [1, 2]


def test_a_consumer_that_does_not_takes_them_like_any_other() -> None:
    queue, disk = make()
    put(queue, disk, 2, expires=NOW)
    consumer = Consumer(2)
    queue.join(consumer, NOW)
    assert sequences(consumer) == [1, 2]
    assert consumer.is_full


def test_waiting_counts_what_is_ready_and_held_until_it_is_removed() -> None:
    queue, disk = make()
    put(queue, disk, 3)
    consumer = Consumer(2)
    queue.join(consumer, NOW)
    assert (queue.waiting, queue.delivered) == (3, 2)
    queue.removed(consumer.taken)
    assert (queue.waiting, queue.last) == (1, 3)


def test_sequences_of_what_could_not_be_stored_are_given_out_again() -> None:
    queue, disk = make()
    put(queue, disk, 2)
    first = queue.claim(3)
    queue.unclaim([Entry(n, 0, 1, b"x") for n in range(first, first + 3)])
    assert queue.claim(1) == 3


def test_sequences_are_never_given_out_twice_when_others_came_after_them() -> None:
    queue, _ = make()
    first = queue.claim(2)
    assert queue.claim(1) == 3
    queue.unclaim([Entry(n, 0, 1, b"x") for n in range(first, first + 2)])
    assert queue.claim(1) == 4


def test_a_long_backlog_stays_on_disk_and_is_read_by_pages() -> None:
    queue, disk = make()
    for _ in range(8):
        put(queue, disk, 1000)
    assert disk.reads == 0
    everything: list[int] = []
    while len(everything) < 8000:
        consumer = Consumer(500)
        queue.join(consumer, NOW)
        everything += sequences(consumer)
    assert everything == list(range(1, 8001))
    assert 1 <= disk.reads <= 8000 // PAGE + 1


def test_what_arrives_behind_an_unread_backlog_stays_behind_it() -> None:
    queue, disk = make()
    put(queue, disk, WINDOW)
    put(queue, disk, 10)
    first = Consumer(WINDOW)
    queue.join(first, NOW)
    put(queue, disk, 1)
    rest = Consumer(11)
    queue.join(rest, NOW)
    assert sequences(rest) == list(range(WINDOW + 1, WINDOW + 12))


def test_known_messages_are_bounded_by_the_window_and_their_bodies_by_memory() -> None:
    memory = Memory(100)
    disk = Disk()
    queue = Queue(1, "q", memory, disk)
    for _ in range(2 * WINDOW // 100):
        put(queue, disk, 100)
    assert memory.used <= 100
    assert len(queue.drain().entries) <= WINDOW


def test_without_a_journal_nothing_leaves_memory() -> None:
    queue, disk = make(limit=None)
    put(queue, disk, WINDOW + 10)
    consumer = Consumer(WINDOW + 10)
    queue.join(consumer, NOW)
    assert consumer.is_full
    assert disk.reads == 0
    queue.forget_bodies(consumer.taken)
    assert all(entry.message for entry in consumer.taken)


def test_a_recovered_queue_goes_on_where_it_was() -> None:
    queue, disk = make()
    disk.rows = {n: Entry(n, 0, 10, None) for n in (3, 4, 7)}
    queue.recover(last=9, total_bytes=90, waiting=3)
    consumer = Consumer(10)
    queue.join(consumer, NOW)
    assert sequences(consumer) == [3, 4, 7]
    assert queue.claim(1) == 10


def test_draining_takes_the_unread_backlog_too_and_it_can_be_taken_back() -> None:
    queue, disk = make()
    disk.rows = {n: Entry(n, 0, 10, None) for n in range(1, 3001)}
    queue.recover(last=3000, total_bytes=0, waiting=3000)
    queue.join(Consumer(1), NOW)
    drained = queue.drain()
    assert (len(drained.entries), drained.unread) == (PAGE - 1, 3000 - PAGE)
    empty = Consumer(1)
    queue.join(empty, NOW)
    assert empty.taken == []
    assert queue.refill(drained.after, drained.upto, NOW) == 3000 - PAGE
    assert sequences(empty) == [PAGE + 1]


def test_what_is_taken_back_of_a_drained_backlog_has_no_more_memory_than_anything_else() -> None:
    memory, disk = Memory(100), Disk()
    queue = Queue(1, "q", memory, disk)
    disk.rows = {n: Entry(n, 0, 10, None) for n in range(1, 31)}
    queue.recover(last=30, total_bytes=300, waiting=30)
    drained = queue.drain()
    disk.broken_at = 2
    with pytest.raises(JournalError):
        queue.refill(drained.after, drained.upto, NOW)
    assert memory.used == 0
    queue.refill(drained.after, drained.upto, NOW)
    consumer = Consumer(30)
    queue.join(consumer, NOW)
    assert memory.used == sum(entry.size for entry in consumer.taken if entry.message is not None) == 100
    queue.removed(consumer.taken)
    assert memory.used == 0


def test_memory_is_even_whatever_happens() -> None:
    """What is counted when a body is kept is uncounted when it goes, in any order of events."""
    rng = random.Random(7)
    memory = Memory(5_000)
    disk = Disk()
    queue = Queue(1, "q", memory, disk)
    held: list[Taker] = []
    for _ in range(400):
        match rng.randrange(4):
            case 0:
                put(queue, disk, rng.randrange(1, 40), size=rng.randrange(1, 60))
            case 1:
                held.append(Consumer(rng.randrange(1, 30)))
                queue.join(held[-1], NOW)
            case 2 if held:
                taker = held.pop(rng.randrange(len(held)))
                queue.leave(taker)
                queue.give_back(taker.taken, NOW)
            case _ if held:
                taker = held.pop(rng.randrange(len(held)))
                queue.leave(taker)
                queue.removed(taker.taken)
                for entry in taker.taken:
                    del disk.rows[entry.sequence]
    for taker in held:
        queue.leave(taker)
        queue.give_back(taker.taken, NOW)
    last = Consumer(queue.waiting)
    queue.join(last, NOW)
    assert sequences(last) == sorted(disk.rows)
    assert memory.used == sum(entry.size for entry in last.taken if entry.message is not None)
    queue.removed(last.taken)
    assert (memory.used, queue.waiting) == (0, 0)


def test_a_deleted_queue_sends_everybody_on_with_what_they_have() -> None:
    memory, disk = Memory(100), Disk()
    queue = Queue(1, "q", memory, disk)
    put(queue, disk, 1)
    consumer = Consumer(5)
    queue.join(consumer, NOW)
    queue.end()
    assert consumer.is_full
    queue.give_back(consumer.taken, NOW)
    assert memory.used == 0
    late = Consumer(1)
    queue.join(late, NOW)
    assert late.taken == []
