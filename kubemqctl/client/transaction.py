"""StreamQueueMessage: one message, held by one stream for as long as its visibility lasts.

Every decision waits for its answer: a stream that ends right behind an ack loses it. Seconds everywhere.

Server 2.4.0 ends the stream, with the status OK, once the message is settled, once its visibility or the
wait for it is over. When it is busy it does so, one time in 50, before its last answer has gone out: then
that end is the answer. Shutting down it may end it so too, having refused; then it refuses a peek as well.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from kubemqctl.client.connection import CALL_TIMEOUT, Client
from kubemqctl.client.error_translation import server_error
from kubemqctl.client.queues import peek
from kubemqctl.model.errors import ConnectionLost, KubemqctlError, NothingArrived, TimedOut
from kubemqctl.model.limits import MIN_GET_WAIT
from kubemqctl.model.messages import Message, Received
from kubemqctl.wire import convert
from kubemqctl.wire import kubemq_pb2 as pb

EXPIRED = "visibility-expired"
# A stream that ends in good order so many seconds before a time is over was not ended by that.
EARLY = 0.5


class Transaction:
    """One stream, opened with `receive`. `notify` is called in another thread when `look` has news.

    After a decision, and after any error but a refusal of the server, nothing is held any more.
    """

    def __init__(self, client: Client, notify: Callable[[], None]) -> None:
        self._client = client
        self._stream = client.stream("StreamQueueMessage", notify)
        self._requests = 0
        self._sequence = 0
        self._extending: dict[str, float] = {}
        self.visible_until = math.inf
        """When the visibility runs out as far as is known, on the monotonic clock."""

    def close(self) -> None:
        """End the stream. What it still holds goes to the tail of its queue, counted."""
        self._stream.__exit__()

    def receive(self, channel: str, visibility: int, wait: int) -> None:
        """Ask for a message; `look` brings it."""
        self._channel = channel
        self._visibility = visibility
        self._waits_until = time.monotonic() + wait
        self._send(pb.ReceiveMessage, Channel=channel, VisibilitySeconds=visibility, WaitTimeSeconds=wait)

    def look(self) -> Received | None:
        """The message, if it came since the last look. Raises what ended the stream meanwhile."""
        while self._stream.has_news:
            try:
                answer = self._stream.answer(CALL_TIMEOUT)
            except ConnectionLost as e:
                raise self._end(e) from e
            self._note(answer)
            if answer.HasField("Message"):
                return self._hold(convert.received(answer.Message))
        return None

    def _hold(self, message: Received) -> Received:
        self._sequence = message.sequence
        self.visible_until = time.monotonic() + self._visibility
        return message

    # --- deciding ---

    def ack(self) -> None:
        """Settle it for good."""
        self._ask(pb.AckMessage, RefSequence=self._sequence)

    def reject(self) -> None:
        """Send it to the tail of its queue, counted, or where its policy says."""
        self._ask(pb.RejectMessage, RefSequence=self._sequence)

    def resend(self, channel: str) -> None:
        """Move it to another queue, as a new message."""
        self._ask(pb.ResendMessage, Channel=channel)

    def modify(self, message: Message) -> None:
        """Send `message` in its place."""
        self._ask(
            pb.SendModifiedMessage, ModifiedMessage=convert.queue_message(message, self._client.client_id)
        )

    def extend(self, seconds: int) -> None:
        """Hold it for `seconds` more, from now."""
        until = time.monotonic() + seconds
        self._ask(pb.ModifyVisibility, VisibilitySeconds=seconds)
        self.visible_until = until

    def begin_extending(self, seconds: int) -> None:
        """The same without waiting; `look` takes the answer."""
        until = time.monotonic() + seconds
        self._extending[self._send(pb.ModifyVisibility, VisibilitySeconds=seconds)] = until

    # --- requests and answers ---

    def _send(self, kind: pb.StreamRequestType, **fields: object) -> str:
        self._requests += 1
        request_id = str(self._requests)
        self._stream.send(
            pb.StreamQueueMessagesRequest(
                RequestID=request_id,
                ClientID=self._client.client_id,
                StreamRequestTypeData=kind,
                **fields,  # type: ignore[arg-type]
            )
        )
        return request_id

    def _ask(self, kind: pb.StreamRequestType, **fields: object) -> None:
        request_id = self._send(kind, **fields)
        deadline = time.monotonic() + CALL_TIMEOUT
        while True:
            try:
                answer = self._stream.answer(max(0.0, deadline - time.monotonic()))
            except ConnectionLost as e:
                if kind != pb.ModifyVisibility and self._was_done():
                    return
                raise self._end(e) from e
            self._note(answer)
            if answer.RequestID == request_id:
                return

    def _was_done(self) -> bool:
        """Whether a stream that ended without an answer is one: in time, and the server serves on."""
        if not (self._stream.ended_well and self._is_visible):
            return False
        try:
            peek(self._client, self._channel, 1, MIN_GET_WAIT)
        except KubemqctlError:
            return False
        return True

    def _note(self, answer: pb.StreamQueueMessagesResponse) -> None:
        """Raise the error that `answer` tells; a visibility that ran out has the id of any request."""
        until = self._extending.pop(answer.RequestID, None)
        if answer.IsError:
            raise self._error(answer.Error)
        if until is not None:
            self.visible_until = until

    @property
    def _is_visible(self) -> bool:
        return time.monotonic() < self.visible_until - EARLY

    def _end(self, error: ConnectionLost) -> KubemqctlError:
        """What a stream that has ended tells."""
        if not self._stream.ended_well:
            return error
        if not self._sequence:
            is_early = time.monotonic() < self._waits_until - EARLY
            return error if is_early else NothingArrived(error.message)
        return error if self._is_visible else TimedOut("the visibility ran out", code=EXPIRED)

    def _error(self, text: str) -> KubemqctlError:
        error = server_error(text)
        if error.code == EXPIRED and not self._sequence:
            # Only expired messages came: server 2.4.0 then waits for as long as the visibility.
            return NothingArrived(error.message, server_message=text)
        return error
