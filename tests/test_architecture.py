"""Who may import whom, and what a command that talks to nobody may load: design, held by the syntax tree.

A *door* is an import inside a function: grpc, rich, yaml and the broker cost tens of milliseconds each,
so only the rooms that need them lead there, and only when they are entered.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "kubemqctl"
HEAVY = {"grpc", "google", "rich", "yaml", "sqlite3", "asyncio"}
BEHIND_DOORS = {"client", "wire", "broker", "bench"}

# Room -> the rooms it may never import, at the top or in a function. "*" is all of ours.
NEVER = {
    "message": {"*"},
    "errors": {"*"},
    "wire": {"*", "-wire", "-message", "-errors"},
    "record": {"client", "wire", "broker", "output", "connect", "invocation", "cli"},
    "recordparser": {"client", "wire", "broker", "output", "connect", "invocation", "cli"},
    "output": {"client", "wire", "broker", "connect", "invocation", "cli"},
    "human": {"client", "wire", "broker", "connect", "invocation", "cli"},
    "letter": {"client", "wire", "broker", "connect", "invocation", "cli"},
    "jsonlayout": {"*", "-page", "-terminal"},
    "page": {"*"},
    "client": {"broker", "connect", "output", "record", "options", "invocation", "cli"},
    "broker": {"client", "connect", "output", "record", "options", "invocation", "profile", "cli"},
    "profile": {"client", "wire", "broker", "connect", "output", "cli"},
    "handler": {"client", "wire", "broker", "connect", "cli"},
    "bench": {"output", "cli"},
}

# What costs -> the only rooms whose functions may import it; client, wire and broker may at the top.
DOORS = {
    "grpc": set[str](),
    "google": set[str](),
    "sqlite3": set[str](),
    "asyncio": set[str](),
    "rich": {"human", "jsonlayout", "letter", "progress", "table"},
    "yaml": {"configfile", "output"},
    "kubemqctl.broker": {"commands"},
    "kubemqctl.bench": {"commands", "human"},
}


class Import(NamedTuple):
    """One import statement: the module it stands in, the one it names, and whether it runs at start-up."""

    importer: str
    imported: str
    at_top: bool


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of ours, by its name within the package: `cli`, `client.call`."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name != "kubemq_pb2.py":
            yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), path


def imports() -> Iterator[Import]:
    for name, path in modules():
        tree = ast.parse(path.read_text())
        started = {id(node) for node in at_start_up(tree.body)}
        for node in ast.walk(tree):
            for imported in names(node):
                yield Import(name, imported, id(node) in started)


def at_start_up(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported; `if TYPE_CHECKING:` does not."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from at_start_up(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody"):
                yield from at_start_up(getattr(node, field, []))
            for handler in getattr(node, "handlers", []):
                yield from at_start_up(handler.body)


def names(node: ast.AST) -> list[str]:
    """The modules that an import statement names; `from kubemqctl import x` names kubemqctl.x."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"a relative import at line {node.lineno}"
        assert node.module
        if node.module in ("kubemqctl", "kubemqctl.wire"):
            return [f"{node.module}.{alias.name}" for alias in node.names]
        return [node.module]
    return []


def room(module: str) -> str:
    """The room of one of our modules: `kubemqctl.client.call` and `client.call` are in `client`."""
    return module.removeprefix("kubemqctl.").partition(".")[0]


IMPORTS = list(imports())
OURS = [i for i in IMPORTS if i.imported.startswith("kubemqctl.")]


def test_the_syntax_trees_were_read() -> None:
    assert Import("wire.convert", "kubemqctl.wire.kubemq_pb2", True) in IMPORTS
    assert Import("__main__", "kubemqctl.cli", False) in IMPORTS


@pytest.mark.parametrize("importer", NEVER)
def test_a_room_imports_nothing_from_above_it(importer: str) -> None:
    never = NEVER[importer]
    for found in (i for i in OURS if room(i.importer) == importer):
        target = room(found.imported)
        forbidden = target in never or ("*" in never and f"-{target}" not in never)
        assert not forbidden, f"{found.importer} imports {found.imported}"


def test_nothing_but_the_command_tree_imports_commands() -> None:
    importers = {i.importer for i in OURS if room(i.imported) == "commands"}
    assert {name for name in importers if room(name) != "commands"} <= {"cli"}


def test_client_and_broker_know_nothing_of_each_other() -> None:
    crossing = [i for i in OURS if {room(i.importer), room(i.imported)} == {"client", "broker"}]
    assert not crossing


def test_what_costs_is_imported_inside_functions_only() -> None:
    outside = [i for i in IMPORTS if i.at_top and room(i.importer) not in BEHIND_DOORS]
    heavy = [i for i in outside if i.imported.partition(".")[0] in HEAVY]
    through = [i for i in outside if i.imported.startswith("kubemqctl.") and room(i.imported) in BEHIND_DOORS]
    assert not heavy
    assert not through


@pytest.mark.parametrize("costly", DOORS)
def test_only_the_rooms_with_a_door_lead_to(costly: str) -> None:
    importers = {
        room(i.importer) for i in IMPORTS if i.imported == costly or i.imported.startswith(f"{costly}.")
    }
    assert importers - BEHIND_DOORS <= DOORS[costly]


UNWANTED = {"grpc", "google.protobuf", "rich", "yaml", "asyncio", "sqlite3", "pydantic"}

# Runs a command line in this interpreter, then says on stderr which of UNWANTED are loaded.
REPORT = """
import sys
from kubemqctl.cli import main
unwanted, argv = set(sys.argv[1].split()), sys.argv[2:]
code = main(argv)
print(*sorted(unwanted & sys.modules.keys()), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("line", ["--help", "--version", "queue --help", "queue send --help", "profile path"])
def test_a_command_that_talks_to_nobody_loads_nothing_heavy(line: str) -> None:
    command = [sys.executable, "-c", REPORT, " ".join(UNWANTED), *line.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr.split() == []


def test_the_report_of_what_is_loaded_can_tell() -> None:
    command = [sys.executable, "-c", f"import asyncio, yaml\n{REPORT}", " ".join(UNWANTED), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.split() == ["asyncio", "yaml"]
