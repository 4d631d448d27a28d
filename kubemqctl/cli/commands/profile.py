"""`kubemqctl profile`: list, show, set, use, remove, rename, copy, path, check."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, TypedDict

import typer

from kubemqctl.cli.command_tree import CommandGroup
from kubemqctl.cli.options import Confirm, Yes
from kubemqctl.config.config_file import load_current, required_path, save
from kubemqctl.config.profiles import Config, Profile, find
from kubemqctl.config.settings import resolve
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import ConfigError, NotFound, UsageError
from kubemqctl.output.tsv import pairs, values
from kubemqctl.runtime.invocation import Invocation

group = CommandGroup("profile")
register = group.register
Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]
NewName = Annotated[str, typer.Argument(metavar="NEW", show_default=False)]


class PathRecord(TypedDict):
    """What `profile path` prints."""

    path: str


@group.command("list")
def list_(ctx: typer.Context) -> None:
    """List all profiles.

    Examples:
      kubemqctl profile list
      kubemqctl profile list -o json
    """
    from kubemqctl.config.profile_editing import ProfileRow, row

    run: Invocation = ctx.obj
    config = load_current(run.environ)
    run.show([row(config, profile) for profile in config.profiles.values()], ProfileRow, raw=values)
    if not config.profiles:
        run.note("there are no profiles; to create one: kubemqctl profile set NAME --address HOST:PORT")
    _say_what_applies(run, config.current)


@group.command("show")
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", show_default=False)] = "",
    effective: Annotated[
        bool,
        typer.Option("--effective", help="Show the settings in effect now, and where each one comes from."),
    ] = False,
) -> None:
    """Show a profile.

    Without NAME, shows the profile in effect. Tokens are not shown. With --effective, shows the settings
    that a command would use, which come from, in this order: options; the profile given by -p, or NAME;
    environment variables; the profile given by KUBEMQCTL_PROFILE, or the current one; defaults.

    Examples:
      kubemqctl profile show --effective
      kubemqctl profile set dev -a localhost:50000 && kubemqctl profile show dev -o yaml
    """
    from kubemqctl.config.profile_editing import StoredProfile, UsedSettings, stored
    from kubemqctl.config.profile_editing import effective as as_used

    run: Invocation = ctx.obj
    if effective:
        flags = run.common.flags
        settings = resolve(flags._replace(profile=name) if name else flags, run.environ)
        if name:
            settings.sources["profile"] = "argument NAME"
        run.write(run.renderer(UsedSettings, raw=pairs).one(as_used(settings)))
        for note in settings.notes:
            run.warn(note)
        return
    config = load_current(run.environ)
    record = stored(config, find(config, name or _applying(run, config)))
    run.write(run.renderer(StoredProfile, raw=pairs).one(record))


@group.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    token_command: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="Run COMMAND, without a shell, to get the token.")
    ] = None,
    default_output: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="Default output format on terminals.")
    ] = None,
    protected: Annotated[
        bool | None,
        typer.Option(
            "--protected/--no-protected",
            help="Let destructive commands ask for the name of what they delete.",
        ),
    ] = None,
    read_only: Annotated[
        bool | None,
        typer.Option("--read-only/--no-read-only", help="Refuse every command that changes the server."),
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="KEY", help="Remove a setting; repeat for more.")
    ] = None,
    current: Annotated[bool, typer.Option("--current", help="Make this the current profile.")] = False,
) -> None:
    """Create a profile, or change settings of one.

    The connection options (--address, --client-id, --token-file, --tls and so on) are saved in the
    profile. The first profile becomes the current one. A token cannot be given as an option: use
    --token-file or --token-command, or write `token: ${VARIABLE}` into the configuration file. Comments in
    that file are not kept.

    Examples:
      kubemqctl profile set dev --address localhost:50000
      kubemqctl profile set prod -a kubemq.example.com:50000 --tls --token-command 'pass kubemq' --protected
      kubemqctl profile set dev --unset client_id --default-output json
    """
    from kubemqctl.config.config_file import changing, check_name
    from kubemqctl.config.profile_editing import change

    run: Invocation = ctx.obj
    check_name(name)
    with changing(required_path(run.environ)) as config:
        old = config.profiles.get(name)
        profile = change(
            old or Profile(name),
            run.common.flags,
            token_command=token_command,
            output=default_output,
            protected=protected,
            read_only=read_only,
            unset=unset or (),
        )
        given = (token_command, default_output, protected, read_only)
        if (
            old
            and run.common.flags == Flags()
            and not unset
            and not current
            and given == (None,) * len(given)
        ):
            raise UsageError(
                f"nothing to change in profile {name}", hint="give a setting, such as --address HOST:PORT"
            )
        chosen = name if current or not config.profiles else config.current
        changed = config._replace(current=chosen, profiles={**config.profiles, name: profile})
        # What is set already is left as it is, comments and all.
        if changed != config:
            save(changed)
    _remember(run, config, chosen)
    for path in sorted(_files(profile) - _files(old)):
        if not os.path.exists(path):
            run.warn(f"{path} does not exist yet")
    is_current = ", now the current one" if chosen == name != config.current else ""
    outcome = "created" if not old else "changed" if changed != config else "unchanged"
    run.note(f"profile {name} {outcome}{is_current}")


@group.command("use")
def use(ctx: typer.Context, name: Name) -> None:
    """Set the current profile.

    Commands use it, unless -p or KUBEMQCTL_PROFILE names another one. `-` switches back to the previous
    one.

    Examples:
      kubemqctl profile set dev -a localhost:50000 && kubemqctl profile use dev
      kubemqctl profile set lab -a localhost:50001 --current && kubemqctl profile use -
    """
    from kubemqctl.config.config_file import changing
    from kubemqctl.config.profile_editing import previous

    run: Invocation = ctx.obj
    with changing(_present(run)) as config:
        name = previous(run.environ, config.path) if name == "-" else name
        save(config._replace(current=find(config, name).name))
    _remember(run, config, name)
    run.note(f"profile {name} is now the current one")
    _say_what_applies(run, name)


@group.command("check")
def check(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", show_default=False)] = "",
) -> None:
    """Test the connection of a profile, step by step.

    Without NAME, tests the profile in effect. The steps are configuration, token, certificates, DNS, TCP,
    TLS, authentication and ping. A failed step tells what to do, and the following ones are skipped. The
    exit code is that of a command that uses this profile. See also `kubemqctl doctor`.

    Examples:
      kubemqctl profile set dev -a localhost:50000 && kubemqctl profile check dev
      kubemqctl profile check dev --format '{status} {name}'
    """
    from kubemqctl.client.doctor.server_steps import CONNECTION
    from kubemqctl.client.doctor.steps import diagnose
    from kubemqctl.model.reports import Check

    run: Invocation = ctx.obj
    flags = run.common.flags
    render = run.renderer(Check)
    if not name:
        with suppress(ConfigError):  # the first step says what is wrong with the file
            name = _applying(run, load_current(run.environ))
    flags = flags._replace(profile=name or flags.profile)
    diagnose(flags, run.environ, CONNECTION, lambda check: run.write(render.one(check)))


@group.command("remove")
def remove(ctx: typer.Context, name: Name, yes: Yes = False, confirm: Confirm = None) -> None:
    """Delete a profile.

    Asks for confirmation on a terminal, and needs --yes elsewhere.

    Examples:
      kubemqctl profile set old -a localhost:50000 && kubemqctl profile remove old --yes
    """
    from kubemqctl.config.config_file import changing

    run: Invocation = ctx.obj
    profile = find(load_current(run.environ), name)
    # Its own protection counts, as for a command that runs with it.
    run.confirm(f"delete profile {name}", name, yes=yes, confirm=confirm, protected=profile.protected)
    with changing(required_path(run.environ)) as config:
        find(config, name)
        kept = {other: profile for other, profile in config.profiles.items() if other != name}
        save(config._replace(current="" if config.current == name else config.current, profiles=kept))
    run.note(
        f"profile {name} deleted" + ("; there is no current profile now" if config.current == name else "")
    )


@group.command("rename")
def rename(ctx: typer.Context, name: Name, new_name: NewName) -> None:
    """Rename a profile. It stays the current one if it was.

    Examples:
      kubemqctl profile set tmp -a localhost:50000 && kubemqctl profile rename tmp lab
    """
    run: Invocation = ctx.obj
    with _changing_for(run, name, new_name) as config:
        find(config, name)
        profiles = {
            new_name if key == name else key: profile._replace(name=new_name) if key == name else profile
            for key, profile in config.profiles.items()
        }
        save(
            config._replace(current=new_name if config.current == name else config.current, profiles=profiles)
        )
    run.note(f"profile {name} renamed to {new_name}")


@group.command("copy")
def copy(ctx: typer.Context, name: Name, new_name: NewName) -> None:
    """Copy a profile.

    Examples:
      kubemqctl profile set a -a localhost:50000 && kubemqctl profile copy a b
    """
    run: Invocation = ctx.obj
    with _changing_for(run, name, new_name) as config:
        profile = find(config, name)._replace(name=new_name)
        save(config._replace(profiles={**config.profiles, new_name: profile}))
    run.note(f"profile {name} copied to {new_name}")


@group.command("path")
def path(ctx: typer.Context) -> None:
    """Print the path of the configuration file.

    The file does not have to exist. KUBEMQCTL_CONFIG or XDG_CONFIG_HOME change the path.

    Examples:
      kubemqctl profile path
      ls -l "$(kubemqctl profile path)"
    """
    run: Invocation = ctx.obj
    run.write(run.renderer(PathRecord).one({"path": required_path(run.environ)}))


def _files(profile: Profile | None) -> set[str]:
    """The files that a profile names."""
    return (
        {profile.token_file, profile.tls.ca, profile.tls.cert, profile.tls.key} - {""} if profile else set()
    )


@contextmanager
def _changing_for(run: Invocation, name: str, new_name: str) -> Iterator[Config]:
    """The file's content, for a profile `name` that is to be called `new_name`, which no other may be."""
    from kubemqctl.config.config_file import changing, check_name

    check_name(new_name)
    if new_name == name:
        raise UsageError(f"NAME and NEW are the same: {name}", hint="give NEW another name")
    with changing(_present(run)) as config:
        if new_name in config.profiles:
            raise UsageError(
                f"profile {new_name} already exists",
                hint=f"to delete it: kubemqctl profile remove {new_name}",
            )
        yield config


def _present(run: Invocation) -> str:
    """The path of the configuration file, for a change of what should be in it already."""
    load_current(run.environ)
    return required_path(run.environ)


def _applying(run: Invocation, config: Config) -> str:
    """The name of the profile that applies. Raises NotFound without one."""
    name = run.common.flags.profile or run.environ.get("KUBEMQCTL_PROFILE") or config.current
    if not name:
        hint = "give a name, or set the current profile: kubemqctl profile use NAME"
        raise NotFound("there is no current profile", hint=hint)
    return name


def _remember(run: Invocation, before: Config, current: str) -> None:
    """Keep which profile was current, for `profile use -`."""
    from kubemqctl.config.profile_editing import remember

    if not before.current or before.current == current:
        return
    try:
        remember(run.environ, before.path, before.current)
    except ConfigError as e:
        run.warn(f"`profile use -` will not remember profile {before.current}: {e.message}")


def _say_what_applies(run: Invocation, current: str) -> None:
    name = run.environ.get("KUBEMQCTL_PROFILE")
    if name and name != current:
        run.note(f"KUBEMQCTL_PROFILE is set: profile {name} is in effect here")
