"""The manual pages: they have all that the help has, groff reads them, and they are installed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from shutil import which

import pytest

from kubemqctl.cli.common_options import root
from kubemqctl.cli.man_pages import pages
from kubemqctl.model.errors import ExitCode
from kubemqctl.model.text import docstring
from tests.support.command_tree import TREE

ROOT = Path(__file__).parents[2]
PAGES = pages(TREE, docstring(root))


def plain(roff: str) -> str:
    """The words of a page without its fonts and escapes."""
    text = re.sub(r"\\f[BIR]|\\%|\\&", "", roff)
    for escape, character in {r"\-": "-", r"\(aq": "'", r"\(ga": "`", r"\(ha": "^", r"\(ti": "~"}.items():
        text = text.replace(escape, character)
    text = re.sub(r"\\\[u([0-9A-F]{4,6})\]", lambda found: chr(int(found[1], 16)), text)
    return text.replace(r"\e", "\\")


def test_there_is_a_page_for_the_program_and_one_for_each_group() -> None:
    assert set(PAGES) == {"kubemqctl.1", *(f"kubemqctl-{group}.1" for group in TREE.groups)}


@pytest.mark.parametrize("command", TREE.commands, ids=lambda c: c.name)
def test_a_page_has_all_that_the_help_of_its_commands_has(command: object) -> None:
    found = next(c for c in TREE.commands if c == command)
    text = plain(PAGES["kubemqctl.1" if len(found.path) == 1 else f"kubemqctl-{found.path[0]}.1"])
    _, _, part = text.partition(f".SS kubemqctl {found.name}\n")
    part = re.split(r"^\.S[SH] ", part, maxsplit=1, flags=re.M)[0]
    assert found.usage in part
    assert found.help in part
    for option in found.options:
        assert ", ".join((*option.names, *option.off)) in part
        assert option.help in part
    for example in found.examples:
        assert f"\n{example}\n" in part


def test_the_page_of_the_program_has_common_options_and_exit_codes() -> None:
    text = plain(PAGES["kubemqctl.1"])
    for option in TREE.common:
        assert option.help in text
    assert {int(code) for code in re.findall(r"^(\d+)$", text, re.M)} >= {int(code) for code in ExitCode}


@pytest.mark.parametrize("name", PAGES)
def test_groff_has_nothing_to_complain_about(name: str) -> None:
    if not which("groff"):
        pytest.skip("groff is not installed here: apt-get install groff")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-rLL=80n"], input=PAGES[name].encode(), capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout.decode())
    assert "NAME" in shown
    assert "‐\n" not in shown, "a word was hyphenated"


def test_nothing_of_a_help_is_an_escape_or_a_request() -> None:
    for text in PAGES.values():
        assert not re.search(r"\\[^fe\-%&(\[]", text)
        requests = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
        assert not [r for r in requests if not re.fullmatch(r"\.(nr|TH|ad|S[HSY]|YS|[PT]P|in|nf|fi)", r)]


def test_the_pages_are_installed_where_man_looks() -> None:
    assert '"man" = "share/man/man1"' in (ROOT / "pyproject.toml").read_text()
    assert {path.name for path in (ROOT / "man").iterdir()} == set(PAGES)
