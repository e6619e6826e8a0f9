"""The memory that one read needs, in a process that does nothing else.

    python -m benchmarks.peak_memory '["BUCKET", "START", "STOP", ["FIELD"]]'

Prints the rows read, the bytes of their frame, and the most bytes that were
resident during the read above those before it, when everything was imported.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.data import MEASUREMENT
from db_influx import InfluxManager

if TYPE_CHECKING:
    from db_influx._times import Instant

_STATUS = Path("/proc/self/status")


def main() -> None:
    """Read once."""
    bucket, start, stop, fields = json.loads(sys.argv[1])
    with InfluxManager() as manager:

        def read(until: Instant) -> Any:
            return manager.read(start, until, MEASUREMENT, fields, bucket, interval=None)

        read(pd.Timestamp(start) + pd.Timedelta("1min"))  # imports what is imported when first used
        before = peak()
        frame = read(stop)
        most = peak() - before
    size = int(frame.memory_usage(index=True, deep=True).sum())
    print(json.dumps({"rows": len(frame), "frame": size, "peak": most}))


def peak() -> int:
    """Give the most bytes that were ever resident.

    On Linux not from getrusage: its figure begins with that of the process that started this one.
    """
    if _STATUS.exists():
        found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
        assert found
        return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
