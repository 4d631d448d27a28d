"""One run of the program: the common options, the streams, and what a command needs of both.

A command gets it as `ctx.obj`. Nothing is resolved, connected or opened before it is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.config.settings import Settings, plain_text_warning, resolve, wished_output
from kubemqctl.config.sources import Flags, without_connection
from kubemqctl.model.errors import KubemqctlError, UsageError
from kubemqctl.model.text import escaped
from kubemqctl.output.forms import Form, Raw, Renderer, decide, make_renderer, no_metrics
from kubemqctl.output.stderr import (
    ORANGE,
    colour_wanted,
    colours_errors,
    columns,
    is_terminal,
    label,
    prompt,
    report,
    say,
)
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.waiting import pause

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client


class Common(NamedTuple):
    """The common options, as given."""

    flags: Flags = Flags()
    output: str | None = None
    template: str | None = None
    quiet: bool = False
    verbose: bool = False
    no_input: bool = False


class Invocation:
    """`words` is what stood behind `--`: a handler's command, or None without one."""

    def __init__(self, environ: Mapping[str, str], words: list[str] | None) -> None:
        self.environ = environ
        self.common = Common()
        self.words = words
        self._settings: Settings | None = None
        self._warned = False
        self._notes: list[str] = []

    def settings(self) -> Settings:
        """Where and as whom to connect; says on stderr, once, what has to be said of it."""
        if self._settings is None:
            self._settings = resolve(self.common.flags, self.environ)
            for text in self._settings.notes:
                self.warn(text)
        return self._settings

    def connecting(self) -> Settings:
        """The settings, for who connects with them now: says once where a token can be read on its way."""
        settings = self.settings()
        if not self._warned:
            self._warned = True
            for text in plain_text_warning(settings):
                self.warn(text)
            if self.common.verbose:
                from kubemqctl.client.doctor.steps import DiagnosisRun, configuration, versions

                diagnosis = DiagnosisRun(self.common.flags, self.environ)
                self.detail(versions(diagnosis).found)
                self.detail(configuration(diagnosis).found)
        return settings

    def client(self) -> Client:
        """A connection, to be used as a context manager."""
        from kubemqctl.client.connect import connect

        return connect(self.connecting(), self.warn, pause)

    @contextmanager
    def client_of(self, profile: str | None) -> Iterator[Client | None]:
        """A connection to the server of that profile, as its file has it; None without one.

        Neither flags nor the environment apply to it: they are those of the first server.
        """
        if profile is None:
            yield None
            return
        from kubemqctl.client.connect import connect

        settings = resolve(Flags(profile=profile), without_connection(self.environ))
        if settings.read_only:
            raise UsageError(
                f"the profile {profile} is read-only",
                hint=f"to allow changes: kubemqctl profile set {profile} --no-read-only",
            )
        for text in (*settings.notes, *plain_text_warning(settings)):
            self.warn(text)
        with connect(settings, self.warn, pause) as client:
            yield client

    def form(self) -> Form:
        """The form of the output. Raises UsageError for options that exclude each other."""
        common, on_terminal = self.common, is_terminal(1)
        # Only a terminal's form depends on the profile: a pipe need not read the file for it.
        asks = on_terminal and not common.output and common.template is None
        wish = wished_output(common.flags, self.environ) if asks else ""
        return decide(common.output, common.template, wish, on_terminal)

    def check_output(self, prints_metrics: bool) -> None:
        """Refuse a wrong -o or --format, also for a command that would not come to print anything.

        Raises UsageError, for -o prometheus too unless the command `prints_metrics`.
        """
        form = decide(self.common.output, self.common.template, "", stdout_is_terminal=False)
        if form.name == "prometheus" and not prints_metrics:
            raise no_metrics()

    def renderer(
        self,
        noun_type: type,
        delimiter: bytes | None = b"\n",
        raw: Raw | None = None,
    ) -> Renderer:
        """Turns nouns of that type into bytes; a bad `--format` is found here, before anything is done.

        `raw` is what a pipe gets of one, where the command has a form of its own for that.
        """
        seen = is_terminal(1)
        colour = colour_wanted(self.environ, seen)
        return make_renderer(
            self.form(),
            noun_type,
            delimiter=delimiter,
            raw=raw,
            colour=colour,
            width=columns(1),
            on_terminal=seen,
            note=self._notes.append,
        )

    def show(self, nouns: Iterable[object], noun_type: type, raw: Raw | None = None) -> None:
        """Print a finished list, and all of it."""
        self.write(self.renderer(noun_type, raw=raw).all(nouns))

    def show_document(self, text: str, record: Mapping[str, object], noun_type: type = dict) -> None:
        """Print `text` for people and pipes, or `record` where -o asks for a form that takes one.

        A template is checked against the TypedDict `noun_type`.
        """
        if self.form().name in ("human", "raw"):
            self.write(text.encode())
        else:
            self.write(self.renderer(noun_type).one(record))

    def write(self, data: bytes) -> None:
        """Write bytes to stdout, all of them."""
        stdout = Stdout()
        try:
            stdout.write(data)
        finally:
            stdout.close()
        for text in self._notes:
            self.note(text)
        self._notes.clear()

    @property
    def may_ask(self) -> bool:
        """Whether a question would reach a person."""
        return (
            not self.common.no_input
            and self.environ.get("CI", "").lower() not in ("true", "1")
            and is_terminal(0)
            and is_terminal(2)
        )

    def note(self, text: str) -> None:
        """A line of status on stderr, unless -q."""
        if not self.common.quiet:
            say(escaped(text))

    @property
    def is_watched(self) -> bool:
        """Whether progress is to be drawn on stderr: on a terminal that can go back on a line, unless -q."""
        return is_terminal(2) and not self.common.quiet and self.environ.get("TERM") != "dumb"

    def note_on_terminal(self, text: str) -> None:
        """As `note`, for somebody who watches: on a terminal only."""
        if is_terminal(2):
            self.note(text)

    def warn(self, text: str) -> None:
        """A warning on stderr, also with -q."""
        say(f"{label('warning', ORANGE, colours_errors(self.environ))} {escaped(text)}")

    def detail(self, text: str) -> None:
        """A line for -v."""
        if self.common.verbose:
            say(escaped(text))

    def report(self, error: KubemqctlError) -> None:
        """Print an error on stderr, the way `-o` and -v ask for."""
        report(error, as_json=self.common.output == "json", verbose=self.common.verbose)

    def confirm(self, doing: str, name: str, *, yes: bool, confirm: str | None, protected: bool) -> None:
        """Let a destructive action pass only when it was meant.

        `doing` is what will happen ("delete all messages of orders"), `name` what it happens to; where the
        profile is `protected`, the name must be typed.
        Raises UsageError naming the flag that answers, or when the answer is no.
        """
        if confirm is not None:
            if confirm != name:
                raise UsageError(
                    f"--confirm {confirm} is not the name {name}", hint=f"to confirm, use --confirm {name}"
                )
            return
        if yes and not protected:
            return
        flag = f"--confirm {name}" if protected else "--yes"
        if not self.may_ask:
            why = "the profile is protected" if protected else "prompting is not possible here"
            raise UsageError(f"this would {doing}: {why}", hint=f"to confirm, use {flag}")
        self._ask(doing, name if protected else "y")

    def _ask(self, doing: str, answer: str) -> None:
        question = (
            f"{escaped(doing)}: type {escaped(answer)} to go on: "
            if answer != "y"
            else f"{escaped(doing)}? [y/N] "
        )
        prompt(question[0].upper() + question[1:])
        line = sys.stdin.readline()
        # A line that ends without its newline was broken off: that is no answer.
        said = line.strip() if line.endswith("\n") else ""
        if not line.endswith("\n"):
            say("")
        if said != answer and not (answer == "y" and said.lower() in ("y", "yes")):
            raise UsageError("not confirmed, nothing was done")
