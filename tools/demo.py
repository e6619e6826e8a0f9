"""The main job, end to end on real servers: a month of 20 meters written, read, cached and drawn.

Every result is compared with what pandas computes from the data before it was
written; the demo fails if one differs.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from db_influx import InfluxManager
from db_redis import RedisClient
from tools.servers import influxdb, redis

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

METERS = 20
DAYS = 30
START = pd.Timestamp("2026-10-01", tz="UTC")
STOP = START + pd.Timedelta(days=DAYS)
MINUTES = DAYS * 24 * 60
MEASUREMENT = "electricity"
FIELDS = ["power", "voltage", "energy", "state"]
PICTURE = Path("out") / "demo.png"

_Result = TypeVar("_Result")


class Steps:
    """Runs the steps and keeps a table of them."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, int, float]] = []

    def run(self, name: str, rows: Callable[[_Result], int], step: Callable[[], _Result]) -> _Result:
        """Run a step and time it; `rows` counts what it returned."""
        begin = time.perf_counter()
        result = step()
        seconds = time.perf_counter() - begin
        self._rows.append((name, rows(result), seconds))
        print(f"  {name} ...", file=sys.stderr)
        return result

    def show(self) -> None:
        """Print the table."""
        print(f"\n{'step':<42}{'rows':>10}{'seconds':>10}{'rows/s':>13}")
        for name, rows, seconds in self._rows:
            print(f"{name:<42}{rows:>10,}{seconds:>10.2f}{rows / seconds:>13,.0f}")


def meters() -> pd.DataFrame:
    """Make the readings: power in W, voltage in V, the energy total in Wh and a state, by minute.

    864,000 rows: the column `meter` and an index of times.
    """
    random = np.random.default_rng(20261001)
    times = pd.date_range(START, STOP, freq="1min", inclusive="left", name="time")
    hours = times.hour.to_numpy() + times.minute.to_numpy() / 60
    weekend = times.day_of_week.to_numpy() >= 5  # noqa: PLR2004 - Saturday
    frames = []
    for number in range(METERS):
        size = 400 + 150 * number
        day = 1 + np.exp(-((hours - 8) ** 2) / 4) + 1.6 * np.exp(-((hours - 19) ** 2) / 6)
        power = size * day * np.where(weekend, 1.2, 1.0) * random.uniform(0.8, 1.2, MINUTES)
        energy = 1_000_000 * (number + 1) + np.cumsum(np.round(power / 60)).astype(np.int64)
        frames.append(
            pd.DataFrame(
                {
                    "meter": f"meter-{number + 1:02d}",
                    "power": power.round(1),
                    "voltage": random.normal(230, 1.5, MINUTES).round(2),
                    "energy": energy,
                    "state": np.where(random.random(MINUTES) < 0.001, "check", "ok"),  # noqa: PLR2004
                },
                index=times,
            )
        )
    return pd.concat(frames).astype({"meter": "str", "state": "str"})


def by_meter(data: pd.DataFrame, freq: str) -> Any:
    """Group readings by meter and window, as reads index them."""
    return data.groupby(["meter", pd.Grouper(freq=freq)])


def demo(manager: InfluxManager, cache: RedisClient, bucket: str) -> None:
    """Run all steps, print their times and row counts, and draw the picture."""
    data = meters()
    steps = Steps()
    steps.run(
        "write, 4 fields a row",
        lambda _: len(data),
        lambda: manager.synchronous_write(bucket, data, MEASUREMENT, tag_columns=["meter"]),
    )

    def hourly(into: Any) -> Any:
        return manager.read(
            START, STOP, MEASUREMENT, ["power", "voltage"], bucket, interval="1h", label="start", into=into
        )

    def daily(into: Any) -> Any:
        return manager.read_accumulated_value(
            START, STOP, MEASUREMENT, "energy", bucket, timestep=24 * 60, label="start", into=into
        )

    means = steps.run("read hourly means, pandas", len, lambda: hourly("pandas"))
    expected = by_meter(data, "1h")[["power", "voltage"]].mean()
    pd.testing.assert_frame_equal(expected, means, check_freq=False, check_index_type=False)
    same(means, steps.run("read hourly means, polars", len, lambda: hourly("polars")))

    consumption = steps.run("read daily consumption, pandas", len, lambda: daily("pandas"))
    # A day counts from the total at its midnight to that at the next; the last one, to its last.
    days = data.groupby(["meter", pd.Grouper(freq="1D", closed="right", label="left")])[["energy"]].last()
    before = days.groupby(level="meter").shift()
    expected = (days - before).dropna().astype("int64")
    pd.testing.assert_frame_equal(expected, consumption, check_freq=False, check_index_type=False)
    same(consumption, steps.run("read daily consumption, polars", len, lambda: daily("polars")))

    everything = steps.run(
        "read all fields, pandas", len, lambda: manager.read_all_fields(START, STOP, MEASUREMENT, bucket)
    )
    expected = data.set_index("meter", append=True).swaplevel().sort_index()[sorted(FIELDS)]
    pd.testing.assert_frame_equal(expected, everything, check_freq=False, check_index_type=False)
    same(
        everything,
        steps.run(
            "read all fields, polars",
            len,
            lambda: manager.read_all_fields(START, STOP, MEASUREMENT, bucket, into="polars"),
        ),
    )

    meter = {"meter": "meter-07"}
    newest = steps.run(
        "read last points of one meter",
        len,
        lambda: manager.read_last_data_point(bucket, MEASUREMENT, FIELDS, tags=meter),
    )
    check(data[data.meter == "meter-07"].iloc[-1][FIELDS].to_dict(), newest)
    check(
        [MEASUREMENT],
        steps.run("list measurements", len, lambda: manager.get_measurements_on_bucket(bucket)),
    )
    check(sorted(FIELDS), steps.run("list fields", len, lambda: manager.get_fields(bucket, MEASUREMENT)))

    totals = by_day(consumption)
    steps.run(
        "cache daily totals in Redis for an hour",
        lambda _: len(totals),
        lambda: cache.save_in_redis_with_expiration("daily-consumption", totals, 3600),
    )
    check(totals, steps.run("read them back", len, lambda: cache.safe_read_from_redis("daily-consumption")))

    steps.show()
    print("\nHourly means of the first meter:\n", means.head(4), sep="")
    print("\nDaily consumption in kWh:\n", (consumption.energy / 1000).unstack("meter").iloc[:5, :5], sep="")
    print("\nLast point of meter-07:", newest)
    draw(consumption, means)


def by_day(consumption: pd.DataFrame) -> dict[str, float]:
    """Sum all meters' kWh by day; the first day is not known."""
    totals = consumption.energy.groupby(level="time").sum(min_count=METERS).dropna() / 1000
    return {f"{day:%Y-%m-%d}": float(total) for day, total in totals.items()}


def same(frame: pd.DataFrame, other: pl.DataFrame) -> None:
    """Check that polars got what pandas got."""
    flat = frame.reset_index()
    check(list(flat.columns), other.columns)
    for name in other.columns:
        if name == "time":
            check(flat[name].astype("int64").tolist(), other[name].to_physical().to_list())
        else:
            check([None if pd.isna(value) else value for value in flat[name].tolist()], other[name].to_list())


def check(expected: object, found: object) -> None:
    """Raise an error if what was read is not what was written."""
    if expected != found:
        raise SystemExit(f"The demo read something else than it wrote: {found!r} instead of {expected!r}")


def draw(consumption: pd.DataFrame, means: pd.DataFrame) -> None:
    """Draw daily consumption above and load below into one picture."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    kwh = pd.Series(by_day(consumption))
    load = means.power.groupby(level="time").sum() / 1000
    figure, (above, below) = plt.subplots(2, 1, figsize=(11, 7), sharex=True, layout="constrained")
    above.bar(pd.to_datetime(kwh.index) + pd.Timedelta(hours=12), kwh, width=0.8, color="#4477aa")
    above.set_ylabel("Consumption a day, kWh")
    above.set_title(f"{METERS} meters, {DAYS} days: consumption and load", loc="left", fontweight="bold")
    below.plot(pd.DatetimeIndex(load.index).tz_convert(None), load, color="#cc6677", linewidth=1)
    below.set_ylabel("Load, hourly mean, kW")
    below.set_ylim(bottom=0)
    for axis in (above, below):
        axis.grid(axis="y", color="#dddddd")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=120)
    print(f"\nPicture: {PICTURE}")


def main() -> None:
    """Find or start the servers and run the demo in a bucket of its own."""
    with influxdb() as server, redis() as store:
        bucket = f"demo-{time.time_ns()}"
        with (
            InfluxManager(server.url, server.org, server.token) as manager,
            RedisClient(store.host, store.port, store.password, namespace=bucket) as cache,
        ):
            buckets = manager.get_buckets_api()
            created = buckets.create_bucket(bucket_name=bucket)
            try:
                demo(manager, cache, bucket)
            finally:
                buckets.delete_bucket(created)


if __name__ == "__main__":
    main()
