"""A disk without space: the server's own error, and what was acknowledged is there when there is space again.

The disk is a tmpfs, which takes the right to mount one.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from db_core.errors import ConnectionFailedError, DatabaseError, DiskSpaceError, QueryError, WriteError
from db_redis import RedisClient
from tests.faults.conftest import Bucket
from tests.influx.backups import listed, metadata, metrics
from tests.peer import endless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from tests.faults.conftest import Managers
    from tests.peer import Peer

T0 = pd.Timestamp("2026-01-01", tz="UTC")
ROWS = 20_000


class Disk:
    """A small disk."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self.mount(f"size={megabytes}m")

    def mount(self, options: str) -> None:
        """Mount it, or change how it is mounted."""
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)

    def grow(self) -> None:
        """Give space back."""
        self.mount("remount,size=1g")

    def close(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", str(self.folder)], check=True, capture_output=True)


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Callable[[int], Disk]]:
    """Give a function that makes a disk of some megabytes."""
    made: list[Disk] = []

    def make(megabytes: int) -> Disk:
        try:
            made.append(Disk(tmp_path, megabytes))
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no right to mount a tmpfs here, as which a full disk is made")
        return made[-1]

    yield make
    for disk in made:
        disk.close()


def test_a_snapshot_leaves_space_on_the_disk(
    make_disk: Callable[[int], Disk], peer: Callable[..., Peer], managers: Managers
) -> None:
    """A DiskSpaceError before the disk is full, and nothing is left of the snapshot."""
    disk = make_disk(24)
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000000000\r\n\r\n"
    one = peer(metadata(listed(1)), metrics(), endless(head, b"x"))
    with (
        managers(one.url, "o", "t", retries=0) as manager,
        pytest.raises(DiskSpaceError, match=f"too little space in {disk.folder}"),
    ):
        manager.snapshot("b", "2026-01-01", "2026-01-02", folder=disk.folder)
    assert [] == list(disk.folder.iterdir())


def _fill(save: Callable[[int], None]) -> tuple[int, DatabaseError]:
    """Save until it fails; give how many were acknowledged, and the error."""
    for number in range(10_000):
        try:
            save(number)
        except DatabaseError as error:
            return number, error
    pytest.fail("the disk is not full")


def test_influxdb_says_that_its_disk_is_full(
    managers: Managers,
    servers: ModuleType,
    make_disk: Callable[[int], Disk],
    msname: str,
    tally: Callable[..., str],
) -> None:
    """A WriteError with the server's words; every write that returned is there."""
    disk = make_disk(6)

    def frame(number: int) -> pd.DataFrame:
        rows = np.arange(number * ROWS, (number + 1) * ROWS)
        # Random, so that the log on the disk does not shrink them.
        values = np.random.default_rng(number).random(ROWS)
        return pd.DataFrame({"v": values}, index=T0 + pd.to_timedelta(rows, unit="s"))

    with servers.influxdb(engine=disk.folder / "engine") as server:
        bucket = Bucket(server, "default")
        with managers(server.url, server.org, server.token, deadline=60, retries=1) as manager:
            acknowledged, error = _fill(lambda n: manager.synchronous_write("default", frame(n), msname))
            assert isinstance(error, WriteError)
            assert "no space left on device" in str(error)
            assert acknowledged > 0
            # It still answers.
            assert (acknowledged - 1) * ROWS <= bucket.count(msname)

            server.kill()
            disk.grow()
            for _ in range(2):  # its log may be torn: tests/faults/test_influx_killed.py
                server.restart()
            lost = acknowledged * ROWS - sum(
                found == wanted
                for found, wanted in _pairs(bucket.values(msname), map(frame, range(acknowledged)))
            )
            tally(
                "disk full", "synchronous_write", f"{acknowledged} whole, then {type(error).__name__}", lost
            )

            # And it takes points again, and keeps them.
            manager.synchronous_write("default", frame(acknowledged), msname)
            server.restart()
            assert (acknowledged + 1) * ROWS == bucket.count(msname)


def _pairs(stored: dict[int, float], frames: Iterator[pd.DataFrame]) -> Iterator[tuple[float | None, float]]:
    for frame in frames:
        for time, value in zip(frame.index.as_unit("ns").asi8.tolist(), frame["v"].tolist(), strict=True):
            yield stored.get(time), value


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_redis_says_that_its_disk_is_full(
    servers: ModuleType, make_disk: Callable[[int], Disk], tally: Callable[..., str], fsync: str
) -> None:
    """It ends at once where each save goes to the disk, and refuses saves where it does not."""
    disk = make_disk(2)
    options = ["--dir", str(disk.folder), "--appendfsync", fsync]
    with servers.redis(options=options) as server, RedisClient(server.host, server.port) as client:

        def value(number: int) -> str:
            return f"{number}" * 5_000

        acknowledged, error = _fill(lambda number: client.save_in_redis(f"key-{number}", value(number)))
        assert acknowledged > 0
        if fsync == "always":
            assert isinstance(error, ConnectionFailedError)
        else:
            assert isinstance(error, QueryError)
            assert error.code == "MISCONF"
            assert value(0) == client.safe_read_from_redis("key-0")
        disk.grow()
        server.restart()
        found = [client.safe_read_from_redis(f"key-{number}") for number in range(acknowledged)]
        lost = sum(one != value(number) for number, one in enumerate(found))
        tally(
            f"redis: disk full, fsync {fsync}",
            "save_in_redis",
            f"{acknowledged} whole, then {type(error).__name__}",
            lost,
        )
        client.save_in_redis("again", 1)
        assert 1 == client.safe_read_from_redis("again")
