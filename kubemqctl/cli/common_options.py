"""The options that every command accepts, declared once."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from kubemqctl import __version__
from kubemqctl.cli.options import duration
from kubemqctl.config.sources import CONNECT_TIMEOUT, Flags
from kubemqctl.runtime.invocation import Common, Invocation

PATH = "PATH"


def _version(wanted: bool) -> None:
    if wanted:
        os.write(1, f"kubemqctl {__version__}\n".encode())
        raise typer.Exit


def root(
    ctx: typer.Context,
    profile: Annotated[
        str | None,
        typer.Option("-p", "--profile", metavar="NAME", help="Use this profile.", show_default=False),
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option(
            "-a",
            "--address",
            metavar="HOST:PORT",
            help="The server; repeat it to name others to try in order.",
            show_default="localhost:50000",
        ),
    ] = None,
    client_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Speak to the server in this name.")
    ] = None,
    token_file: Annotated[
        str | None, typer.Option(metavar=PATH, help="Send the token that this file holds.")
    ] = None,
    tls: Annotated[bool | None, typer.Option("--tls/--no-tls", help="Speak TLS, or do not.")] = None,
    tls_ca: Annotated[
        str | None, typer.Option(metavar=PATH, help="Trust servers that this CA has signed.")
    ] = None,
    tls_cert: Annotated[str | None, typer.Option(metavar=PATH, help="Show this client certificate.")] = None,
    tls_key: Annotated[str | None, typer.Option(metavar=PATH, help="Its private key.")] = None,
    tls_server_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Expect this name in the server's certificate.")
    ] = None,
    connect_timeout: Annotated[
        float, duration("--connect-timeout", "Give up connecting after so long.", "5s")
    ] = CONNECT_TIMEOUT,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="FORM", help="auto, human, json, yaml or raw.", show_default=False
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="TEMPLATE", help=r"Print records like '{sequence}\t{tags[kind]}\t{body}'."
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Say nothing but errors and warnings.")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say what a bug report needs.")] = False,
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Never ask; fail and name the flag instead.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Operate KubeMQ from a shell, a CI step or a pipe.

    Data goes to stdout, everything else to stderr. The options below are accepted before and after
    the command alike.
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
    )
    run.common = Common(flags, output, template, quiet, verbose, no_input)
