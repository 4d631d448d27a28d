"""What the commands of this program are called in other tools: nats, rabbitmqadmin, kcat, redis-cli, aws sqs.

A word that only looks at something in another tool is never answered with a command that takes messages.
"""

from __future__ import annotations

_PUBLISH = "events pub|store pub"
_SUBSCRIBE = "events sub|store sub"
_TAKE = "queue receive"
_LOOK = "queue peek"
_LOOK_OR_TAKE = "queue peek|queue receive (which takes the message)"
_EMPTY = "queue ack-all"
_MOVE = "queue move"
_BACK = ("requeue", "redrive", "shovel", "redeliver", "replay", "reprocess", "retry")
_LOOKING = ("browse", "look", "show", "head", "view", "cat", "first", "preview", "dump")
_EMPTYING = ("purge", "clear", "empty", "drain", "flush", "ack_all")
_DEAD = ("dlq", "dead-letter", "dead-letters", "deadletter", "deadletters")
_STORE = "store pub|store sub"
_PROFILE = "profile set|profile use|profile list"
# A word at the top level, and the commands that do what it does elsewhere.
AT_THE_TOP: dict[str, str] = {
    **dict.fromkeys(("publish", "pub", "produce", "emit"), _PUBLISH),
    **dict.fromkeys(("subscribe", "sub", "listen", "tail", "watch"), _SUBSCRIBE),
    **dict.fromkeys(("consume", "pop", "dequeue", "pull", "work", "worker"), _TAKE),
    **dict.fromkeys(("receive", "recv", "lpop", "rpop", "blpop", "brpop"), _TAKE),
    **dict.fromkeys(("lpush", "rpush"), "queue send"),
    **dict.fromkeys(("llen", "get-queue-attributes"), "queue info"),
    **dict.fromkeys(("keys", "scan"), "channel list"),
    "lrange": _LOOK,
    "xadd": "store pub",
    **dict.fromkeys(("xread", "xrange", "consumer", "con"), "store sub"),
    "psubscribe": "events sub",
    **dict.fromkeys(("get", "read", "fetch"), f"{_LOOK_OR_TAKE}|store sub"),
    **dict.fromkeys(("peek", "browse", "look", "show", "cat"), _LOOK),
    **dict.fromkeys((*_EMPTYING, "ack-all"), _EMPTY),
    **dict.fromkeys(("move", "mv", *(word for word in _BACK if word != "replay")), _MOVE),
    **dict.fromkeys(_DEAD, f"{_LOOK}|{_MOVE}"),
    "start-message-move-task": _MOVE,
    **dict.fromkeys(("tx", "transaction", "ack", "reject", "nack"), "queue tx"),
    **dict.fromkeys(("send", "put", "push", "enqueue", "write"), "queue send|cmd send|query send"),
    **dict.fromkeys(("respond", "reply", "serve", "answer"), "cmd respond|query respond"),
    **dict.fromkeys(("request", "req", "call", "ask"), "query send|cmd send"),
    **dict.fromkeys(("add", "create", "new", "declare"), "channel create|profile set"),
    **dict.fromkeys(("delete", "del", "rm", "remove", "destroy"), "channel delete|profile remove"),
    **dict.fromkeys(("list", "ls"), "channel list|queue list|profile list"),
    **dict.fromkeys(("info", "describe", "inspect", "stat", "stats"), "queue info|channel list|top"),
    **dict.fromkeys(("context", "ctx", "config", "login", "connection"), _PROFILE),
    **dict.fromkeys(("use", "switch", "select"), "profile use"),
    **dict.fromkeys(("events_store", "events-store", "eventstore", "es", "stream", "str"), _STORE),
    "event": "events pub|events sub",
    "queues": "queue list|queue send|queue receive",
    **dict.fromkeys(("command", "commands", "rpc"), "cmd send|cmd respond"),
    "queries": "query send|query respond",
    **dict.fromkeys(("channels", "topic", "topics"), "channel list"),
    "profiles": "profile list",
    **dict.fromkeys(("server", "start", "run", "daemon", "broker-run"), "broker run"),
    "exec": "broker exec",
    **dict.fromkeys(("configure", "init", "setup", "auth"), "profile set"),
    **dict.fromkeys(("status", "health", "debug", "test", "verify", "diagnose", "rtt"), "ping|check|doctor"),
    **dict.fromkeys(("server info", "server list", "server ls"), "ping|queue list|top"),
    **dict.fromkeys(("server check", "server ping"), "check|ping"),
    **dict.fromkeys(("server report", "server top"), "top|queue list"),
    **dict.fromkeys(("whoami", "account"), "profile show --effective"),
    **dict.fromkeys(("assert", "wait-for"), "expect queue|expect events|expect store"),
    "latency": "ping|bench queue",
    **dict.fromkeys(("show queues", "list queue"), "queue list"),
    "show overview": "top|queue list",
    "delete-message": "queue tx CHANNEL --ack",
    "change-message-visibility": "queue tx",
    "use-context": "profile use",
    **dict.fromkeys(("monitor", "dashboard", "ui", "web"), "top"),
    **dict.fromkeys(("benchmark", "perf", "load"), "bench queue|bench events|bench query"),
    "version": "--version",
    "man": "help",
    "record": "events sub|store sub",
    "replay": "store sub|events pub",
}
_MAKE = ("create", "new", "declare", "make")
_LIST = ("list", "ls", "info", "report", "stat")
_DELETE = ("delete", "del", "rm", "remove")
_SEND = ("publish", "pub", "put", "push", "enqueue", "produce", "add", "write", "post", "emit")
_LISTEN = ("subscribe", "listen", "tail", "watch", "consume", "receive", "get", "read", "replay", "follow")
_ANSWER = ("reply", "serve", "answer", "listen", "subscribe", "sub", "receive", "handle")
_ASK = ("request", "req", "call", "ask", "publish", "pub", "run", "execute", "get")
# The same for a word behind the name of a group.
IN_A_GROUP: dict[str, dict[str, str]] = {
    "queue": {
        **dict.fromkeys((*_SEND, "import", "restore"), "queue send"),
        **dict.fromkeys(("consume", "pop", "dequeue", "pull", "next", "recv", "work", "worker"), _TAKE),
        **dict.fromkeys(("subscribe", "sub", "listen", "follow", "tail"), "queue receive CHANNEL --follow"),
        **dict.fromkeys(("get", "read", "fetch", "retrieve"), _LOOK_OR_TAKE),
        **dict.fromkeys(("search", "find", "grep", "filter"), "queue peek CHANNEL --where EXPR"),
        **dict.fromkeys(_DEAD, f"{_LOOK}|{_MOVE}"),
        **dict.fromkeys(_LOOKING, _LOOK),
        **dict.fromkeys((*_EMPTYING, "truncate", "delete-all"), _EMPTY),
        **dict.fromkeys(("mv", "transfer", "forward", *_BACK), _MOVE),
        **dict.fromkeys(("ack", "acknowledge", "complete", "commit"), "queue tx CHANNEL --ack"),
        **dict.fromkeys(("reject", "nack", "abandon"), "queue tx CHANNEL --reject"),
        **dict.fromkeys(("transaction", "hold", "lock"), "queue tx"),
        **dict.fromkeys(("describe", "inspect", "stat", "status", "count", "depth"), "queue info"),
        **dict.fromkeys(("length", "len", "size", "attribute", "report"), "queue info"),
        **dict.fromkeys(("cp", "clone", "mirror", "backup", "export"), "queue copy"),
        "resend": "queue tx CHANNEL --resend TARGET",
        **dict.fromkeys(("watch", "top", "monitor"), "top"),
        "ls": "queue list",
        **dict.fromkeys(("create", "declare", "new"), "channel create queues NAME"),
        **dict.fromkeys(("delete", "remove", "rm", "destroy"), f"channel delete queues NAME|{_EMPTY}"),
    },
    "events": {
        **dict.fromkeys((*_SEND, "send"), "events pub"),
        **dict.fromkeys(_LISTEN, "events sub"),
        **dict.fromkeys(_MAKE, "channel create events NAME"),
        **dict.fromkeys(_LIST, "channel list events"),
        **dict.fromkeys(_DELETE, "channel delete events NAME"),
        **dict.fromkeys(("history", "dump"), "store sub"),
        **dict.fromkeys(("request", "req"), "query send"),
        **dict.fromkeys(("reply", "serve"), "query respond"),
    },
    "store": {
        **dict.fromkeys((*_SEND, "send"), "store pub"),
        **dict.fromkeys((*_LISTEN, "peek", "history", "dump", "view", "cat", "show"), "store sub"),
        **dict.fromkeys(_MAKE, "channel create events_store NAME"),
        **dict.fromkeys(_LIST, "channel list events_store"),
        **dict.fromkeys(("cp", "clone", "mirror", "backup", "export"), "store copy"),
        **dict.fromkeys((*_DELETE, "purge", "clear"), "channel delete events_store NAME"),
    },
    "cmd": {
        **dict.fromkeys(_ASK, "cmd send"),
        **dict.fromkeys(_ANSWER, "cmd respond"),
        **dict.fromkeys(_LIST, "channel list commands"),
    },
    "query": {
        **dict.fromkeys(_ASK, "query send"),
        **dict.fromkeys(_ANSWER, "query respond"),
        **dict.fromkeys(_LIST, "channel list queries"),
    },
    "channel": {
        **dict.fromkeys(("add", "new", "declare", "make"), "channel create"),
        **dict.fromkeys(("remove", "rm", "del", "destroy"), "channel delete"),
        **dict.fromkeys(("ls", "show", "get"), "channel list"),
        **dict.fromkeys(("info", "describe", "inspect", "stats"), "channel list --filter NAME|queue info"),
        **dict.fromkeys(("purge", "clear", "empty"), _EMPTY),
        **dict.fromkeys(("watch", "top"), "top"),
    },
    "profile": {
        **dict.fromkeys(("create", "add", "new", "init", "login"), "profile set"),
        **dict.fromkeys(("edit", "update", "save", "set-context"), "profile set"),
        **dict.fromkeys(("delete", "rm", "del"), "profile remove"),
        "unset": "profile set NAME --unset KEY",
        **dict.fromkeys(("ls", "get-context"), "profile list"),
        **dict.fromkeys(("get", "view", "describe", "info"), "profile show"),
        **dict.fromkeys(("current", "current-context", "which"), "profile show"),
        **dict.fromkeys(("switch", "select", "default", "use-context"), "profile use"),
        **dict.fromkeys(("mv", "move"), "profile rename"),
        **dict.fromkeys(("cp", "clone"), "profile copy"),
        **dict.fromkeys(("validate", "test", "ping"), "profile check"),
    },
    "broker": {
        **dict.fromkeys(("start", "serve", "up", "daemon"), "broker run"),
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
# What stands before such a word in other tools, and the group that it means here.
GROUPS = {
    **dict.fromkeys(("stream", "streams", "str", "events_store", "events-store", "eventstore"), "store"),
    **dict.fromkeys(("context", "contexts", "ctx", "config", "profiles"), "profile"),
    **dict.fromkeys(("channels", "topic", "topics"), "channel"),
    **dict.fromkeys(("queues", "queue", "message", "messages", "message-batch"), "queue"),
    **dict.fromkeys(("command", "commands"), "cmd"),
    "queries": "query",
    "event": "events",
}
# Words of other tools that are near to one of ours, and mean nothing of the kind.
UNLIKE = ("stop", "last")
# The commands that each of these groups has.
OWN = {
    "queue": ("send", "receive", "peek", "ack-all", "tx", "move", "copy", "list", "info"),
    "events": ("pub", "sub"),
    "store": ("pub", "sub", "copy"),
    "cmd": ("send", "respond"),
    "query": ("send", "respond"),
    "channel": ("list", "create", "delete"),
    "profile": ("list", "show", "set", "use", "check", "remove", "rename", "copy", "path"),
}
