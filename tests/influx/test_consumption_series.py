"""The consumption of several meters and several fields, each by itself, on a real InfluxDB."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.influx.meter import HOUR, SECOND, START, T0, Meter

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store


def test_meters_are_kept_apart(manager: InfluxManager, meter: Meter) -> None:
    """Each has its own total before the range, and a dead one adds nothing."""
    meter.write([(-30, 1_000), (30, 1_001), (90, 1_003)], tags=",meter=a")
    meter.write([(-30, 10), (30, 20), (90, 15)], tags=",meter=b")
    meter.write([(-300, 77)], tags=",meter=dead,site=north")

    frame = meter.read(manager, into="polars", quality=True)

    assert ["meter", "time", "e", "e_quality"] == frame.columns
    assert ["a", "a", "b", "b"] == frame["meter"].to_list()
    assert [1, 2, 10, None] == frame["e"].to_list()
    assert ["ok", "ok", "ok", "reset"] == frame["e_quality"].to_list()


@pytest.mark.parametrize(
    "options",
    [{"on_reset": "restart"}, {"on_reset": "rollover", "rollover": 1000}, {"max_rate": 1.0}],
    ids=["restart", "rollover", "max_rate"],
)
def test_a_meter_counts_the_same_whichever_it_is_read_with(
    manager: InfluxManager, store: Store, msname: str, options: dict[str, Any]
) -> None:
    """Where another one is read point by point, this one's totals are what they are."""
    meter = Meter(store, msname)
    meter.write([(30, 100), (70, 300), (80, 150), (110, 170), (130, 180)], tags=",meter=a")
    meter.write([(30, 100), (70, 110), (80, 5), (110, 17), (130, 20)], tags=",meter=b")

    alone = meter.read(manager, 3, start=1, into="polars", tags={"meter": "a"}, quality=True, **options)
    together = meter.read(manager, 3, start=1, into="polars", quality=True, **options)

    assert [70, 10] == alone["e"].to_list()
    assert [70, 10] == together["e"].to_list()[:2]
    assert ["ok", "ok"] == alone["e_quality"].to_list() == together["e_quality"].to_list()[:2]


def test_a_change_of_a_tag_within_a_window(manager: InfluxManager, meter: Meter) -> None:
    """The points tell which of the two totals is the later one."""
    meter.write([(-30, 100), (10, 110)], tags=",meter=a,firmware=1")
    meter.write([(20, 112), (90, 125)], tags=",meter=a,firmware=2")

    assert [12, 13] == meter.read(manager, into="polars", by=["meter"])["e"].to_list()
    assert [12, 13] == meter.read(manager, into="polars", by=["meter"], on_reset="keep")["e"].to_list()


def test_a_meter_stays_one_while_a_tag_of_it_changes(manager: InfluxManager, meter: Meter) -> None:
    """`by` says what a meter is: totals go on over a change of its firmware."""
    meter.write([(-30, 100), (30, 110)], tags=",meter=a,firmware=1")
    meter.write([(90, 125), (150, 127)], tags=",meter=a,firmware=2")

    frame = meter.read(manager, into="polars", by=["meter"])

    assert [10, 15, 2] == frame["e"].to_list()


@pytest.mark.parametrize(
    ("closed", "x", "e", "why"),
    [
        ("right", [None, 1.0], [4, 1], ["gap", "rollover"]),
        ("left", [0.0, None, 1.0], [0, 4, 1], ["first", "gap", "rollover"]),
    ],
)
def test_fields_have_their_own_windows_and_policies(
    manager: InfluxManager, store: Store, msname: str, closed: Any, x: list[Any], e: list[int], why: list[str]
) -> None:
    """A field without a point in a row's window is null there."""
    store.write(
        f"{msname} e=10i,x=1.5 {T0}",
        f"{msname} e=14i {T0 + HOUR}",
        f"{msname} e=15i,x=0.5 {T0 + 2 * HOUR}",
    )

    got = manager.read_accumulated_value(
        START,
        START + pd.Timedelta(days=1),
        msname,
        ["x", "e"],
        store.name,
        60,
        on_reset="rollover",
        rollover={"x": 2, "e": 100},
        quality=True,
        closed=closed,
        into="polars",
    )

    assert x == got["x"].to_list()
    assert e == got["e"].to_list()
    assert why == got["x_quality"].to_list()
    assert ["time", "x", "e", "x_quality", "e_quality"] == got.columns


@pytest.mark.parametrize("kind", ["i", "u"])
def test_integers_are_exact_up_to_64_bits(manager: InfluxManager, meter: Meter, kind: str) -> None:
    """Beyond 2^53 no float could tell these totals apart."""
    meter.write([(-30, 2**62), (30, 2**62 + 1), (90, 2**63 - 1)], kind=kind)

    frame = meter.read(manager, into="polars")

    assert [1, 2**62 - 2] == frame["e"].to_list()
    assert pl.Int64 == frame.schema["e"]


@pytest.mark.parametrize(("closed", "start"), [("right", 0), ("left", 1)])
def test_floats_do_not_drift(
    manager: InfluxManager, store: Store, msname: str, closed: Any, start: int
) -> None:
    """100,000 windows add up to the total."""
    random = np.random.default_rng(1)
    totals = 12_345.678 + np.cumsum(random.random(100_001))
    store.write(*(f"{msname} e={total} {T0 + at * SECOND}" for at, total in enumerate(totals.tolist())))

    got = manager.read_accumulated_value_in_seconds(
        START + pd.Timedelta(seconds=start),
        START + pd.Timedelta(days=2),
        msname,
        "e",
        store.name,
        1,
        closed=closed,
    )

    assert 100_000 == len(got)
    assert math.isclose(totals[-1] - totals[0], got["e"].sum(), rel_tol=1e-9)
