"""The buffered writer with a spool under faults: what `flush` returned for arrives in the end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import DiskSpaceError, WriteError
from tests.faults.conftest import LONG, ROUNDS
from tests.faults.test_disk_full import make_disk  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.conftest import Bucket, Managers
    from tests.faults.test_disk_full import Disk
    from tools.servers import InfluxDB, Proxy

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
HASTY: dict[str, Any] = {"retries": 0, "timeout": 0.3}


@pytest.fixture(autouse=True)
def _soon(at_once: None) -> None:
    """Have what failed sent again without a pause."""


def point(number: int) -> dict[str, Any]:
    """Return a point: a number at its second."""
    return {"v": float(number), "time": T0 + number * 1_000_000_000}


class Source:
    """Writes points until it is told to stop; keeps how many were acknowledged by `flush`."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self.written = 0
        self.acknowledged = 0

    def go_on(self, batches: int) -> None:
        """Write batches of twenty points, and flush each."""
        for _ in range(batches):
            for _ in range(20):
                self._writer.write(point(self.written))
                self.written += 1
            self._writer.flush()
            self.acknowledged = self.written


def lost(stored: dict[int, Any], acknowledged: int) -> int:
    """Count the acknowledged points that are not there, or with another value."""
    return sum(stored.get(point(number)["time"]) != number for number in range(acknowledged))


def arrived(bucket: Bucket, msname: str, points: int) -> dict[int, Any]:
    """Ask the server until it has so many points, and return them."""
    end = time.monotonic() + LONG
    while len(stored := bucket.values(msname)) < points and time.monotonic() < end:
        pass
    return stored


@pytest.fixture
def spooling(
    managers: Managers, influx: InfluxDB, before_influx: Proxy, msname: str, tmp_path: Path
) -> Iterator[Any]:
    """Return a writer with a spool behind the proxy."""
    url = f"http://127.0.0.1:{before_influx.port}"
    with (
        managers(url, influx.org, influx.token, **HASTY) as manager,
        manager.writer("default", msname, spool=tmp_path, max_rows=50, max_seconds=0.05) as writer,
    ):
        yield writer


FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "closed": ("limit_data", {"bytes": 0}),
    "closed in the middle": ("limit_data", {"bytes": 500}),
    "reset": ("reset_peer", {"timeout": 0}),
    "half-open": ("timeout", {"timeout": 0}),
    "half of the connections closed": ("limit_data", {"bytes": 300, "toxicity": 0.5}),
}


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_connection_loses_nothing_that_was_flushed(
    spooling: Any,
    before_influx: Proxy,
    bucket: Bucket,
    msname: str,
    tally: Callable[..., str],
    fault: str,
    stream: Any,
) -> None:
    """`flush` goes on to return, as the spool keeps the points; all arrive in the end."""
    kind, options = FAULTS[fault]
    source = Source(spooling)
    for _ in range(ROUNDS):
        source.go_on(2)
        with before_influx.fault(kind, stream=stream, **options):
            source.go_on(3)
        source.go_on(2)
    stored = arrived(bucket, msname, source.written)
    assert source.written == len(stored)
    tally(f"{fault}, {stream}", "writer with a spool", "whole", lost(stored, source.acknowledged))


def test_a_killed_server_loses_nothing_that_was_flushed(
    spooling: Any, influx: InfluxDB, bucket: Bucket, msname: str, tally: Callable[..., str]
) -> None:
    """Killed while points come; they come on while it is away, and arrive when it is back."""
    source = Source(spooling)
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not stop.is_set():
                source.go_on(1)
        except BaseException as error:  # noqa: BLE001 - for the test
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(ROUNDS):
            arrived(bucket, msname, source.acknowledged + 100)
            influx.kill()
            reached = source.acknowledged
            while source.acknowledged < reached + 100 and not failures:
                pass
            # Twice: see `test_a_torn_log_is_repaired_by_the_second_start`.
            influx.restart()
            influx.restart()
    finally:
        stop.set()
        thread.join(LONG)
    assert [] == failures
    stored = arrived(bucket, msname, source.written)
    tally("killed", "writer with a spool", f"{source.acknowledged} points", lost(stored, source.acknowledged))


SCRIPT = """
    import asyncio, sys
    from db_influx import AsyncInfluxManager, InfluxManager

    def point(number):
        return {{"v": float(number), "time": {t0} + number * 1_000_000_000}}

    def told(number):
        sys.stdout.write(f"{{number}}\\n")
        sys.stdout.flush()

    def main():
        manager = InfluxManager({url!r}, {org!r}, {token!r}, retries=0, timeout=0.3)
        writer = manager.writer("default", {msname!r}, spool={spool!r}, max_rows=50, max_seconds=0.05)
        for number in range({first}, 10**9):
            writer.write(point(number))
            if number % 20 == 19:
                writer.flush()
                told(number + 1)

    async def amain():
        manager = AsyncInfluxManager({url!r}, {org!r}, {token!r}, retries=0, timeout=0.3)
        writer = manager.writer("default", {msname!r}, spool={spool!r}, max_rows=50, max_seconds=0.05)
        for number in range({first}, 10**9):
            await writer.write(point(number))
            if number % 20 == 19:
                await writer.flush()
                told(number + 1)

    main() if {blocks} else asyncio.run(amain())
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal")
def test_a_killed_client_loses_nothing_that_was_flushed(
    managers: Managers,
    influx: InfluxDB,
    before_influx: Proxy,
    bucket: Bucket,
    msname: str,
    tmp_path: Path,
    tally: Callable[..., str],
) -> None:
    """SIGKILL at random moments, with the server there or away: the next process sends what the spool has."""
    url = f"http://127.0.0.1:{before_influx.port}"
    chosen = random.Random(str(managers))
    acknowledged = 0
    for number in range(4 * ROUNDS):
        settings = {"url": url, "org": influx.org, "token": influx.token, "msname": msname, "t0": T0}
        settings |= {"spool": str(tmp_path), "first": acknowledged, "blocks": str(managers) == "sync"}
        script = textwrap.dedent(SCRIPT.format(**settings))
        more = chosen.randrange(1, 12)

        def run(script: str = script, more: int = more) -> int:
            command = [sys.executable, "-c", script]
            last = 0
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                for _ in range(more):
                    last = int(process.stdout.readline())
                process.send_signal(signal.SIGKILL)
                for line in process.stdout:  # what it had told by then
                    last = int(line) if line.endswith("\n") else last
            return last

        if number % 2:
            with before_influx.fault("timeout", stream="upstream", timeout=0):
                acknowledged = run()
        else:
            acknowledged = run()
    with (
        managers(url, influx.org, influx.token) as manager,
        manager.writer("default", msname, spool=tmp_path),
    ):
        stored = arrived(bucket, msname, acknowledged)
        tally("client killed", "writer with a spool", f"{acknowledged} points", lost(stored, acknowledged))


def test_a_full_disk_of_the_spool_keeps_the_points_in_memory(
    managers: Managers,
    influx: InfluxDB,
    bucket: Bucket,
    msname: str,
    make_disk: Callable[[int], Disk],  # noqa: F811
    tally: Callable[..., str],
) -> None:
    """`flush` is a DiskSpaceError while there is no space and no server; nothing is lost in the end."""
    disk = make_disk(1)
    folder = disk.folder / "spool"
    with managers("http://127.0.0.1:9", influx.org, influx.token, retries=0) as manager:
        writer = manager.writer("default", msname, spool=folder, max_seconds=1e6)
        number = acknowledged = 0

        def fill() -> None:
            nonlocal number, acknowledged
            while True:
                for _ in range(2_000):
                    writer.write(point(number))
                    number += 1
                writer.flush()
                acknowledged = number

        with pytest.raises(DiskSpaceError, match="too little space in"):
            fill()
        assert 0 < acknowledged < number
        assert [] == list(folder.glob("*.tmp"))
        with pytest.raises(DiskSpaceError):
            writer.flush()
        disk.grow()
        writer.flush()
        writer.close()

    target = folder / "target.json"
    target.write_text(target.read_text().replace("http://127.0.0.1:9", influx.url))
    with (
        managers(influx.url, influx.org, influx.token) as manager,
        manager.writer("default", msname, spool=folder),
    ):
        stored = arrived(bucket, msname, number)
    tally("disk of the spool full", "writer with a spool", f"{number} points", lost(stored, number))


def test_a_full_disk_at_the_end_gives_the_points_back(
    managers: Managers,
    influx: InfluxDB,
    msname: str,
    make_disk: Callable[[int], Disk],  # noqa: F811
) -> None:
    """Closing raises an error that has the points that neither the server nor the disk took."""
    disk = make_disk(1)
    with managers("http://127.0.0.1:9", influx.org, influx.token, retries=0) as manager:
        writer = manager.writer("default", msname, spool=disk.folder / "spool", max_seconds=1e6)
        for number in range(50_000):
            writer.write(point(number))
        with pytest.raises(WriteError, match="50000 points were not written") as caught:
            writer.close()
    assert isinstance(caught.value.__cause__, DiskSpaceError)
    assert f"{msname} v=0.0 {T0}" == caught.value.points[0].line
    assert 50_000 == len(caught.value.points)


def test_without_a_spool_a_writer_outlasts_a_server_that_is_away(
    managers: Managers,
    influx: InfluxDB,
    before_influx: Proxy,
    bucket: Bucket,
    msname: str,
    tally: Callable[..., str],
) -> None:
    """Points stay in memory, and go out by themselves when the connection is good again."""
    url = f"http://127.0.0.1:{before_influx.port}"
    with (
        managers(url, influx.org, influx.token, **HASTY) as manager,
        manager.writer("default", msname, max_rows=20, max_seconds=0.05) as writer,
    ):
        with before_influx.fault("timeout", stream="upstream", timeout=0):
            for number in range(200):
                writer.write(point(number))
            while writer.error is None:
                pass
        stored = arrived(bucket, msname, 200)
    tally("half-open, then whole", "writer without a spool", "200 points", lost(stored, 200))
