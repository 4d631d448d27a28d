"""`kubemqctl broker`: run, exec."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.cli.description import COMMUNITY
from kubemqctl.config import directories, files, token
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import ExitCode, UsageError
from kubemqctl.model.text import count_text, quoted
from kubemqctl.output.stderr import interrupted
from kubemqctl.runtime.background import Detached, Launched, check_log, detach
from kubemqctl.runtime.invocation import Invocation

if TYPE_CHECKING:
    from kubemqctl.broker.faults import Faults
    from kubemqctl.broker.server import BrokerConfig, BrokerEnded
    from kubemqctl.broker.tls import ServerTls


group = command_tree.CommandGroup("broker")
register = group.register
_DATA = "Store messages in DIR."
Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help=_DATA)]
KeptData = Annotated[
    str | None,
    typer.Option("--data", metavar="DIR", help=_DATA, show_default="$XDG_STATE_HOME/kubemqctl/broker"),
]


FaultOptions = Annotated[
    list[str] | None,
    typer.Option("--fault", metavar="SPEC", help="Fail on purpose, such as error=1%; repeatable."),
]
FaultSeed = Annotated[
    int | None,
    typer.Option(
        "--fault-seed",
        metavar="N",
        help="Draw the same faults as another run with this N.",
        show_default="random",
    ),
]
ReadyFile = Annotated[
    str | None,
    typer.Option("--ready-file", metavar="PATH", help="Write HOST:PORT to PATH once calls are accepted."),
]
Like = Annotated[
    str | None,
    typer.Option(
        "--like", metavar="SERVER", help="Behave as SERVER does: community-2.4.", show_default=False
    ),
]


@group.command("run")
def run_broker(
    ctx: typer.Context,
    listen: Annotated[
        str,
        typer.Option("--listen", metavar="HOST:PORT", help="Address to listen on; port 0 picks a free port."),
    ] = "127.0.0.1:50000",
    data: KeptData = None,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Keep messages in memory only.")] = False,
    fault: FaultOptions = None,
    fault_seed: FaultSeed = None,
    like: Like = None,
    ready_file: ReadyFile = None,
    background: o.Background = False,
    log: o.Log = None,
) -> int:
    """Run a broker that KubeMQ clients can use, until SIGINT or SIGTERM.

    Messages are stored in $XDG_STATE_HOME/kubemqctl/broker. A message that was confirmed to its sender is
    on disk, and survives a kill of the broker. Up to 40 MiB are reserved there, so that messages can be
    acknowledged when the disk is full. With --token-file clients must send that token. With
    --tls-cert and --tls-key the broker uses TLS; with --tls-ca clients need a certificate of that CA.
    --background returns when the broker accepts calls, and prints its process ID and HOST:PORT; if the broker
    cannot start, it fails with the same exit code.

    The broker behaves like KubeMQ 2.4, including errors, waiting times and order. It differs on purpose:

    \b
    - Names with control characters are refused; on the server they block
      callers.
    - A message with a dead-letter queue that cannot exist is refused.
    - After a kill, messages that consumers held are back in order, and
      their delivery is not counted; on the server they are stuck.
    - Messages taken for a call that is cancelled before they were sent
      are returned, also those of a plain receive. A waiting Get ends with
      its stream.
    - Delayed messages do not overwrite or delay one another.
    - Any number of streams can wait at the same time. QueuesUpstream can
      end in any way.
    - HaveErrors is true if a message of a batch failed.
    - QueuesInfo shows full names, and 0 for a queue that never had a
      message.
    - A subscription sends initial metadata when it is live. The client ID
      of one that has ended can be used again at once.
    - A stored event is on disk before it is confirmed; a channel name
      under which it could not be stored is refused. No two events of a
      channel have the same time.
    - A subscriber that does not read delays nobody. Beyond its first 100
      events it loses one every 2 seconds, as on the server, and of
      unstored events those beyond 32 MiB, or 128 MiB over all
      subscribers.
    - Events assigned to a member of a store group but not sent go to the
      other members when it ends.
    - Successful responses to queries with a cache key are cached, by
      channel and key, for the time to live of the first one; later
      responses have CacheHit set.
    - Channels can be listed, created and deleted.
    - Tokens and client certificates are checked if configured.
    - Clients may ping every 5 seconds, as SDKs do by default. Subscribers
      stay when their channel is deleted.
    - Messages are not discarded after 24 hours.
    - Text that is not UTF-8 is refused.

    With --fault the broker fails on purpose, so that clients can be tested with that. A SPEC that ends in
    @METHOD is for that method of the KubeMQ protocol alone. Faults are drawn at random, and counted on
    stderr at the end; --fault-seed draws the same ones again:

    \b
    - latency=50ms..200ms   Wait so long before a call, or before a
                            request of a two-way stream.
    - error=1%:UNAVAILABLE  Refuse it with this gRPC status, and do
                            nothing.
    - cut=2%                Cut the client's connection instead.
    - cut=30s               Cut each connection 30 s after it was made;
                            with @METHOD, 30 s after a call of it began.
    - lose-answer=1%        Do what was asked, and end the call as
                            UNAVAILABLE without the answer.
    - redeliver=1%          Deliver a message again that was
                            acknowledged, or a stored event twice.

    With --like community-2.4 the broker behaves as KubeMQ community 2.4 does in most of this, so that what a
    client must survive there can be tested:

    \b
    - No initial metadata; a subscription is live a moment later. Stored
      events from a time on begin a little late.
    - No answers about channels and no query cache. Tokens and client
      certificates are not checked. Pings more often than every 5 minutes
      end a connection.
    - Stored events whose channel name cannot be stored are confirmed and
      lost. Dead letters to a queue that cannot exist are lost. HaveErrors
      is false for invalid messages. QueuesInfo takes the characters
      "_QUES." off both ends of a name.
    - Of two delayed messages with one ID the first is lost. 1,024 delayed
      messages are looked at, twice a second; later ones wait behind them.
    - QueuesUpstream does not end by itself. A waiting Get goes on when
      its stream has ended; with AutoAck what it takes is lost. A
      cancelled plain receive loses what it took.
    - While others hold messages, what a consumer gives back, and as many
      messages as it has settled, go to them first: newer ones come before
      those, some only when the others settle. With nobody there it goes to
      whoever asks next. NAckAll and ReQueueAll are in random order.

    Left out are crashes, names that block the server, messages that are stuck after a kill, the limit of 200
    waiting streams, and the end of messages after 24 hours.

    Examples:
      kubemqctl broker run --listen 127.0.0.1:0 --ephemeral --background
      kubemqctl broker run --data ./messages
      kubemqctl broker run --ephemeral --fault latency=20ms..80ms --fault lose-answer=1%@SendQueueMessage
      kubemqctl broker run --listen '[::1]:50000' --token-file token
    """
    run: Invocation = ctx.obj
    if ephemeral and data is not None:
        raise UsageError("--ephemeral and --data cannot be used together")
    files.refuse_dash("--data", data, "directory")
    directory = None if ephemeral else Path(data) if data is not None else default_data(run.environ)
    flags = run.common.flags
    if flags.addresses:
        raise UsageError("broker run has no --address", hint="use --listen HOST:PORT")
    if flags.profile and flags.profile.isdecimal():
        # -p is a port elsewhere, and would leave it on another one unnoticed.
        hint = f"to listen on a port: --listen 127.0.0.1:{flags.profile}"
        raise UsageError("broker run uses no profile, which is what -p names", hint=hint)
    check_log(log, background=background)
    detached = detach(log) if background else None
    if isinstance(detached, Launched):
        if not detached.code:
            run.write(f"{detached.pid} {detached.text}\n".encode())
        return detached.code
    tested = ForTests(tuple(fault or ()), fault_seed, like)
    ended = _serve(run, lambda: _config(run, listen, directory, tested), ready_file, detached)
    waiting, verb = count_text(ended.waiting, "message"), "waits" if ended.waiting == 1 else "wait"
    if ended.signum == SIGINT:
        interrupted()
    run.note(f"stopped: {waiting} {verb} in {count_text(ended.queues, 'queue')}")
    return 128 + ended.signum


@group.command("exec", command_tree.AroundCommand)
def execute(
    ctx: typer.Context,
    data: Data = None,
    fault: FaultOptions = None,
    fault_seed: FaultSeed = None,
    like: Like = None,
) -> int:
    """Run a command together with a temporary broker.

    The broker listens on a free port; the command finds its address in KUBEMQ_ADDRESS. Other KUBEMQ_*
    variables are removed, and no profile applies. Messages are discarded at the end, unless --data is
    given. Signals are passed on to the command, and its exit code becomes that of `broker exec`. What it
    leaves running is ended. Tokens, TLS, --fault and --like are those of `broker run`; see
    `kubemqctl broker run --help` for how the broker behaves.

    Examples:
      kubemqctl broker exec -- sh -c 'kubemqctl queue send jobs one && kubemqctl queue receive jobs'
      kubemqctl broker exec -- make test
    """
    run: Invocation = ctx.obj
    if not run.words:
        raise UsageError("the command to run is missing", hint="it goes after --: broker exec -- make test")
    if run.common.flags.addresses:
        raise UsageError("broker exec has no --address", hint="it listens on a free port of 127.0.0.1")
    from kubemqctl.broker.exec import run_command
    from kubemqctl.messaging.handlers.options import find

    files.refuse_dash("--data", data, "directory")
    directory = Path(data) if data is not None else None
    tested = ForTests(tuple(fault or ()), fault_seed, like)
    command = find(run.words, run.environ)
    made: list[BrokerConfig] = []

    def config() -> BrokerConfig:
        made.append(_config(run, "127.0.0.1:0", directory, tested))
        return made[0]

    try:
        code = run_command(command.path, command.words, run.environ, config)
        if code == ExitCode.SIGINT:
            interrupted()
        return code
    finally:
        for found in made:
            _tell_faults(run, found)


def default_data(environ: Mapping[str, str]) -> Path:
    """Where `broker run` keeps messages. Raises UsageError when there is no home."""
    if base := directories.state_home(environ):
        return Path(base, "kubemqctl", "broker")
    raise UsageError("there is no home directory to keep messages in", hint="use --data DIR, or --ephemeral")


def _serve(
    run: Invocation, config: Callable[[], BrokerConfig], ready_file: str | None, detached: Detached | None
) -> BrokerEnded:
    if ready_file is not None:
        files.clear_ready_file(ready_file)
    serves = config()
    from kubemqctl.broker import server

    def ready(address: str) -> None:
        if ready_file is not None:
            files.write_ready_file(ready_file, address)
        if detached is not None:
            detached.live(address)
        data = serves.data
        run.note(f"listening on {address}, keeping messages {f'in {data}' if data else 'in memory only'}")

    try:
        return server.run(serves, ready)
    finally:
        _tell_faults(run, serves)


def _tell_faults(run: Invocation, config: BrokerConfig) -> None:
    for line in config.faults.summary() if config.faults is not None else ():
        run.note(line)


class ForTests(NamedTuple):
    """The options for tests of clients: `--fault`, `--fault-seed` and `--like`."""

    faults: tuple[str, ...] = ()
    seed: int | None = None
    like: str | None = None

    def made_faults(self) -> Faults | None:
        """The faults, or None without any. Raises UsageError."""
        if not self.faults:
            if self.seed is not None:
                raise UsageError("--fault-seed needs --fault")
            return None
        from kubemqctl.broker.faults import Faults, parse

        seed = random.randrange(1 << 32) if self.seed is None else self.seed
        return Faults([parse(text) for text in self.faults], seed)


def _config(run: Invocation, listen: str, data: Path | None, tested: ForTests) -> BrokerConfig:
    """What the options ask for; imports gRPC. Warns of a token or key that others can read."""
    from kubemqctl.client.connect import prepare_grpc

    prepare_grpc()
    from kubemqctl.broker import server

    if tested.like not in (None, COMMUNITY):
        raise UsageError(f"--like does not know {quoted(tested.like)}", hint=f"it takes {COMMUNITY}")
    faults = tested.made_faults()
    flags = run.common.flags
    for field in ("token_file", "tls_ca", "tls_cert", "tls_key"):
        files.refuse_dash("--" + field.replace("_", "-"), getattr(flags, field))
    secret, tls = _token(flags), _tls(flags)
    for option, path in (("--token-file", flags.token_file), ("--tls-key", flags.tls_key)):
        if path and files.readable_by_others(path):
            run.warn(f"others can read {path} ({option}); to fix it: chmod 600 {path}")
    if secret and not tls and not server.is_loopback(listen):
        run.warn(
            "clients of other machines send the token in plain text; --tls-cert and --tls-key protect it"
        )
    return server.BrokerConfig(listen, data, secret, tls, tested.like is not None, faults)


def _token(flags: Flags) -> str:
    return token.fetch(token.Token(file=flags.token_file), "--token-file") if flags.token_file else ""


def _tls(flags: Flags) -> ServerTls | None:
    if not flags.tls_cert or not flags.tls_key:
        if flags.tls or any((flags.tls_cert, flags.tls_key, flags.tls_ca)):
            raise UsageError("TLS needs both --tls-cert and --tls-key")
        return None
    if flags.tls is False:
        raise UsageError("--no-tls cannot be used with --tls-cert and --tls-key")
    from kubemqctl.broker import tls

    return tls.load(flags.tls_cert, flags.tls_key, flags.tls_ca or "")
