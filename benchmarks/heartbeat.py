"""How late a task on the loop is while another reads, in a process that does nothing else.

    python -m benchmarks.heartbeat '["BUCKET", "START", "STOP", ["FIELD"]]'

A beat is due every five milliseconds, by the clock: where the loop is held for 100 of them, some twenty beats
are late. Prints the rows read, the number of beats, how many percent of them were more than ten milliseconds
late, and by how many milliseconds the latest was; and the same of beats without a read.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.data import MEASUREMENT
from db_influx import AsyncInfluxManager

if TYPE_CHECKING:
    from db_influx._times import Instant

_EVERY = 0.005  # seconds
_LATE = 0.010  # seconds


async def main() -> None:
    """Read once, and count the beats meanwhile."""
    bucket, start, stop, fields = json.loads(sys.argv[1])
    async with AsyncInfluxManager() as manager:

        async def read(until: Instant) -> Any:
            return await manager.read(start, until, MEASUREMENT, fields, bucket, interval=None)

        await read(pd.Timestamp(start) + pd.Timedelta("1min"))  # imports what is imported when first used
        reading = asyncio.ensure_future(read(stop))
        behind = await _beats(reading)
        alone = await _beats(asyncio.ensure_future(asyncio.sleep(len(behind) * _EVERY)))
    print(json.dumps({"rows": len(reading.result()), **_told(behind), "alone": _told(alone)}))


async def _beats(until: asyncio.Future[Any]) -> list[float]:
    """Beat until something is done; return how many seconds each beat came behind its time."""
    loop = asyncio.get_running_loop()
    due, behind = loop.time(), []
    while not until.done():
        due += _EVERY
        await asyncio.sleep(due - loop.time())
        behind.append(loop.time() - due)
    return behind


def _told(behind: list[float]) -> dict[str, float]:
    late = sum(one > _LATE for one in behind)
    return {
        "beats": len(behind),
        "late": round(100 * late / len(behind), 2),
        "latest": round(1_000 * max(behind), 1),
    }


if __name__ == "__main__":
    asyncio.run(main())
