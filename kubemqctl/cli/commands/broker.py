"""`kubemqctl broker`: run, exec."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.config import files, token
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import UsageError
from kubemqctl.model.text import count_text
from kubemqctl.runtime.invocation import Invocation

if TYPE_CHECKING:
    from kubemqctl.broker.server import BrokerEnded, Tls


group = command_tree.CommandGroup("broker", "Serve KubeMQ clients without a KubeMQ server, for tests.")
register = group.register
_DATA = "Keep messages in this directory."
Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help=_DATA)]
KeptData = Annotated[
    str | None,
    typer.Option("--data", metavar="DIR", help=_DATA, show_default="$XDG_STATE_HOME/kubemqctl/broker"),
]


@group.command("run")
def run_broker(
    ctx: typer.Context,
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = "127.0.0.1:50000",
    data: KeptData = None,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Keep messages in memory only.")] = False,
    ready_file: o.ReadyFile = None,
) -> int:
    """Serve KubeMQ clients from this machine, until SIGINT or SIGTERM.

    Messages are kept in $XDG_STATE_HOME/kubemqctl/broker: what was acknowledged to a sender is on disk
    and survives a kill. With --token-file callers must bring that token; with --tls-cert and --tls-key
    it speaks TLS, and with --tls-ca clients must show a certificate of that CA. --ready-file holds
    HOST:PORT once the broker answers.

    It answers as KubeMQ 2.4 does, errors, waits and order included. It differs on purpose:

    \b
    - Names with control characters are refused; on the server they hang callers.
    - A dead-letter queue that nothing could be stored in is refused with the message.
    - After a kill nothing is stuck: what consumers held is back, in order and uncounted.
    - What a consumer took and was never sent is given back when its call is cancelled,
      also by a plain receive. A waiting Get ends with its stream.
    - Delayed messages neither overwrite nor hold up one another.
    - Any number of streams may wait at once. QueuesUpstream may end as it likes.
    - HaveErrors says true when a message of a batch failed.
    - QueuesInfo shows whole names, and 0 for a queue that never had a message.
    - A subscription says with initial metadata that it is live. The client id of one that
      ended is free at once.
    - A stored event is on disk before it is answered; a name that it could not be stored
      under is refused. No two events of a channel have one time.
    - A subscriber that takes nothing delays nobody. Behind its first 100 it loses an event
      every 2 seconds, as on the server, and of unstored ones what is over 32 MiB.
    - What a member of a store group was dealt and not sent goes to the others when it ends.
    - Successful answers to queries with a cache key are kept, by channel and key, for the
      time to live that the first asked for; later ones show CacheHit.
    - Channels can be listed, created and deleted.
    - Tokens and client certificates are checked when it was told to.
    - Messages do not grow old: nothing is dropped after 24 hours.
    - Text that is not UTF-8 is refused.

    Examples:
      kubemqctl broker run --listen 127.0.0.1:0 --ephemeral --ready-file broker.ready &
      kubemqctl broker run --data ./messages
      kubemqctl broker run --listen '[::1]:50000' --token-file token
    """
    run: Invocation = ctx.obj
    if ephemeral and data is not None:
        raise UsageError("--ephemeral keeps nothing: it excludes --data")
    directory = None if ephemeral else Path(data) if data is not None else default_data(run.environ)
    flags = run.common.flags
    if flags.addresses:
        raise UsageError("broker run takes no --address", hint="name where to listen with --listen")
    ended = _serve(run, listen, directory, flags, ready_file)
    waiting, verb = count_text(ended.waiting, "message"), "waits" if ended.waiting == 1 else "wait"
    run.note(f"stopped: {waiting} {verb} in {count_text(ended.queues, 'queue')}")
    return 128 + ended.signum


@group.command("exec", handler=True)
def execute(ctx: typer.Context, data: Data = None) -> int:
    """Run a command with a broker of its own, and end as it ends.

    The broker listens on a free port, which the command finds in KUBEMQ_ADDRESS; other KUBEMQ_*
    variables are taken away and no profile applies. Nothing is kept, unless --data names a directory.
    Signals are passed on to the command, and its exit code is this one's. The broker is that of
    `kubemqctl broker run`.

    Examples:
      kubemqctl broker exec -- sh -c 'kubemqctl queue send jobs one && kubemqctl queue receive jobs'
      kubemqctl broker exec -- make test
    """
    run: Invocation = ctx.obj
    if not run.words:
        raise UsageError("broker exec runs a command", hint="write it behind --: broker exec -- make test")
    flags = run.common.flags
    if flags.token_file or flags.tls or _tls_files(flags):
        raise UsageError("the broker of broker exec speaks plainly", hint="broker run takes tokens and TLS")
    from kubemqctl.broker.exec import run_command

    return run_command(run.words, run.environ, Path(data) if data is not None else None)


def default_data(environ: Mapping[str, str]) -> Path:
    """Where `broker run` keeps messages."""
    base = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the XDG specification: a relative path is to be ignored
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local", "state")
    return Path(base, "kubemqctl", "broker")


def _serve(
    run: Invocation, listen: str, data: Path | None, flags: Flags, ready_file: str | None
) -> BrokerEnded:
    # The door to the broker. gRPC's core prints its own lines on stderr otherwise.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from kubemqctl.broker import server

    if ready_file is not None:
        files.clear_ready_file(ready_file)

    def ready(address: str) -> None:
        run.note(f"listening on {address}, keeping messages {f'in {data}' if data else 'in memory only'}")
        if ready_file is not None:
            files.write_ready_file(ready_file, address)

    return server.run(server.BrokerConfig(listen, data, _token(flags), _tls(flags)), ready)


def _token(flags: Flags) -> str:
    return token.fetch(token.Token(file=flags.token_file), "--token-file") if flags.token_file else ""


def _tls(flags: Flags) -> Tls | None:
    if not flags.tls_cert or not flags.tls_key:
        if flags.tls or _tls_files(flags):
            raise UsageError("serving TLS takes both --tls-cert and --tls-key")
        return None
    if flags.tls is False:
        raise UsageError("--no-tls excludes --tls-cert and --tls-key")
    from kubemqctl.broker import server

    return server.load(flags.tls_cert, flags.tls_key, flags.tls_ca or "")


def _tls_files(flags: Flags) -> bool:
    return any((flags.tls_cert, flags.tls_key, flags.tls_ca))
