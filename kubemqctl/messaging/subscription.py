"""A subscription that stays alive: for everything that subscribes or responds.

One loop waits for what the server sends, for signals, for the reader of our output to leave and for the
time to be up. A lost connection is regained with growing, jittered pauses. One that is dead without saying
so is found by a Ping on the same connection: HTTP/2 keepalive would get us disconnected by server 2.4.0.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from kubemqctl.config import files
from kubemqctl.messaging.heartbeat import TIMING, Heartbeat, SubscriptionCalls, Timing
from kubemqctl.model.errors import PASSING, KubemqctlError, ReaderGone
from kubemqctl.model.limits import STILL
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.waiting import Backoff, StopSignal, Wakeup, milliseconds

if TYPE_CHECKING:
    from kubemqctl.client.feed import Feed


T = TypeVar("T")

# A wait that ends so much later than it was to end: we were stopped meanwhile, or the machine was. Seconds.
LATE = 1.0


class TimeLimits(NamedTuple):
    """When to end by oneself, in seconds: since the last arrival, and in all since the run was live."""

    idle: float | None = None
    lasting: float | None = None


NO_LIMITS = TimeLimits()


class LiveSubscription(Generic[T]):
    """Iterates over what arrives, in lists that are often empty: each is a chance to look at something else.

    `ready_file` is written when it is first live; whoever names it takes an old one away at the start.
    `is_tracked` is whether stored events are read that nobody else gets. With `gather`, what comes close
    behind something else is waited for so long (seconds): a turn for each costs more than all the rest.

    Ends on a signal and when the time is up. Raises what cannot be regained, and ReaderGone when the reader
    of `out` has left. A context manager.
    """

    def __init__(
        self,
        calls: SubscriptionCalls,
        stop: StopSignal,
        note: Callable[[str], None],
        *,
        limits: TimeLimits = NO_LIMITS,
        reconnect: bool = True,
        ready_file: str | None = None,
        again: str = "connected again",
        on_live: Callable[[], None] = lambda: None,
        out: Stdout | None = None,
        timing: Timing = TIMING,
        is_filtered: bool = False,
        connect_wait: float = 0.0,
        gather: float = 0.0,
        is_tracked: bool = False,
    ) -> None:
        self.outages = 0
        self.live_since: float | None = None  # of the subscription that is open; monotonic seconds
        self.due: float | None = None  # when the user of this wants an empty list at the latest
        self.time_is_over = False  # the limit of the whole run has ended it
        self.busy = False  # what came is still being worked on: that is not idle
        self._calls = calls
        self._stop = stop
        self._note = note
        self._limits = limits
        self._may_reconnect = reconnect
        self._ready_file = ready_file
        self._again_text = again
        self._on_live = on_live
        self._timing = timing
        self._out_fd = out.watch_fd if out else None
        self._wakeup = Wakeup()
        self._feed: Feed[object] | None = None
        self._heartbeat = Heartbeat(calls, timing, self._wakeup.notify)
        self._began: float | None = None
        self._last = 0.0  # when something last came; monotonic seconds
        self._is_filtered = is_filtered
        self._connect_wait = connect_wait
        self._gather = gather
        self._is_tracked = is_tracked
        self._flows = False  # the last list was not empty
        self._last_match = 0.0  # when something last came that counts for --idle
        self._error: KubemqctlError | None = None
        self._drained = False
        self._hold = False
        self._backoff = Backoff(timing.first_pause, timing.longest_pause)

    def __enter__(self) -> LiveSubscription[T]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._feed:
            self._feed.close()
        self._wakeup.close()

    def wake(self) -> None:
        """Have an empty list come soon; from any thread."""
        self._wakeup.notify()

    @property
    def hold(self) -> bool:
        """Whether to take nothing for now: what comes then waits here and with the server."""
        return self._hold

    @hold.setter
    def hold(self, wanted: bool) -> None:
        if self._hold and not wanted:
            self._wakeup.notify()
        self._hold = wanted

    @property
    def was_live(self) -> bool:
        """Whether it ever went live."""
        return self._began is not None

    @property
    def quiet_since(self) -> float | None:
        """When something last came, or it went live; monotonic seconds, None while it is not live."""
        return None if self.live_since is None else self._last

    @property
    def was_stalled(self) -> bool:
        """Whether the subscription waited for us so long that a server may have dropped something."""
        return self._feed is not None and self._feed.stalled

    def matched(self) -> None:
        """Something that is wanted was among what came; where all is, this is known without."""
        self._last_match = time.monotonic()

    @property
    def is_announced(self) -> bool:
        """Whether the server has said that a stored event is on its way, however long that takes.

        The built-in broker tells how many there are, server 2.4.0 sends headers as soon as it has one: that
        is believed until nothing at all has come for a while. Of a group others may get them.
        """
        if not self._is_tracked or self._feed is None or self._feed.signed is None:
            return False
        if self._feed.stored is not None:
            return self._came < self._feed.stored
        return not self._came and self._heartbeat.still < STILL

    def reopen(self) -> None:
        """Subscribe anew on the same connection, at once."""
        if self._feed:
            self._feed.close()
            try:
                self._open()
            except PASSING as e:
                self._lose(e)

    def drain(self) -> None:
        """Receive no more; empty lists go on coming, until a signal or --for ends them."""
        self._drained = True
        if self._feed:
            self._feed.close()

    def finish(self) -> list[T]:
        """Receive no more; gives what has come and was not taken: a server sends it to nobody else."""
        feed, self._feed = self._feed, None
        return feed.finish() if feed else []  # type: ignore[return-value]

    def __iter__(self) -> Iterator[list[T]]:
        self._tried_first = time.monotonic()
        self._open()
        while not self._stop and not self._is_over():
            self._wait()
            yield self._arrived()  # type: ignore[misc]

    # --- what arrives ---

    def _open(self) -> None:
        self.live_since = None
        self._came = 0
        self._feed = self._calls.open(self._wakeup.notify)
        self._heartbeat.restart()

    def _arrived(self) -> list[object]:
        """What has come; an empty list also while there is no connection."""
        if self._drained:
            return []
        try:
            if self._feed is None:
                self._try_again()
                return []
            items = [] if self._hold else self._feed.take()
            self._flows = bool(items)
            self._came += len(items)
            now = time.monotonic()
            if items or self._hold or self.busy:
                self._last = now
            if not self._is_filtered or self._hold or self.busy:
                self._last_match = self._last
            self._heartbeat.look(now, alive=bool(items))
        except PASSING as e:
            self._lose(e)
            return []
        if self.live_since is None:
            at = now if items else self._live_at()
            if at is not None and now >= at:
                self._went_live(now)
        return items

    def _live_at(self) -> float | None:
        """When the open subscription is live, if nothing contradicts; None while that is not known."""
        if self._feed and self._feed.signed is not None:
            return self._feed.signed + self._timing.refusal
        return None if self._heartbeat.answered is None else self._heartbeat.answered + self._timing.sign

    def _went_live(self, now: float) -> None:
        self.live_since = self._last = self._last_match = now
        self._heartbeat.calm(now)
        if self._error:
            self._error = None
            if self._began is not None:
                self._note(self._again_text)
        if self._began is None:
            self._began = now
            if self._ready_file is not None:
                files.write_ready_file(self._ready_file)
            self._on_live()

    # --- a lost connection ---

    def _lose(self, error: KubemqctlError) -> None:
        """Begin, or go on, to try again; raises `error` where that is not wanted."""
        now = time.monotonic()
        if not self._may_try_again(error, now):
            raise error
        if self._error is None:
            self.outages += self._began is not None
            self._lost_at = now
            if self._began is not None:
                self._note(f"{error.message}; connecting again")
        self._error = error
        if self._feed:
            self._feed.close()
            self._feed = None
        # One that a server ends again and again as soon as it is live is not regained any faster for that.
        if self.live_since is not None and now - self.live_since >= self._timing.longest_pause:
            self._backoff.reset()
        self.live_since = None
        self._again = now + self._backoff.pause()

    def _may_try_again(self, error: KubemqctlError, now: float) -> bool:
        if self._began is None:
            if error.code == "token-renewed":
                return True
            # Servers keep an id for half a second after its subscription has ended.
            in_use = error.code == "client-id-in-use"
            wait = max(self._timing.id_in_use if in_use else 0.0, self._connect_wait)
            return now < self._tried_first + wait
        return self._may_reconnect

    def _try_again(self) -> None:
        if time.monotonic() >= self._again:
            self._calls.reconnect()
            self._open()

    # --- time ---

    def _is_over(self) -> bool:
        end = self._end()
        now = time.monotonic()
        if end is None or now < end:
            return False
        lasting = self._limits.lasting
        self.time_is_over = lasting is not None and self._began is not None and now >= self._began + lasting
        if self._error and not self._drained:
            raise self._error
        return True

    def _end(self) -> float | None:
        """When the limits end the run, as far as is known now."""
        if self._began is None:
            return None
        idle, lasting = self._limits
        ends = [] if lasting is None else [self._began + lasting]
        if self._drained:
            return min(ends, default=None)
        if idle is not None and self._error:
            ends.append(self._lost_at + max(idle, self._timing.regain))
        elif idle is not None and self.live_since is not None and not (self.busy or self.is_announced):
            ends.append(self._last_match + idle)
        return min(ends, default=None)

    def _wait(self) -> None:
        """Wait for news, a signal, or the next thing that is due."""
        if self._flows and self._gather:
            self._stop.wait(self._gather)
        dues = [at for at in (*self._next_steps(), self._end(), self.due) if at is not None]
        poll = select.poll()
        poll.register(self._wakeup.fd, select.POLLIN)
        poll.register(self._stop.fd, select.POLLIN)
        if self._out_fd is not None:
            # Asked for no events, poll(2) still tells that the reader has hung up.
            poll.register(self._out_fd, 0)
        began = time.monotonic()
        until = max(began, min(dues, default=math.inf))
        news = poll.poll(milliseconds(until - began) if dues else None)
        if time.monotonic() > until + LATE:
            # That was no silence: what came meanwhile is still to be read.
            self._last = self._last_match = time.monotonic()
        if any(fd == self._out_fd for fd, _ in news):
            raise ReaderGone()
        self._wakeup.clear()

    def _next_steps(self) -> list[float | None]:
        if self._drained:
            return []
        if self._feed is None:
            return [self._again]
        return [self._heartbeat.next, self._live_at() if self.live_since is None else None]
