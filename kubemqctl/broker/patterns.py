"""The patterns beside queues, put together: events, stored events, commands and queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubemqctl.broker import service_events, service_requests
from kubemqctl.broker.channels import Channels
from kubemqctl.broker.core import Core
from kubemqctl.broker.eventlog import DiskLog, EventLog, MemoryLog
from kubemqctl.broker.events import Events
from kubemqctl.broker.journal import NoJournal, SqliteJournal
from kubemqctl.broker.requests import Requests
from kubemqctl.broker.store import KIND, Store

if TYPE_CHECKING:
    from kubemqctl.broker.service import Handlers


class Patterns:
    """Made when `core` has recovered; `end`, then `close` when nobody calls any more."""

    def __init__(self, core: Core) -> None:
        self.events = Events(core.clock)
        self.store = Store(_log(core), core.clock, core.new_number)
        self.requests = Requests(core.clock)
        self.channels = Channels(core, self.events, self.store, self.requests)
        for key in [key for key in core.names if key[0] == KIND]:
            self.store.recover(core.names.pop(key))

    def handlers(self) -> Handlers:
        """The method table of all of them."""
        return {
            **service_events.event_handlers(self.events, self.store),
            **service_requests.request_handlers(self.requests, self.channels),
        }

    def end(self, reason: str) -> None:
        """Send everybody away who listens or waits for an answer."""
        self.events.listeners.end(reason)
        self.store.end(reason)
        self.requests.end(reason)

    async def close(self) -> None:
        """Bring to the journal what is on its way there."""
        await self.store.close()


def _log(core: Core) -> EventLog:
    journal = core.journal
    if isinstance(journal, SqliteJournal):
        return DiskLog(journal)
    assert isinstance(journal, NoJournal)
    return MemoryLog(journal)
