"""Who may import whom, and what a command that talks to nobody may load: design, held by the syntax tree.

A package is under a rule from its first file on. A *door* is an import inside a function: grpc, rich, yaml
and the broker cost tens of milliseconds each, so they are loaded only by what needs them, when it runs.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[2] / "kubemqctl"

# Package -> the packages that it may import, at the top of a module, in a function or for typing alone.
ALLOWED = {
    "model": "",
    "wire": "model",
    "output": "model",
    "config": "model",
    "client": "model wire config",
    "runtime": "model output config client",
    "messaging": "model output config client runtime",
    "bench": "model wire config client runtime",
    "broker": "model wire config",
    "cli": "model wire output config client runtime messaging bench broker",
    "testing": "cli",
}

# Packages that load grpc, asyncio or sqlite3 at the top of their modules: others enter them by doors only.
BEHIND_DOORS = {"client", "wire", "broker", "bench"}
HEAVY = {"grpc", "google", "rich", "yaml", "sqlite3", "asyncio"}

# What costs -> the only modules (or all of a package) that may import it, outside of those packages.
DOORS: dict[str, tuple[str, ...]] = {
    "grpc": (),
    "google": ("messaging.encodings",),
    "sqlite3": (),
    "asyncio": (),
    "rich": ("output.human", "output.progress"),
    "yaml": ("config.config_file", "output.forms"),
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


@cache
def imports() -> list[Import]:
    """Every import statement of every module; reading them all takes a second."""
    return [found for name, path in modules() for found in imports_of(name, ast.parse(path.read_text()))]


def imports_of(name: str, tree: ast.Module) -> Iterator[Import]:
    started = {id(node) for node in at_start_up(tree.body)}
    for node in ast.walk(tree):
        for imported in names(node):
            yield Import(name, imported, id(node) in started)


@cache
def ours() -> list[Import]:
    """The imports of our own modules."""
    found = (i for i in imports() if i.imported.startswith("kubemqctl."))
    return [i._replace(imported=our_module(i.imported)) for i in found]


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
    """What an import statement names, dotted: a module, or something in one."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"a relative import at line {node.lineno}"
        assert node.module
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def package(module: str) -> str:
    """The package of one of our modules: `kubemqctl.client.queues` and `client.queues` are in `client`."""
    return module.removeprefix("kubemqctl.").partition(".")[0]


def our_module(imported: str) -> str:
    """The module of ours that an import leads to: `kubemqctl.model.text.quoted` to `model.text`."""
    name = imported.removeprefix("kubemqctl.")
    return name if name in MODULES else name.rpartition(".")[0]


MODULES = {name for name, _ in modules()} | {"wire.kubemq_pb2"}
# On one worker, so that the modules are read once.
pytestmark = pytest.mark.xdist_group("architecture")


def test_the_syntax_trees_were_read() -> None:
    assert Import("wire.convert", "wire.kubemq_pb2", True) in ours()
    assert Import("__main__", "cli.main", False) in ours()


def test_every_module_is_in_one_of_the_packages() -> None:
    assert {package(name) for name, _ in modules()} == {*ALLOWED, "__init__", "__main__"}


def test_nothing_but_the_packages_stands_at_the_top() -> None:
    names = {path.name for path in PACKAGE.iterdir()} - {"__pycache__"}
    assert names == {*ALLOWED, "__init__.py", "__main__.py", "py.typed"}


def test_unit_tests_stand_where_their_module_does() -> None:
    """`unit/output/test_forms.py` tests `output/forms.py`; `test_forms_yaml.py` may stand beside it."""
    units = PACKAGE.parent / "tests" / "unit"
    lost = [
        str(path.relative_to(units))
        for path in units.rglob("test_*.py")
        if not any(
            f"{path.stem}_".startswith(f"test_{module.stem}_")
            for module in (PACKAGE / path.parent.relative_to(units)).glob("*.py")
        )
    ]
    assert lost == []


@pytest.mark.parametrize("importer", ALLOWED)
def test_a_package_imports_only_what_stands_below_it(importer: str) -> None:
    allowed = {importer, "", *ALLOWED[importer].split()}
    assert not [i for i in ours() if package(i.importer) == importer and package(i.imported) not in allowed]


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports in functions and for typing count: a circle is one idea cut in two, whenever it runs."""
    needs: dict[str, set[str]] = {name: set() for name in MODULES}
    for i in ours():
        if i.imported != i.importer:
            needs[i.importer].add(i.imported)
    while free := {name for name, imported in needs.items() if not imported & needs.keys()}:
        needs = {name: imported for name, imported in needs.items() if name not in free}
    assert not needs


def test_messaging_meets_the_client_in_functions_or_for_typing_only() -> None:
    assert not [
        i
        for i in ours()
        if i.at_top and package(i.importer) == "messaging" and package(i.imported) == "client"
    ]


def test_what_costs_is_imported_inside_functions_only() -> None:
    outside = [i for i in imports() if i.at_top and package(i.importer) not in BEHIND_DOORS]
    heavy = [i for i in outside if i.imported.partition(".")[0] in HEAVY]
    through = [
        i for i in outside if i.imported.startswith("kubemqctl.") and package(i.imported) in BEHIND_DOORS
    ]
    assert not heavy
    assert not through


@pytest.mark.parametrize("costly", DOORS)
def test_only_the_modules_with_a_door_lead_to(costly: str) -> None:
    importers = {
        i.importer
        for i in imports()
        if i.imported.partition(".")[0] == costly and package(i.importer) not in BEHIND_DOORS
    }
    assert not {name for name in importers if not name.startswith(DOORS[costly])}


@pytest.mark.parametrize("behind", ["broker", "bench"])
def test_only_commands_lead_to(behind: str) -> None:
    importers = {i.importer for i in ours() if package(i.imported) == behind != package(i.importer)}
    assert all(name.startswith("cli.commands.") for name in importers), importers


UNWANTED = {"grpc", "google.protobuf", "rich", "yaml", "asyncio", "sqlite3", "pydantic"}

# Runs a command line in this interpreter, then says on stderr which of UNWANTED are loaded.
REPORT = """
import sys
from kubemqctl.cli.main import main
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
