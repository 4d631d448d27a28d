"""`main`: one command line run to its exit code; the only place where an error becomes one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kubemqctl import __version__
from kubemqctl.cli.arguments import (
    OptionArity,
    arguments_for_typer,
    plain_words,
    split,
    takes_handler,
    wanted_form,
)
from kubemqctl.model.errors import ExitCode, KubemqctlError, Stopped, UsageError

if TYPE_CHECKING:
    from kubemqctl.runtime.invocation import Invocation


def main(argv: list[str]) -> int:
    """Run one command line (without the program's name); returns the exit code, never raises."""
    if argv == ["--version"]:
        return _print_version()
    if argv[:1] == ["__complete"]:
        from kubemqctl.cli.completion_names import answer

        return answer(argv[1:], os.environ)
    words, tail = split(argv)
    from kubemqctl.runtime.invocation import Common, Invocation

    run = Invocation(os.environ, tail)
    try:
        return _run(words, run)
    except KubemqctlError as e:
        if not isinstance(e, Stopped) and e.exit_code != ExitCode.SIGPIPE:
            # What -o says holds for errors of the command line itself as well.
            if run.common == Common():
                run.common = run.common._replace(output=wanted_form(words))
            run.report(e)
        return int(e.exit_code)
    except KeyboardInterrupt:
        return ExitCode.SIGINT
    except BrokenPipeError:
        return ExitCode.SIGPIPE
    except Exception as e:
        # Help is Typer's to write: the one output that does not go through our own door to stdout.
        is_output = isinstance(e, OSError) and not {"-h", "--help"}.isdisjoint(words)
        run.report(_unwritten(e) if is_output else _bug(e, run))
        return ExitCode.UNEXPECTED


def _run(words: list[str], run: Invocation) -> int:
    import typer

    tree = _tree(words)
    try:
        arguments = arguments_for_typer(words, tree, run)
        code = tree.main(arguments, prog_name="kubemqctl", standalone_mode=False, obj=run)
    except typer.TyperException as e:
        raise _usage(e) from e
    except typer.Abort:
        raise KeyboardInterrupt from None
    return int(code or 0)


def _usage(e: Any) -> UsageError:
    ctx = getattr(e, "ctx", None)
    path = ctx.command_path if ctx else "kubemqctl"
    message, hint = e.format_message().strip(), f"see `{path} --help`"
    if ctx and "unexpected extra argument" in message and takes_handler(ctx.command):
        hint = f"a command to run stands behind `--`; {hint}"
    if ctx and message.startswith("Missing command"):
        hint = f"one of {', '.join(ctx.command.commands)}; {hint}"
    return UsageError(message, hint=hint)


def _bug(e: Exception, run: Invocation) -> KubemqctlError:
    if run.common.verbose:
        import traceback

        for frame in traceback.extract_tb(e.__traceback__):
            run.detail(f"  {os.path.basename(frame.filename)}:{frame.lineno} {frame.name}")
    if isinstance(e, ImportError):
        return KubemqctlError(f"kubemqctl is not whole: {e}", hint="install it again, with what it needs")
    return KubemqctlError(
        f"this is a bug in kubemqctl: {type(e).__name__}: {e}",
        hint="" if run.common.verbose else "run it again with -v and report what it prints",
    )


def _print_version() -> int:
    try:
        os.write(1, f"kubemqctl {__version__}\n".encode())
    except BrokenPipeError:
        return ExitCode.SIGPIPE
    except OSError as e:
        from kubemqctl.output.stderr import report

        report(_unwritten(e))
        return ExitCode.UNEXPECTED
    return ExitCode.OK


def _unwritten(e: Exception) -> KubemqctlError:
    from kubemqctl.model.errors import OutputError

    return OutputError(f"cannot write to standard output: {str(getattr(e, 'strerror', '') or e).lower()}")


# ---- the tree ----


def _tree(words: list[str]) -> Any:
    """The Typer tree: the named command alone, or all of it when it is not clear which one that is."""
    from kubemqctl.cli.command_tree import COMMANDS, build

    first, second = [*plain_words(words, OptionArity({})), "", ""][:2]
    return build([first], second) if first in COMMANDS else build()
