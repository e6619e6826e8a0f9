"""The pictures of docs/tutorials, from what their own code gives on a real InfluxDB."""

from __future__ import annotations

import os
import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from db_influx import InfluxManager
from tools.servers import influxdb

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1] / "docs"
COLOURS = ("#4477aa", "#ee7733", "#228833")


def main() -> None:
    """Run each tutorial and draw its pictures."""
    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "tutorials", "svg.fonttype": "none"}  # the same bytes each time
    for page, pictures in PAGES.items():
        names = run(DOCS / "tutorials" / f"{page}.md")
        for picture, draw in pictures.items():
            figure, axes = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
            draw(axes, names)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", color="#dddddd")
            axes.set_axisbelow(True)
            figure.savefig(DOCS / "pictures" / f"{picture}.svg", metadata={"Date": None})
            plt.close(figure)
            print(f"  {picture}.svg", file=sys.stderr)


def run(page: Path) -> dict[str, Any]:
    """Run the Python blocks of a page on a server of its own, and return the names that they define."""
    names: dict[str, Any] = {}
    before = Path.cwd()
    with TemporaryDirectory() as folder, influxdb(own=True) as server, redirect_stdout(StringIO()):
        os.environ |= server.environment()
        os.chdir(folder)
        try:
            with InfluxManager() as manager:
                manager.create_bucket("home")
            for block in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
                exec(compile(block, str(page), "exec", dont_inherit=True), names)  # noqa: S102 - our own page
        finally:
            os.chdir(before)
    return names


def draw_days(axes: Axes, names: dict[str, Any]) -> None:
    """Draw what each meter used on each day."""
    kwh = names["kwh"]
    days = kwh.index.day.to_numpy()
    for number, meter in enumerate(kwh.columns):
        axes.bar(days + (number - 1) * 0.27, kwh[meter], width=0.25, color=COLOURS[number], label=meter)
    axes.set_xlabel("day of October")
    axes.set_ylabel("kWh")
    axes.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.16))


def draw_profile(axes: Axes, names: dict[str, Any]) -> None:
    """Draw the mean load of each hour of the day."""
    profile = names["profile"]
    for colour, kind in zip(COLOURS, profile.columns, strict=False):
        axes.step(profile.index, profile[kind], where="post", color=colour, label=kind)
    axes.set_xlabel("hour of the day")
    axes.set_ylabel("kW")
    axes.set_ylim(bottom=0)
    axes.set_xticks(range(0, 25, 3))
    axes.legend(frameon=False)


def draw_duration(axes: Axes, names: dict[str, Any]) -> None:
    """Draw the load duration curve."""
    duration = names["duration"]
    axes.plot(duration.index / 4, duration, color=COLOURS[0])
    axes.set_xlabel("hours")
    axes.set_ylabel("kW")
    axes.set_ylim(bottom=0)


def draw_year(axes: Axes, names: dict[str, Any]) -> None:
    """Draw what all meters used in each month, as the files have it."""
    months = names["billed"].group_by("time").sum().sort("time")
    axes.bar(months["time"].dt.month().to_list(), (months["wh"] / 1e6).to_list(), color=COLOURS[0])
    axes.set_xlabel("month of 2025")
    axes.set_ylabel("MWh")
    axes.set_xticks(range(1, 13))


PAGES: dict[str, dict[str, Callable[[Axes, dict[str, Any]], None]]] = {
    "monthly-bill": {"tutorial-days": draw_days},
    "load-profiles": {"tutorial-profile": draw_profile, "tutorial-duration": draw_duration},
    "year-to-parquet": {"tutorial-year": draw_year},
}


if __name__ == "__main__":
    main()
