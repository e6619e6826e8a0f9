"""Consumption from a snapshot: every fall is seen, and else it is what the manager reads."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from tests.influx.meter import HOUR, MINUTE, T0, Meter

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store

SPAN = ("2026-01-01", "2026-01-04")
POLICIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "restart": {"on_reset": "restart", "quality": True},
    "keep": {"on_reset": "keep"},
    "rollover": {"on_reset": "rollover", "rollover": 1_000, "quality": True},
    "rate": {"on_reset": "restart", "max_rate": 0.01, "quality": True},
    "spread": {"gaps": "spread", "quality": True},
    "no gaps": {"gaps": "null", "quality": True, "label": "start"},
    "days in Lisbon": {"timestep": "1d", "tz": "Europe/Lisbon"},
}


def rising(chance: random.Random) -> list[tuple[int, int]]:
    """Return minutes and totals of a meter that counts up, begins anew now and then, and has gaps."""
    total, found = 0, []
    for minute in range(-600, 3 * 24 * 60, 7):
        if chance.random() < 0.002:
            total = -1
        if 0 <= total and minute // 300 % 5 != 4:
            found.append((minute, total))
        total += chance.randrange(9) if total >= 0 else 1
    return found


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("closed", ["right", "left"])
def test_it_is_the_managers_where_that_sees_everything(
    manager: InfluxManager, store: Store, msname: str, policy: str, closed: str
) -> None:
    """Meters that count up, and gaps; windows of any kind, and every policy."""
    chance = random.Random(policy)
    for number in range(3):
        Meter(store, msname).write(rising(chance), f",k={number}")
    options: dict[str, Any] = {"timestep": 60, "closed": closed, **POLICIES[policy]}
    expected = manager.read_accumulated_value(*SPAN, msname, "e", store.name, **options)

    with manager.snapshot(store.name, "2025-12-31", SPAN[1]) as snapshot:
        pd.testing.assert_frame_equal(
            expected, snapshot.read_accumulated_value(*SPAN, msname, "e", **options)
        )


def test_a_fall_that_is_overtaken_within_its_window_is_seen(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """It falls from 90 to 60, above the total before the window, and ends at 100."""
    Meter(store, msname).write([(-5, 10), (10, 90), (20, 60), (50, 100), (70, 130)])
    hours = ("2026-01-01", "2026-01-01T02:00:00Z")

    def used(**options: Any) -> list[Any]:
        with manager.snapshot(store.name, "2025-12-31", SPAN[1]) as snapshot:
            frame = snapshot.read_accumulated_value(*hours, msname, "e", 60, into="arrow", **options)
        return frame["e"].to_pylist()

    assert [None, 30] == used()
    assert [80 + 60 + 40, 30] == used(on_reset="restart")
    assert [80 + 10 + 60 + 40, 30] == used(on_reset="rollover", rollover=100)
    assert [90, 30] == used(on_reset="keep")
    read = manager.read_accumulated_value(*hours, msname, "e", store.name, 60, into="arrow")
    assert [90, 30] == read["e"].to_pylist()  # the ends of the windows do not tell


@pytest.mark.parametrize("closed", ["right", "left"])
def test_any_totals_give_the_sum_of_their_steps(
    manager: InfluxManager, store: Store, msname: str, closed: str
) -> None:
    """Against pandas: a step goes to the window of its later point, and a fall counts from zero."""
    chance = random.Random(closed)
    minutes = sorted(chance.sample(range(-60, 24 * 60), 400))
    totals = [chance.randrange(1_000) for _ in minutes]
    Meter(store, msname).write(list(zip(minutes, totals, strict=True)))
    with manager.snapshot(store.name, "2025-12-31", SPAN[1]) as snapshot:
        found = snapshot.read_accumulated_value(
            "2026-01-01", "2026-01-02", msname, "e", 60, on_reset="restart", closed=closed
        )

    series = pd.Series(totals, pd.to_datetime(T0 + np.array(minutes) * MINUTE, utc=True))
    steps = series.diff().where(series.diff() >= 0, series)[1:]
    edge = pd.Timestamp(T0, tz="UTC")
    inside = steps[steps.index > edge] if closed == "right" else steps[steps.index >= edge]
    expected = inside.resample("1h", closed=closed, label="right").sum()
    filled = inside.resample("1h", closed=closed, label="right").count() > 0
    assert expected[filled].astype("int64").tolist() == found["e"].tolist()
    assert [time.value for time in expected[filled].index] == [time.value for time in found.index]


def test_a_total_at_the_very_end_counts(manager: InfluxManager, store: Store, msname: str) -> None:
    """Where the range ends with a shard, that total is in the next one."""
    monday = 4 * 24 * HOUR
    store.write(f"{msname} e=1i {T0 + monday - HOUR}", f"{msname} e=5i {T0 + monday}")
    with manager.snapshot(store.name, "2026-01-04", "2026-01-05") as snapshot:
        frame = snapshot.read_accumulated_value(None, None, msname, "e", "1d")

    assert [4] == frame["e"].tolist()
