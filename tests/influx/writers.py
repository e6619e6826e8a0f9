"""What the tests of the buffered writer share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.influx.frames import SECOND, T0

if TYPE_CHECKING:
    from tests.influx.conftest import Store

LONG = 60  # seconds; nothing waits so long unless it fails
NEVER = {"max_rows": 10**9, "max_seconds": 1e6, "max_bytes": 10**9}
AWAY = "http://127.0.0.1:9"  # where nothing listens


def stored(store: Store, msname: str) -> dict[int, object]:
    """Return what is stored of a field of one series, by its second."""
    return {(point.time - T0) // SECOND: point.value for point in store.points(msname)}


def until(store: Store, msname: str, points: int) -> None:
    """Ask the server until it has so many points."""
    end = time.monotonic() + LONG
    while len(store.points(msname)) < points:
        assert time.monotonic() < end
