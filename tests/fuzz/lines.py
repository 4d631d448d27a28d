"""The command lines that meet a hostile server, and which of its methods each may call."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """`endless` when it goes on until it is told to end."""

    line: str
    methods: tuple[str, ...]
    endless: bool
    stdin: bytes


_INPUTS = {
    "": b"",
    "lines": b"one\ntwo\n\nthree",
    "records": b'{"body":"one","tags":{"a":"b"}}\n{"body_base64":"/w=="}\n',
    "kept": b'{"channel":"q","body":"one","timestamp":"2024-05-31T08:30:00Z"}\n{"body":"nowhere"}\n',
    "acks": b"extend 30s\nack\nnext\nreject\n",
    "changes": b'modify {"body":"x"}\nnext\nresend q2\n',
}

# Methods, `< input` where stdin holds some, `~` for what is endless, and the line behind a colon.
_TABLE = r"""
Ping: ping
Ping: ping --count 2 --interval 1ms -o human
SendQueueMessage: queue send q body --metadata m --tag a=b
SendQueueMessage: queue send q body -o json --retry 1
SendQueueMessagesBatch < lines: queue send q --lines
SendQueueMessagesBatch < records: queue send q --json-lines -o json --failed failed --unknown unknown
SendQueueMessagesBatch < lines: queue send q --lines --retry 1 -o human
QueuesDownstream QueuesInfo ReceiveQueueMessages: queue receive q --wait 100ms
QueuesDownstream QueuesInfo ReceiveQueueMessages: queue receive q --count 3 --wait 100ms -o json
QueuesDownstream QueuesInfo ReceiveQueueMessages: queue receive q --all -o human
QueuesDownstream QueuesInfo ReceiveQueueMessages: queue receive q --all --ack auto -o yaml
QueuesDownstream QueuesInfo ReceiveQueueMessages: queue receive q --follow --for 300ms -o json
QueuesDownstream QueuesInfo: queue receive q --count 2 --wait 100ms --format {id}\t{policy}\t{tags}\t{body}
QueuesDownstream QueuesInfo: queue receive q --all --on-fail reject -- true
QueuesDownstream QueuesInfo: queue receive q --count 2 --wait 100ms --on-fail resend=other -- false
QueuesDownstream QueuesInfo ReceiveQueueMessages: queue peek q --wait 100ms
QueuesDownstream QueuesInfo ReceiveQueueMessages: queue peek q --all -o json
AckAllQueueMessages QueuesInfo: queue ack-all q --yes -o json
StreamQueueMessage: queue tx q --visibility 1s --wait 100ms --ack -o json
StreamQueueMessage: queue tx q --visibility 1s --wait 100ms --reject -o human
StreamQueueMessage: queue tx q --visibility 1s --wait 100ms --resend other
StreamQueueMessage: queue tx q --visibility 1s --wait 100ms --modify --body new --to other
StreamQueueMessage < acks: queue tx q --visibility 1s --wait 100ms -o json
StreamQueueMessage < changes: queue tx q --visibility 1s --wait 100ms
StreamQueueMessage: queue tx q --visibility 1s --wait 100ms -- true
QueuesDownstream QueuesInfo SendQueueMessagesBatch: queue move q other --all
QueuesDownstream QueuesInfo: queue move q other --all --dry-run --where tags[a]=b -o json
QueuesDownstream QueuesInfo SendQueueMessagesBatch: queue move q other --count 2 --max-receives 3
QueuesDownstream QueuesInfo SendQueueMessagesBatch ReceiveQueueMessages Ping: queue copy q other --all
QueuesDownstream QueuesInfo ReceiveQueueMessages: queue peek q --all --where body.a=1 --decode gzip -o json
SendQueueMessagesBatch < kept: queue send --json-lines --keep-channel --pace 100x -o json
QueuesInfo: queue list -o json
QueuesInfo: queue list -o human
QueuesInfo: queue info q -o yaml
SendEvent: events pub e body
SendEventsStream < lines: events pub e --lines -o json
SendEventsStream < lines: store pub e --lines
SendEvent: store pub e body -o json
SubscribeToEvents Ping ~: events sub e -o json
SubscribeToEvents Ping ~: events sub e --count 1 --no-reconnect
SubscribeToEvents Ping: store sub e --from first --until now -o json
SubscribeToEvents Ping ~: store sub e --from first --for 300ms -o human
SubscribeToEvents Ping ~: store sub e --from 3 --until 5
SubscribeToEvents Ping ~: store sub e --from 1h --checkpoint checkpoint --idle 100ms
SubscribeToEvents Ping ~: store sub e --durable me --count 2 -o json
SendRequest: cmd send c body --timeout 100ms
SendRequest: query send c body --timeout 100ms -o json
SendRequest: query send c body --timeout 100ms -o human
SendRequest < lines: query send c --lines --concurrency 2 --timeout 100ms -o json
SendRequest < records: cmd send c --json-lines --timeout 100ms
SubscribeToRequests SendResponse Ping ~: cmd respond c --ok -o json
SubscribeToRequests SendResponse ~: query respond c --echo --count 2 --no-reconnect
SubscribeToRequests SendResponse ~: query respond c --count 1 -o human -- cat
SendRequest QueuesInfo: channel list -o json
SendRequest QueuesInfo: channel list queues -o human
SendRequest QueuesInfo: channel create queues q
SendRequest QueuesInfo: channel delete queues q --yes
SendRequest QueuesInfo: top --interval 100ms -o json
SendRequest QueuesInfo: top --interval 100ms -o human
Ping SendRequest QueuesInfo: doctor -o json
Ping SendRequest QueuesInfo: doctor -o human
QueuesInfo: __complete queues q
SendRequest: __complete events e
"""


def _command(row: str) -> Command:
    head, _, line = row.partition(": ")
    methods, _, stdin = head.partition(" < ")
    words = methods.split()
    return Command(line, tuple(word for word in words if word != "~"), "~" in words, _INPUTS[stdin])


COMMANDS = [_command(row) for row in _TABLE.strip().splitlines()]
