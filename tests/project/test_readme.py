"""README.md: its examples print what it says, its recipes work. What it and CONTRIBUTING.md name is there."""

from __future__ import annotations

import configparser
import re
import secrets
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from kubemqctl.cli.commands.schema import MEANINGS
from kubemqctl.model.errors import ExitCode
from tests.project.test_architecture import ALLOWED
from tests.support.program import Run
from tests.support.raw_grpc import Stub
from tests.support.server import OTHER_SERVER, Broker
from tests.transcript import README, Block, Stage, blocks, sections

TEXT = README.read_text(encoding="utf-8")
ROOT = README.parent
SECTIONS = sections(TEXT)
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGES = pytest.mark.parametrize("page", [TEXT, CONTRIBUTING], ids=["README", "CONTRIBUTING"])


# The community server answers no channel requests.
ASK_FOR_CHANNELS = ("Channels",)


@pytest.mark.parametrize(
    "title",
    [pytest.param(t, marks=pytest.mark.builtin) if t in ASK_FOR_CHANNELS else t for t in SECTIONS],
)
def test_an_example_prints_what_the_readme_says(title: str, broker: Broker, tmp_path: Path) -> None:
    ending = secrets.token_hex(2) if OTHER_SERVER else ""
    for block, now in Stage(tmp_path, broker.address, SECTIONS[title], ending).play():
        for printed, told in zip(now.likeness, block.likeness, strict=True):
            assert printed == told


def of_language(language: str, part: str = "") -> Block:
    """The README's only block in a language, or the only one with `part` in it."""
    (block,) = [block for block in blocks(TEXT) if block.language == language and part in block.text]
    return block


def test_every_command_is_run_unless_it_says_why_not() -> None:
    told = [block for block in blocks(TEXT) if block.language in ("console", "sh")]
    assert all(block.is_run or re.fullmatch(r"not run: \w[\w ]+", block.note) for block in told)
    assert sum(not block.is_run for block in told) < 5
    known = {"console", "sh", "python", "javascript", "yaml", "ini", "text"}
    assert {block.language for block in blocks(TEXT)} == known


def test_every_line_of_a_console_is_a_command_or_its_output() -> None:
    consoles = [block for block in blocks(TEXT) if block.language == "console"]
    assert [block.text for block in consoles if block.told(block.turns) != block.text] == []


@pytest.mark.parametrize(
    ("language", "interpreter"),
    [("python", sys.executable), ("javascript", "node"), ("sh", "sh")],
)
def test_the_handlers_that_stay_work(
    language: str, interpreter: str, run: Run, stub: Stub, channel: str, tmp_path: Path
) -> None:
    if shutil.which(interpreter) is None:
        pytest.skip(f"{interpreter} is not there")
    program = tmp_path / "handler"
    program.write_text(of_language(language, '{"kubemqctl":1}').text)
    stub.fill(channel, 3)
    done = run("queue", "receive", channel, "--all", "--persistent", "--", interpreter, program)
    assert (done.code, "3 acknowledged" in done.err) == (0, True), done.err


@pytest.mark.builtin
def test_the_pytest_fixture_works(tmp_path: Path, broker: Broker) -> None:
    block = of_language("python", "def test_")
    stage = Stage(tmp_path, broker.address, [block])
    (stage.folder / "test_orders.py").write_text(block.text)
    assert "1 passed" in stage.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", ".")


@pytest.mark.builtin
def test_the_workflow_runs_tests_that_have_a_broker(tmp_path: Path, broker: Broker) -> None:
    steps = yaml.safe_load(of_language("yaml").text)["steps"]
    stage = Stage(tmp_path, broker.address, [])
    (stage.folder / "test_shop.py").write_text(
        "import os, subprocess\n\n\ndef test_it() -> None:\n"
        "    assert os.environ['KUBEMQ_ADDRESS']\n    subprocess.run(['kubemqctl', 'ping'], check=True)\n"
    )
    assert "1 passed" in stage.run("sh", "-c", steps[-1]["run"])


def test_the_lines_for_monitoring_work(tmp_path: Path, broker: Broker, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    block = of_language("text")
    cron, nagios = block.text.splitlines()
    cron = cron.removeprefix("* * * * * ").replace("/var/lib/node_exporter", str(tmp_path))
    nagios = nagios.removeprefix("command_line  ").replace("$HOSTADDRESS$:50000", broker.address)
    stage = Stage(tmp_path, broker.address, [block])
    stage.run("sh", "-c", cron)
    assert (
        f'kubemq_channel_waiting{{name="{channel}",type="queues"}} 1'
        in (tmp_path / "kubemq.prom").read_text()
    )
    assert "KUBEMQ OK" in stage.run("sh", "-c", nagios.replace("$ARG1$", channel))


def test_the_unit_of_the_worker_is_one_that_starts_it(run: Run) -> None:
    unit = configparser.ConfigParser(interpolation=None, allow_no_value=True)
    unit.read_string(of_language("ini").text)
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/kubemqctl")
    # Everything is understood, and then the handler is not there.
    result = run(*words, address="")
    assert result.code == ExitCode.NOT_FOUND
    assert words[-1] in result.err
    assert unit["Service"]["SuccessExitStatus"] == str(int(ExitCode.SIGTERM))


def test_the_exit_codes_are_those_of_the_code_with_their_meanings() -> None:
    rows = dict(re.findall(r"^\| (\d[\d, ]*) \| (.*) \|$", TEXT, re.MULTILINE))
    signals = {int(code) for row in rows for code in row.split(", ") if "," in row}
    told = {int(code): meaning for code, meaning in rows.items() if "," not in code}
    assert told == {int(code): meaning for code, meaning in MEANINGS.items() if code not in signals}
    assert signals == {ExitCode.SIGINT, ExitCode.SIGTERM, ExitCode.SIGPIPE}


@PAGES
def test_every_link_leads_somewhere_and_every_section_is_linked_to(page: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", page)
    anchors = {_anchor(title) for title in re.findall(r"^##+ (.*)$", page, re.MULTILINE)}
    here = [link for link in links if not link.startswith("https://")]
    missing = [
        link
        for link in here
        if (link[1:] not in anchors if link.startswith("#") else not (ROOT / link).exists())
    ]
    assert missing == []
    assert {f"#{anchor}" for anchor in anchors} <= set(here)


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_the_pages_for_users_and_for_builders_lead_to_each_other() -> None:
    assert "(CONTRIBUTING.md)" in TEXT
    assert "(README.md)" in CONTRIBUTING


def test_every_file_and_target_that_is_named_is_there() -> None:
    named = re.findall(r"`([a-z_]+/[a-z_0-9/.*]*|[a-z_]+\.py)`", TEXT + CONTRIBUTING)
    flow = next(block for block in blocks(CONTRIBUTING) if block.language == "text")
    named += re.findall(r"\b[a-z_/]+\.py\b", flow.text)
    assert len(named) > 60
    folders = [ROOT, *(path for path in (ROOT / "kubemqctl").rglob("*") if path.is_dir()), ROOT / "kubemqctl"]
    assert [name for name in named if not any(list(folder.glob(name)) for folder in folders)] == []
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake (\w+)(?:`|  )", TEXT + CONTRIBUTING)) <= targets


def test_every_name_that_a_builder_is_sent_to_is_in_its_file() -> None:
    """In the table of changes: `NAME` in `file.py`, `NAME` of `file.py`, `NAME` and `NAME` in `file.py`."""
    named = re.findall(r"((?:`\w+`(?:,| and| or)? ?)+)(?:in|of) `([a-z_/]+\.py)`", CONTRIBUTING)
    assert len(named) > 9
    for names, file in named:
        text = (ROOT / "kubemqctl" / file).read_text()
        assert [name for name in re.findall(r"`(\w+)`", names) if not re.search(rf"\b{name}\b", text)] == []


def test_the_table_of_packages_is_the_one_that_is_held() -> None:
    rows = re.findall(r"^\| `(\w+)/` \| .* \| (.*) \|$", CONTRIBUTING, re.MULTILINE)
    told = {name: imports for name, imports in rows if name in ALLOWED}
    assert told.pop("model") == "nothing of ours"
    assert told.pop("cli") == "all of them but testing"
    assert set(ALLOWED["cli"].split()) == set(ALLOWED) - {"cli", "testing"}
    assert told == {name: imports for name, imports in ALLOWED.items() if name not in ("model", "cli")}
