"""The times of the tests of reads, and the index that a read is expected to have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence


START = pd.Timestamp("2026-01-01T00:00:00Z")
STOP = pd.Timestamp("2026-01-02T00:00:00Z")
T0 = 1_767_225_600_000_000_000  # START
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def times(*nanos: int, tz: str = "UTC") -> pd.DatetimeIndex:
    """Give the index of a read with these times."""
    index = pd.DatetimeIndex(np.array(nanos, "M8[ns]"), name="time").tz_localize("UTC")
    return index.tz_convert(tz)


def levels(*rows: tuple[Any, ...], names: Sequence[str]) -> pd.MultiIndex:
    """Give the index of a read with these tags and times; the last of a row is its time."""
    columns = [pd.Index([row[place] for row in rows], dtype="str") for place in range(len(names))]
    return pd.MultiIndex.from_arrays([*columns, times(*(row[-1] for row in rows))], names=[*names, "time"])
