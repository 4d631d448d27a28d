"""All errors of the program, as a tree. Each class carries its exit code and stable name.

KubemqctlError                      1  unexpected
├── OutputError                     1  output-failed       stdout cannot be written
├── UsageError                      2  usage               the command line is wrong
│   ├── ConfigError                 2  invalid-config      a configuration file or variable is wrong
│   ├── RecordError                 2  invalid-record      a record that cannot be sent
│   ├── InvalidRequest              2  invalid-request     a request that no server would take
│   │   └── TooLarge                2  message-too-large
│   └── Unsupported                 2  unsupported         the server lacks the feature
├── NotFound                        3  not-found           profile, channel, file, handler command
├── AuthError                       4  unauthenticated     (or permission-denied)
├── Unreachable                     5  cannot-connect
│   └── ConnectionLost              5  connection-lost     a call may or may not have been carried out
├── TimedOut                        6  timeout
│   └── NothingArrived              6  nothing-arrived
├── Partial                         7  partly-done
├── NotReady                        8  not-ready           the server is there; try again
├── Refused                         9  refused             a responder answered executed=false
├── HandlerFailed                  10  handler-failed
├── ExpectationFailed              11  expectation-failed  an assertion or a check does not hold
├── Stopped                      128+n interrupted         a signal
└── ReaderGone                     141  broken-pipe         nobody reads our output any more

A new kind of failure is a new class here, or one of these with another `code`; never a bare number elsewhere.
"""

from __future__ import annotations

import signal
from enum import IntEnum


class ExitCode(IntEnum):
    """The process exit codes; 0 to 8 mean the same in the vendor's tool."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NOT_FOUND = 3
    AUTH = 4
    UNREACHABLE = 5
    TIMEOUT = 6
    PARTIAL = 7
    RETRYABLE = 8
    REFUSED = 9
    HANDLER = 10
    EXPECTATION = 11
    SIGINT = 130
    SIGPIPE = 141
    SIGTERM = 143


def shell_code(code: int) -> int:
    """A process's exit code as a shell tells it: 128+n where Python has -n, for signal n."""
    return code if code >= 0 else 128 - code


def signal_name(code: int) -> str:
    """The name of the signal that a shell's exit code tells of; empty for none."""
    try:
        return signal.Signals(code - 128).name
    except ValueError:
        return ""


class KubemqctlError(Exception):
    """A failure with a message for people, and a stable name and exit code for programs."""

    exit_code: int = ExitCode.UNEXPECTED
    code = "unexpected"
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        grpc_status: str = "",
        server_message: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.grpc_status = grpc_status
        self.server_message = server_message


class OutputError(KubemqctlError):
    code = "output-failed"


class UsageError(KubemqctlError):
    exit_code = ExitCode.USAGE
    code = "usage"


class ConfigError(UsageError):
    code = "invalid-config"


class InvalidRequest(UsageError):
    code = "invalid-request"


class TooLarge(InvalidRequest):
    code = "message-too-large"


class Unsupported(UsageError):
    code = "unsupported"


class NotFound(KubemqctlError):
    exit_code = ExitCode.NOT_FOUND
    code = "not-found"


class AuthError(KubemqctlError):
    exit_code = ExitCode.AUTH
    code = "unauthenticated"


class Unreachable(KubemqctlError):
    exit_code = ExitCode.UNREACHABLE
    code = "cannot-connect"
    retryable = True


class ConnectionLost(Unreachable):
    """The call was on its way when the connection went: its outcome is unknown."""

    code = "connection-lost"


class TimedOut(KubemqctlError):
    exit_code = ExitCode.TIMEOUT
    code = "timeout"
    retryable = True


class NothingArrived(TimedOut):
    code = "nothing-arrived"

    @classmethod
    def on(cls, channel: str) -> NothingArrived:
        """For a wait for one message of `channel` that was in vain."""
        return cls(f"nothing arrived on {channel}", hint="to wait longer: --wait 30s")


class Partial(KubemqctlError):
    exit_code = ExitCode.PARTIAL
    code = "partly-done"


class NotReady(KubemqctlError):
    exit_code = ExitCode.RETRYABLE
    code = "not-ready"
    retryable = True


PASSING = (Unreachable, NotReady, TimedOut)
"""What ends by itself: a server that is lost, not ready, or silent for now."""


class Refused(KubemqctlError):
    exit_code = ExitCode.REFUSED
    code = "refused"


class HandlerFailed(KubemqctlError):
    exit_code = ExitCode.HANDLER
    code = "handler-failed"


class ExpectationFailed(KubemqctlError):
    """What the user has stated about messages, a server or a benchmark is not so."""

    exit_code = ExitCode.EXPECTATION
    code = "expectation-failed"


class Stopped(KubemqctlError):
    """A signal ended the run (its number in `signum`); printed nowhere, only turned into an exit code."""

    code = "interrupted"

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


class ReaderGone(KubemqctlError):
    """Nobody reads our output any more; ends the run with 141, quietly."""

    code = "broken-pipe"
    exit_code = ExitCode.SIGPIPE

    def __init__(self) -> None:
        super().__init__("the reader of the output has closed it")


class RecordError(UsageError):
    """A record that cannot be sent; the text names the field."""

    code = "invalid-record"
