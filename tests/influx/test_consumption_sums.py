"""Consumption in local days and in seconds, and that adjoining ranges add up, on a real InfluxDB."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.influx.meter import HOUR, SECOND, START, T0, Meter, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store


# --- Local time -----------------------------------------------------------------


@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_a_local_day_is_one_window(
    manager: InfluxManager, store: Store, msname: str, day: tuple[int, int, int], hours: int, closed: Any
) -> None:
    """A meter that counts hours counts 23 or 25 of them when the clocks change, under that day."""
    lisbon = ZoneInfo("Europe/Lisbon")
    midnights = [datetime(*day, tzinfo=lisbon) + timedelta(days=offset) for offset in (-1, 0, 1, 2)]
    nanos = [int(midnight.timestamp()) * SECOND for midnight in midnights]
    store.write(
        *(f"{msname} e={n}i {at}" for n, at in enumerate(range(nanos[0] - HOUR, nanos[3] + HOUR, HOUR)))
    )

    got = manager.read_accumulated_value(
        midnights[0],
        midnights[3],
        msname,
        "e",
        store.name,
        "1d",
        tz="Europe/Lisbon",
        label="start",
        closed=closed,
    )

    assert [24, hours, 24] == got["e"].tolist()
    assert midnights[:3] == got.index.tolist()
    assert "Europe/Lisbon" == str(got.index.tz)


@pytest.mark.parametrize("length", [30, 30.0, timedelta(seconds=30), "30s"])
@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        # The totals at 0, 30, 60 and 80 s are 0, 9, 36 and 64.
        ("right", [9.0, 27.0, 28.0]),
        # The first total is 0; the last ones of the windows are 4, 25 and 64.
        ("left", [4.0, 21.0, 39.0]),
    ],
)
def test_a_window_in_seconds(
    manager: InfluxManager, store: Store, msname: str, length: Any, closed: Any, expected: list[float]
) -> None:
    """A number is seconds; a timedelta and a duration say the same."""
    store.write(*(f"{msname} e={n * n} {T0 + 10 * n * SECOND}" for n in range(9)))

    got = manager.read_accumulated_value_in_seconds(
        START,
        START + pd.Timedelta(days=1),
        msname,
        "e",
        store.name,
        length,
        into="polars",
        closed=closed,
    )

    assert expected == got["e"].to_list()


# --- Sums -----------------------------------------------------------------------


@st.composite
def meters(draw: st.DrawFn) -> list[Totals]:
    """Draw totals of up to three meters over four days, with gaps and resets."""
    drawn = []
    for _ in range(draw(st.integers(1, 3))):
        at, total, lowest = draw(st.integers(-600, 600)), draw(st.integers(1_000, 2_000)), 20
        totals = []
        for _ in range(draw(st.integers(0, 25))):
            totals.append((at, total))
            # Most points are minutes apart, some are days.
            at += draw(st.sampled_from([1, 3, 7, 30, 55, 60, 200, 1_500]))
            if draw(st.integers(0, 7)) == 0:
                # A fall that stays above the last total is not detected: see docs/decisions/consumption.md.
                lowest -= 1
                total = lowest
            else:
                total += draw(st.integers(0, 40))
        drawn.append(totals)
    return drawn


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    drawn=meters(),
    cuts=st.lists(st.integers(-12 * 60, 4 * 24 * 60), min_size=3, max_size=3, unique=True).map(sorted),
    options=st.fixed_dictionaries(
        {
            "on_reset": st.sampled_from(["null", "restart", "rollover", "keep"]),
            "gaps": st.sampled_from(["book", "spread"]),
            "tz": st.sampled_from(["UTC", "Europe/Lisbon", "Asia/Kathmandu", "America/Sao_Paulo"]),
            "label": st.sampled_from(["start", "stop"]),
            "closed": st.sampled_from(["right", "left"]),
            "timestep": st.sampled_from([7, 60, "6h", "1d", "1w", "1mo"]),
        }
    ),
)
def test_adjoining_ranges_add_up(
    manager: InfluxManager, store: Store, drawn: list[Totals], cuts: list[int], options: dict[str, Any]
) -> None:
    """Wherever a range is cut, in a window, a gap or a reset; unknown in a part is unknown in the whole."""
    msname = f"m{abs(hash(repr(drawn)))}"
    meter = Meter(store, msname)
    for number, totals in enumerate(drawn):
        if totals:
            meter.write(totals, tags=f",meter={number}")
    if options["on_reset"] == "rollover":
        options = options | {"rollover": 4_000}

    def of(start: int, stop: int) -> dict[str, int | None]:
        frame = meter.read(
            manager, stop / 60, start=start / 60, by=["meter"], into="polars", missing="ignore", **options
        )
        return sums(zip(frame["meter"].to_list(), frame["e"].to_list(), strict=True))

    a, b, c = cuts
    whole, first, second = of(a, c), of(a, b), of(b, c)

    assert whole == sums([*first.items(), *second.items()])


def sums(values: Iterable[tuple[str, int | None]]) -> dict[str, int | None]:
    """Add up by meter; what is not known makes a sum unknown."""
    added: dict[str, int | None] = defaultdict(int)
    for meter, value in values:
        known = added[meter]
        added[meter] = None if value is None or known is None else known + value
    return dict(added)
