"""`cmd send` and `query send`: ask once, print the answer, and fail where the responder refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubemqctl.messaging.input.bodies import single_body
from kubemqctl.messaging.message_view import rendered
from kubemqctl.messaging.requests.ask_options import DEFAULT_TIMEOUT, AskOptions, refusal
from kubemqctl.model.messages import Response
from kubemqctl.output.stderr import is_terminal
from kubemqctl.runtime.invocation import Invocation

if TYPE_CHECKING:
    from kubemqctl.client.requests import Kind


def ask(run: Invocation, kind: Kind, asking: AskOptions) -> int:
    """Send the request, print the answer. Raises Refused for `executed=false`, TimedOut for silence."""
    request, many = asking.request, asking.many
    many.check()
    if many.separators:
        from kubemqctl.messaging.requests.ask_many import ask_many

        return ask_many(run, kind, request, asking.body, asking.file, many, asking.view)
    request = request._replace(timeout=request.timeout or DEFAULT_TIMEOUT)
    form = run.form().name
    render = rendered(asking.view, run.renderer(Response, None).one)
    has_metadata = bool(request.metadata)
    files = [] if asking.file is None else [asking.file]
    body = single_body(asking.body, files, stdin_is_terminal=is_terminal(0), has_metadata=has_metadata)
    if many.encode:
        body = many.encode(body)
    with run.client() as client:
        from kubemqctl.client import requests

        response = requests.send(client, request._replace(body=body), kind)
    # People read why on stderr; and a command carries no body, whatever the server lets through.
    unseen = form == "human" and not response.executed
    if not unseen and not (form == "raw" and kind == "commands"):
        run.write(render(response))
    if not response.executed:
        raise refusal(response)
    return 0
