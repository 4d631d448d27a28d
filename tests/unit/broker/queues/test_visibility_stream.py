"""A held message when things go wrong: a journal that fails, a queue that is deleted, a broker that ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from kubemqctl.broker.queues.state import BrokerState
from kubemqctl.broker.queues.visibility_stream import VisibilityStream
from kubemqctl.broker.storage.journal import JournalError, NoJournal, nothing
from kubemqctl.broker.storage.schema import Change
from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.raw_grpc import Stub
from tests.support.server import start_broker
from tests.support.waiting import until

NOW = 1_700_000_000_000_000_000


class Failing(NoJournal):
    """Refuses every write while `full`."""

    full = False

    def write(
        self,
        changes: list[Change],
        then: Callable[[], None] = nothing,
        otherwise: Callable[[], None] = nothing,
    ) -> asyncio.Future[None]:
        if not self.full:
            return super().write(changes, then, otherwise)
        otherwise()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_exception(JournalError("database or disk is full"))
        done.exception()
        return done


class Conversation:
    """A stream without a network."""

    def __init__(self, state: BrokerState) -> None:
        self._requests: asyncio.Queue[pb.StreamQueueMessagesRequest] = asyncio.Queue()
        self._answers: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.task = asyncio.ensure_future(VisibilityStream(state, self._answer).serve(self._asked()))

    async def _answer(self, request: pb.StreamQueueMessagesRequest, error: str, message: bytes) -> None:
        self._answers.put_nowait((error, message))

    async def _asked(self) -> AsyncIterator[pb.StreamQueueMessagesRequest]:
        while True:
            yield await self._requests.get()

    def say(self, kind: pb.StreamRequestType, **fields: object) -> None:
        given = {"ClientID": "c", "StreamRequestTypeData": kind, **fields}
        self._requests.put_nowait(pb.StreamQueueMessagesRequest(**given))  # type: ignore[arg-type]

    async def hear(self) -> tuple[str, bytes]:
        return await asyncio.wait_for(self._answers.get(), 5)

    async def ask(self, kind: pb.StreamRequestType, **fields: object) -> tuple[str, bytes]:
        self.say(kind, **fields)
        return await self.hear()

    async def cancel(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


def play(scene: Callable[[BrokerState, Failing], Awaitable[None]]) -> None:
    async def main() -> None:
        journal = Failing()
        state = BrokerState(journal, lambda: NOW)
        await state.send([pb.QueueMessage(ClientID="c", Channel="q", Body=b"x")])
        await scene(state, journal)
        await state.close()

    asyncio.run(main())


async def held(state: BrokerState) -> Conversation:
    stream = Conversation(state)
    error, message = await stream.ask(pb.ReceiveMessage, Channel="q")
    assert not error
    assert pb.QueueMessage.FromString(message).Body == b"x"
    return stream


async def what_is_there(state: BrokerState) -> tuple[int, int]:
    """Sequence and receive count of the message that comes next."""
    error, message = await Conversation(state).ask(pb.ReceiveMessage, Channel="q")
    assert not error
    attributes = pb.QueueMessage.FromString(message).Attributes
    return attributes.Sequence, attributes.ReceiveCount


def test_a_decision_that_cannot_be_written_leaves_the_message_in_its_place() -> None:
    async def scene(state: BrokerState, journal: Failing) -> None:
        for kind, fields in (
            (pb.AckMessage, {"RefSequence": 1}),
            (pb.RejectMessage, {"RefSequence": 1}),
            (pb.ResendMessage, {"Channel": "other"}),
        ):
            stream = await held(state)
            journal.full = True
            error, _ = await stream.ask(kind, **fields)
            assert error == "the journal failed: database or disk is full"
            await stream.task
            journal.full = False
        assert await what_is_there(state) == (1, 1)

    play(scene)


def test_a_stream_that_ends_while_nothing_can_be_written_leaves_it_in_its_place() -> None:
    async def scene(state: BrokerState, journal: Failing) -> None:
        stream = await held(state)
        journal.full = True
        await stream.cancel()
        journal.full = False
        assert await what_is_there(state) == (1, 1)

    play(scene)


def test_a_stream_that_is_cut_off_puts_its_message_at_the_tail() -> None:
    async def scene(state: BrokerState, journal: Failing) -> None:
        await (await held(state)).cancel()
        assert await what_is_there(state) == (2, 2)

    play(scene)


def test_a_queue_that_is_deleted_under_a_wait_ends_it() -> None:
    async def scene(state: BrokerState, journal: Failing) -> None:
        stream = Conversation(state)
        stream.say(pb.ReceiveMessage, Channel="empty", WaitTimeSeconds=60)
        while "empty" not in state.queues:
            await asyncio.sleep(0)
        await state.delete_queue(state.queues["empty"])
        error, _ = await stream.hear()
        assert error.startswith("Error 138")
        await stream.task

    play(scene)


def test_nothing_is_left_in_line_when_a_stream_has_ended() -> None:
    async def scene(state: BrokerState, journal: Failing) -> None:
        stream = await held(state)
        assert await stream.ask(pb.AckMessage, RefSequence=1) == ("", b"")
        await stream.task
        queue = state.queue("q")
        assert (queue.takers, queue.waiting) == (0, 0)

    play(scene)


def test_a_modified_message_may_be_delayed() -> None:
    async def scene(state: BrokerState, journal: Failing) -> None:
        stream = await held(state)
        modified = pb.QueueMessage(ClientID="c", Channel="q", Body=b"y")
        modified.Policy.DelaySeconds = 60
        assert await stream.ask(pb.SendModifiedMessage, ModifiedMessage=modified) == ("", b"")
        assert state.queue("q").waiting == 0

    play(scene)


def test_a_broker_that_is_told_to_end_puts_what_is_held_at_the_tail_and_counts(
    new_broker: NewBroker, tmp_path: Path
) -> None:
    assert _after_an_end(new_broker, tmp_path, kill=False) == (2, 2)


def test_a_broker_that_is_killed_still_has_what_was_held_in_its_place(
    new_broker: NewBroker, tmp_path: Path
) -> None:
    assert _after_an_end(new_broker, tmp_path, kill=True) == (1, 1)


def _after_an_end(new_broker: NewBroker, folder: Path, kill: bool) -> tuple[int, int]:
    """Sequence and receive count of a message that was held when the broker ended, after its restart."""
    data = folder / "data"
    first = new_broker("--data", data)
    with Stub(first.address) as stub:
        stub.send("q", "x")
        stream = stub.exchange("StreamQueueMessage")
        request = pb.StreamQueueMessagesRequest(
            ClientID="c", StreamRequestTypeData=pb.ReceiveMessage, Channel="q"
        )
        assert stream.ask(request).Message.Body == b"x"
        assert first.process
        if kill:
            first.process.kill()
        else:
            first.stop()
    again = start_broker(folder, "--data", data)
    try:
        with Stub(again.address) as stub:
            until(lambda: stub.info("q").Info.Waiting, "the message is there")
            (message,) = stub.receive("q", 1, wait=5).Messages
    finally:
        again.stop()
    return message.Attributes.Sequence, message.Attributes.ReceiveCount
