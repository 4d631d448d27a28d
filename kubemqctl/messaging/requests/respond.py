"""`cmd respond` and `query respond`, from the options to the exit code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.config import files
from kubemqctl.messaging.handlers.options import GRACE, handler_options, parse_form
from kubemqctl.messaging.handlers.outcomes import StopWithHandlers
from kubemqctl.messaging.heartbeat import subscription_calls
from kubemqctl.messaging.input.bodies import single_body
from kubemqctl.messaging.message_view import MessageView, rendered
from kubemqctl.messaging.requests import answers
from kubemqctl.messaging.requests.answers import ArrivedRequest
from kubemqctl.messaging.requests.responder import Responder, RespondOptions
from kubemqctl.messaging.subscription import LiveSubscription
from kubemqctl.model.channels import check_channel, check_group
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import AnsweredRequest, Reply
from kubemqctl.model.text import check_text
from kubemqctl.model.values import parse_tags
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.background import Detached, Launched, check_log, detach
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.requests import Kind
    from kubemqctl.client.streams import Pending


class ResponderSubscription(NamedTuple):
    """What to listen to; `channel` may have wildcards."""

    kind: Kind
    channel: str
    group: str
    reconnect: bool
    ready_file: str | None


class InBackground(NamedTuple):
    """The options of a run that goes on by itself, as given."""

    wanted: bool = False
    log: str | None = None


class AnswerChoice(NamedTuple):
    """The ways to answer, as given; exactly one is wanted. `ok` and `echo` are switches."""

    ok: bool = False
    error: str | None = None
    reply: str | None = None
    reply_file: str | None = None
    echo: bool = False


class HandlerFlags(NamedTuple):
    """The options of a handler, as given."""

    concurrency: int | None
    timeout: float | None
    input: str | None
    output: str | None
    grace: float | None
    persistent: bool = False


def respond(
    run: Invocation,
    subscription: ResponderSubscription,
    choice: AnswerChoice,
    flags: HandlerFlags,
    *,
    metadata: str = "",
    tags: Sequence[str] = (),
    count: int = 0,
    background: InBackground,
    view: MessageView[AnsweredRequest] | None = None,
) -> int:
    """Answer requests until a signal comes or `count` of them are answered; returns the exit code.

    In the background another process does, and 0 is returned when it is live. `view` is how the bodies of
    requests are printed; they are answered as they came.
    """
    check_log(background.log, background=background.wanted)
    _check(subscription, choice, metadata, run.words)
    given = Reply(metadata=metadata, tags=parse_tags(tags))
    options = _options(run, subscription.kind, choice, flags, given, count)
    detached = detach(background.log) if background.wanted else None
    if isinstance(detached, Launched):
        if not detached.code:
            run.write(f"{detached.pid}\n".encode())
        return detached.code
    grace = GRACE if flags.grace is None else flags.grace
    return _serve(run, subscription, options, grace, detached, view)


def _check(
    subscription: ResponderSubscription, choice: AnswerChoice, metadata: str, words: Sequence[str] | None
) -> None:
    check_channel(subscription.channel, subscription.kind, wildcards=True)
    if subscription.group:
        check_group(subscription.group, subscription.kind)
    check_text("--metadata", metadata)
    if choice.error is not None:
        check_text("--error", choice.error)
        if not choice.error:
            raise UsageError("--error is empty: give the reason")
    ways = [choice.ok, choice.error is not None, choice.reply is not None, choice.reply_file is not None]
    if sum((*ways, choice.echo, words is not None)) != 1:
        known = "--ok" if subscription.kind == "commands" else "--reply, --reply-file, --echo"
        raise UsageError(
            f"exactly one kind of response is required: {known}, --error, or a handler command after --"
        )


def _options(
    run: Invocation, kind: Kind, choice: AnswerChoice, flags: HandlerFlags, given: Reply, count: int
) -> RespondOptions:
    handler = handler_options(
        run,
        concurrency=flags.concurrency,
        timeout=flags.timeout,
        input=flags.input,
        grace=flags.grace,
        persistent=flags.persistent,
    )
    if flags.output is not None and not handler:
        raise UsageError("--handler-output needs a handler", hint="its command goes after --")
    if flags.persistent and flags.output is not None:
        raise UsageError("--handler-output cannot be used with --persistent: a handler writes records")
    form = "json" if flags.persistent else parse_form("--handler-output", flags.output)
    rule = None if handler else _rule(choice, given)
    return RespondOptions(rule, handler, form, given, count, stdout_is_body=kind == "queries")


def _rule(choice: AnswerChoice, given: Reply) -> answers.Rule:
    if choice.ok:
        return answers.same(given)
    if choice.echo:
        return answers.echo(given)
    if choice.error is not None:
        return answers.same(given._replace(executed=False, error=choice.error))
    files = [] if choice.reply_file is None else [choice.reply_file]
    body = single_body(choice.reply, files, stdin_is_terminal=False, has_metadata=True)
    return answers.same(given._replace(body=body))


def _serve(
    run: Invocation,
    subscription: ResponderSubscription,
    options: RespondOptions,
    grace: float,
    detached: Detached | None,
    view: MessageView[AnsweredRequest] | None,
) -> int:
    render = rendered(view, run.renderer(AnsweredRequest, None).one)

    def show(answered: AnsweredRequest) -> None:
        stdout.write(render(answered))

    if subscription.ready_file is not None:
        files.clear_ready_file(subscription.ready_file)
    with StopWithHandlers() as stop:
        stdout = Stdout(1, stop.fd)
        try:
            with run.client() as client:
                responder = Responder(
                    options,
                    run.environ,
                    _sender(client, options.stdout_is_body),
                    show,
                    run.note,
                    stop,
                )
                _listen(run, client, subscription, responder, stop, stdout, grace, detached)
        finally:
            stdout.close()
    if responder.failure:
        raise responder.failure
    return stop.exit_code


def _listen(
    run: Invocation,
    client: Client,
    subscription: ResponderSubscription,
    responder: Responder,
    stop: StopSignal,
    stdout: Stdout,
    grace: float,
    detached: Detached | None,
) -> None:
    """Take requests as long as they are wanted, then settle those that were taken."""
    from kubemqctl.client import requests

    kind, channel, group, reconnect, ready_file = subscription
    opened = subscription_calls(
        client,
        lambda notify: requests.subscription(client, kind, channel, group, answers.arrived, notify),
    )
    # Under raw nothing is printed, so nobody has to be there to read it.
    out = None if run.form().name == "raw" else stdout
    try:
        live: LiveSubscription[ArrivedRequest] = LiveSubscription(
            opened,
            stop,
            run.note,
            reconnect=reconnect,
            ready_file=ready_file,
            on_live=lambda: _say_live(run, channel, detached),
            out=out,
            connect_wait=run.settings().connect_wait,
        )
        with live:
            responder.wake = live.wake
            for came in live:
                responder.take(came)
                responder.step()
                live.due = responder.due
                live.hold = responder.has_enough
                if responder.over:
                    break
            responder.take(live.finish())
    finally:
        responder.finish(stop, grace)
        run.note(responder.summary.summary())


def _say_live(run: Invocation, channel: str, detached: Detached | None) -> None:
    if detached is not None:
        detached.live()
    else:
        run.note_on_terminal(f"responding on {channel}; press Ctrl-C to stop")


def _sender(
    client: Client, carries_body: bool
) -> Callable[[ArrivedRequest, Reply, Callable[[], None]], Pending]:
    from kubemqctl.client import requests

    def send(came: ArrivedRequest, reply: Reply, when_done: Callable[[], None]) -> Pending:
        return requests.answer(client, answers.response(came.request, reply, carries_body), when_done)

    return send
