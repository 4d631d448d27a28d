"""Hints for words that are no command or option of this program: what other tools call it, and typos.

A word that only looks at something in another tool is never answered with a command that takes messages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

# Of each command that sends, receives or deletes, a misspelling must be this close to be taken for it:
# `redrive` is 0.7 of `receive`.
CLOSE, CLOSE_ENOUGH = 0.75, 0.6
CHANGING = ("receive", "tx", "ack-all", "move", "create", "delete", "remove", "set", "run", "exec")

_PUBLISH = "events pub|store pub"
_SUBSCRIBE = "events sub|store sub"
_TAKE = "queue receive"
_LOOK = "queue peek"
_LOOK_OR_TAKE = "queue peek|queue receive (which takes the message)"
_EMPTY = "queue ack-all"
_MOVE = "queue move"
_PROFILE = "profile set|profile use|profile list"
# A word at the top level, and the commands that do what it does elsewhere.
AT_THE_TOP: dict[str, str] = {
    **dict.fromkeys(("publish", "pub", "produce", "emit"), _PUBLISH),
    **dict.fromkeys(("subscribe", "sub", "listen", "tail", "watch"), _SUBSCRIBE),
    **dict.fromkeys(("consume", "pop", "dequeue", "pull", "work", "worker"), _TAKE),
    **dict.fromkeys(("receive", "recv"), _TAKE),
    **dict.fromkeys(("get", "read", "fetch"), f"{_LOOK_OR_TAKE}|store sub"),
    **dict.fromkeys(("peek", "browse", "look", "show", "cat"), _LOOK),
    **dict.fromkeys(("purge", "clear", "empty", "drain", "flush", "ack-all", "ack_all"), _EMPTY),
    **dict.fromkeys(("move", "requeue", "redrive", "shovel", "redeliver", "retry", "dlq"), _MOVE),
    **dict.fromkeys(("tx", "transaction", "ack", "reject", "nack"), "queue tx"),
    **dict.fromkeys(("send", "put", "push", "enqueue", "write"), "queue send|cmd send|query send"),
    **dict.fromkeys(("respond", "reply", "serve", "answer"), "cmd respond|query respond"),
    **dict.fromkeys(("request", "req", "call", "ask"), "query send|cmd send"),
    **dict.fromkeys(("add", "create", "new", "declare"), "channel create|profile set"),
    **dict.fromkeys(("delete", "del", "rm", "remove", "destroy"), "channel delete|profile remove"),
    **dict.fromkeys(("list", "ls"), "channel list|queue list|profile list"),
    **dict.fromkeys(("info", "describe", "inspect", "stat", "stats"), "queue info|channel list|top"),
    **dict.fromkeys(("context", "contexts", "ctx", "config", "login", "connection"), _PROFILE),
    **dict.fromkeys(("use", "switch", "select"), "profile use"),
    **dict.fromkeys(("events_store", "events-store", "eventstore", "es", "stream"), "store pub|store sub"),
    "event": "events pub|events sub",
    "queues": "queue list|queue send|queue receive",
    **dict.fromkeys(("command", "commands", "rpc"), "cmd send|cmd respond"),
    "queries": "query send|query respond",
    **dict.fromkeys(("channels", "topic", "topics"), "channel list"),
    "profiles": "profile list",
    **dict.fromkeys(("server", "start", "run", "broker-run"), "broker run"),
    "exec": "broker exec",
    **dict.fromkeys(("status", "health", "debug"), "ping|check|doctor"),
    **dict.fromkeys(("monitor", "dashboard"), "top"),
    **dict.fromkeys(("benchmark", "perf", "load"), "bench queue|bench events|bench query"),
    "version": "--version",
    "man": "help",
    "record": "events sub|store sub",
    "replay": "store sub|events pub",
}
_SEND = ("publish", "pub", "put", "push", "enqueue", "produce", "add", "write", "post", "emit")
_LISTEN = ("subscribe", "listen", "tail", "watch", "consume", "receive", "get", "read", "replay", "follow")
_ANSWER = ("reply", "serve", "answer", "listen", "subscribe", "sub", "receive", "handle")
_ASK = ("request", "req", "call", "ask", "publish", "pub", "run", "execute", "get")
# The same for a word behind the name of a group.
IN_A_GROUP: dict[str, dict[str, str]] = {
    "queue": {
        **dict.fromkeys(_SEND, "queue send"),
        **dict.fromkeys(("consume", "pop", "dequeue", "pull", "recv", "work", "worker"), _TAKE),
        **dict.fromkeys(("subscribe", "sub", "listen", "follow"), "queue receive CHANNEL --follow"),
        **dict.fromkeys(("get", "read", "fetch", "retrieve"), _LOOK_OR_TAKE),
        **dict.fromkeys(("browse", "look", "show", "head", "view", "cat", "first", "preview"), _LOOK),
        **dict.fromkeys(("purge", "clear", "empty", "drain", "flush", "truncate", "ack_all"), _EMPTY),
        **dict.fromkeys(("requeue", "redrive", "shovel", "redeliver", "transfer", "dlq", "retry"), _MOVE),
        **dict.fromkeys(("ack", "acknowledge"), "queue tx CHANNEL --ack"),
        **dict.fromkeys(("reject", "nack"), "queue tx CHANNEL --reject"),
        **dict.fromkeys(("transaction", "hold"), "queue tx"),
        **dict.fromkeys(("describe", "inspect", "stat", "stats", "status", "count", "depth"), "queue info"),
        **dict.fromkeys(("watch", "top", "monitor"), "top"),
        "ls": "queue list",
        **dict.fromkeys(("create", "declare", "new"), "channel create queues NAME"),
        **dict.fromkeys(("delete", "remove", "rm", "destroy"), f"channel delete queues NAME|{_EMPTY}"),
    },
    "events": {
        **dict.fromkeys((*_SEND, "send"), "events pub"),
        **dict.fromkeys(_LISTEN, "events sub"),
        "create": "channel create events NAME",
        "list": "channel list events",
        "delete": "channel delete events NAME",
    },
    "store": {
        **dict.fromkeys((*_SEND, "send"), "store pub"),
        **dict.fromkeys((*_LISTEN, "peek", "history", "dump"), "store sub"),
        "create": "channel create events_store NAME",
        "list": "channel list events_store",
        **dict.fromkeys(("delete", "purge", "clear"), "channel delete events_store NAME"),
    },
    "cmd": {**dict.fromkeys(_ASK, "cmd send"), **dict.fromkeys(_ANSWER, "cmd respond")},
    "query": {**dict.fromkeys(_ASK, "query send"), **dict.fromkeys(_ANSWER, "query respond")},
    "channel": {
        **dict.fromkeys(("add", "new", "declare", "make"), "channel create"),
        **dict.fromkeys(("remove", "rm", "del", "destroy"), "channel delete"),
        **dict.fromkeys(("ls", "show", "get"), "channel list"),
        **dict.fromkeys(("info", "describe", "inspect", "stats"), "channel list --filter NAME|queue info"),
        **dict.fromkeys(("purge", "clear", "empty"), _EMPTY),
        **dict.fromkeys(("watch", "top"), "top"),
    },
    "profile": {
        **dict.fromkeys(("create", "add", "new", "edit", "update", "save"), "profile set"),
        **dict.fromkeys(("delete", "rm", "del"), "profile remove"),
        "ls": "profile list",
        **dict.fromkeys(("get", "view", "describe", "info", "current"), "profile show"),
        **dict.fromkeys(("switch", "select", "default"), "profile use"),
        **dict.fromkeys(("mv", "move"), "profile rename"),
        **dict.fromkeys(("cp", "clone"), "profile copy"),
        **dict.fromkeys(("validate", "test", "ping"), "profile check"),
    },
    "broker": {
        **dict.fromkeys(("start", "serve", "up"), "broker run"),
        **dict.fromkeys(("with", "test", "wrap"), "broker exec"),
    },
    "bench": {
        "queues": "bench queue",
        **dict.fromkeys(("pub", "sub", "event"), "bench events"),
        **dict.fromkeys(("events_store", "stream"), "bench store"),
        **dict.fromkeys(("command", "commands", "request"), "bench cmd"),
        **dict.fromkeys(("queries",), "bench query"),
    },
}
# Options of other tools; `BODY` and the like are words of the command line.
OPTIONS = {
    "--token": "--token-file PATH (a token on a command line can be read by others)",
    **dict.fromkeys(
        ("--host", "--server", "--url", "--uri", "--endpoint", "--bootstrap-server"), "-a HOST:PORT"
    ),
    **dict.fromkeys(("--limit", "--max", "--max-messages", "--number"), "--count N"),
    **dict.fromkeys(("--header", "--headers", "-H", "--property", "--attribute"), "--tag K=V"),
    **dict.fromkeys(
        ("--body", "--data", "-d", "--message", "-m", "--payload"), "the argument BODY, or --file PATH"
    ),
    **dict.fromkeys(("--ttl", "--expiration"), "--expire D"),
    **dict.fromkeys(("--from-beginning", "--all-history"), "--from first"),
    **dict.fromkeys(("--cacert", "--ca"), "--tls-ca PATH"),
    "--cert": "--tls-cert PATH",
    "--key": "--tls-key PATH",
    **dict.fromkeys(("-y", "--force", "-f"), "--yes"),
    **dict.fromkeys(("--consumer-group", "--queue-group"), "--group G"),
    "--dlq": "--dead-letter CHANNEL",
    "--context": "-p NAME",
    "--insecure": "--no-tls",
}


def command(group: str, word: str, known: Iterable[str]) -> str:
    """A hint for `word`, none of the commands `known` of `group` ("" for the top level); or nothing."""
    words: Mapping[str, str] = IN_A_GROUP.get(group, {}) if group else AT_THE_TOP
    meant = words.get(word.lower().removesuffix("s"), "") or words.get(word.lower(), "")
    if not meant:
        near = nearest_command(word, known)
        meant = f"{group} {near}".strip() if near else ""
    if not meant:
        return ""
    return f"did you mean {either(map(_as_typed, meant.split('|')))}?"


def _as_typed(meant: str) -> str:
    words, _, remark = meant.partition(" (")
    return f"`kubemqctl {words}`" + (f" ({remark}" if remark else "")


def nearest_command(word: str, known: Iterable[str]) -> str:
    """The command that was probably misspelt; one that changes something only for a near miss."""
    from difflib import SequenceMatcher

    best, closeness = "", 0.0
    for name in known:
        ratio = SequenceMatcher(None, word[:60].lower(), name).ratio()
        if ratio > closeness and ratio >= (CLOSE if name in CHANGING else CLOSE_ENOUGH):
            best, closeness = name, ratio
    return best


def option(name: str, known: Collection[str]) -> str:
    """A hint for an option that a command does not have; or nothing."""
    from difflib import get_close_matches

    meant = OPTIONS.get(name, "")
    if meant.startswith("the argument ") or meant.partition(" ")[0] in known:
        return f"did you mean {meant}?"
    begun = [longer for longer in known if len(name) > 2 and longer.startswith(name)]
    close = begun or get_close_matches(name[:60], list(known), n=1, cutoff=0.7)
    return f"did you mean {close[0]}?" if close else ""


def either(choices: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last
