"""`store sub --checkpoint`: what is saved when, and what the next run makes of it."""

from __future__ import annotations

import json
import os
import select
import signal
from contextlib import closing
from pathlib import Path

import pytest

from kubemqctl.messaging.events.checkpoint import Checkpoint
from kubemqctl.model.errors import ConfigError, NotFound, UsageError
from kubemqctl.model.messages import Event
from tests.support.program import Argument, Result, Run, Start
from tests.support.raw_grpc import Stub, publish, store
from tests.support.waiting import until


@pytest.fixture
def position(tmp_path: Path) -> Path:
    return tmp_path / "position"


@pytest.fixture
def five(stub: Stub, channel: str) -> str:
    """A channel with the events 1 to 5."""
    store(stub, channel, range(1, 6))
    return channel


def saved(position: Path) -> int:
    sequence: int = json.loads(position.read_text())["sequence"]
    return sequence


def catch_up(run: Run, channel: str, position: Path, *options: str) -> Result:
    return run(
        "store", "sub", channel, "--checkpoint", position, "--from", "first", "--until", "now", *options
    )


# The file


def save(position: Path, channel: str, event: Event) -> None:
    """What a run leaves that has dealt with `event` last."""
    with closing(Checkpoint(str(position), channel)) as checkpoint:
        checkpoint.save(event)


def event(sequence: int) -> Event:
    return Event("c", f"e{sequence}", "", b"", {}, 7, sequence)


def test_a_position_is_read_back_as_it_was_saved(position: Path) -> None:
    save(position, "c", event(42))
    again = Checkpoint(str(position), "c").position
    assert again
    assert again.is_of(event(42))
    assert not again.is_of(event(42)._replace(timestamp=8))
    assert sorted(position.parent.iterdir()) == [position, position.with_name("position.lock")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "null",
        "{}",
        '{"channel": "c", "sequence": "7", "id": "", "timestamp": 0}',
        '{"channel": "c", "sequence": -1, "id": "", "timestamp": 0}',
        '{"channel": "c", "sequence": 7, "id": "", "timestamp": 0',
        "\xff",
    ],
)
def test_what_is_no_checkpoint_is_refused(position: Path, text: str) -> None:
    position.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match="is not a checkpoint of kubemqctl"):
        Checkpoint(str(position), "c")


def test_a_checkpoint_of_another_channel_is_refused(position: Path) -> None:
    save(position, "c", event(1))
    with pytest.raises(ConfigError, match="belongs to channel c, not d"):
        Checkpoint(str(position), "d")


def test_a_place_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory"):
        Checkpoint(str(tmp_path), "c")
    with pytest.raises(NotFound, match=f"there is no directory {tmp_path / 'none'}"):
        Checkpoint(str(tmp_path / "none" / "position"), "c")


def test_one_run_at_a_time_has_it_by_whatever_name(position: Path) -> None:
    alias = position.with_name("alias")
    alias.symlink_to(position)
    with closing(Checkpoint(str(position), "c")):
        for name in (position, alias):
            with pytest.raises(ConfigError, match=f"in use by another run, which holds {position}.lock"):
                Checkpoint(str(name), "c")
    Checkpoint(str(alias), "c").close()


def test_a_link_in_the_place_of_the_lock_is_not_followed(position: Path) -> None:
    elsewhere = position.with_name("elsewhere")
    position.with_name("position.lock").symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="cannot lock the checkpoint"):
        Checkpoint(str(position), "c")
    assert not elsewhere.exists()


def test_a_device_is_not_locked(tmp_path: Path) -> None:
    with closing(Checkpoint(os.devnull, "c")) as checkpoint:
        checkpoint.save(event(1))
    assert not os.path.exists(os.devnull + ".lock")


# Runs


def test_the_next_run_goes_on_behind_the_last(run: Run, stub: Stub, five: str, position: Path) -> None:
    assert catch_up(run, five, position).text == "1\n2\n3\n4\n5\n"
    assert saved(position) == 5
    nothing = catch_up(run, five, position)
    assert (nothing.code, nothing.text) == (0, "")
    store(stub, five, [6, 7])
    assert catch_up(run, five, position).text == "6\n7\n"


def test_count_leaves_the_rest_to_the_next_run(run: Run, five: str, position: Path) -> None:
    options: list[Argument] = [
        "store",
        "sub",
        five,
        "--checkpoint",
        position,
        "--from",
        "first",
        "--count",
        "2",
        "-0",
    ]
    assert [run(*options).out for _ in range(2)] == [b"1\0002\0", b"3\0004\0"]
    assert saved(position) == 4


def test_a_first_run_for_what_is_new_leaves_a_position_before_anything_came(
    run: Run, stub: Stub, five: str, position: Path
) -> None:
    empty = run("store", "sub", five, "--checkpoint", position, "--for", "300ms")
    assert (empty.code, empty.text) == (0, "")
    store(stub, five, [6])
    assert run("store", "sub", five, "--checkpoint", position, "--count", "1").text == "6"


def test_a_first_run_on_an_empty_channel_leaves_a_position_too(
    run: Run, stub: Stub, channel: str, position: Path
) -> None:
    run("store", "sub", channel, "--checkpoint", position, "--for", "100ms")
    assert saved(position) == 0
    store(stub, channel, [1, 2])
    assert catch_up(run, channel, position).text == "1\n2\n"


def test_last_begins_with_the_newest(run: Run, five: str, position: Path) -> None:
    ended = run("store", "sub", five, "--checkpoint", position, "--from", "last", "--until", "now")
    assert ended.text == "5\n"


def test_a_position_ahead_of_the_server_is_refused(run: Run, five: str, position: Path) -> None:
    save(position, five, Event(five, "x", "", b"", {}, 7, 9))
    ended = catch_up(run, five, position)
    assert ended.code == 2
    assert f"is at event 9 of {five}, ahead of the server, which has none after event 5" in ended.err
    assert saved(position) == 9


def test_a_position_in_a_store_that_is_empty_is_refused(run: Run, channel: str, position: Path) -> None:
    save(position, channel, Event(channel, "x", "", b"", {}, 7, 1))
    ended = catch_up(run, channel, position)
    assert ended.code == 2
    assert "which has no event of that channel" in ended.err


def test_a_position_in_another_store_is_refused(run: Run, five: str, position: Path) -> None:
    save(position, five, Event(five, "another", "", b"", {}, 7, 3))
    ended = catch_up(run, five, position)
    assert ended.code == 2
    assert "the server has another event there" in ended.err


def test_a_broken_file_is_refused_before_the_server_is_asked(run: Run, channel: str, position: Path) -> None:
    position.write_text("rubbish")
    ended = run("store", "sub", channel, "--checkpoint", position, address="127.0.0.1:1")
    assert ended.code == 2
    assert "is not a checkpoint" in ended.err


def test_what_a_reader_did_not_take_comes_again(
    start: Start, run: Run, stub: Stub, channel: str, position: Path
) -> None:
    bodies = [b"%06d" % n * 500 for n in range(100)]
    for body in bodies:
        publish(stub, channel, body, store=True)
    read, write = os.pipe()
    sub = start("store", "sub", channel, "--checkpoint", position, "--from", "first", stdout=write)
    os.close(write)
    got = b""
    while len(got) < 40_000:
        assert select.select([read], [], [], 20)[0], sub
        got += os.read(read, 4_000)
    os.close(read)
    assert sub.wait().code == 141
    taken = got.count(b"\n")
    assert saved(position) == taken
    assert catch_up(run, channel, position).out.split() == bodies[taken:]


def test_what_is_printed_counts_at_once_where_nobody_has_to_take_it(
    start: Start, five: str, position: Path, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("wb") as file:
        start("store", "sub", five, "--checkpoint", position, "--from", "first", stdout=file)
        until(lambda: position.exists() and saved(position) == 5, "the position saved while it runs")


def test_a_signal_leaves_the_position_behind_what_was_printed(
    start: Start, five: str, position: Path
) -> None:
    sub = start("store", "sub", five, "--checkpoint", position, "--from", "first")
    sub.wait_for_stdout(b"5\n")
    sub.send(signal.SIGINT)
    assert sub.wait().code == 130
    assert saved(position) == 5


def test_a_second_run_is_refused_while_the_first_has_it(
    start: Start, run: Run, five: str, position: Path
) -> None:
    first = start("store", "sub", five, "--checkpoint", position, "--from", "first", ready=True)
    second = catch_up(run, five, position)
    assert second.code == 2
    assert f"{position}.lock" in second.err
    first.stop()
    assert catch_up(run, five, position).code != 2


# Handlers


def test_a_failing_handler_ends_the_run_there(run: Run, five: str, position: Path) -> None:
    fails_at_3 = ["--", "sh", "-c", 'test "$KUBEMQ_SEQUENCE" != 3 && cat && echo']
    ended = catch_up(run, five, position, *fails_at_3)
    assert ended.code == 10
    assert ended.text == "1\n2\n"
    assert "event 3: the handler ended with exit code 1" in ended.err
    assert saved(position) == 2
    assert catch_up(run, five, position, "--", "sh", "-c", "cat; echo").text == "3\n4\n5\n"
    assert saved(position) == 5


def test_handlers_at_once_never_move_it_past_one_that_failed(run: Run, five: str, position: Path) -> None:
    fails_at_2 = ["--concurrency", "5", "--", "sh", "-c", 'test "$KUBEMQ_SEQUENCE" != 2']
    assert catch_up(run, five, position, *fails_at_2).code == 10
    assert saved(position) == 1


def test_a_handler_that_a_signal_finds_running_is_waited_for(
    start: Start, five: str, position: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    options: list[Argument] = ["--checkpoint", position, "--from", "first"]
    command = ["sh", "-c", f"echo begun >&2; read x < {gate}"]
    sub = start("store", "sub", five, *options, "--", *command)
    sub.wait_for_stderr("begun")
    sub.send(signal.SIGTERM)
    gate.write_text("go\n")
    assert sub.wait().code == 143
    assert saved(position) == 1


def test_a_link_to_a_checkpoint_stays_one_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link"
    link.symlink_to("elsewhere/position")
    for _ in range(2):
        with closing(Checkpoint(str(link), "c")) as checkpoint:
            checkpoint.save(None)
        assert link.is_symlink()
    assert json.loads((tmp_path / "elsewhere" / "position").read_text())["channel"] == "c"
    assert sorted(os.listdir(tmp_path / "elsewhere")) == ["position", "position.lock"]


def test_a_device_takes_positions_and_keeps_none() -> None:
    kept = Checkpoint("/dev/null", "c")
    kept.save(None)
    assert Checkpoint("/dev/null", "c").position is None
    assert not os.path.isfile("/dev/null")


def test_what_a_stalled_reader_did_not_take_of_a_handler_s_output_comes_again(
    start: Start, run: Run, five: str, position: Path
) -> None:
    options: list[Argument] = ["--checkpoint", position, "--from", "first"]
    command = ["sh", "-c", "head -c 300000 /dev/zero"]
    read, write = os.pipe()
    sub = start("store", "sub", five, *options, "--", *command, stdout=write)
    os.close(write)
    assert select.select([read], [], [], 20)[0], sub
    sub.send(signal.SIGTERM)
    assert sub.wait().code == 143
    os.close(read)
    assert not position.exists()
