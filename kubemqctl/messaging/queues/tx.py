"""The four ways of `queue tx` to decide about a message: flags, control lines, a prompt, a handler."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from functools import partial

from kubemqctl.messaging.handlers.options import HandlerOptions
from kubemqctl.messaging.handlers.outcomes import FailureDelay, HandlerOutcome, StopWithHandlers
from kubemqctl.messaging.handlers.pool import HandlerPool, task
from kubemqctl.messaging.message_view import MessageView, rendered
from kubemqctl.messaging.queues.decisions import OUTCOMES, Decide, Settlement, name
from kubemqctl.messaging.queues.handled_output import HandledOutput
from kubemqctl.messaging.queues.tx_lines import HELP, WORDS, LineReader, decision
from kubemqctl.messaging.queues.tx_message import HoldOptions, MessageHold
from kubemqctl.model.errors import (
    HandlerFailed,
    KubemqctlError,
    NothingArrived,
    Partial,
    ReaderGone,
    Stopped,
    TimedOut,
    Unreachable,
    UsageError,
)
from kubemqctl.model.messages import Decided, Received
from kubemqctl.model.text import count_text
from kubemqctl.output.line_editor import LineEditor
from kubemqctl.output.stderr import FirstFew, prompt, say
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal

# How many times within one visibility it is extended while a handler runs.
EXTENSIONS = 3


class TxSession:
    """One run of `queue tx`: the message that it holds, and where its output goes."""

    def __init__(self, run: Invocation, hold: MessageHold, stdout: Stdout, stop: StopSignal) -> None:
        self.run = run
        self.hold = hold
        self.stdout = stdout
        self.stop = stop

    def print(self, data: bytes) -> None:
        """Write `data`, and see that it went; raises when it did not, so that nothing is decided then."""
        if not self.stdout.write(data):
            raise Stopped(self.stop.signum)
        if self.stdout.finish() < self.stdout.offset:
            raise ReaderGone()


def transact(run: Invocation, options: HoldOptions, decide_by: Callable[[TxSession], int]) -> int:
    """Hold messages and let `decide_by` decide about them; returns the exit code."""
    with closing(Stdout()) as stdout, run.client() as client, StopWithHandlers() as stop:
        from kubemqctl.client.queues import Gauge
        from kubemqctl.client.transaction import Transaction

        stdout.stop_fd = stop.fd
        begin, depth = partial(Transaction, client), Gauge(client, options.channel).read
        with MessageHold(begin, options, stop, run.note, run.warn, depth) as hold:
            code = decide_by(TxSession(run, hold, stdout, stop))
        return stop.exit_code or code


# --- a decision that was made beforehand ---


def by_flag(
    run: Invocation, decide: Decide, delimiter: bytes | None, view: MessageView[Received] | None = None
) -> Callable[[TxSession], int]:
    """Print the message, then carry out what the flags said."""
    render = rendered(view, run.renderer(Received, delimiter).one)

    def decide_by(session: TxSession) -> int:
        message = session.hold.take()
        session.print(render(message))
        decided = decide(message)
        outcome = session.hold.decide(decided)
        if outcome != "rejected":
            run.note(_told(message, decided, outcome))
        return 0

    return decide_by


def _told(message: Received, decided: Settlement, outcome: str) -> str:
    """What became of it, and where it is now if that is elsewhere."""
    target = decided.value if decided.kind == "resend" else getattr(decided.value, "channel", "")
    where = f": it is on {target}" if target and target != message.channel else ""
    return f"{name(message)} {outcome}{where}"


# --- control lines, and the same words at a prompt ---


def by_lines(
    run: Invocation, delimiter: bytes | None, prompting: bool, view: MessageView[Received] | None = None
) -> Callable[[TxSession], int]:
    """Print a message, then do what each line says."""
    render = rendered(view, run.renderer(Received, delimiter).one)
    answer = run.renderer(Decided).one if run.form().name in ("json", "yaml") else None
    return lambda session: ControlLineSession(session, render, answer, prompting).run()


class ControlLineSession:
    """One run of control lines."""

    def __init__(
        self,
        session: TxSession,
        render: Callable[[object], bytes],
        answer: Callable[[object], bytes] | None,
        prompting: bool,
    ) -> None:
        self._session = session
        self._hold = session.hold
        self._render = render
        self._answer = answer
        self._prompting = prompting
        edits = prompting and session.run.environ.get("TERM") != "dumb"
        self._editor = LineEditor(0) if edits else None
        if self._editor:
            session.stop.last_acts.append(self._editor.give_back)
        self._lines = self._editor or LineReader(0)
        self._asked = False
        self._bad = 0
        self._name_bad = FirstFew(session.run.report)
        self._good = 0

    def run(self) -> int:
        """Until the input or the queue runs out."""
        with self._editor or nullcontext():
            try:
                self._take()
                while (line := self._next_line()) is not None:
                    if not (self._explain(line) or self._obey(line)):
                        break
                if self._lines.cut_short:
                    self._name_cut_short()
                self._check_decided()
            finally:
                self._name_rest()
        if self._bad:
            raise self._ending()
        return 0

    def _ending(self) -> KubemqctlError:
        """What to end with when lines could not be done; with it the last that is said has the exit code."""
        if not self._good:
            return UsageError("no control line was carried out")
        done = f"{count_text(self._good, 'control line')} carried out"
        return Partial(f"{done}, {self._bad:,} failed")

    def _take(self) -> None:
        self._session.print(self._render(self._hold.take()))

    def _next_line(self) -> bytes | None:
        """The next line; None at the end of the input. Raises what lost hold of the message."""
        while (line := self._lines.next()) is None:
            if self._lines.over:
                return None
            self._ask()
            try:
                typed = self._hold.wait([self._lines.fd])
            except (TimedOut, Unreachable):
                self._wait_for_enter()
                raise
            if typed:
                self._lines.read()
            self._session.stop.check()
        self._asked = False
        return line

    def _ask(self) -> None:
        if self._prompting and not self._asked:
            if self._hold.held:
                # All the words are nearly as wide as a terminal, and the answer wants room.
                say(f"{WORDS.removesuffix(', next')}, help,")
            self._prompt("or Ctrl-D to end> " if self._hold.held else "next, or Ctrl-D to end> ")
            self._asked = True

    def _prompt(self, text: str) -> None:
        if self._editor:
            self._editor.ask(text)
        else:
            prompt(text)

    def _wait_for_enter(self) -> None:
        """The message is lost while somebody types: what they type on must not go to their shell."""
        if not self._editor:
            return
        self._editor.forget()
        say("\nthe message is no longer held")
        self._editor.ask("press Enter to end> ")
        poll = select.poll()
        poll.register(self._editor.fd, select.POLLIN)
        poll.register(self._session.stop.fd, select.POLLIN)
        entered = self._editor.entered
        while self._editor.entered == entered and not self._editor.over and not self._session.stop:
            poll.poll()
            if not self._session.stop:
                self._editor.read()

    def _explain(self, line: bytes) -> bool:
        """Answer `help` at a prompt; whether that was asked for."""
        asked = self._prompting and line.strip() in (b"help", b"?")
        if asked:
            say(HELP)
        return asked

    def _obey(self, line: bytes) -> bool:
        """Do what `line` says; False when nothing more can be taken, or is wanted at a prompt."""
        if self._prompting and line.strip() in (b"quit", b"exit", b"q"):
            return False
        held = self._hold.held
        try:
            said = decision(line, held)
            if held is None:
                self._take()
            else:
                self._answered(held, said, self._hold.decide(said))
        except NothingArrived:
            self._session.run.note("no more messages arrived")
            return False
        except UsageError as e:
            self._refuse(e)
        else:
            self._good += 1
        return True

    def _answered(self, held: Received, said: Settlement, outcome: str) -> None:
        if self._answer:
            self._session.print(self._answer(Decided(held.id, held.sequence, outcome)))
        elif outcome != "rejected":
            self._session.run.note(_told(held, said, outcome))

    def _refuse(self, error: UsageError) -> None:
        """A line that cannot be done is named; the message stays held."""
        if self._prompting:
            self._session.run.report(error)
            return
        self._bad += 1
        error.message = f"line {self._lines.number}: {error.message}"
        self._name_bad(error)

    def _name_cut_short(self) -> None:
        if self._prompting:
            return
        self._bad += 1
        self._name_bad(
            UsageError(
                f"line {self._lines.number + 1} has no newline at its end, and was not carried out",
                hint="it may be cut short; end each control line with a newline",
            )
        )

    def _check_decided(self) -> None:
        held = self._hold.held
        if held is None:
            return
        if self._asked:
            say("")
        outcome = self._hold.give_back()
        if self._answer:
            self._session.print(self._answer(Decided(held.id, held.sequence, outcome)))
        raise UsageError(
            f"the input ended before a decision on {name(held)}: it was given back to its queue",
            code="undecided",
            hint=f"send one of these lines: {WORDS}",
        )

    def _name_rest(self) -> None:
        self._name_bad.rest(self._session.run.warn, "more lines failed")


# --- a handler ---


def by_handler(
    run: Invocation, handler: HandlerOptions, on_fail: Settlement, visibility: int
) -> Callable[[TxSession], int]:
    """Let the exit code of a command decide; `on_fail` is for a bad one."""
    shown = HandledOutput(run)

    def decide_by(session: TxSession) -> int:
        message = session.hold.take()
        outcome = _handle(session, message, handler, visibility)
        if outcome.error:
            raise outcome.error
        stopped = outcome.ending == "stopped"
        decided = Settlement("ack") if outcome.ok else Settlement("return") if stopped else on_fail
        session.print(shown.of(message, outcome, OUTCOMES[decided.kind]))
        session.hold.decide(decided)
        if not outcome.ok and not stopped:
            raise HandlerFailed(f"{name(message)}: {outcome.failure}")
        return 0

    return decide_by


def _handle(
    session: TxSession, message: Received, handler: HandlerOptions, visibility: int
) -> HandlerOutcome:
    """Run the handler to its end, extending the visibility meanwhile. Raises what loses hold of the message.

    A handler whose message is lost is ended: somebody else may have it already.
    """
    with HandlerPool(handler.command, 1, session.hold.wakeup.notify, session.run.environ) as pool:
        pool.start(task(message.id, message, handler.input, handler.timeout))
        extend_every = visibility / EXTENSIONS
        extend_at = time.monotonic() + extend_every
        give_up_at = float("inf")
        while not (ended := next(pool.ended(), None)):
            now = time.monotonic()
            stopping = bool(session.stop)
            if stopping and give_up_at == float("inf"):
                give_up_at = now + handler.grace
            if now >= give_up_at:
                pool.finish(0)
                continue
            if now >= extend_at:
                session.hold.begin_extending(visibility)
                extend_at = now + extend_every
            session.hold.wait(seconds=min(extend_at, give_up_at) - now, stopping=stopping)
    delay = FailureDelay(session.stop)
    delay.put(ended)
    while (outcome := next(delay.ready(), None)) is None:
        session.hold.wait(seconds=delay.left, stopping=bool(session.stop))
    return outcome
