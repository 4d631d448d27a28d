"""The command tree, and `main`: the only place where an error becomes an exit code.

Common options are declared once, on the root, and accepted everywhere: `hoist` moves them to the front
before Typer looks. Only the group that the first word names is imported and built (36 commands cost
40 ms); help, typos and completion build all.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kubemqctl import __version__
from kubemqctl.model.errors import ExitCode, KubemqctlError, Stopped, UsageError

if TYPE_CHECKING:
    from kubemqctl.runtime.invocation import Invocation

# The order of `kubemqctl --help`.
COMMANDS = (
    "queue",
    "events",
    "store",
    "cmd",
    "query",
    "channel",
    "top",
    "ping",
    "doctor",
    "bench",
    "profile",
    "broker",
    "schema",
    "completion",
    "help",
)

VALUED = {
    "-p", "--profile", "-a", "--address", "--client-id", "--token-file", "--tls-ca", "--tls-cert",
    "--tls-key", "--tls-server-name", "--connect-timeout", "-o", "--output", "--format",
}  # fmt: skip
SWITCHES = {"--tls", "--no-tls", "-q", "--quiet", "-v", "--verbose", "--no-input"}


def main(argv: list[str]) -> int:
    """Run one command line (without the program's name); returns the exit code, never raises."""
    if argv == ["--version"]:
        return _print_version()
    if argv[:1] == ["__complete"]:
        from kubemqctl.completing import answer

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
                run.common = run.common._replace(output=_wanted_form(words))
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


def split(argv: list[str]) -> tuple[list[str], list[str] | None]:
    """What stands before the first `--`, and what behind it; None when there is none."""
    if "--" not in argv:
        return argv, None
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def _run(words: list[str], run: Invocation) -> int:
    import typer

    tree = _tree(words)
    try:
        arguments = _arguments(words, tree, run)
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
    if ctx and "unexpected extra argument" in message and _takes_handler(ctx.command):
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
    first, second = [*_plain(words, Known({})), "", ""][:2]
    return build([first], second) if first in COMMANDS else build()


def build(names: Sequence[str] = COMMANDS, only: str = "") -> Any:
    """The command tree with these top-level commands; of a group, `only` this command where it has it."""
    import typer

    from kubemqctl import usage
    from kubemqctl.root import root as options

    root = typer.Typer(
        name="kubemqctl",
        cls=usage.HelpGroup,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    root.callback(epilog=_EPILOG)(options)
    for name in names:
        importlib.import_module(f"kubemqctl.commands.{name}").register(root, only)
    tree: Any = typer.main.get_command(root)
    # Typer has single commands first and groups behind them.
    tree.commands = {name: tree.commands[name] for name in names}
    return tree


_EPILOG = """\b
Examples:
  kubemqctl broker exec -- sh -c 'kubemqctl queue send hello world && kubemqctl queue receive hello'
  kubemqctl ping --wait 30s
  kubemqctl queue send --help"""


# ---- common options, wherever they stand ----


class Known(NamedTuple):
    """Whether an option takes a value, by its name."""

    own: dict[str, bool]

    def common(self, word: str) -> str:
        """The common option that `word` gives; empty for none, or when the command declares it itself."""
        name = word.partition("=")[0]
        if name in self.own:
            return ""
        if name in VALUED or word in SWITCHES:
            return name
        short = word[:2]
        is_cluster = len(word) > 2 and word[0] == "-" != word[1] and short not in self.own
        return short if is_cluster and short in VALUED | SWITCHES else ""

    def takes_next(self, word: str) -> bool:
        """Whether the word behind `word` is its value."""
        return self.own.get(word, word in VALUED)


def _plain(words: list[str], known: Known) -> Iterable[str]:
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-") and len(word) > 1:
            skip = known.takes_next(word)
        else:
            yield word


def hoist(words: list[str], known: Known) -> list[str]:
    """`words` with the common options moved to the front, each with its value; UsageError without one."""
    front: list[str] = []
    rest: list[str] = []
    i = 0
    while i < len(words):
        word = words[i]
        wide = 2 if word.startswith("-") and known.takes_next(word) else 1
        if known.common(word) and i + wide > len(words):
            raise UsageError(f"option {word} needs a value", hint="see `kubemqctl --help`")
        (front if known.common(word) else rest).extend(words[i : i + wide])
        i += wide
    return front + rest


def _arguments(words: list[str], tree: Any, run: Invocation) -> list[str]:
    """The words as Typer shall see them, the part behind `--` included where no handler takes it."""
    found = _command(words, tree)
    own = {name: not p.is_flag for p in found.params if p.param_type_name == "option" for name in _names(p)}
    arguments = hoist(words, Known(own))
    if run.words is None:
        return arguments
    if _takes_handler(found):
        if not run.words:
            raise UsageError(
                "there is no command behind --", hint="write it like: -- ./handle --its-own options"
            )
        return arguments
    tail, run.words = run.words, None
    return [*arguments, "--", *tail]


def _names(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


def _takes_handler(found: Any) -> bool:
    from kubemqctl.options import TAKES_HANDLER

    callback = found.callback
    return getattr(callback, "__wrapped__", callback) in TAKES_HANDLER


def _command(words: list[str], tree: Any) -> Any:
    """The command that the words name, as far as they do; the root's own options do not count as its."""
    found = tree
    for word in _plain(words, Known({})):
        inner = getattr(found, "commands", {}).get(word)
        if inner is None:
            break
        found = inner
    return found if found is not tree else _Nothing


class _Nothing:
    params: tuple[Any, ...] = ()
    callback = None


def _wanted_form(words: list[str]) -> str | None:
    """What `-o` says in words that could not be parsed as a whole."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word in ("-o", "--output"):
            return following
        if word.startswith(("--output=", "-o")):
            return word.removeprefix("--output=").removeprefix("-o")
    return None
