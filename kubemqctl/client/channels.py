"""Listing, creating and deleting channels: queries to a channel of the server's own, answered in JSON.

The commercial server answers these and the community server does not: there the query takes its whole
timeout. So one short question goes first, and nothing that changes anything is sent before it was answered.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubemqctl.client import connection, queues
from kubemqctl.client.connection import Client
from kubemqctl.client.error_translation import server_error
from kubemqctl.model.channels import CHANNEL_TYPES, ChannelInfo, ChannelType, Sample
from kubemqctl.model.errors import (
    AuthError,
    InvalidRequest,
    KubemqctlError,
    NotFound,
    NotReady,
    RecordError,
    TimedOut,
    Unsupported,
)
from kubemqctl.model.limits import LARGEST
from kubemqctl.model.record_parser import parse
from kubemqctl.wire import convert
from kubemqctl.wire import kubemq_pb2 as pb

CHANNEL = "kubemq.cluster.internal.requests"

# How long a server has to say whether it answers at all, and then to answer: seconds.
PROBE = 1.2
TIMEOUT = 10.0
MARGIN = 0.3
# Between tries while the server collects what its cluster knows: seconds.
PAUSES = (0.5, 1.0, 2.0)


def check_answered(client: Client) -> None:
    """Raise Unsupported within two seconds when this server does not answer channel requests."""
    try:
        _ask(client, "list-channels", {"channel_type": "queues", "channel_search": client.client_id}, PROBE)
    except (NotReady, InvalidRequest, NotFound):
        return  # an answer, too
    except Unsupported as e:
        raise _lacking(e) from e
    except TimedOut as e:
        connection.ping(client, PROBE)  # a server that answers nothing at all is another matter
        raise _lacking(e) from e
    except KubemqctlError as e:
        if e.grpc_status != "OK" or isinstance(e, AuthError):
            raise


def _lacking(error: KubemqctlError) -> Unsupported:
    return Unsupported(
        "this server does not support channel requests",
        hint="KubeMQ's community server lacks them: there channels are made by their first use, "
        "`kubemqctl queue ack-all` empties a queue, and `kubemqctl queue list` shows all queues",
        grpc_status=error.grpc_status,
        server_message=error.server_message,
    )


class Survey:
    """Tells a server's channels of these types, as often as wanted.

    `is_partial` once the server has shown that it does not answer channel requests: its queues alone are
    told then.
    """

    def __init__(self, client: Client, kinds: Sequence[ChannelType]) -> None:
        self.is_partial = False
        self._client = client
        self._kinds = kinds
        self._is_known = False

    def read(self) -> list[Sample]:
        """The channels with their counters, by type and name.

        Raises Unsupported when the server cannot tell, NotReady when it goes on being unable to. Its own
        search is not used: what that matches differs between servers.
        """
        if not self._is_known:
            self.is_partial = not self._answers()
            self._is_known = True
        if self.is_partial:
            return _queues(self._client)
        found = [sample for kind in self._kinds for sample in _of_type(self._client, kind)]
        return merged(found, _more(self._client)) if "queues" in self._kinds else found

    def start_over(self) -> None:
        """Another server may answer now."""
        self._is_known = False

    def _answers(self) -> bool:
        try:
            check_answered(self._client)
        except Unsupported:
            if "queues" not in self._kinds:
                raise
            return False
        return True


def names(client: Client, kind: ChannelType, timeout: float) -> list[str]:
    """The names of the channels of a type, by one call: it is to be quick. `timeout` in seconds.

    Queues as QueuesInfo shows them; the others of servers that answer channel requests.
    """
    if kind == "queues":
        return [info.name for info in queues.infos(client)]
    found = _ask(client, "list-channels", {"channel_type": kind, "channel_search": ""}, timeout)
    return [sample.info.name for sample in samples(found, kind)]


def create(client: Client, kind: ChannelType, name: str) -> None:
    """Make a channel; one that is there already stays as it is. Raises what the server refuses it for."""
    _patiently(lambda: _ask(client, "create-channel", {"channel_type": kind, "channel": name}, TIMEOUT))


def delete(client: Client, kind: ChannelType, name: str) -> None:
    """Delete a channel and all that is in it. Raises NotFound when the server says that there is none."""
    _patiently(lambda: _ask(client, "delete-channel", {"channel_type": kind, "channel": name}, TIMEOUT))


def _of_type(client: Client, kind: ChannelType) -> list[Sample]:
    tags = {"channel_type": kind, "channel_search": ""}
    return samples(_patiently(lambda: _ask(client, "list-channels", tags, TIMEOUT)), kind)


def _patiently(ask: Callable[[], bytes], pause: Callable[[float], None] = time.sleep) -> bytes:
    """What `ask` gives, asked again a few times while the server is not ready."""
    for seconds in PAUSES:
        try:
            return ask()
        except NotReady:
            pause(seconds)
    return ask()


def _ask(client: Client, what: str, tags: Mapping[str, str], timeout: float) -> bytes:
    """The body of the answer to one channel request; `timeout` in seconds."""
    request = pb.Request(
        RequestTypeData=pb.Request.Query,
        ClientID=client.client_id,
        Channel=CHANNEL,
        Metadata=what,
        Tags={"client_id": client.client_id, **tags},
        Timeout=round(timeout * 1000),
    )
    answer = client.call("SendRequest", request, timeout + MARGIN)
    if not answer.Executed or answer.Error:
        raise _refusal(answer.Error)
    return bytes(answer.Body)


def _refusal(text: str) -> KubemqctlError:
    error = server_error(text)
    words = text.lower()
    is_plain = type(error) in (KubemqctlError, InvalidRequest)
    if is_plain and ("not found" in words or "not exist" in words):
        hint = "to list all channels: kubemqctl channel list"
        return NotFound(error.message, hint=hint, server_message=text)
    return error


# --- what an answer says ---


def samples(body: bytes, kind: ChannelType) -> list[Sample]:
    """The channels that the JSON of an answer lists, by name.

    A figure of a wrong type counts as not told. Raises KubemqctlError for what is no list of named channels.
    """
    try:
        entries = parse(body) if body.strip() else []
    except RecordError as e:
        raise _nonsense(e.message) from None
    if not isinstance(entries, list | type(None)):
        raise _nonsense("it is not a list")
    found = [_sample(entry, kind, at) for at, entry in enumerate(entries or (), start=1)]
    return sorted(found, key=_place)


def _place(sample: Sample) -> tuple[int, str]:
    return CHANNEL_TYPES.index(sample.info.type), sample.info.name


def _nonsense(why: str) -> KubemqctlError:
    return KubemqctlError(
        f"the server's list of channels cannot be read: {why}",
        code="invalid-response",
        hint="check that this is the gRPC port of a KubeMQ server",
    )


def _sample(entry: object, kind: ChannelType, at: int) -> Sample:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(name, str) or not name:
        raise _nonsense(f"entry {at} has no channel name")
    came, went = _figures(entry, "incoming"), _figures(entry, "outgoing")
    active = entry.get("isActive")
    info = ChannelInfo(
        name=name,
        type=kind,
        messages=came.get("messages"),
        bytes=came.get("volume"),
        waiting=came.get("waiting") if kind == "queues" else None,
        active=active if isinstance(active, bool) else None,
        last_activity=_moment(entry.get("lastActivity")),
    )
    return Sample(info, came.get("messages"), went.get("messages"))


def _figures(entry: Mapping[str, Any], side: str) -> dict[str, int]:
    told = entry.get(side)
    if not isinstance(told, dict):
        return {}
    return {key: value for key, value in told.items() if type(value) is int and 0 <= value <= LARGEST}


def _moment(value: object) -> int | None:
    if type(value) is not int or not 0 < value <= LARGEST:
        return None
    return convert.unix_nanoseconds(value)


# --- queues: QueuesInfo knows more ---


def _queues(client: Client) -> list[Sample]:
    """All that a server without channel requests tells."""
    try:
        found = queues.infos(client)
    except Unsupported as e:
        e.message = "this server cannot list channels: it supports neither channel requests nor QueuesInfo"
        raise
    return [_counted(info) for info in sorted(found, key=lambda info: info.name)]


def _more(client: Client) -> list[Sample]:
    try:
        return _queues(client)
    except Unsupported:
        return []


def _counted(info: ChannelInfo) -> Sample:
    """A queue's counters: what left it is what came and does not wait."""
    came = info.last_sequence
    return Sample(info, came, None if came is None else max(0, came - (info.waiting or 0)))


def merged(listed: Sequence[Sample], told: Sequence[Sample]) -> list[Sample]:
    """`listed` with what QueuesInfo has `told` of its queues, and the queues that only QueuesInfo knows.

    Server 2.4.0 trims names there; such a name counts for the one queue that it can be of.
    """
    known = _unambiguous(told)
    names = {sample.info.name for sample in listed if sample.info.type == "queues"}
    trimmed = Counter(name.strip(queues.TRIMMED) for name in names)

    def shown_as(name: str) -> str:
        short = name.strip(queues.TRIMMED)
        return short if name not in known and short not in names and trimmed[short] == 1 else name

    whole = [_merged(s, known.get(shown_as(s.info.name))) if s.info.type == "queues" else s for s in listed]
    only = [s for name, s in known.items() if name not in names and name not in trimmed]
    return sorted([*whole, *only], key=_place)


def _unambiguous(told: Sequence[Sample]) -> dict[str, Sample]:
    """By name, without those that QueuesInfo shows several times."""
    times = Counter(sample.info.name for sample in told)
    return {sample.info.name: sample for sample in told if times[sample.info.name] == 1}


def _merged(sample: Sample, more: Sample | None) -> Sample:
    if more is None:
        return sample
    info, told = sample.info, more.info
    whole = told._replace(name=info.name, active=info.active, last_activity=info.last_activity)
    return Sample(whole, more.incoming, more.outgoing)
