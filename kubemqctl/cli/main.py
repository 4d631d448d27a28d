"""`main`: one command line run to its exit code; the only place where an error becomes one."""

from __future__ import annotations

import os
from errno import EDQUOT, EMFILE, ENFILE, ENOSPC
from typing import TYPE_CHECKING, Any

from kubemqctl import __version__
from kubemqctl.cli.arguments import (
    OptionArity,
    arguments_for_typer,
    plain_words,
    split,
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
        from kubemqctl.cli.refusals import refusal

        raise refusal(e, words, tree) from e
    except typer.Abort:
        raise KeyboardInterrupt from None
    return int(code or 0)


def _tree(words: list[str]) -> Any:
    """The Typer tree, as far as it is needed: the named command alone, or the names that there are."""
    from kubemqctl.cli.command_tree import COMMANDS, build, outline

    first, second = [*plain_words(words, OptionArity({})), "", ""][:2]
    return build([first], second) if first in COMMANDS else outline()


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
        import resource

        # A thread has a stack: under a limit of memory that is mostly what there is no room for.
        is_bounded = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
        hint = f"raise the limit of {'memory: ulimit -v' if is_bounded else 'processes: ulimit -u'}"
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
