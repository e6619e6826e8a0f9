"""InfluxDB ended by SIGKILL and started again: what was acknowledged before is there after."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from db_core.errors import ConnectionFailedError, DatabaseError, IncompleteResultError, WriteError
from tests.faults.conftest import LONG, ROUNDS, Bucket, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from tests.faults.conftest import Managers
    from tools.servers import InfluxDB, Proxy

T0 = pd.Timestamp("2026-01-01", tz="UTC")
BATCH = 100
# A restart takes some seconds, and the pauses between attempts are random: enough of them.
PATIENT: dict[str, Any] = {"retries": 30, "deadline": LONG}


@pytest.fixture(autouse=True)
def _repaired(influx: InfluxDB) -> Iterator[None]:
    """Start the server twice after each test: see `test_a_torn_log_is_repaired_by_the_second_start`.

    The first of the two may drop what the test wrote after its kill, and so tear the log once more.
    """
    yield
    influx.restart()
    influx.restart()


@pytest.fixture(params=range(ROUNDS))
def _round() -> None:
    """Make the test once a round, each after a repair."""


def frame(start: int, rows: int) -> pd.DataFrame:
    """Give numbers by their second."""
    index = pd.date_range(T0 + pd.Timedelta(seconds=start), periods=rows, freq="s", name="time")
    return pd.DataFrame({"v": np.arange(start, start + rows, dtype=float)}, index=index)


class Writer(threading.Thread):
    """Writes batch after batch, until it is told to stop; keeps what was acknowledged and what failed."""

    def __init__(self, manager: Any, msname: str) -> None:
        super().__init__()
        self._manager = manager
        self._msname = msname
        self.acknowledged: list[int] = []  # where batches begin
        self.failed: list[DatabaseError] = []
        self.progress = threading.Semaphore(0)
        self.stop = threading.Event()

    def run(self) -> None:
        """Write."""
        for start in range(0, 10_000_000, BATCH):
            if self.stop.is_set():
                return
            try:
                self._manager.synchronous_write("default", frame(start, BATCH), self._msname)
            except DatabaseError as error:
                self.failed.append(error)
            else:
                self.acknowledged.append(start)
                self.progress.release()

    def lost(self, stored: dict[int, Any]) -> int:
        """Count the acknowledged points that are not there, or with another value."""
        rows = (row for start in self.acknowledged for row in range(start, start + BATCH))
        return sum(stored.get(T0.value + row * 1_000_000_000) != row for row in rows)


@pytest.mark.usefixtures("_round")
@pytest.mark.parametrize("retries", [30, 0])
def test_what_was_acknowledged_survives(
    managers: Managers,
    influx: InfluxDB,
    bucket: Bucket,
    msname: str,
    tally: Callable[..., str],
    retries: int,
) -> None:
    """Killed in the middle of a stream of writes; with retries these do not even notice."""
    options = PATIENT | {"retries": retries}
    with managers(influx.url, influx.org, influx.token, **options) as manager:
        writer = Writer(manager, msname)
        writer.start()
        try:
            for _ in range(20):
                assert writer.progress.acquire(timeout=LONG)
            influx.kill()
            influx.restart()
            for _ in range(5):
                assert writer.progress.acquire(timeout=LONG)
        finally:
            writer.stop.set()
            writer.join(LONG)

    lost = writer.lost(bucket.values(msname))
    for _ in writer.acknowledged:
        tally(f"killed between and in writes, {retries} retries", "synchronous_write", "whole")
    for error in writer.failed:
        tally(f"killed between and in writes, {retries} retries", "synchronous_write", type(error).__name__)
    tally("killed, then counted", "synchronous_write", f"{len(writer.acknowledged)} x {BATCH} points", lost)
    assert retries == 0 or [] == writer.failed
    assert all(isinstance(error, ConnectionFailedError | WriteError) for error in writer.failed)


@pytest.mark.usefixtures("_round")
@pytest.mark.parametrize("retries", [30, 0])
def test_killed_in_the_middle_of_one_long_write(
    managers: Managers,
    influx: InfluxDB,
    before_influx: Proxy,
    bucket: Bucket,
    msname: str,
    tally: Callable[..., str],
    retries: int,
) -> None:
    """With retries it is completed; without, no more is said to be accepted than is there."""
    rows = 1_000_000  # in 15 requests
    data = frame(0, rows)
    url = f"http://127.0.0.1:{before_influx.port}"
    with (
        managers(url, influx.org, influx.token, **PATIENT | {"retries": retries}) as manager,
        ThreadPoolExecutor(1) as pool,
    ):
        with before_influx.fault("bandwidth", stream="upstream", rate=4_000):  # a second for each request
            written = pool.submit(manager.synchronous_write, "default", data, msname)
            while not bucket.count(msname):
                assert not written.done()
            influx.kill()
        influx.restart()
        came = outcome(partial(written.result, LONG), None, WriteError, ConnectionFailedError)
        error = written.exception()
    there = bucket.count(msname)
    accepted = rows if error is None else getattr(error, "accepted", None) or 0
    tally(f"killed in a long write, {retries} retries", "synchronous_write", came, max(0, accepted - there))
    assert ("whole" == came) == (retries > 0)


@pytest.mark.parametrize(
    "starts",
    [
        pytest.param(1, marks=pytest.mark.xfail(reason="InfluxDB writes on behind the torn end of its log")),
        2,
    ],
)
def test_a_torn_log_is_repaired_by_the_second_start(
    managers: Managers, servers: ModuleType, tmp_path: Path, msname: str, starts: int
) -> None:
    """A kill or a full disk may tear the last entry of InfluxDB's log (WAL).

    The next start cuts the torn entry off, but goes on writing where it had ended: a hole, and all that
    is behind it, acknowledged points, is dropped at the start after that. One more start in between, with
    nothing written since, finds the log whole.
    """
    whole, torn = tmp_path / "engine", b"\x01\x00\x00\x10\x00" + 2_000 * b"\xaa"  # of 4,096 bytes
    with (
        servers.influxdb(engine=whole) as server,
        managers(server.url, server.org, server.token) as manager,
    ):
        manager.synchronous_write("default", frame(0, 10), msname)
        server.kill()
        [log] = whole.glob("wal/*/*/*/*.wal")
        with log.open("ab") as file:
            file.write(torn)
        for _ in range(starts):
            server.restart()
        manager.synchronous_write("default", frame(10, 10), msname)
        assert 20 == Bucket(server, "default").count(msname)
        server.restart()
        assert 20 == Bucket(server, "default").count(msname)


def test_killed_in_the_middle_of_reads(
    managers: Managers, influx: InfluxDB, bucket: Bucket, msname: str, tally: Callable[..., str]
) -> None:
    """Each of many reads is whole or an error; with retries, whole."""
    rows = 20_000
    bucket.write([f"{msname} v={row} {T0.value + row * 1_000_000_000}" for row in range(rows)])
    expected = [float(row) for row in range(rows)]
    stop = threading.Event()
    progress = threading.Semaphore(0)

    def values(manager: Any) -> list[float]:
        frame = manager.read(T0, T0 + pd.Timedelta(days=1), msname, "v", "default", interval=None)
        found: list[float] = frame["v"].tolist()
        return found

    def read(manager: Any, fault: str) -> None:
        while not stop.is_set():
            came = outcome(
                partial(values, manager),
                expected,
                *(() if "30" in fault else (ConnectionFailedError, IncompleteResultError)),
            )
            tally(fault, "read", came)
            if came == "whole":
                progress.release()

    with (
        managers(influx.url, influx.org, influx.token, **PATIENT) as patient,
        managers(influx.url, influx.org, influx.token, retries=0) as hasty,
        ThreadPoolExecutor(2) as pool,
    ):
        reading = [
            pool.submit(read, patient, "killed in reads, 30 retries"),
            pool.submit(read, hasty, "killed in reads, 0 retries"),
        ]
        try:
            for _ in range(ROUNDS):
                for _ in range(10):
                    assert progress.acquire(timeout=LONG)
                influx.kill()
                influx.restart()
            for _ in range(10):
                assert progress.acquire(timeout=LONG)
        finally:
            stop.set()
        for future in reading:
            future.result(LONG)


def test_killed_in_the_middle_of_an_answer(
    managers: Managers, influx: InfluxDB, bucket: Bucket, msname: str, tally: Callable[..., str]
) -> None:
    """The server has more to send than buffers hold, and is killed before we read on: an error."""
    rows = 300_000
    bucket.write([f"{msname} v={row} {T0.value + row * 1_000_000_000}" for row in range(rows)])
    flux = f'from(bucket: "default") |> range(start: 0) |> filter(fn: (r) => r._measurement == "{msname}")'
    with managers(influx.url, influx.org, influx.token, **PATIENT) as manager:
        for _ in range(ROUNDS):
            frames = manager.query_batches(flux, batch_rows=1_000)
            next(frames)
            influx.kill()
            try:
                came = outcome(lambda: [len(frame) for frame in frames], None, IncompleteResultError)  # noqa: B023
            finally:
                influx.restart()
            assert "IncompleteResultError" == tally("killed in an answer", "query_batches", came)
        assert rows == sum(len(frame) for frame in manager.query_batches(flux))
