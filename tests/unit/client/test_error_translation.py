"""What servers and gRPC say, as our errors: the number first, then the text, then the status."""

from __future__ import annotations

import grpc
import pytest

from kubemqctl.client.error_translation import rpc_error, server_error
from kubemqctl.model.errors import KubemqctlError

Status = grpc.StatusCode


class Refusal(grpc.RpcError):
    """An ended call, as grpcio raises it."""

    def __init__(self, status: grpc.StatusCode, details: str) -> None:
        self._status, self._details = status, details

    def code(self) -> grpc.StatusCode:
        return self._status

    def details(self) -> str:
        return self._details


@pytest.mark.parametrize(
    ("text", "exit_code", "code"),
    [
        ("Error 101: invalid clientID value, cannot be empty", 2, "invalid-request"),
        ("Error 120: invalid queue name value, cannot be empty, …", 2, "invalid-request"),
        ("Error 129: current visibility timer expired", 6, "visibility-expired"),
        ("Error 138: no new message in queue, wait time expired", 6, "nothing-arrived"),
        ("Error 301: timeout for request message", 6, "timeout"),
        ("Error 302: connection not available, please retry", 8, "not-ready"),
        ("Error 409: server is in shutdown mode", 8, "shutting-down"),
        ("Error 412: access denied to resource", 4, "permission-denied"),
        ("Error 421: authentication verification failed, ", 4, "unauthenticated"),
        ("stan: invalid publish request", 2, "invalid-request"),
        (
            "stan: durable name of a durable queue subscriber can't contain the character ':'",
            2,
            "invalid-request",
        ),
        ("nats: invalid subject", 2, "invalid-request"),
        ("stan: publish ack timeout", 6, "timeout"),
        ("nats: timeout", 6, "timeout"),
        ("stan: connect request timeout (possibly wrong cluster ID?)", 8, "not-ready"),
        ("stan: subscribe request timeout", 8, "not-ready"),
        ("stan: connection lost due to PING failure", 6, "timeout"),
        ("stan: connection closed", 8, "server-broken"),
        ("stan: invalid connection", 8, "server-broken"),
        ("nats: connection disconnected", 8, "not-ready"),
        ("nats: no servers available for connection", 8, "not-ready"),
        ("stan: the store has been struck by lightning", 1, "server-error"),
        ("database or disk is full", 1, "server-error"),
        ("", 1, "server-error"),
        ("stan: clientID already registered", 8, "client-id-in-use"),
        ("nats: connection closed", 8, "server-broken"),
        ("mkdir store/host/_QUEUES_.x: file name too long", 2, "invalid-request"),
    ],
)
def test_a_text_of_the_server_is_known_by_its_number_or_words(text: str, exit_code: int, code: str) -> None:
    for error in (server_error(text), server_error(text, Status.INTERNAL)):
        assert (error.exit_code, error.code) == (exit_code, code)
        assert error.server_message == text


@pytest.mark.parametrize(
    ("status", "details", "exit_code", "code"),
    [
        (Status.UNAUTHENTICATED, "", 4, "unauthenticated"),
        (Status.PERMISSION_DENIED, "no", 4, "permission-denied"),
        (Status.UNIMPLEMENTED, "unknown method X", 2, "unsupported"),
        (Status.RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 4)", 2, "message-too-large"),
        (Status.RESOURCE_EXHAUSTED, "try later", 8, "overloaded"),
        (Status.DEADLINE_EXCEEDED, "Deadline Exceeded", 6, "timeout"),
        (Status.UNAVAILABLE, "Stream removed (Socket closed)", 5, "connection-lost"),
        (Status.UNAVAILABLE, "grpc server is not ready to accept requests", 8, "not-ready"),
        (Status.UNAVAILABLE, "failed to connect to all addresses; last error: …", 5, "cannot-connect"),
        (Status.UNAVAILABLE, "… CERTIFICATE_VERIFY_FAILED …", 5, "tls-failed"),
        (Status.UNIMPLEMENTED, "Received http2 header with status: 404", 5, "cannot-connect"),
        (Status.CANCELLED, "", 5, "connection-lost"),
        (Status.INTERNAL, "Error 301: timeout for request message", 6, "timeout"),
        (Status.INTERNAL, "something else", 1, "server-error"),
        (Status.UNKNOWN, "empty messages batch", 2, "invalid-request"),
    ],
)
def test_a_status_counts_where_the_text_says_nothing(
    status: grpc.StatusCode, details: str, exit_code: int, code: str
) -> None:
    error = rpc_error(Refusal(status, details), "host:1")
    assert (error.exit_code, error.code, error.grpc_status) == (exit_code, code, status.name)
    assert error.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Error 421: authentication verification failed, ",
            "authentication failed: the token is missing, or",
        ),
        ("stan: clientID already registered", "another subscription uses this client ID already"),
        ("nats: connection closed", "the server is out of order"),
        ("nats: maximum payload exceeded", "the message is too large"),
        (
            "CLIENT: Sent message larger than max (104860037 vs. 104857600)",
            "the message is too large: 104860037 bytes with all that goes with it, the maximum is 104857600",
        ),
    ],
)
def test_what_is_no_sentence_for_people_is_told_as_one(text: str, said: str) -> None:
    error = server_error(text, Status.INTERNAL)
    assert (error.message.startswith(said), error.server_message) == (True, text)


@pytest.mark.parametrize("number", ["999", "9" * 5000, "٣٠١", "-301", ""])
def test_an_error_number_that_nobody_knows_is_still_told_and_blames_nobody(number: str) -> None:
    for error in (server_error(f"Error {number}: brand new"), server_error("brand new", Status.INTERNAL)):
        assert (type(error), error.exit_code, error.code) == (KubemqctlError, 1, "server-error")
        assert "brand new" in error.message


def test_only_a_call_that_never_left_counts_as_not_sent() -> None:
    lost = rpc_error(Refusal(Status.UNAVAILABLE, "Socket closed"), "host:1")
    never = rpc_error(Refusal(Status.UNAVAILABLE, "Connection refused"), "host:1")
    assert (lost.code, never.code) == ("connection-lost", "cannot-connect")
    assert "host:1" in lost.message
    assert "host:1" in never.message
