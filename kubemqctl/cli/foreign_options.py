"""What the options of this program are called in other tools, such as nats, rabbitmqadmin, kcat and aws sqs.

Of several meanings, apart by `|`, the first counts that the command has: an option, a handler behind `--`, or
an argument of its usage line. A meaning that begins with none of these is for all commands. A word whose
meanings a command does not have gets no hint, and is not taken for a misspelling either.
"""

from __future__ import annotations

_SERVER = "--listen HOST:PORT|-a HOST:PORT"
_TOKEN = "--token-file PATH (a token on a command line can be read by others)"
_COUNT = "--count N|--lines, which sends a message for each line of stdin"
_BODY = "the argument BODY, or --file PATH|--reply BODY"
_FILE = "--file PATH|--reply-file PATH"
_MANY = "--concurrency N|--producers N"
_CHANNEL = "the argument CHANNEL|the argument SOURCE|the argument NAME"
_TIME = "--timeout D|--within D|--wait D|--idle D or --for D|--connect-timeout D"
_FILTER = "--where EXPR|--filter TEXT"
_CHECKED = "--tls-ca PATH (a certificate is always checked; --no-tls is without TLS)"
_CERTIFICATE = (
    "--cacert", "--ca", "--cafile", "--ca-file", "--ca-cert", "--cacert-file", "--ca-cert-file",
    "--tlsca", "--ssl-ca", "--ssl-ca-cert-file",
)  # fmt: skip
OPTIONS: dict[str, str] = {
    # where to connect, and as whom
    **dict.fromkeys(("--host", "--hostname", "--server", "--servers", "-s", "--addr", "--bind"), _SERVER),
    **dict.fromkeys(("--url", "--uri", "--endpoint", "--endpoint-url", "--port"), _SERVER),
    **dict.fromkeys(("--broker", "--brokers", "--broker-list", "-b"), _SERVER),
    **dict.fromkeys(("--bootstrap-server", "--bootstrap-servers"), _SERVER),
    **dict.fromkeys(("--token", "--auth-token", "--auth", "--api-key", "--jwt"), _TOKEN),
    **dict.fromkeys(("--password", "--pass", "--creds", "--credentials"), _TOKEN),
    **dict.fromkeys(("--user", "--username", "-u", "--nkey"), "--token-file PATH (there are no user names)"),
    **dict.fromkeys(("--context", "--ctx"), "-p NAME"),
    **dict.fromkeys(("--ssl", "--use-ssl", "--use-tls", "--with-tls", "--secure"), "--tls"),
    **dict.fromkeys(_CERTIFICATE, "--tls-ca PATH"),
    **dict.fromkeys(("--cert", "--certfile", "--cert-file", "--tlscert"), "--tls-cert PATH"),
    **dict.fromkeys(("--keyfile", "--key-file", "--tlskey"), "--tls-key PATH"),
    **dict.fromkeys(("--key", "-k"), "--tag K=V|--tls-key PATH"),
    **dict.fromkeys(("--insecure", "--skip-verify", "--insecure-skip-verify"), _CHECKED),
    **dict.fromkeys(("--tls-skip-verify", "--no-verify-ssl", "--no-verify"), _CHECKED),
    **dict.fromkeys(("--sni", "--servername", "--server-name"), "--tls-server-name NAME"),
    # the message
    **dict.fromkeys(("--channel", "--queue-name", "--queue-url", "--topic", "--subject"), _CHANNEL),
    **dict.fromkeys(("--routing-key", "--exchange", "--stream", "--name"), _CHANNEL),
    **dict.fromkeys(("--body", "--message", "--message-body", "--msg", "--data", "-d", "-m"), _BODY),
    **dict.fromkeys(("--payload", "--text", "--value", "--content", "--response"), _BODY),
    **dict.fromkeys(("--file", "--from-file", "--body-file", "-F", "--input"), _FILE),
    "--stdin": "the argument BODY as -, which reads stdin",
    **dict.fromkeys(("--header", "--headers", "--label", "--labels"), "--tag K=V"),
    **dict.fromkeys(("--property", "--properties", "--attribute", "--attributes"), "--tag K=V"),
    "--message-attributes": "--tag K=V",
    "-H": "--tag K=V|-a HOST:PORT",
    **dict.fromkeys(("--message-id", "--msg-id", "--mid"), "--id ID"),
    **dict.fromkeys(("--ttl", "--expiry", "--expires", "--expires-in"), "--expire D|--cache-ttl D"),
    **dict.fromkeys(("--expiration", "--expire-in"), "--expire D|--cache-ttl D"),
    **dict.fromkeys(("--schedule", "--deliver-in", "--delayed"), "--delay D"),
    **dict.fromkeys(("--max-receive-count", "--max-deliver", "--max-delivery"), "--max-receives N"),
    **dict.fromkeys(("--max-deliveries", "--max-redeliveries"), "--max-receives N"),
    "--max-retries": "--max-attempts N|--max-receives N",
    **dict.fromkeys(("--dlq", "--dead-letters"), "--dead-letter CHANNEL"),
    **dict.fromkeys(("--compression", "--compress", "--gzip", "-z"), "--encode ENCODING|--decode ENCODING"),
    **dict.fromkeys(("--encoding", "--codec"), "--encode ENCODING|--decode ENCODING"),
    **dict.fromkeys(("--decompress", "--uncompress"), "--decode ENCODING"),
    **dict.fromkeys(("--separator", "--delim"), "--delimiter S"),
    **dict.fromkeys(("--sleep", "--pub-sleep", "--interval", "--throughput"), "--interval D|--rate N/s"),
    # how many, how long, from where
    **dict.fromkeys(("--limit", "--max", "--max-messages", "--number", "--num", "-c"), _COUNT),
    **dict.fromkeys(("--max-number-of-messages", "--num-messages", "--msgs", "--messages"), _COUNT),
    **dict.fromkeys(("-n", "--count", "--repeat", "--num-records"), _COUNT),
    **dict.fromkeys(("--head", "--take-first"), "--count N"),
    **dict.fromkeys(("--timeout", "--deadline", "-w"), _TIME),
    "--wait": "--timeout D|--within D|--idle D or --for D",
    **dict.fromkeys(("--wait-time", "--wait-time-seconds"), "--wait D"),
    **dict.fromkeys(("--no-wait", "--nowait"), "--wait 0s"),
    **dict.fromkeys(("--duration", "--time"), "--duration D|--for D"),
    **dict.fromkeys(("--forever", "--loop", "--continuous", "--keep", "--watch", "--stream"), "--follow"),
    "-f": "--follow|--yes|--file PATH|--filter TEXT",
    **dict.fromkeys(("-e", "--exit", "--eof", "--drain", "--no-follow"), "--until now|--all"),
    **dict.fromkeys(("--since", "--start", "--start-at", "--start-time", "--begin"), "--from START"),
    **dict.fromkeys(("--start-sequence", "--start-seq", "--sequence", "--seq"), "--from START"),
    **dict.fromkeys(("--offset", "--position", "--deliver", "--replay", "--after"), "--from START"),
    **dict.fromkeys(("--from-beginning", "--all-history", "--earliest", "--oldest"), "--from first"),
    **dict.fromkeys(("--from", "--source"), "--from START|the argument SOURCE"),
    **dict.fromkeys(("--to", "--target"), "the argument TARGET|--until END"),
    **dict.fromkeys(("--destination", "--dest"), "the argument TARGET"),
    **dict.fromkeys(("--end", "--before", "--stop-at"), "--until END"),
    **dict.fromkeys(("--tail", "--last"), "--from -N|--follow"),
    "--all": "--from first",
    "--new": "--from new",
    **dict.fromkeys(("--consumer-group", "--queue-group", "--group-id", "-G", "-g"), "--group G"),
    **dict.fromkeys(("--consumer", "--consumer-name", "--durable-name"), "--durable NAME|--group G"),
    "--queue": f"--group G|{_CHANNEL}",
    **dict.fromkeys(("--filter", "--grep", "--search", "--match", "--contains"), _FILTER),
    "--prefix": "--filter TEXT",
    **dict.fromkeys(("--type", "--kind", "-t"), "the argument TYPE"),
    # what to do with it
    **dict.fromkeys(("--workers", "--parallel", "--parallelism", "--threads"), _MANY),
    **dict.fromkeys(("-j", "--jobs", "--clients"), _MANY),
    **dict.fromkeys(("--pub", "--publishers"), "--producers N"),
    **dict.fromkeys(("--sub", "--subscribers"), "--consumers N"),
    **dict.fromkeys(("--record-size", "--message-size", "--msg-size"), "--size SIZE"),
    **dict.fromkeys(("--exec", "--command", "--handler", "--run"), "-- COMMAND, behind all options"),
    **dict.fromkeys(("--on-error", "--on-failure"), "--on-fail WHAT"),
    **dict.fromkeys(("--retry", "--retries"), "--retry N|--on-fail retry=DELAY|--connect-wait D"),
    **dict.fromkeys(("--nack", "--requeue", "--abandon"), "--reject"),
    **dict.fromkeys(("--accept", "--acknowledge", "--complete"), "--ack"),
    **dict.fromkeys(("--auto-ack", "--autoack", "--ackmode", "--ack-mode", "--noack"), "--ack auto"),
    "--no-ack": "--ack auto",
    **dict.fromkeys(("-y", "--force", "--assume-yes", "--no-confirm", "--no-prompt"), "--yes"),
    **dict.fromkeys(("-D", "--daemon", "--daemonize", "--detach"), "--background"),
    **dict.fromkeys(("--memory", "--in-memory"), "--ephemeral"),
    **dict.fromkeys(("--dir", "--directory", "--store", "--store-dir", "--storage"), "--data DIR"),
    **dict.fromkeys(("--success", "--succeed"), "--ok"),
    **dict.fromkeys(("--fail", "--failure", "--reject"), "--error TEXT"),
    **dict.fromkeys(("--select", "--default", "--use", "--make-current"), "--current"),
    "--shell": "the argument SHELL",
    # what is printed
    **dict.fromkeys(("--table", "--pretty", "--human"), "-o human"),
    **dict.fromkeys(("--raw", "--plain", "--body-only", "--no-headers"), "-o raw"),
    **dict.fromkeys(("--csv", "--tsv"), "-o raw, whose values tabs separate"),
    "--yaml": "-o yaml",
    **dict.fromkeys(("-J", "--ndjson", "--jsonl"), "--json-lines|--json"),
    **dict.fromkeys(("--template", "--jsonpath", "--fields", "--query", "--columns"), "--format TEMPLATE"),
    **dict.fromkeys(("--no-color", "--no-colors", "--no-colour"), "NO_COLOR=1 in the environment"),
    **dict.fromkeys(("--color", "--colors", "--colour"), "FORCE_COLOR=1 in the environment"),
    **dict.fromkeys(("--debug", "--trace", "--log-level"), "-v"),
    **dict.fromkeys(("--silent", "--no-progress"), "-q"),
    **dict.fromkeys(("--version", "-V"), "kubemqctl --version"),
    "--json-lines": "--json",
    # what commands of ours have, and others must not be taken to have
    **dict.fromkeys(
        ("--id", "--echo", "--durable", "--log", "--delete", "--discard", "--peek", "--for", "--reply-file"),
        "",
    ),
}
_LOOKS_ON = "it goes on until it is stopped, or as long as --count, --idle or --for say"
_TAKES_FIRST = (
    "it takes the first that waits; to look: `kubemqctl queue peek CHANNEL --where EXPR`, "
    "to take out: `kubemqctl queue move CHANNEL TARGET --where EXPR`"
)
_ONCE = "in a pipe, and with -o, it prints once"
_HOLDS = "to hold a message: `kubemqctl queue tx CHANNEL --visibility D`"
_FOLLOW = ("--follow", "-f", "--watch", "--stream", "--forever", "--tail", "--continuous")
# What is told of an option to some commands, whole.
OF_COMMAND: dict[tuple[str, ...], dict[str, str]] = {
    ("events sub",): {
        **dict.fromkeys(_FOLLOW, _LOOKS_ON),
        **dict.fromkeys(
            ("--from", "--since", "--all", "--last", "--start", "--from-beginning", "--replay"),
            "events are not stored; those that are: `kubemqctl store sub CHANNEL --from START`",
        ),
    },
    ("store sub",): dict.fromkeys(_FOLLOW[:-2], f"{_LOOKS_ON}, or up to --until END"),
    ("queue receive",): {
        **dict.fromkeys(("--where", "--filter", "--grep", "--search", "--match"), _TAKES_FIRST),
        **dict.fromkeys(("--visibility", "--visibility-timeout", "--hold"), _HOLDS),
        **dict.fromkeys(("--reject", "--nack", "--requeue"), "see `kubemqctl queue tx --help`"),
        "--peek": "did you mean `kubemqctl queue peek`?",
        "--retry": "did you mean --on-fail retry=DELAY, with a handler?",
    },
    ("queue tx",): {"--visibility-timeout": "did you mean --visibility D?"},
    ("queue peek", "queue list", "queue info", "channel list"): dict.fromkeys(
        ("--follow", "-f", "--watch", "-w"), "to watch queues and channels: `kubemqctl top`"
    ),
    ("queue move", "queue copy"): dict.fromkeys(("--yes", "-y", "--force"), "it asks nothing"),
    ("expect queue", "expect events", "expect store"): {
        **dict.fromkeys(("--body", "--message", "--data", "--payload"), "did you mean --where 'body=TEXT'?"),
        **dict.fromkeys(("--contains", "--match", "--grep"), "did you mean --where 'body~TEXT'?"),
    },
    ("cmd respond",): dict.fromkeys(
        ("--reply", "--body", "--echo", "--response"),
        "a command is answered without a body: did you mean --ok, or `kubemqctl query respond`?",
    ),
    ("check",): {"-c": "did you mean --critical EXPR?", "-w": "did you mean --warn EXPR?"},
    ("ping",): {
        **dict.fromkeys(("--timeout", "-W", "-w"), "did you mean --connect-timeout D?"),
        "-i": "did you mean --interval D?",
        "--retry": "did you mean --wait D?",
    },
    ("top",): {
        **dict.fromkeys(("--delay", "-d"), "did you mean --interval D?"),
        **dict.fromkeys(("-n", "--once", "--batch", "-b", "--count"), _ONCE),
    },
    ("broker exec",): dict.fromkeys(
        ("--port", "--listen", "--host"),
        "it listens on a free port, which its command finds in KUBEMQ_ADDRESS",
    ),
    ("queue list",): {
        "--filter": "did you mean `kubemqctl channel list queues --filter TEXT`?",
        "--sort": "did you mean `kubemqctl top --sort COLUMN`?",
    },
    ("broker run",): {"-d": "did you mean --background?"},
    ("",): {
        "-L": "did you mean `kubemqctl channel list`?",
        "-P": "did you mean `kubemqctl queue send`, `kubemqctl events pub` or `kubemqctl store pub`?",
        "-C": "did you mean `kubemqctl store sub` or `kubemqctl queue receive`?",
    },
}
