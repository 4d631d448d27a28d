"""The data directory: ours or nobody's, whole or refused, one broker's at a time; nothing overwritten."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from kubemqctl.broker.storage import data_directory, schema
from kubemqctl.model.errors import ConfigError, KubemqctlError


def claim_and_let_go(directory: Path) -> None:
    data_directory.claim(directory).close()


def contents(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.iterdir() if p.name != data_directory.LOCK}


def with_messages(directory: Path) -> Path:
    """A data directory with a journal of some pages, closed cleanly."""
    claim_and_let_go(directory)
    path = directory / data_directory.DATABASE
    with closing(sqlite3.connect(path)) as db:
        db.executemany(
            "INSERT INTO message VALUES (?, 0, ?)", [(1 << schema.SHIFT | n, bytes(5000)) for n in range(100)]
        )
        db.commit()
    return path


def test_a_new_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    claim_and_let_go(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / data_directory.DATABASE).exists()


def test_an_empty_directory_and_our_own_are_taken(tmp_path: Path) -> None:
    claim_and_let_go(tmp_path)
    before = contents(tmp_path)
    claim_and_let_go(tmp_path)
    assert contents(tmp_path) == before


def test_a_second_broker_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    lock = data_directory.claim(tmp_path)
    with pytest.raises(KubemqctlError) as refused:
        data_directory.claim(tmp_path)
    assert (refused.value.code, refused.value.exit_code) == ("data-in-use", 1)
    lock.close()
    claim_and_let_go(tmp_path)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_journal_with_two_names_is_one_brokers_at_a_time(
    link: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir()
    lock = data_directory.claim(first)
    link(first / data_directory.DATABASE, second / data_directory.DATABASE)
    with pytest.raises(KubemqctlError) as refused:
        data_directory.claim(second)
    assert refused.value.code == "data-in-use"
    lock.close()
    claim_and_let_go(second)


def test_messages_are_for_their_owner_alone_whatever_the_directorys_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = with_messages(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    wal = path.with_name(path.name + "-wal")
    for file in (path, wal):
        file.touch()
        file.chmod(0o644)
    claim_and_let_go(tmp_path)
    assert [file.stat().st_mode & 0o777 for file in (path, wal) if file.exists()] == [0o600, 0o600]


def test_what_a_kill_during_creation_leaves_is_made_anew(tmp_path: Path) -> None:
    for name in (data_directory.LOCK, data_directory.NEW, data_directory.NEW + "-journal"):
        (tmp_path / name).write_bytes(b"half")
    claim_and_let_go(tmp_path)
    names = os.listdir(tmp_path)
    assert data_directory.DATABASE in names
    assert not [name for name in names if name.startswith(data_directory.NEW)]


def test_a_directory_of_somebody_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="not a data directory"):
        data_directory.claim(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["thesis.txt"]


def test_a_database_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / data_directory.DATABASE
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="another program"):
        data_directory.claim(tmp_path)
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == [data_directory.DATABASE]


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def overwritten_at_the_start(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"no database at all, any more")


def scribbled_over(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(9000)
        file.write(os.urandom(200_000))


@pytest.mark.parametrize("harm", [cut_short, cut_to_nothing, overwritten_at_the_start, scribbled_over])
def test_a_damaged_journal_is_one_clear_error_and_stays_as_it_was(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    path = with_messages(tmp_path)
    harm(path)
    before = path.read_bytes()
    with pytest.raises(KubemqctlError) as refused:
        data_directory.claim(tmp_path)
    assert (refused.value.code, refused.value.exit_code) == ("damaged-data", 1)
    assert str(path) in refused.value.message
    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {data_directory.DATABASE, data_directory.LOCK}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO channel VALUES (1, 'queues', 'q', 'many', 0, 0)",
        "INSERT INTO channel VALUES (1, 'queues', x'ff', 1, 0, 0)",
        "INSERT INTO channel VALUES (1, 'queues', 'q', -1, 0, 0)",
        "INSERT INTO message VALUES (1, 0, 'text')",
        "INSERT INTO delayed VALUES (1, 1.5, 'q', x'00')",
        "INSERT INTO event VALUES (1, 'yesterday', x'00')",
        "INSERT INTO position VALUES (1, 'client me', x'01', '')",
        "DROP TABLE position",
        "ALTER TABLE event RENAME COLUMN at TO time",
    ],
)
def test_a_journal_with_values_that_we_never_write_is_damaged(statement: str, tmp_path: Path) -> None:
    path = with_messages(tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()
    with pytest.raises(KubemqctlError) as refused:
        data_directory.claim(tmp_path)
    assert refused.value.code == "damaged-data"


def test_what_a_killed_broker_had_not_checkpointed_is_not_written_into_a_damaged_file(tmp_path: Path) -> None:
    path = with_messages(tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("DELETE FROM message")
        db.commit()
        # As a kill leaves it: copied while it is open.
        left = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.name != data_directory.LOCK}
    killed = tmp_path / "killed ?#%"
    killed.mkdir()
    for name, content in left.items():
        (killed / name).write_bytes(content)
    scribbled_over(killed / data_directory.DATABASE)
    before = (killed / data_directory.DATABASE).read_bytes()
    with pytest.raises(KubemqctlError, match="damaged"):
        data_directory.claim(killed)
    assert (killed / data_directory.DATABASE).read_bytes() == before
    assert (killed / (data_directory.DATABASE + "-wal")).read_bytes() == left[
        data_directory.DATABASE + "-wal"
    ]


def test_a_journal_whose_main_file_is_gone_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    path = with_messages(tmp_path)
    path.rename(path.with_name(data_directory.DATABASE + "-wal"))
    with pytest.raises(ConfigError):
        data_directory.claim(tmp_path)
    assert not path.exists()


def test_a_path_that_cannot_be_a_directory_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "below"):
        with pytest.raises(ConfigError, match="cannot be used"):
            data_directory.claim(path)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot be used"):
        data_directory.claim(tmp_path)
