"""What is stored for the reads: two meters, minute by minute; and what each read gives, by arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager

DAYS = 3
METERS = ("a", "b")
T0 = 1_767_225_600  # seconds: 2026-01-01T00:00:00Z
START, SECOND_DAY, STOP = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-04T00:00:00Z"
NAME = "meters"
FIELDS = ["v", "total"]
MINUTES = range(DAYS * 1_440)
_MINUTE = 60_000_000_000


def _time(minute: int) -> int:
    return T0 * 1_000_000_000 + minute * _MINUTE


def lines() -> list[str]:
    """Give what is stored, in line protocol."""
    return [
        f"{NAME},meter={meter} v={minute * 0.5 + number},total={minute * (number + 1)}i {_time(minute)}"
        for number, meter in enumerate(METERS)
        for minute in MINUTES
    ]


POINTS = [
    (meter, _time(minute), minute * 0.5 + number, minute * (number + 1))
    for number, meter in enumerate(METERS)
    for minute in MINUTES
]
VALUES = [point[:3] for point in POINTS]
# The mean of an hour's values, labelled with its end: that of the first and the last of them.
MEANS = [
    (meter, _time(60 * hour + 60), (60 * hour + 29.5) * 0.5 + number)
    for number, meter in enumerate(METERS)
    for hour in range(24 * DAYS)
]
# From the total at each hour to that at the next; at the last hour's end there is none any more.
CONSUMED = [
    (meter, _time(60 * hour + 60), (60 if hour < 24 * DAYS - 1 else 59) * (number + 1))
    for number, meter in enumerate(METERS)
    for hour in range(24, 24 * DAYS)
]

FLUX = (
    'from(bucket: "default") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-04T00:00:00Z) '
    f'|> filter(fn: (r) => r._measurement == "{NAME}" and r._field == "v") '
    '|> keep(columns: ["_time", "_value", "meter"])'
)


def _rows(*frames: pd.DataFrame, columns: list[str]) -> list[tuple[Any, ...]]:
    frame = pd.concat(frames)
    if "_time" in frame:
        frame = frame.rename(columns={"_time": "time", "_value": "v"}).set_index(["meter", "time"])
    levels = (frame.index.get_level_values(name) for name in ("meter", "time"))
    meters, times = (level.tolist() for level in levels)
    return sorted(
        zip(meters, (time.value for time in times), *(frame[name].tolist() for name in columns), strict=True)
    )


READS: dict[str, tuple[Callable[[InfluxManager], object], object]] = {
    "read": (
        lambda m: _rows(
            m.read(START, STOP, NAME, FIELDS, "default", interval=None, max_parallel=1), columns=FIELDS
        ),
        POINTS,
    ),
    "read in slices": (
        lambda m: _rows(
            m.read(START, STOP, NAME, FIELDS, "default", interval=None, max_parallel=4), columns=FIELDS
        ),
        POINTS,
    ),
    "read in windows": (
        lambda m: _rows(m.read(START, STOP, NAME, "v", "default", interval="1h"), columns=["v"]),
        MEANS,
    ),
    "read_all_fields": (
        lambda m: _rows(m.read_all_fields(START, STOP, NAME, "default"), columns=FIELDS),
        POINTS,
    ),
    "read_batches": (
        lambda m: _rows(
            *m.read_batches(START, STOP, NAME, FIELDS, "default", batch_rows=1_000), columns=FIELDS
        ),
        POINTS,
    ),
    "consumption": (
        lambda m: _rows(
            m.read_accumulated_value(SECOND_DAY, STOP, NAME, "total", "default", 60), columns=["total"]
        ),
        CONSUMED,
    ),
    "query": (lambda m: _rows(m.query(FLUX), columns=["v"]), VALUES),
    "query_batches": (lambda m: _rows(*m.query_batches(FLUX, batch_rows=1_000), columns=["v"]), VALUES),
}
