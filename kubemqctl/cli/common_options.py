"""The options that every command accepts, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl import __version__
from kubemqctl.cli.options import duration
from kubemqctl.config.sources import CONNECT_TIMEOUT, Flags
from kubemqctl.model.errors import UsageError
from kubemqctl.runtime.invocation import Common, Invocation


def _version(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        ctx.obj.write(f"kubemqctl {__version__}\n".encode())
        raise typer.Exit


def root(
    ctx: typer.Context,
    profile: Annotated[
        str | None,
        typer.Option("-p", "--profile", metavar="NAME", help="Use the profile NAME.", show_default=False),
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option(
            "-a",
            "--address",
            metavar="HOST:PORT",
            help="Address of the server; repeat for fallbacks, which are tried in order.",
            show_default="localhost:50000",
        ),
    ] = None,
    client_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Client ID that the server sees.", show_default="random")
    ] = None,
    token_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Read the authentication token from PATH.")
    ] = None,
    tls: Annotated[bool | None, typer.Option("--tls/--no-tls", help="Use TLS, or do not.")] = None,
    tls_ca: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="CA certificate that the server's certificate is verified with."),
    ] = None,
    tls_cert: Annotated[
        str | None, typer.Option(metavar="PATH", help="Client certificate, for mutual TLS.")
    ] = None,
    tls_key: Annotated[
        str | None, typer.Option(metavar="PATH", help="Private key of the client certificate.")
    ] = None,
    tls_server_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Host name that the server's certificate must have.")
    ] = None,
    connect_timeout: Annotated[
        float,
        duration("--connect-timeout", "Time limit for connecting to an address.", "5s", positive=True),
    ] = CONNECT_TIMEOUT,
    connect_wait: Annotated[
        float,
        duration(
            "--connect-wait",
            "At the start, keep trying for up to D while the server cannot be reached.",
            "0s",
        ),
    ] = 0.0,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FORMAT",
            help="Output format: auto, human, json, yaml, raw (listings of channels: prometheus).",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as -o json.")] = False,
    template: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="TEMPLATE",
            help=r"Print each record by a template, such as '{sequence}\t{body}'.",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print only errors and warnings to stderr.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Print details for bug reports to stderr.")
    ] = False,
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Never prompt; fail instead, and name the missing option.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Work with KubeMQ from a shell, a CI job or a pipe.

    Data is printed to stdout, everything else to stderr. The options below can be given before or after
    the command.
    """
    run: Invocation = ctx.obj
    flags = Flags(
        profile=profile,
        addresses=tuple(address or ()),
        client_id=client_id,
        token_file=token_file,
        tls=tls,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_server_name=tls_server_name,
        connect_timeout=connect_timeout,
        connect_wait=connect_wait,
    )
    if json and output not in (None, "json"):
        raise UsageError(f"--json and -o {output} cannot be used together")
    run.common = Common(flags, "json" if json else output, template, quiet, verbose, no_input)
