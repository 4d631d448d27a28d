"""A broker as a process: how it starts, what it refuses to start on, how signals end it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from kubemqctl.broker import server
from kubemqctl.broker.server import BrokerConfig
from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.program import Run, Start
from tests.support.raw_grpc import MAX_MESSAGE, Stub
from tests.support.server import Broker
from tests.support.waiting import until

pytestmark = pytest.mark.builtin

RUN = ("broker", "run", "--listen", "127.0.0.1:0")


def test_the_ready_file_holds_an_address_that_answers_at_once(start: Start) -> None:
    started = start(*RUN, "--ephemeral", ready=True, address="")
    host, _, port = started.ready.rpartition(":")
    assert host == "127.0.0.1"
    assert int(port) > 0
    with Stub(started.ready) as stub:
        assert stub.ping().Host


def test_status_goes_to_stderr_and_nothing_to_stdout(start: Start) -> None:
    started = start(*RUN, "--ephemeral", ready=True, address="")
    ended = started.stop()
    assert ended.out == b""
    assert f"listening on {started.ready}, keeping messages in memory only" in ended.err
    assert "stopped: 0 messages wait in 0 queues" in ended.err


def test_quiet_says_nothing(start: Start) -> None:
    ended = start(*RUN, "--ephemeral", "-q", ready=True, address="").stop()
    assert (ended.out, ended.err) == (b"", "")


def test_it_listens_on_ipv6(new_broker: NewBroker) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    broker = new_broker(listen="[::1]:0")
    assert broker.address.startswith("[::1]:")
    with Stub(broker.address) as stub:
        assert stub.ping().Host


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_it_in_order(signum: signal.Signals, code: int, start: Start, tmp_path: Path) -> None:
    started = start(*RUN, "--data", tmp_path / "data", ready=True, address="")
    with Stub(started.ready) as stub:
        stub.fill("orders", 3)
        started.send(signum)
        ended = started.wait()
    assert ended.code == 128 + signum
    assert "stopped: 3 messages wait in 1 queue" in ended.err
    assert "Traceback" not in ended.err


def test_a_second_signal_ends_it_at_once(start: Start, tmp_path: Path) -> None:
    """The first waits for the call under way; the second does not."""
    started = start(*RUN, "--ephemeral", ready=True, address="")
    with Stub(started.ready) as stub:
        stub.downstream().ask_for("q", wait=60_000)
        until(lambda: stub.info("q").Info.Queues, "the Get arrived")
        # Both come while it cannot run, and so before the first has ended it.
        for signum in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            started.send(signum)
        ended = started.wait()
    assert ended.code in (130, 143)
    assert "stopped" not in ended.err


@pytest.mark.parametrize(
    ("second", "tolerated", "ends"),
    [(signal.SIGTERM, 60.0, False), (signal.SIGTERM, 0.0, True), (signal.SIGINT, 60.0, True)],
)
def test_the_same_signal_at_once_is_not_a_second_one_as_timeout_sends_it_twice(
    second: signal.Signals, tolerated: float, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = list[int]()
    monkeypatch.setattr(server, "SAME_SIGNAL", tolerated)
    monkeypatch.setattr("kubemqctl.broker.server.os._exit", codes.append)

    def ready(address: str) -> None:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(second)

    # A job in the background has SIGINT ignored.
    before = signal.signal(second, signal.SIG_DFL)
    ended = server.run(BrokerConfig(), ready)
    signal.signal(second, before)
    assert (ended.signum, codes) == (signal.SIGTERM, [128 + second] * ends)


def test_a_signal_that_is_ignored_stays_ignored_as_nohup_wants_it(start: Start) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a child inherits that
    try:
        started = start(*RUN, "--ephemeral", ready=True, address="")
    finally:
        signal.signal(signal.SIGHUP, before)
    started.send(signal.SIGHUP)
    with Stub(started.ready) as stub:
        stub.fill("q", 1)
    assert started.stop().code == 143


def test_waiting_calls_end_as_on_the_real_server_when_it_stops(new_broker: NewBroker) -> None:
    broker = new_broker()
    with Stub(broker.address) as stub:
        stream = stub.downstream()
        stream.ask_for("q", count=5, wait=60_000)
        receive = stub.waiting("ReceiveQueueMessages", receive_request("r", 1, 60), 60)
        until(lambda: len(stub.info().Info.Queues) == 2, "both wait")
        broker.stop()
        assert stream.status() == grpc.StatusCode.UNAVAILABLE
        assert receive.exception(10).code() == grpc.StatusCode.UNAVAILABLE


def test_what_was_held_or_taken_when_it_stopped_is_there_again(new_broker: NewBroker, tmp_path: Path) -> None:
    broker = new_broker("--data", tmp_path / "data")
    with Stub(broker.address) as stub:
        stub.fill("held", 3)
        stub.downstream().get("held", 2)
        stub.fill("taken", 1)
        receive = stub.waiting("ReceiveQueueMessages", receive_request("taken", 2, 60), 60)
        until(lambda: stub.info("taken").Info.Delivered == 1, "the receive took one")
        broker.stop()
        assert receive.exception(10).code() == grpc.StatusCode.UNAVAILABLE
    with Stub(new_broker("--data", tmp_path / "data").address) as stub:
        assert [(m.Body, m.Attributes.ReceiveCount) for m in stub.peek("held", 3).Messages] == [
            (b"1", 1),
            (b"2", 1),
            (b"3", 1),
        ]
        assert [m.Body for m in stub.peek("taken").Messages] == [b"1"]


def receive_request(channel: str, count: int, wait: int) -> pb.ReceiveQueueMessagesRequest:
    return pb.ReceiveQueueMessagesRequest(
        ClientID="me", Channel=channel, MaxNumberOfMessages=count, WaitTimeSeconds=wait
    )


def test_ephemeral_keeps_nothing_and_touches_no_home(start: Start, home: Path) -> None:
    started = start(*RUN, "--ephemeral", ready=True, address="")
    with Stub(started.ready) as stub:
        stub.fill("q", 1)
    started.stop()
    assert list(home.rglob("*")) == []


def test_without_data_messages_are_kept_in_the_state_directory(start: Start, home: Path) -> None:
    started = start(*RUN, ready=True, address="")
    with Stub(started.ready) as stub:
        stub.fill("q", 1)
    started.stop()
    assert (home / ".local/state/kubemqctl/broker/broker.db").exists()


# ---- what it refuses to start on ----


def test_a_port_in_use_is_one_clear_error(run: Run, new_broker: NewBroker) -> None:
    taken = new_broker().address
    result = run("broker", "run", "--listen", taken, "--ephemeral", address="")
    assert (result.code, result.out) == (1, b"")
    assert result.err == (
        f"error: cannot listen on {taken}: address already in use\n"
        "hint: name another with --listen; port 0 takes a free one\n"
    )


def test_a_second_broker_on_the_same_data_is_refused_and_the_first_goes_on(
    run: Run, new_broker: NewBroker, tmp_path: Path
) -> None:
    first = new_broker("--data", tmp_path / "data")
    result = run(*RUN, "--data", tmp_path / "data", address="")
    assert (result.code, result.out) == (1, b"")
    assert result.err.startswith("error: another broker is using the data directory")
    with Stub(first.address) as stub:
        assert not stub.send("q").IsError


@pytest.mark.parametrize(
    ("listen", "why"),
    [
        ("50000", "is not HOST:PORT"),
        ("127.0.0.1:", "is not HOST:PORT"),
        ("127.0.0.1:99999", "is not HOST:PORT"),
        (":50000", "is not HOST:PORT"),
        ("127.0.0.1:\u00b2", "is not HOST:PORT"),
        (f"127.0.0.1:{'1' * 5000}", "is not HOST:PORT"),
        ("http://127.0.0.1:50000", "is not HOST:PORT"),
    ],
)
def test_an_address_that_is_none_is_a_usage_error(listen: str, why: str, run: Run) -> None:
    result = run("broker", "run", "--listen", listen, "--ephemeral", address="")
    assert result.code == 2
    assert why in result.err


def test_an_address_of_another_machine_is_one_clear_error(run: Run) -> None:
    result = run("broker", "run", "--listen", "192.0.2.1:0", "--ephemeral", address="")
    assert result.code == 1
    assert result.err.startswith("error: cannot listen on 192.0.2.1:0: ")
    assert len(result.err.splitlines()) == 2


def test_a_foreign_directory_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    result = run(*RUN, "--data", tmp_path, address="")
    assert result.code == 2
    assert "is not a data directory of this broker" in result.err
    assert len(result.err.splitlines()) == 2


def test_a_damaged_journal_is_refused(run: Run, new_broker: NewBroker, tmp_path: Path) -> None:
    data = tmp_path / "data"
    broker = new_broker("--data", data)
    with Stub(broker.address) as stub:
        stub.batch([stub.message("q", bytes(1000)) for _ in range(500)])
    broker.stop()
    os.truncate(data / "broker.db", 100_000)
    result = run(*RUN, "--data", data, address="")
    assert (result.code, result.out) == (1, b"")
    assert "is damaged" in result.err
    assert len(result.err.splitlines()) == 2


def test_a_ready_file_that_cannot_be_written_ends_it(run: Run, tmp_path: Path) -> None:
    result = run(*RUN, "--ephemeral", "--ready-file", tmp_path / "no" / "where", address="")
    assert result.code == 3
    assert "--ready-file: there is no directory" in result.err


def test_the_ready_file_of_an_earlier_run_says_nothing(start: Start, tmp_path: Path) -> None:
    """Whoever waits for the file must not find the address of a broker that is gone."""
    file = tmp_path / "ready"
    file.write_text("127.0.0.1:1\n")
    start(*RUN, "--ephemeral", "--ready-file", file, address="")
    address = until(lambda: file.exists() and file.read_text().strip() != "127.0.0.1:1", "written anew")
    assert address


@pytest.mark.parametrize(
    "words",
    [
        ("--ephemeral", "--data", "d"),
        ("--tls-cert", "cert.pem"),
        ("--tls-ca", "ca.pem"),
        ("--tls",),
        ("--address", "127.0.0.1:1"),
        ("--log", "file"),
    ],
)
def test_options_that_make_no_sense_together_are_usage_errors(words: tuple[str, ...], run: Run) -> None:
    assert run(*RUN, *words, address="").code == 2


def test_the_environment_of_clients_changes_nothing(start: Start) -> None:
    nonsense = {
        "KUBEMQ_ADDRESS": "nowhere:1",
        "KUBEMQ_AUTH_TOKEN": "secret",
        "KUBEMQ_TLS_ENABLED": "true",
        "KUBEMQCTL_PROFILE": "missing",
        "KUBEMQCTL_CONFIG": "/dev/null/none",
    }
    started = start(*RUN, "--ephemeral", ready=True, address="", env=nonsense)
    with Stub(started.ready) as stub:
        assert not stub.send("q").IsError


# ---- limits ----


# ---- detached ----


def test_in_the_background_it_is_live_when_its_parent_ends(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log"
    result = run(*RUN, "--ephemeral", "--background", "--log", log)
    assert (result.code, result.err) == (0, "")
    pid, address = result.text.split()
    try:
        with Stub(address) as stub:
            assert stub.ping().Host
        assert os.getsid(int(pid)) == int(pid)
        assert address in log.read_text()
    finally:
        os.kill(int(pid), signal.SIGTERM)
    until(lambda: "stopped: 0 messages" in log.read_text(), "the log has its last words")


def test_a_background_run_without_a_log_holds_no_pipe_open(run: Run) -> None:
    """Otherwise $(…) would wait for its end; `run` reads both streams to theirs."""
    result = run(*RUN, "--ephemeral", "--background", "-q")
    pid, _ = result.text.split()
    os.kill(int(pid), signal.SIGKILL)


def test_a_background_run_that_cannot_start_says_why(run: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("")
    result = run(*RUN, "--data", tmp_path, "--background", "--log", tmp_path / "log")
    assert (result.code, result.out) == (2, b"")
    assert "not a data directory" in result.err


def test_a_log_that_cannot_be_written_starts_nothing(run: Run, tmp_path: Path) -> None:
    result = run(*RUN, "--ephemeral", "--background", "--log", tmp_path / "no" / "log")
    assert (result.code, result.out) == (3, b"")
    assert f"--log: there is no directory {tmp_path / 'no'}" in result.err


def test_a_message_over_the_limit_is_refused_in_the_servers_words(broker: Broker) -> None:
    with Stub(broker.address) as stub:
        with pytest.raises(grpc.RpcError) as refused:
            stub.send("big", bytes(MAX_MESSAGE))
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        size = stub.message("big", bytes(MAX_MESSAGE)).ByteSize()
        assert refused.value.details() == f"grpc: received message larger than max ({size} vs. {MAX_MESSAGE})"


def test_a_get_over_the_limit_ends_the_stream_and_loses_nothing(broker: Broker, channel: str) -> None:
    with Stub(broker.address) as stub:
        for _ in range(3):
            stub.send(channel, bytes(40 << 20))
        stream = stub.downstream()
        stream.ask_for(channel, 3)
        assert stream.status() == grpc.StatusCode.RESOURCE_EXHAUSTED
        answer = stub.downstream().get(channel, 2)
        assert [m.Attributes.Sequence for m in answer.Messages] == [1, 2]
        stub.ack_all(channel)


def under_a_limit(blocks: int, data: Path, ready: Path) -> subprocess.Popen[bytes]:
    """A broker whose files end at so many blocks of 512 bytes."""
    words = [*RUN, "--data", str(data), "--ready-file", str(ready)]
    command = [sys.executable, "-m", "kubemqctl", *words]
    script = f'ulimit -f {blocks}; exec "$@"'
    ready.unlink(missing_ok=True)
    process = subprocess.Popen(["sh", "-c", script, "sh", *command], stderr=subprocess.DEVNULL)
    until(ready.exists, "the broker is ready")
    return process


def until_refused(stub: Stub) -> int:
    """Send until the journal is full; returns how many were accepted."""
    for sent in range(2000):
        answer = stub.send("q", bytes(20_000))
        if answer.IsError:
            assert answer.Error.startswith("cannot store the message: ")
            return sent
    raise AssertionError("the limit was never reached")


def test_a_file_that_may_not_grow_is_an_error_in_the_answer_and_drains(tmp_path: Path) -> None:
    ready, data = tmp_path / "ready", tmp_path / "d"
    process = under_a_limit(4000, data, ready)
    try:
        with Stub(ready.read_text().strip()) as stub:
            sent = until_refused(stub)
            assert stub.peek("q", 1024).MessagesReceived == sent
            assert stub.receive("q", 10).MessagesReceived == 10
    finally:
        process.kill()
        process.wait()
    process = under_a_limit(4000, data, ready)
    try:
        with Stub(ready.read_text().strip()) as stub:
            got = [m.Attributes.Sequence for m in stub.receive("q", sent - 10, wait=5).Messages]
            assert got == list(range(11, sent + 1))
            assert until_refused(stub) > sent // 2
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)]
    if (
        not sys.platform.startswith("linux")
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("only root can make a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "log").open("wb", buffering=0) as log:
        while True:
            log.write(bytes(4096))


def test_a_disk_that_is_full_at_the_start_is_not_taken_for_a_damaged_journal(
    small_disk: Path, run: Run, new_broker: NewBroker
) -> None:
    (small_disk / "d").mkdir()
    fill(small_disk)
    result = run("broker", "run", "--listen", "127.0.0.1:0", "--data", small_disk / "d")
    assert (result.code, "cannot be used: database or disk is full" in result.err) == (2, True), result.err
    (small_disk / "log").unlink()
    broker = new_broker("--data", small_disk / "d")
    with Stub(broker.address) as stub:
        assert not stub.send("q", "there is room").IsError
    broker.process.kill()  # type: ignore[union-attr]


def test_a_full_disk_drains_and_the_broker_goes_on(small_disk: Path, new_broker: NewBroker) -> None:
    broker = new_broker("--data", small_disk / "d")
    with Stub(broker.address) as stub:
        sent = until_refused(stub)
        # Somebody else takes the rest.
        fill(small_disk)
        for n in range(1, 101):
            assert [m.Attributes.Sequence for m in stub.receive("q").Messages] == [n]
    assert broker.process
    broker.process.kill()
    broker = new_broker("--data", small_disk / "d")
    with Stub(broker.address) as stub:
        assert stub.receive("q", sent - 100, wait=5).MessagesReceived == sent - 100
        (small_disk / "log").unlink()
        assert until_refused(stub) > sent // 2
    broker.process.kill()  # type: ignore[union-attr]


def test_a_reader_that_does_not_read_holds_up_nobody_and_memory_stays(
    new_broker: NewBroker, tmp_path: Path
) -> None:
    broker = new_broker("--data", tmp_path / "data")
    assert broker.process
    gets = [get_request("big", 20)] * 9
    with Stub(broker.address) as stub, Stub(broker.address) as slow:
        for _ in range(9):
            stub.batch([stub.message("big", bytes(1 << 20)) for _ in range(20)])
        before = peak_memory(broker.process.pid)
        # Nobody iterates over the answers, so gRPC's flow control stops the broker's writing.
        answers = slow.grpc_channel.stream_stream(
            "/kubemq.kubemq/QueuesDownstream",
            request_serializer=pb.QueuesDownstreamRequest.SerializeToString,
            response_deserializer=pb.QueuesDownstreamResponse.FromString,
        )(iter(gets))
        until(lambda: stub.info("big").Info.Delivered >= 20, "the first Get was carried out")
        for n in range(50):
            stub.send("small", str(n))
        assert [m.Body for m in stub.receive("small", 50).Messages] == [b"%d" % n for n in range(50)]
        assert stub.info("big").Info.Delivered < 180
        # 180 MiB were asked for; one answer of 20 MiB is made, and waits.
        assert peak_memory(broker.process.pid) < before + 100_000
        answers.cancel()  # type: ignore[no-untyped-call]


def get_request(channel: str, count: int) -> pb.QueuesDownstreamRequest:
    return pb.QueuesDownstreamRequest(
        ClientID="slow", Channel=channel, RequestTypeData=pb.Get, MaxItems=count, WaitTimeout=1000
    )


def peak_memory(pid: int) -> int:
    """The most memory that a process ever had, in KiB."""
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
