"""Calls of `AsyncInfluxManager` that are cancelled at any moment: nothing is left, no answer is another's.

The environment's `CANCELLATIONS` says how many; without it, 300. A moment is a round of the loop: each call
is cancelled after as many of them as chance says, up to about twice what a whole call takes.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import AsyncInfluxManager
    from tests.influx.conftest import Store

pytestmark = [
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc here"),
]

CANCELLATIONS = int(os.environ.get("CANCELLATIONS", "300"))
AT_ONCE = 10
SERIES = 200
DAYS = 4
ROWS = 500  # a write
T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
SPAN = ("2026-01-01", "2026-01-05")


class Work:
    """Reads of values that only their reader may get, and writes of which each point may be there or not."""

    def __init__(self, manager: AsyncInfluxManager, bucket: str, msname: str) -> None:
        self.manager, self.bucket, self.msname = manager, bucket, msname
        self.written = 0
        self.calls: dict[str, Callable[[int], Any]] = {
            "read": self.read,
            "slices": self.slices,
            "windows": self.windows,
            "batches": self.batches,
            "last": self.last,
            "query": self.query,
            "snapshot": self.snapshot,
            "write": self.write,
        }

    def chosen(self, number: int) -> tuple[Any, ...]:
        """Return the arguments for one series."""
        return (*SPAN, self.msname, "v", self.bucket, {"k": str(number)})

    async def read(self, number: int) -> None:
        """Read one series, in one request."""
        frame = await self.manager.read(*self.chosen(number), interval=None, max_parallel=1)
        assert [float(number)] * DAYS == frame["v"].tolist()

    async def slices(self, number: int) -> None:
        """Read one series in four."""
        frame = await self.manager.read(*self.chosen(number), interval=None, max_parallel=4, into="polars")
        assert [float(number)] * DAYS == frame["v"].to_list()

    async def windows(self, number: int) -> None:
        """Read the means of days."""
        frame = await self.manager.read(*self.chosen(number), interval="1d")
        assert [float(number)] * DAYS == frame["v"].tolist()

    async def batches(self, number: int) -> None:
        """Read one series in batches."""
        frames = self.manager.read_batches(*self.chosen(number), batch_rows=2)
        assert [float(number)] * DAYS == [value async for frame in frames for value in frame["v"]]

    async def last(self, number: int) -> None:
        """Read the last point of one series."""
        tags = {"k": str(number)}
        found = await self.manager.read_last_data_point(self.bucket, self.msname, "v", tags)
        assert {"v": float(number)} == found

    async def query(self, number: int) -> None:
        """Have the server answer a number that is asked for."""
        flux = 'import "array"\narray.from(rows: [{n: params.n}])'
        assert [number] == (await self.manager.query(flux, {"n": number}))["n"].tolist()

    async def snapshot(self, number: int) -> None:
        """Download the shards, and read one series of them."""
        async with self.manager.snapshot(self.bucket, *SPAN) as snapshot:
            frame = await asyncio.to_thread(snapshot.read, *SPAN, self.msname, "v", {"k": str(number)})
        assert [float(number)] * DAYS == frame["v"].tolist()

    async def write(self, number: int) -> None:
        """Write points of a measurement that is not read."""
        index = pd.date_range("2026-01-01", periods=ROWS, freq="s", tz="UTC")
        data = pd.DataFrame({"v": [float(number)] * ROWS}, index=index)
        await self.manager.synchronous_write(self.bucket, data, f"{self.msname}-{number}")
        self.written += 1

    async def use(self, name: str, number: int) -> int:
        """Make a call that is not cancelled, and return how many rounds of the loop it took."""
        task = asyncio.ensure_future(self.calls[name](number))
        rounds = 0
        while not task.done():
            await asyncio.sleep(0)
            rounds += 1
        task.result()
        return rounds


@pytest.fixture
def work(make_async: Callable[..., AsyncInfluxManager], store: Store, msname: str) -> Work:
    """Store series with a value of their own, a point a day."""
    store.write(
        *(
            f"{msname},k={number} v={number} {T0 + day * 86_400_000_000_000}"
            for number in range(SERIES)
            for day in range(DAYS)
        )
    )
    return Work(make_async(timeout=30, deadline=60), store.name, msname)


def open_files() -> int:
    """Count the open files of this process, sockets too."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def cancel_after(rounds: int, call: Any) -> str:
    """Cancel a call after some rounds of the loop, and say how it ended: only so, or with its own result."""
    task = asyncio.ensure_future(call)
    for _ in range(rounds):
        await asyncio.sleep(0)
        if task.done():
            break
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    return "whole"


async def cancel_many(work: Work, chance: random.Random) -> Counter[str]:
    """Cancel calls by the dozen; between them, look at what is left, and read what only one may get."""
    ended: Counter[str] = Counter()
    most = {name: await work.use(name, number) for number, name in enumerate(work.calls)}
    await work.manager.aclose()
    await asyncio.sleep(0)
    files, threads = open_files(), threading.active_count()
    for first in range(0, CANCELLATIONS, AT_ONCE):
        names = [chance.choice(list(work.calls)) for _ in range(min(AT_ONCE, CANCELLATIONS - first))]
        jobs = [
            cancel_after(_rounds(chance, most[name]), work.calls[name](chance.randrange(SERIES)))
            for name in names
        ]
        ended.update(await asyncio.gather(*jobs))
        assert {asyncio.current_task()} == asyncio.all_tasks()
        # Each on whatever connection is left: what comes is its own.
        numbers = [chance.randrange(SERIES) for _ in range(3)]
        await asyncio.gather(*(work.use(chance.choice(("read", "last", "query")), one) for one in numbers))
    await work.manager.aclose()
    await asyncio.sleep(0)
    assert files >= open_files()
    # Those of the loop's executor stay, and are no more than it may have.
    assert threading.active_count() <= threads + min(32, (os.cpu_count() or 1) + 4)
    return ended


def _rounds(chance: random.Random, most: int) -> int:
    """Choose a moment: often an early one, where more happens in a round."""
    return chance.randrange(chance.choice((3, 20, 100, 2 * most)) + 1)


def test_cancellations_leave_nothing_and_mix_up_nothing(work: Work) -> None:
    """No socket, task, file or thread; kept connections are usable, and each read gets its own answer."""
    ended = asyncio.run(cancel_many(work, random.Random(20_261_129)))

    assert CANCELLATIONS == ended.total()
    # Of some hundred, both kinds are there: the moments lie all over the calls, and behind them.
    assert ended["cancelled"] > CANCELLATIONS / 4
    assert ended["whole"] > 0


def test_a_write_that_was_not_cancelled_is_there(work: Work, store: Store) -> None:
    """Whatever was cancelled beside it."""
    chance = random.Random(7)

    async def main() -> None:
        for turn in range(max(1, CANCELLATIONS // 100)):
            jobs = [
                cancel_after(chance.randrange(200), work.write(1_000 + turn * AT_ONCE + number))
                for number in range(AT_ONCE)
            ]
            await asyncio.gather(work.write(turn), *jobs)
            found = store.points(f"{work.msname}-{turn}")
            assert [float(turn)] * ROWS == [point.value for point in found]

    asyncio.run(main())


@pytest.mark.parametrize("name", ["read", "slices", "windows", "batches", "last", "query", "write"])
def test_a_call_is_cancelled_at_each_of_its_rounds(work: Work, name: str) -> None:
    """One after the other on one connection, from the first round on; after each a read gets its own."""

    async def main() -> None:
        await work.use(name, 1)
        for rounds in range(30):
            await cancel_after(rounds, work.calls[name](rounds))
            await work.use("query", rounds)
        assert {asyncio.current_task()} == asyncio.all_tasks()

    asyncio.run(main())
