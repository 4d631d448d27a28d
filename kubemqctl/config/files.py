"""Files that we read and write: reading one whole, its permissions, the ready file, errors in words."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable
from contextlib import ExitStack
from errno import EACCES, EAGAIN, EBUSY, EISDIR, EPERM, EROFS, EXDEV

from kubemqctl.model.errors import ConfigError, NotFound, OutputError, UsageError
from kubemqctl.model.text import reason


def refuse_dash(option: str, path: str | None, what: str = "file") -> None:
    """Raise UsageError for `-`, which other programs take for a standard stream, and for an empty path.

    stdin is for bodies alone and stdout for data, so a file of that name would be a surprise.
    """
    if path == "":
        raise UsageError(f"{option} is empty", hint=f"it needs the name of a {what}")
    if path == "-":
        raise UsageError(f"{option} needs the name of a {what}", hint=f"a {what} called - is {option} ./-")


def cannot_write(option: str, path: str, e: OSError) -> UsageError | NotFound:
    """The error for a file that was named with `option` and cannot be written when the run begins."""
    if isinstance(e, FileNotFoundError):
        return NotFound(f"{option}: there is no directory {os.path.dirname(os.path.realpath(path))}")
    return UsageError(f"{option}: cannot write {path}: {reason(e)}")


def check_place(option: str, path: str) -> None:
    """Raise NotFound or UsageError for the name of a file that is a directory, or in none."""
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        if not os.path.exists(path):
            # With a slash at its end, so that a file is no directory.
            os.stat(os.path.join(os.path.dirname(os.path.realpath(path)), ""))
    except OSError as e:
        raise cannot_write(option, path, e) from e


def clear_ready_file(path: str) -> None:
    """Take away what an earlier run left, so that it tells nothing of this one. To be called at the start.

    Raises NotFound when the directory is not there, UsageError when the file cannot be replaced.
    """
    refuse_dash("--ready-file", path)
    check_place("--ready-file", path)
    if os.path.isfile(path) and not _is_stream(path):
        try:
            _remove(os.path.realpath(path))
        except OSError as e:
            raise cannot_write("--ready-file", path, e) from e


def _remove(path: str) -> None:
    """Take a regular file away, or empty it where it has to stay."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as e:
        if e.errno not in _HAS_TO_STAY:
            raise
        os.truncate(path, 0)


def write_ready_file(path: str, text: str = "live") -> None:
    """Write `text` and a newline in one step: whoever waits for the file never reads half of it.

    A FIFO that nobody reads yet gets it from a thread, as soon as somebody does.
    """
    if os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode):
        threading.Thread(target=_write_fifo, args=(path, text), name="ready file", daemon=True).start()
        return
    try:
        write_whole(path, f"{text}\n".encode())
    except OSError as e:
        raise OutputError(f"cannot write the ready file {path}: {reason(e)}") from e


def _write_fifo(path: str, text: str) -> None:
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as fifo:
        fifo.write(f"{text}\n".encode())


# A bind mount, or a directory that others own: the file's name cannot go to another file.
_HAS_TO_STAY = (EBUSY, EACCES, EPERM, EROFS, EXDEV)


def write_whole(path: str, data: bytes, mode: int | None = None, *, sync: bool = False) -> None:
    """Make `data` all that the file at `path` holds, through what `path` is. Raises OSError.

    A regular file, also one behind symbolic links, is replaced in one step, so that nobody reads half of it
    and a full disk leaves the old one. Where that cannot be, it is written in place. Anything else, such as
    a device or a pipe, is written as it is; to an open file (/dev/fd/3) it is appended. `mode` are the
    permissions, by default those of the old file.
    """
    if _is_stream(path):
        _append(path, data)
        return
    real = os.path.realpath(path)
    try:
        old = os.stat(path)
    except FileNotFoundError:
        _replace(real, data, mode, None, sync)
        return
    if not stat.S_ISREG(old.st_mode) or not _is_same(real, old):
        _overwrite(path, data, sync)
        return
    try:
        _replace(real, data, mode, old, sync)
    except OSError as e:
        if e.errno not in _HAS_TO_STAY:
            raise
        _overwrite(real, data, sync)
        if mode is not None:
            os.chmod(real, mode)


def _is_stream(path: str) -> bool:
    """Whether it names a file that a process has open: then that file is written on, not replaced."""
    return os.path.abspath(path).startswith(("/dev/std", "/dev/fd/", "/proc/"))


def _append(path: str, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), "wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]


def _is_same(path: str, status: os.stat_result) -> bool:
    # /dev/fd/3 of a file that has been deleted leads to a name that is not there, or is another file's.
    with contextlib.suppress(OSError):
        return os.path.samestat(os.stat(path), status)
    return False


def _replace(path: str, data: bytes, mode: int | None, old: os.stat_result | None, sync: bool) -> None:
    folder, name = os.path.split(path)
    # A name that nobody can have put a link under.
    beside = os.path.join(folder, f".{name[:200]}.{os.urandom(8).hex()}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 if old else mode or 0o666)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            _become_as(fd, mode, old)
            if sync:
                os.fsync(fd)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def _become_as(fd: int, mode: int | None, old: os.stat_result | None) -> None:
    """Give the new file the permissions, and where we may the owner, of the one it replaces."""
    if old is not None:
        mode = stat.S_IMODE(old.st_mode) if mode is None else mode
        if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            with contextlib.suppress(OSError):
                os.fchown(fd, old.st_uid, old.st_gid)
    if mode is not None:
        os.fchmod(fd, mode)


def _overwrite(path: str, data: bytes, sync: bool) -> None:
    # Not emptied first: what cannot be written whole then spoils as little as can be. A pipe that nobody
    # reads is an error: waiting for a reader would hear no signal.
    with open(os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK), "wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            written = file.write(rest)
            if written is None:
                raise BlockingIOError(EAGAIN, "its reader does not read")
            rest = rest[written:]
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.truncate(len(data))
            if sync:
                os.fsync(file.fileno())


BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some editors begin a file with it; gRPC does not find the first certificate of a PEM file behind it."""


def unnamed_copy(content: bytes, opened: ExitStack) -> str:
    """A path to `content` for a library that reads files only, good until `opened` is closed.

    The copy has no name, and is in memory where the system has that: it may be a key.
    """
    from tempfile import TemporaryFile

    memory = getattr(os, "memfd_create", None)
    copy = os.fdopen(memory("pem"), "w+b") if memory else TemporaryFile()  # noqa: SIM115
    opened.enter_context(copy)
    copy.write(content)
    copy.flush()
    copy.seek(0)
    return f"/dev/fd/{copy.fileno()}"


def readable_by_others(path: str) -> bool:
    """Whether somebody else on this machine can read the plain file at `path`."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False  # whoever opens it learns why
    return stat.S_ISREG(mode) and bool(mode & 0o044)


def changeable(path: str) -> dict[str, str]:
    """What lets others change the file at `path`, each with the command that mends it, or an empty text.

    That is the file itself, and every directory that leads to it: whoever may write there can put another
    file in its place. Those of root are trusted; in a sticky directory others cannot touch what is ours.
    """
    found: dict[str, str] = {}
    places = {os.path.abspath(path), os.path.realpath(path)}
    for file in sorted(places):
        found.update(_weakness(file, stat.S_ISREG))
        folder = os.path.dirname(file)
        while True:
            found.update(_weakness(folder, stat.S_ISDIR))
            if folder == os.path.dirname(folder):
                break
            folder = os.path.dirname(folder)
    return found


def _weakness(path: str, is_kind: Callable[[int], bool]) -> dict[str, str]:
    try:
        status = os.lstat(path)
    except OSError:
        return {}
    if not is_kind(status.st_mode):
        return {}  # a link is as good as its directories; a pipe or a device is no file of ours
    if status.st_uid not in (0, os.geteuid()):
        return {f"{path} belongs to another user, {_user(status.st_uid)}": ""}
    open_to = status.st_mode & 0o022
    is_shared = is_kind is stat.S_ISDIR and (
        status.st_mode & stat.S_ISVTX or (open_to == 0o020 and _is_of_one(status.st_gid))
    )
    if not open_to or is_shared:
        return {}
    from shlex import quote

    return {f"others can change {path}": f"chmod go-w {quote(path)}"}


def _is_of_one(group: int) -> bool:
    """Whether a group is this user's own, as many systems make one for each: umask 002 is theirs."""
    import grp
    import pwd

    try:
        name, members = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
    except KeyError:
        return False
    return members.gr_name == name and not set(members.gr_mem) - {name}


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


_KEPT: dict[str, bytes] = {}
"""What was read of pipes and the like, by path."""


def read_pem(path: str, what: str) -> bytes:
    """As `read_file`. Raises ConfigError for what is not PEM, too: OpenSSL has no plain word for it."""
    content = read_file(path, what)
    if b"-----BEGIN " not in content:
        raise ConfigError(f"the {what} {path} is not PEM", hint="a PEM file has a line -----BEGIN …-----")
    return content


def read_file(path: str, what: str = "file") -> bytes:
    """The bytes of a small file that a setting names; `what` is what the error calls it.

    What is no regular file, such as the pipe of `<(pass kubemq)`, gives its bytes once, and they are kept.
    Raises NotFound when it is not there and ConfigError when it cannot be read.
    """
    if path in _KEPT:
        return _KEPT[path]
    try:
        with open(path, "rb") as file:
            data = file.read()
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                _KEPT[path] = data
            return data
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"no such {what}: {path}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the {what} {path}: {reason(error)}") from error
