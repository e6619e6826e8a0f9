"""Frames of two rows for the tests of writes, and what is stored of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from tests.influx.conftest import Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
SECOND = 1_000_000_000
INDEX = pd.DatetimeIndex(["2026-01-01T00:00:00", "2026-01-01T00:00:01"], tz="UTC", name="time")
MOMENTS = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)]
BIG = 2**53 + 1


def values(store: Store, msname: str) -> list[tuple[int, str, str, object]]:
    """Give what is stored without tags: second, field, type and value."""
    return [((point.time - T0) // SECOND, *point[2:5]) for point in store.points(msname)]


def objects(*values: object) -> pd.Series[Any]:
    """Give a column of Python objects."""
    return pd.Series(values, dtype=object, index=INDEX)


def pandas_frame(**columns: Any) -> pd.DataFrame:
    """Give two rows with these columns."""
    return pd.DataFrame(columns, index=INDEX)
