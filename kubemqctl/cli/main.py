"""`main`: one command line run to its exit code; the only place where an error becomes one."""

from __future__ import annotations

import os
import re
from errno import EDQUOT, EMFILE, ENFILE, ENOSPC
from typing import TYPE_CHECKING, Any

from kubemqctl import __version__
from kubemqctl.cli.arguments import (
    DASH_HINT,
    SWITCHES,
    VALUED,
    OptionArity,
    arguments_for_typer,
    command_path,
    plain_words,
    split,
    takes_handler,
    wanted_form,
)
from kubemqctl.model.errors import ExitCode, KubemqctlError, Stopped, UsageError
from kubemqctl.model.text import quoted, reason

if TYPE_CHECKING:
    from kubemqctl.runtime.invocation import Invocation


# What somebody's shell has for another program: with a value that our libraries do not know they end the
# process, or cannot be imported.
_HARMFUL = ("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "GRPC_POLL_STRATEGY", "GRPC_EXPERIMENTS", "GRPC_TRACE")


def main(argv: list[str]) -> int:
    """Run one command line (without the program's name); returns the exit code, never raises."""
    # As it was given to us: libraries are told how to behave by variables that are no business of a handler.
    given = dict(os.environ)
    for name in _HARMFUL:
        os.environ.pop(name, None)
    if argv == ["--version"]:
        return _print_version()
    if argv[:1] == ["__complete"]:
        from kubemqctl.cli.completion_names import answer

        return answer(argv[1:], os.environ)
    words, tail = split(argv)
    from kubemqctl.runtime.invocation import Common, Invocation

    run = Invocation(given, tail)
    try:
        return _run(words, run)
    except KubemqctlError as e:
        # What -o says holds for errors of the command line itself as well.
        if run.common == Common():
            run.common = run.common._replace(output=wanted_form(words))
        return _ended(e, words, run)
    except KeyboardInterrupt:
        return ExitCode.SIGINT
    except BrokenPipeError:
        return ExitCode.SIGPIPE
    except Exception as e:
        return _ended(_of_the_system(e) or _bug(e, run), words, run)


def _ended(error: KubemqctlError, words: list[str], run: Invocation) -> int:
    """Say what the run ended of, where anybody is to hear it; returns the exit code."""
    if isinstance(error, Stopped) or error.exit_code == ExitCode.SIGPIPE:
        return int(error.exit_code)
    if "--nagios" in words and next(iter(plain_words(words, OptionArity({}))), "") == "check":
        from kubemqctl.cli.commands.check import nagios_error

        return nagios_error(error, run)
    run.report(error)
    return int(error.exit_code)


def _run(words: list[str], run: Invocation) -> int:
    import typer

    from kubemqctl.cli.command_tree import HelpRequested

    tree = _tree(words)
    try:
        arguments = arguments_for_typer(words, tree, run)
        code = tree.main(arguments, prog_name="kubemqctl", standalone_mode=False, obj=run)
    except HelpRequested as e:
        run.write(e.text.encode())
        return ExitCode.OK
    except typer.TyperException as e:
        ctx = getattr(e, "ctx", None)
        if ctx and e.format_message().startswith("Missing command") and wanted_form(words) != "json":
            # Somebody who types a bare `kubemqctl queue` asks what there is.
            from kubemqctl.output.stderr import say

            say(ctx.command.help_text(ctx).rstrip("\n"))
            return ExitCode.USAGE
        raise _usage(e, words, tree) from e
    except typer.Abort:
        raise KeyboardInterrupt from None
    return int(code or 0)


def _tree(words: list[str]) -> Any:
    """The Typer tree, as far as it is needed: the named command alone, or the names that there are."""
    from kubemqctl.cli.command_tree import COMMANDS, build, outline

    first, second = [*plain_words(words, OptionArity({})), "", ""][:2]
    return build([first], second) if first in COMMANDS else outline()


# ---- what Typer refuses ----


def _usage(e: Any, words: list[str], tree: Any) -> UsageError:
    """Typer's refusal in our words, with a hint that says what to write."""
    ctx = getattr(e, "ctx", None)
    message = e.format_message().strip().partition(" (Possible options")[0].rstrip(".")
    if ctx is None:
        return _value_refused(getattr(e, "option_name", ""), message, command_path(words, tree))
    hint = _hint(e, ctx, message, words)
    if message.startswith("No such option"):
        message = f"no such option: {quoted(_as_typed(e.option_name, words))}"
    elif message.startswith("No such command"):
        message = f"no such command: {quoted(_unknown_word(ctx.command_path, words))}"
    elif message.startswith("Invalid value"):
        message = _number_refused(message)
    elif extra := _EXTRA.fullmatch(message):
        message = f"unexpected argument: {quoted(extra[1])}"
    return UsageError(_lowered(message), hint=hint)


_EXTRA = re.compile(r"Got unexpected extra argument\S* \((.*)\)", re.DOTALL)


def _value_refused(option: str, message: str, path: str) -> UsageError:
    """`option` stands without its value, or with one that it does not take."""
    see = f"see `{path} --help`"
    if message.endswith("requires an argument"):
        return UsageError(f"option {option} needs a value", hint=f"{see}; {DASH_HINT}")
    if message.endswith("does not take a value"):
        message = f"option {option} takes no value"
    return UsageError(_lowered(message), hint=see)


def _number_refused(message: str) -> str:
    """What Typer says of an option that takes a whole number, in the words of our other options."""
    found = re.fullmatch(
        r"Invalid value for (.*'(?P<option>.+)'): '?(?P<value>.*?)'? is not "
        r"(a valid int( range)?|in the range (?P<least>[0-9]+)?.*?x.*?=(?P<last>[0-9]+))",
        message,
        re.DOTALL,
    )
    if not found:
        return message
    said = f"{found['option']}: {quoted(found['value'])} is"
    if not found["last"]:
        return f"{said} not a whole number"
    if found["least"]:
        return f"{said} out of range: the range is {found['least']} to {found['last']}"
    return f"{said} too small: the minimum is {found['last']}"


def _as_typed(name: str, words: list[str]) -> str:
    """An unknown option as it stands in the words: of a cluster the parser tells the first letter alone."""
    clusters = (word for word in words if word.startswith(name) and word[1] != "-")
    return name if name in words else next(clusters, name)


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _hint(e: Any, ctx: Any, message: str, words: list[str]) -> str:
    from kubemqctl.cli import did_you_mean

    path, found = ctx.command_path, ctx.command
    see = f"see `{path} --help`"
    commands = getattr(found, "commands", {})
    if message.startswith("No such command"):
        meant = did_you_mean.command(path.partition(" ")[2], _unknown_word(path, words), commands)
        return meant or f"one of {', '.join(commands)}; {see}"
    if message.startswith("Missing command"):
        return f"one of {', '.join(commands)}; {see}"
    if message.startswith("No such option"):
        known = [name for p in found.params if p.param_type_name == "option" for name in p.opts]
        meant = did_you_mean.option(e.option_name, [*known, *VALUED, *SWITCHES])
        dash = _dash_hint(found, path)  # a body that is near to an option is data all the same
        return f"{meant} {dash[:1].upper()}{dash[1:]}".strip() if meant else dash or see
    if message.startswith("Missing argument") and words[-1].startswith("-"):
        return _dash_hint(found, path) or see
    if "unexpected extra argument" in message and "(-" in message:
        return f"options go before `--`; {see}"
    if "unexpected extra argument" in message and takes_handler(found):
        return f"a handler command goes after `--`; {see}"
    if "unexpected extra argument" in message and any(p.name == "body" for p in found.params):
        return f"put quotes around a body that has spaces; {see}"
    return see


def _unknown_word(path: str, words: list[str]) -> str:
    """The word behind those of `path`, the program's name included."""
    return list(plain_words(words, OptionArity({})))[len(path.split()) - 1]


def _dash_hint(found: Any, path: str) -> str:
    """What to do with a word that begins with a dash and is meant as an argument."""
    arguments = [p.metavar.strip("[]…").split()[-1] for p in found.params if p.param_type_name == "argument"]
    told = " or ".join(f"a {name}" for name in arguments if name in _FREE)
    return f"{told} that begins with a dash goes after `--`: {path} … -- -x" if told else ""


_FREE = ("CHANNEL", "BODY", "SOURCE", "TARGET", "NAME")
"""Arguments that may begin with a dash; the others take one of some known words."""


# ---- the rest ----


_SYSTEM_HINTS = {
    EMFILE: "raise the limit of open files: ulimit -n 4096",
    ENFILE: "too many files are open on this machine: close other programs",
    ENOSPC: "free some space, or name another folder for temporary files in TMPDIR",
    EDQUOT: "free some space, or name another folder for temporary files in TMPDIR",
}


def _of_the_system(e: Exception) -> KubemqctlError | None:
    """The error where this machine, not the program, is at fault; None for what is nobody's but ours."""
    if isinstance(e, MemoryError):
        return KubemqctlError("there is not enough memory", code="system")
    if isinstance(e, OSError):
        named = f": {quoted(os.fsdecode(e.filename))}" if isinstance(e.filename, str | bytes) else ""
        hint = _SYSTEM_HINTS.get(e.errno or 0, "")
        if "temporary" in str(e):
            hint = "name a folder that can be written to in TMPDIR"
        return KubemqctlError(f"the system refuses to go on: {reason(e)}{named}", code="system", hint=hint)
    if isinstance(e, RuntimeError) and "start new thread" in str(e):
        hint = "raise the limit of processes: ulimit -u"
        return KubemqctlError("the system lets us start no more threads", code="system", hint=hint)
    if isinstance(e, UnicodeEncodeError):
        return UsageError(f"{quoted(e.object)} is not valid UTF-8")
    return None


def _bug(e: Exception, run: Invocation) -> KubemqctlError:
    if run.common.verbose:
        import traceback

        for frame in traceback.extract_tb(e.__traceback__):
            run.detail(f"  {os.path.basename(frame.filename)}:{frame.lineno} {frame.name}")
    if isinstance(e, ImportError):
        return KubemqctlError(
            f"the installation of kubemqctl is incomplete: {e}",
            hint="install it again together with its dependencies",
        )
    return KubemqctlError(
        f"this is a bug in kubemqctl: {type(e).__name__}: {e}",
        hint="" if run.common.verbose else "run it again with -v and report what it prints",
    )


def _print_version() -> int:
    try:
        os.write(1, f"kubemqctl {__version__}\n".encode())
    except OSError as e:
        from kubemqctl.output.stderr import report
        from kubemqctl.output.stdout import write_error

        error = write_error(e)
        if error.exit_code != ExitCode.SIGPIPE:
            report(error)
        return int(error.exit_code)
    return ExitCode.OK
