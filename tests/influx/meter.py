"""A meter with totals in a real InfluxDB, and its consumption as plain lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store

START = pd.Timestamp("2026-01-01T00:00:00Z")
T0 = 1_767_225_600_000_000_000  # START
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

# Totals of one meter: minutes from START, and what it showed.
Totals = list[tuple[int, float]]


class Meter:
    """One meter, or several told apart by a tag, and its consumption as plain lists."""

    def __init__(self, store: Store, msname: str, closed: str = "right") -> None:
        self._store = store
        self._msname = msname
        self.closed = closed

    def write(self, totals: Totals, tags: str = "", kind: str = "i") -> None:
        """Store totals around our own writer."""
        self._store.write(
            *(f"{self._msname}{tags} e={total}{kind} {T0 + at * MINUTE}" for at, total in totals)
        )

    def read(self, manager: InfluxManager, hours: float = 24, *, start: float = 0, **options: Any) -> Any:
        """Read the consumption of windows of an hour."""
        arguments = {
            "start": START + pd.Timedelta(hours=start),
            "stop": START + pd.Timedelta(hours=hours),
            "timestep": 60,
            "closed": self.closed,
            **options,
        }
        return manager.read_accumulated_value(
            msname=self._msname, fields=["e"], bucket=self._store.name, **arguments
        )

    def rows(self, manager: InfluxManager, hours: float = 24, **options: Any) -> list[tuple[float, Any]]:
        """Give hours from START with what was consumed by then, and if asked for why."""
        frame = self.read(manager, hours, into="polars", **options)
        hour = ((frame["time"].dt.timestamp("ns") - T0) / HOUR).to_list()
        columns = [frame[name].to_list() for name in frame.columns[frame.columns.index("time") + 1 :]]
        return list(zip(hour, *columns, strict=True))
