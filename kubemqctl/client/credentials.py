"""The token and the certificates of a connection, kept as fresh as the files and commands that give them.

Tokens and certificates live for hours where machines issue them, and runs of ours for weeks. Files are read
again when they have changed: the token for the next call, certificates for the next connection. A
token_command runs again after a refusal.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from kubemqctl.config.settings import read_token
from kubemqctl.model.errors import AuthError, KubemqctlError, Unreachable

if TYPE_CHECKING:
    import grpc

    from kubemqctl.config.settings import Settings

# Seconds between two runs of a token_command: one that prints another token each time, and each of them
# refused, must come to an end.
RENEWED_AT_MOST_EVERY = 10.0
RENEWED = "token-renewed"
"""The code of an Unreachable whose cause was a token that has been replaced: to be tried again at once."""

Metadata = tuple[tuple[str, str], ...] | None
_Seen = tuple[tuple[int, ...], ...]


class Credentials:
    """Of one run. Raises, when it is made, as read_token and client.tls.channel_credentials do."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token_seen = _seen(settings.token.file)
        self._token = read_token(settings)
        self._tls_seen: _Seen = ()
        self._channel: grpc.ChannelCredentials | None = None
        self._renewed_at = float("-inf")
        if settings.tls.enabled:
            self._tls_seen = self._look_at_tls()
            self._channel = self._of_channel()

    def metadata(self) -> Metadata:
        """What a call carries. A token file that has changed is read first."""
        file = self._settings.token.file
        if file and (seen := _seen(file)) != self._token_seen:
            self._read_again()
            self._token_seen = seen
        return (("authorization", self._token),) if self._token else None

    def channel(self) -> grpc.ChannelCredentials | None:
        """What to speak TLS with on a new connection; None for plain text."""
        if self._settings.tls.enabled and (seen := self._look_at_tls()) != self._tls_seen:
            try:
                self._channel = self._of_channel()
            except KubemqctlError:
                # One of two files is being replaced: what there was is still worth a try.
                return self._channel
            self._tls_seen = seen
        return self._channel

    def judged(self, error: Exception, sent: Metadata) -> Exception:
        """What to raise for `error` of a call that carried `sent`.

        Where a token was refused and there is another one by now, Unreachable: the call was not carried out,
        and is worth another try over a new connection. Where there is none, it says which token that was.
        """
        if not isinstance(error, AuthError):
            return error
        if not sent:
            if error.code == "unauthenticated":
                error.message = "authentication failed: no token was sent"
            return error
        if self.metadata() == sent and not self._another():
            if error.code == "unauthenticated":
                where = self._settings.sources["token"].removeprefix("flag ")
                error.message = "authentication failed: the server does not take this token"
                error.hint = f"it is that of {where}: check that it is for this server, and has not expired"
            return error
        return Unreachable(
            f"{error.message}: using the token that replaces it",
            code="token-renewed",  # written out: what is told of all codes is held against these
            grpc_status=error.grpc_status,
            server_message=error.server_message,
        )

    def _another(self) -> bool:
        """Run the token_command again, unless that was just done: whether it prints another token."""
        now = time.monotonic()
        if not self._settings.token.command or now < self._renewed_at + RENEWED_AT_MOST_EVERY:
            return False
        self._renewed_at = now
        before = self._token
        self._read_again()
        return self._token != before

    def _read_again(self) -> None:
        # A file that is being replaced, a command that fails now: the old one, until it is refused.
        with suppress(KubemqctlError):
            self._token = read_token(self._settings)

    def _look_at_tls(self) -> _Seen:
        tls = self._settings.tls
        return tuple(_seen(path) for path in (tls.ca, tls.cert, tls.key))

    def _of_channel(self) -> grpc.ChannelCredentials:
        # Plain text needs neither that module nor ssl (10 ms).
        from kubemqctl.client.tls import channel_credentials

        return channel_credentials(self._settings.tls)


def _seen(path: str) -> tuple[int, ...]:
    """What tells one content of a file from the next; of no file nothing."""
    if not path:
        return ()
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
