"""Files that the user names are written through what they are: links, devices, pipes, bind mounts."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from kubemqctl.config.files import clear_ready_file, write_ready_file, write_whole
from kubemqctl.model.errors import NotFound, UsageError


def refusing(number: int) -> Callable[..., NoReturn]:
    def fails(*args: object, **kwargs: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fails


def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(str(tmp_path / "f"), b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_an_old_file_keeps_its_permissions_and_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("what was there before")
    path.chmod(0o604)
    with path.open() as reader:
        write_whole(str(path), b"new")
        assert reader.read() == "what was there before"
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert os.listdir(tmp_path) == ["f"]


def test_a_link_stays_a_link_also_one_to_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    link = tmp_path / "link"
    link.symlink_to("dir/file")
    for text in (b"first", b"second"):
        write_whole(str(link), text)
        assert link.is_symlink()
        assert (tmp_path / "dir" / "file").read_bytes() == text
    assert os.listdir(tmp_path / "dir") == ["file"]


def test_a_device_stays_a_device() -> None:
    write_whole("/dev/null", b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_pipe_is_written_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(str(path), b"x")
    assert os.read(reader, 9) == b"x"
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_file_that_is_open_is_written_on_and_keeps_what_it_holds(tmp_path: Path) -> None:
    """As `--ready-file /dev/stderr` with `2>log`: another file in its place would lose what comes after."""
    with (tmp_path / "log").open("w+b") as log:
        log.write(b"before\n")
        log.flush()
        name = f"/dev/fd/{log.fileno()}"
        clear_ready_file(name)
        write_ready_file(name, "h:1")
        assert (tmp_path / "log").read_bytes() == b"before\nh:1\n"
        os.unlink(tmp_path / "log")
        write_whole(name, b"after\n")
        log.seek(0)
        assert log.read() == b"before\nh:1\nafter\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM, errno.EACCES, errno.EROFS])
def test_a_file_whose_name_has_to_stay_is_written_in_place(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_text("something longer")
    monkeypatch.setattr(os, "replace", refusing(number))
    write_whole(str(path), b"new", 0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["f"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", refusing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        write_whole(str(path), b"new", sync=True)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["f"]


def test_a_file_on_a_bind_mount_is_written(tmp_path: Path) -> None:
    """As a container gets its configuration: a file mounted over a file, which no rename may replace."""
    (tmp_path / "source").write_text("profiles: {}\n")
    (tmp_path / "source").chmod(0o600)
    (tmp_path / "mounted").touch()
    program = f"{sys.executable} -m kubemqctl"
    script = (
        "mount --bind source mounted || exit 99\n"
        f"export KUBEMQCTL_CONFIG=mounted\n{program} profile set a -a h:1 && {program} profile list"
    )
    unshare = shutil.which("unshare")
    if (
        unshare is None
        or subprocess.run([unshare, "-m", "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("this machine lets us mount nothing")
    command = [unshare, "-m", "sh", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode == 99:
        pytest.skip("this machine lets us mount nothing")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("a")
    assert "h:1" in (tmp_path / "source").read_text()


# --- the ready file ---


def test_a_ready_file_behind_a_link_is_taken_away_and_written_there(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("of an earlier run")
    link = tmp_path / "link"
    link.symlink_to("real")
    clear_ready_file(str(link))
    assert link.is_symlink()
    assert not link.exists()
    write_ready_file(str(link), "h:1")
    assert (tmp_path / "real").read_text() == "h:1\n"
    assert link.is_symlink()


def test_a_pipe_that_nobody_reads_is_an_error_and_no_wait(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="No such device or address"):
        write_whole(str(pipe), b"x")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(BlockingIOError):
            write_whole(str(pipe), bytes(1 << 20))
    finally:
        os.close(reader)


def test_a_ready_file_that_is_a_device_is_left_there() -> None:
    clear_ready_file("/dev/null")
    write_ready_file("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_ready_file_that_is_a_pipe_waits_for_its_reader_and_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    clear_ready_file(str(path))
    write_ready_file(str(path), "h:1")
    assert path.read_text() == "h:1\n"


def test_a_ready_file_whose_name_has_to_stay_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "live"
    path.write_text("of an earlier run")
    monkeypatch.setattr(os, "unlink", refusing(errno.EBUSY))
    clear_ready_file(str(path))
    assert path.read_text() == ""


def test_a_ready_file_does_not_follow_a_link_that_somebody_has_planted(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("years of work")
    (tmp_path / f"live.{os.getpid()}").symlink_to(precious)
    write_ready_file(str(tmp_path / "live"))
    assert precious.read_text() == "years of work"


def test_a_ready_file_behind_a_link_to_no_directory_is_not_found_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("gone/file")
    with pytest.raises(NotFound, match=f"--ready-file: there is no directory {tmp_path / 'gone'}"):
        clear_ready_file(str(tmp_path / "link"))


def test_a_directory_is_no_ready_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory"):
        clear_ready_file(str(tmp_path))
