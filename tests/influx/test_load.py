"""Load: many threads on one manager, and many short-lived managers; nothing wrong, nothing left behind.

The environment's `LOAD_SECONDS` says for how long the threads go on; without it, a few seconds.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from db_influx import InfluxManager

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.influx.conftest import Store
    from tools import servers

THREADS = 16
MANAGERS = 1_000
ROWS = 200  # a write
KEPT = 2_000  # rows of the range that is read back: what is asked for does not grow with the time
GROWTH = 96 << 20  # bytes a process may grow after its first half
LONG = float(os.environ.get("LOAD_SECONDS", "5"))
EPOCH = pd.Timestamp("2026-01-01", tz="UTC")
SECOND = pd.Timedelta(seconds=1)

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc here")


def left_open() -> tuple[int, int]:
    """Give the numbers of open files and of threads, once the timers of calls that are over have ended."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) and thread.finished.is_set():
            thread.join()
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def resident() -> int:
    """Give the bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Meter:
    """One thread's series, a point each second of 3 more than the last; it knows what must come back."""

    def __init__(self, manager: InfluxManager, bucket: str, msname: str, name: str) -> None:
        self.manager, self.bucket, self.msname, self.name = manager, bucket, msname, name
        self.tags = {"meter": name}
        self.written = 0
        self.random = np.random.default_rng(int(name[1:]))
        self.done: Counter[str] = Counter()

    def moment(self, row: int) -> pd.Timestamp:
        """Give the time of a row."""
        return EPOCH + pd.Timedelta(seconds=row)

    def write(self) -> None:
        """Append rows."""
        rows = np.arange(self.written, self.written + ROWS)
        frame = pd.DataFrame({"v": rows * 3, "x": rows / 7}, index=EPOCH + pd.to_timedelta(rows, unit="s"))
        self.manager.synchronous_write(self.bucket, frame, self.msname, self.tags)
        self.written += ROWS

    def span(self) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        """Choose a range of what is written: its rows, and how to ask for them."""
        first = int(self.random.integers(max(0, self.written - KEPT), self.written))
        last = int(self.random.integers(first, self.written)) + 1
        asked = {"start": self.moment(first), "stop": self.moment(last), "msname": self.msname}
        return np.arange(first, last), asked | {"bucket": self.bucket, "tags": self.tags}

    def read(self) -> None:
        """Read stored points."""
        rows, asked = self.span()
        frame = self.manager.read(**asked, fields=["v", "x"], interval=None)
        assert frame["v"].tolist() == (rows * 3).tolist()
        assert frame["x"].tolist() == (rows / 7).tolist()
        assert frame.index[0] == self.moment(int(rows[0]))

    def read_all(self) -> None:
        """Read every field, into polars."""
        rows, asked = self.span()
        frame = self.manager.read_all_fields(**asked, into="polars")
        assert frame["v"].to_list() == (rows * 3).tolist()

    def read_batches(self) -> None:
        """Read in batches, to the end."""
        rows, asked = self.span()
        batches = self.manager.read_batches(**asked, fields="v", batch_rows=500)
        assert [value for batch in batches for value in batch["v"]] == (rows * 3).tolist()

    def leave_batches(self) -> None:
        """Leave batches after the first."""
        _, asked = self.span()
        batches = self.manager.read_batches(**asked, fields="v", batch_rows=10)
        next(batches)
        batches.close()

    def means(self) -> None:
        """Read the means of whole and cut minutes."""
        rows, asked = self.span()
        frame = self.manager.read(**asked, fields="v", interval="1m", agg_func="mean")
        minutes = rows // 60
        assert frame["v"].tolist() == [(3 * rows[minutes == minute]).mean() for minute in np.unique(minutes)]

    def consumption(self) -> None:
        """Read what was used a minute: 3 a second."""
        _, asked = self.span()
        frame = self.manager.read_accumulated_value(**asked, fields="v", timestep=1)
        assert ((frame["v"] >= 0) & (frame["v"] <= 180)).all()

    def last(self) -> None:
        """Read the newest value."""
        found = self.manager.read_last_data_point(self.bucket, self.msname, ["v"], self.tags)
        assert found == {"v": 3 * (self.written - 1)}

    def fields(self) -> None:
        """List the fields."""
        assert self.manager.get_fields(self.bucket, self.msname) == ["v", "x"]

    def work(self, until: float) -> None:
        """Do one thing after the other, by chance."""
        jobs: list[Callable[[], None]] = [
            *(self.write, self.read, self.read_all, self.read_batches, self.leave_batches),
            *(self.means, self.consumption, self.last, self.fields),
        ]
        self.write()
        while time.monotonic() < until:
            job = jobs[self.random.integers(len(jobs))]
            job()
            self.done[job.__name__] += 1


def test_threads_share_a_manager(manager: InfluxManager, own_store: Store, msname: str) -> None:
    """Every thread gets its own series' values in every kind of call, and all it wrote is there."""
    meters = [Meter(manager, own_store.name, msname, f"m{number}") for number in range(THREADS)]
    before, memory = left_open(), []
    begin = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        for half in (begin + LONG / 2, begin + LONG):
            list(pool.map(Meter.work, meters, [half] * THREADS))
            memory.append(resident())

    for meter in meters:
        stop = meter.moment(meter.written)
        frame = manager.read(EPOCH, stop, msname, "v", own_store.name, meter.tags, interval=None)
        assert frame["v"].tolist() == (np.arange(meter.written) * 3).tolist()
    done = sum((meter.done for meter in meters), Counter[str]())
    print(dict(done), f"{memory[0] >> 20} MiB at half, {memory[1] >> 20} MiB at the end")  # noqa: T201
    assert memory[1] - memory[0] < GROWTH
    manager.close()
    assert left_open() <= before


def test_managers_come_and_go(server: servers.InfluxDB, store: Store, msname: str) -> None:
    """Managers that are closed, left to `with`, or dropped: connections and memory go with them."""
    store.write(f"{msname} v=1i 1767225600000000000")
    used = {"url": server.url, "org": server.org, "token": server.token}

    def come_and_go(number: int) -> None:
        made = InfluxManager(**used)
        assert [1] == made.read(EPOCH, EPOCH + SECOND, msname, "v", store.name, interval=None)["v"].tolist()
        if number % 3 == 0:
            made.close()
        elif number % 3 == 1:
            with made:
                pass

    for number in range(MANAGERS // 2):
        come_and_go(number)
    before, memory = left_open(), resident()
    for number in range(MANAGERS // 2):
        come_and_go(number)

    assert left_open() <= before
    assert resident() - memory < GROWTH
