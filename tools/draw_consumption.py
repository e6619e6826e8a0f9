"""The pictures of docs/consumption.md, from what a real InfluxDB and `read_accumulated_value` give.

Above, the meter's total, point by point; below, what each window is worth and why.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import pandas as pd

from db_influx import InfluxManager
from tools.servers import influxdb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
START = pd.Timestamp("2026-10-01", tz="UTC")
COLOURS = {
    "ok": "#4477aa",
    "first": "#66ccee",
    "gap": "#228833",
    "reset": "#cc3311",
    "rollover": "#aa3377",
    "implausible": "#ee7733",
}


@dataclass(frozen=True)
class Panel:
    """A meter, and how its consumption is read.

    Attributes:
        title: What is shown.
        totals: Readings of the meter by time: hours from START, or instants.
        options: Options of `read_accumulated_value`. By default hourly windows of the hours 0 to `hours`.
        hours: Length of the range.
    """

    title: str
    totals: Mapping[Any, float]
    options: dict[str, Any] = field(default_factory=dict)
    hours: float = 5


RESET = {-0.4: 96, 0.3: 101, 0.8: 106, 1.3: 111, 1.6: 3, 1.9: 9, 2.5: 15, 3.4: 25, 4.5: 31}
EVENING = {hour: 100 if hour < 19 else 105 for hour in range(15, 22)}  # noqa: PLR2004 - o'clock
GAP = {-0.4: 90, 0.5: 98, 3.5: 134, 4.5: 140}
RATE = {"max_rate": 12 / 3600}
EXCHANGE = {
    pd.Timestamp(f"2026-10-{day:02}T12Z"): total
    for day, total in {5: 5060, 6: 5080, 7: 5100, 8: 5120, 9: 52, 10: 71, 11: 93}.items()
}
AUTUMN = pd.date_range("2026-10-23T20Z", "2026-10-27T02Z", freq="1h")
FIGURES: dict[str, list[Panel]] = {
    "first": [
        Panel("a point before the range", {-0.6: 92, 0.4: 100, 0.9: 104, 1.5: 112, 2.4: 117}, hours=3),
        Panel("none", {0.4: 100, 0.9: 104, 1.5: 112, 2.4: 117}, hours=3),
    ],
    "edges": [
        Panel(
            f'closed="{closed}"',
            EVENING,
            {"closed": closed, "start": "2026-10-01T16:00Z", "stop": "2026-10-01T21:00Z"},
        )
        for closed in ("right", "left")
    ],
    "resets": [
        Panel('"null"', RESET),
        Panel('"restart"', RESET, {"on_reset": "restart"}),
        Panel('"rollover", rollover=115', RESET, {"on_reset": "rollover", "rollover": 115}),
        Panel('"keep"', RESET, {"on_reset": "keep"}),
    ],
    "plausible": [
        Panel("a wrong total", {-0.5: 90, 0.5: 98, 1.5: 170, 2.5: 116, 3.5: 124, 4.5: 133}, RATE),
        Panel("the same, without max_rate", {-0.5: 90, 0.5: 98, 1.5: 170, 2.5: 116, 3.5: 124, 4.5: 133}),
        Panel("a meter replaced", {-0.5: 90, 0.5: 98, 1.5: 170, 2.5: 178, 3.5: 188, 4.5: 195}, RATE),
    ],
    "gaps": [Panel(f'"{gaps}"', GAP, {"gaps": gaps}) for gaps in ("book", "spread", "null")],
    "days": [
        Panel(
            f'tz="{tz}"',
            {moment: 1_000 + number for number, moment in enumerate(AUTUMN)},
            {"tz": tz, "timestep": "1d", "start": start, "stop": "2026-10-27T00Z"},
        )
        for tz, start in (("Europe/Lisbon", "2026-10-23T23Z"), ("UTC", "2026-10-24T00Z"))
    ],
    "exchange": [
        Panel(
            f'on_reset="{on_reset}"',
            EXCHANGE,
            {"on_reset": on_reset, "timestep": "1d", "start": "2026-10-06", "stop": "2026-10-12"},
        )
        for on_reset in ("null", "restart")
    ],
}


def main() -> None:
    """Draw every picture."""
    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "consumption", "svg.fonttype": "none"}  # the same bytes each time
    PICTURES.mkdir(parents=True, exist_ok=True)
    with influxdb(own=True) as server, InfluxManager(server.url, server.org, server.token) as manager:
        manager.get_buckets_api().create_bucket(bucket_name="meters")
        for name, panels in FIGURES.items():
            figure, axes = plt.subplots(
                2,
                len(panels),
                figsize=(1.2 + 3.1 * len(panels), 3.9),
                height_ratios=[3, 2],
                sharex="col",
                sharey="row",
                layout="constrained",
                squeeze=False,
            )
            for number, panel in enumerate(panels):
                draw(axes[0, number], axes[1, number], panel, manager, f"{name}-{number}")
            axes[0, 0].set_ylabel("total")
            axes[1, 0].set_ylabel("consumption")
            figure.savefig(PICTURES / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)
            print(f"  {name}.svg", file=sys.stderr)


def draw(above: Axes, below: Axes, panel: Panel, manager: InfluxManager, msname: str) -> None:
    """Write a panel's totals, read their consumption, and draw both."""
    times = pd.DatetimeIndex(
        [at if isinstance(at, pd.Timestamp) else START + pd.Timedelta(hours=at) for at in panel.totals]
    )
    totals = pd.DataFrame({"total": [float(total) for total in panel.totals.values()]}, index=times)
    manager.synchronous_write("meters", totals, msname)
    asked: dict[str, Any] = {
        "start": START,
        "stop": START + pd.Timedelta(hours=panel.hours),
        "timestep": "1h",
        "gaps": "book",
    }
    asked |= panel.options
    what: dict[str, Any] = {"msname": msname, "fields": ["total"], "bucket": "meters", "quality": True}
    stops = manager.read_accumulated_value(**asked, **what)
    starts = manager.read_accumulated_value(**asked, **what, label="start").index
    zone = asked.get("tz", "UTC")
    above.plot(times, totals["total"], color="#333333", drawstyle="steps-post", linewidth=1)
    above.scatter(times, totals["total"], color="#333333", s=14, zorder=3)
    above.set_title(panel.title, fontsize=9, loc="left", family="monospace")
    for begin, (end, row) in zip(starts, stops.iterrows(), strict=True):
        value, colour = row["total"], COLOURS[row["total_quality"]]
        width = end - begin
        for axis in (above, below):
            axis.axvspan(begin, end, color=colour, alpha=0.10, linewidth=0)
            axis.axvline(begin, color="#bbbbbb", linewidth=0.6)
            axis.axvline(end, color="#bbbbbb", linewidth=0.6)
        known = not pd.isna(value)
        if known:
            below.bar(begin + width / 2, value, width=width * 0.8, color=colour)
        words = f"{value:g}\n{row['total_quality']}" if known else f"null\n{row['total_quality']}"
        at = max(value, 0.0) if known else 0.0
        below.annotate(
            words, (begin + width / 2, at), (0, 2), textcoords="offset points", ha="center", fontsize=7
        )
    below.axhline(0, color="#333333", linewidth=0.8)
    below.margins(y=0.35)
    daily = asked["timestep"] == "1d"
    dates: Any = mdates  # it has no types
    below.xaxis.set_major_locator(dates.DayLocator(tz=zone) if daily else dates.HourLocator(tz=zone))
    below.xaxis.set_major_formatter(dates.DateFormatter("%a\n%d" if daily else "%H:%M", tz=zone))
    for axis in (above, below):
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
