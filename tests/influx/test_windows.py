"""Windows in local time: against a naive twin that asks the clock at every step, and on the real server."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from db_core.errors import InvalidArgumentError
from db_influx._times import EARLIEST, LATEST, time_literal
from db_influx._windows import Windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
STEP = timedelta(minutes=15)  # every offset below is a multiple of it
NANOS = 15 * 60 * SECOND
# Zones with changes at midnight, of half an hour, of whole days, during Ramadan, and before some years.
ZONES = [
    "UTC",
    "Europe/Lisbon",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Pacific/Apia",
    "America/Caracas",
    "Asia/Pyongyang",
    "Europe/Istanbul",
    "America/Havana",
]


def day(local: datetime) -> Any:
    """Return the local day."""
    return local.date()


def week(local: datetime) -> Any:
    """Return the Monday with which the week of a local time begins."""
    return local.date() - timedelta(days=local.weekday())


def month(local: datetime) -> Any:
    """Return the month, as a value that differs between months."""
    return local.year, local.month


def quarter(local: datetime) -> Any:
    """Return the quarter, as a value that differs between quarters."""
    return local.year, (local.month - 1) // 3


def six_hours(local: datetime) -> Any:
    """Return the quarter of a day, as a value that differs between quarters."""
    return local.date(), local.hour // 6


def half_hour(local: datetime) -> Any:
    """Give what tells half an hour from others; one that is repeated is another."""
    return local.date(), local.hour, local.minute // 30, local.utcoffset()


CELLS: dict[str, Callable[[datetime], Any]] = {
    "1d": day,
    "24h": day,
    "1w": week,
    "7d": week,
    "1mo": month,
    "3mo": quarter,
    "6h": six_hours,
    "30m": half_hour,
}


def edges(every: str, tz: str, start: datetime, stop: datetime) -> list[int]:
    """Give the edges of all windows: the naive twin."""
    zone = ZoneInfo(tz)
    moments = [start + STEP * step for step in range((stop - start) // STEP)]
    groups = groupby(moments, key=lambda moment: CELLS[every](moment.astimezone(zone)))
    return [nanoseconds(next(group)) for _, group in groups] + [nanoseconds(stop)]


def is_edge(every: str, tz: str, moment: datetime) -> bool:
    """Say whether a window begins there: a step before, the clock is in another one."""
    before, after = (CELLS[every](at.astimezone(ZoneInfo(tz))) for at in (moment - STEP, moment))
    return before != after


def nanoseconds(moment: datetime) -> int:
    """Count from the epoch."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * SECOND


@pytest.mark.parametrize("every", CELLS)
@given(
    tz=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2005, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - made aware below
    days=st.integers(1, 120),
)
@example(tz="Pacific/Apia", start=datetime(2011, 12, 20), days=30)  # noqa: DTZ001
@example(tz="America/Sao_Paulo", start=datetime(2018, 2, 10), days=300)  # noqa: DTZ001
@example(tz="Australia/Lord_Howe", start=datetime(2026, 4, 1), days=10)  # noqa: DTZ001
@example(tz="Africa/Casablanca", start=datetime(2026, 1, 5), days=120)  # noqa: DTZ001
def test_windows_are_the_cells_of_the_local_clock(every: str, tz: str, start: datetime, days: int) -> None:
    """Whatever the zone does in between; what the range cuts keeps the range's edge."""
    begin = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0, tzinfo=UTC)
    end = begin + timedelta(days=days, hours=5)
    windows = Windows(every, tz, nanoseconds(begin), nanoseconds(end))

    expected = edges(every, tz, begin, end)

    assert expected[:-1] == windows.labels("start").tolist()
    assert expected[1:] == windows.labels("stop").tolist()
    assert windows.longest >= max(b - a for a, b in pairwise(expected))
    before = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=windows.before // SECOND)
    assert nanoseconds(before) == windows.before
    assert begin - timedelta(days=190) <= before < begin
    assert is_edge(every, tz, before)
    some = list(pairwise(expected))[:: 1 + len(expected) // 300]
    for label, place in (("start", 0), ("stop", 1)):
        assert some == [windows.around(window[place], label) for window in some]
    # Closed at the right, the same windows begin and end one nanosecond later.
    right = Windows(every, tz, nanoseconds(begin), nanoseconds(end), "right")
    assert [time + 1 for time in expected[:-1]] == right.labels("start").tolist()
    assert [time + 1 for time in expected[1:]] == right.labels("stop").tolist()
    assert windows.before + 1 == right.before
    for label, place in (("start", 0), ("stop", 1)):
        found = [right.around(window[place] + 1, label) for window in some]
        assert [(start + 1, stop + 1) for start, stop in some] == found


@given(
    tz=st.sampled_from(ZONES),
    every=st.sampled_from([*CELLS, "2d", "5h", "7m", "2w", "1y", "17s", "1h30m"]),
    start=st.integers(0, 1_700_000_000_000_000_000),
    length=st.integers(1, 400 * 86_400 * SECOND),
    late=st.sampled_from([0, 1]),
)
@settings(deadline=None, max_examples=200)
def test_segments_are_the_range_cut(tz: str, every: str, start: int, length: int, late: int) -> None:
    """Without a gap or an overlap, and each small enough to be sent elsewhere."""
    segments = Windows(every, tz, start, start + length, "right" if late else "left").segments

    assert start + late == segments[0].start
    assert start + length + late == segments[-1].stop
    assert all(one.stop == two.start for one, two in pairwise(segments))
    assert all(part.start < part.stop for part in segments)
    assert segments == pickle.loads(pickle.dumps(segments))


@pytest.mark.parametrize("label", ["start", "stop"])
@pytest.mark.parametrize("every", ["1d", "1w", "1mo", "6h", "30m"])
@pytest.mark.parametrize(
    ("tz", "start"),
    [
        ("Europe/Lisbon", datetime(2026, 10, 20, 1, tzinfo=UTC)),
        ("Pacific/Apia", datetime(2011, 12, 25, tzinfo=UTC)),
        ("America/Sao_Paulo", datetime(2018, 10, 28, 7, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 3, 29, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 1, 20, 18, tzinfo=UTC)),
        ("UTC", datetime(2026, 1, 1, tzinfo=UTC)),
        ("UTC", datetime(2026, 2, 27, 23, tzinfo=UTC)),
    ],
)
def test_the_server_cuts_the_same_windows(
    manager: InfluxManager, store: Store, msname: str, tz: str, start: datetime, every: str, label: str
) -> None:
    """A point every 15 minutes, counted by window."""
    stop = start + timedelta(days=20)
    store.write(*(f"{msname} v=1 {at}" for at in range(nanoseconds(start), nanoseconds(stop), NANOS)))

    got = manager.read(
        start,
        stop,
        msname,
        "v",
        store.name,
        interval=every,
        agg_func="count",
        tz=tz,
        label=label,  # type: ignore[arg-type]
    )

    cuts = edges(every, tz, start, stop)
    labels = cuts[:-1] if label == "start" else cuts[1:]
    counts = [(b - a) // NANOS for a, b in pairwise(cuts)]
    index = pd.DatetimeIndex(pd.to_datetime(labels, utc=True), name="time").as_unit("ns").tz_convert(tz)
    pd.testing.assert_frame_equal(pd.DataFrame({"v": counts}, index=index), got, check_freq=False)


@pytest.mark.parametrize("every", ["1d", "1w"])
def test_empty_windows_are_there_for_each_series_over_a_change_of_offset(
    manager: InfluxManager, store: Store, msname: str, every: str
) -> None:
    """Also for a series without a point before the change."""
    start, stop = datetime(2026, 10, 19, 23, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)
    store.write(
        f"{msname},k=a v=1 {nanoseconds(start)}", f"{msname},k=b v=2 {nanoseconds(stop - timedelta(hours=1))}"
    )

    got = manager.read(
        start, stop, msname, "v", store.name, interval=every, tz="Europe/Lisbon", create_empty=True
    )

    labels = edges(every, "Europe/Lisbon", start, stop)[1:]
    empty = [None] * (len(labels) - 1)
    assert labels * 2 == [moment.value for moment in got.index.get_level_values("time")]
    assert [1.0, *empty, *empty, 2.0] == [None if value != value else value for value in got["v"]]  # noqa: PLR0124


@pytest.mark.parametrize("every", ["30m", "6h", "1d", "1w"])
@pytest.mark.parametrize(
    ("tz", "start"),
    [
        ("Europe/Lisbon", datetime(2026, 10, 22, 1, tzinfo=UTC)),
        ("Pacific/Apia", datetime(2011, 12, 25, tzinfo=UTC)),
        ("America/Havana", datetime(2026, 10, 28, tzinfo=UTC)),
    ],
)
def test_empty_windows_are_the_same_windows(
    manager: InfluxManager, store: Store, msname: str, tz: str, start: datetime, every: str
) -> None:
    """They are added to those with points, and change none; a count of nothing is 0."""
    stop = start + timedelta(days=10)
    store.write(
        *(f"{msname} v=1 {nanoseconds(start) + hours * 3_600 * SECOND}" for hours in range(0, 240, 5))
    )
    asked: dict[str, Any] = {"interval": every, "tz": tz, "label": "start", "into": "polars"}

    found = {
        (agg_func, create_empty): manager.read(
            start, stop, msname, "v", store.name, agg_func=agg_func, create_empty=create_empty, **asked
        )
        for agg_func in ("sum", "count")
        for create_empty in (False, True)
    }

    labels = edges(every, tz, start, stop)[:-1]
    for agg_func, absent in (("sum", None), ("count", 0)):
        sparse, full = found[agg_func, False], found[agg_func, True]
        known = dict(zip(sparse["time"].to_physical().to_list(), sparse["v"].to_list(), strict=True))
        assert labels == full["time"].to_physical().to_list()
        assert [known.get(label, absent) for label in labels] == full["v"].to_list()


def test_empty_windows_are_about_windows(manager: InfluxManager) -> None:
    """Points as they are stored have none."""
    with pytest.raises(InvalidArgumentError, match="`create_empty`"):
        manager.read("2026-01-01", "2026-02-01", "m", "v", "b", interval=None, create_empty=True)


@pytest.mark.parametrize(
    ("start", "every"), [("1700-01-01", "100y"), ("1700-01-01", "290y"), ("1677-09-22", "1y")]
)
@pytest.mark.parametrize("tz", ["UTC", "Europe/Lisbon"])
def test_windows_at_the_ends_of_time(
    manager: InfluxManager, store: Store, msname: str, start: str, every: str, tz: str
) -> None:
    """What lies beyond the range of 64-bit nanoseconds is no error where the range itself does not."""
    store.write(f"{msname} v=1 {nanoseconds(datetime(2026, 1, 1, tzinfo=UTC))}")

    got = manager.read_accumulated_value(
        start, "2262-04-10", msname, "v", store.name, every, tz=tz, quality=True
    )

    assert [0.0] == got["v"].tolist()


@pytest.mark.parametrize("every", ["1h", "1d", "1w", "1mo", "1y", "100y"])
@pytest.mark.parametrize("tz", ["UTC", "Europe/Lisbon"])
def test_the_first_and_the_last_instant_lie_in_windows(
    manager: InfluxManager, store: Store, msname: str, every: str, tz: str
) -> None:
    """A window that would reach beyond 64-bit nanoseconds ends there, labelled by the range's own edge."""
    times = (EARLIEST, EARLIEST + 1, EARLIEST + 2 * DAY, LATEST - 2 * DAY, LATEST - 1, LATEST)
    store.write(*(f"{msname} v={2**number} {time}" for number, time in enumerate(times)))
    asked: dict[str, Any] = {
        "msname": msname,
        "fields": "v",
        "bucket": store.name,
        "tz": tz,
        "into": "polars",
    }

    def read(method: str, start: int, stop: int, **options: Any) -> tuple[list[int], float]:
        ends = (time_literal(start), time_literal(stop))
        frame = getattr(manager, method)(*ends, **asked, **options)
        return frame["time"].to_physical().to_list(), frame["v"].sum()

    def used(start: int, stop: int, closed: str) -> float:
        return read("read_accumulated_value", start, stop, timestep=every, closed=closed)[1]

    begin, end = EARLIEST + 3 * DAY, LATEST - 3 * DAY
    assert 2 + 4 - 2 - 1 == used(EARLIEST, begin, "right")  # counted from the total at the start
    assert 2 + 4 - 2 - 1 == used(EARLIEST, begin, "left")
    assert 32 - 4 == used(end, LATEST, "right")
    assert 16 - 4 == used(end, LATEST, "left")
    # Not counted: 2.9.1 counts for ever where a window would end beyond 64 bits.
    labels, _ = read("read", end, LATEST, interval=every, agg_func="last")
    assert LATEST == labels[-1]


@pytest.mark.parametrize("every", ["1mo1d", "1y1h"])
def test_months_do_not_mix_with_shorter_units(manager: InfluxManager, every: str) -> None:
    """What a window would be is anyone's guess, the server's too."""
    with pytest.raises(InvalidArgumentError, match="must not mix months or years"):
        manager.read("2026-01-01", "2026-02-01", "m", "v", "b", interval=every)
