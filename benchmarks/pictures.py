"""Two pictures: a run against its peers, and the ratios over all records of a machine."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from benchmarks.race import FASTER

mpl.use("agg")

import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

MET = "#4477aa"
MISSED = "#cc3311"
NO_BAR = "#aab4c0"

_ROW = 0.27  # inches
_COLUMNS = 3


def comparison(record: dict[str, Any], path: Path) -> Path:
    """Draw every ratio of a record: above who is slower, below what nobody can beat."""
    results = [result for result in record["results"] if "missing" not in result]
    halves = [
        ("Times faster than ...", [r for r in results if r["measure"] == FASTER]),
        ("Times the time, or the limit, of ...", [r for r in results if r["measure"] != FASTER]),
    ]
    halves = [(title, rows) for title, rows in halves if rows]
    lengths = [len(rows) + len({row["case"] for row in rows}) for _, rows in halves]
    figure, axes = plt.subplots(
        len(halves),
        1,
        figsize=(11, _ROW * sum(lengths) + 1.3 * len(halves) + 0.6),
        height_ratios=lengths,
        layout="constrained",
        squeeze=False,
    )
    for axis, (title, rows) in zip(axes[:, 0], halves, strict=True):
        axis.set_title(title, loc="left", fontweight="bold")
        _bars(axis, rows)
    machine = record["machine"]
    figure.suptitle(
        f"{record['date'][:10]}, commit {record['commit']}, {machine['cpu']}, {machine['cores']} cores.  "
        "Bar: median. Line: least to most. Tick: what must be reached.",
        fontsize=9,
        color="#555555",
        x=0.01,
        ha="left",
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _bars(axis: Axes, results: list[dict[str, Any]]) -> None:
    faster = results[0]["measure"] == FASTER
    if faster:
        axis.set_xscale("log")
    origin = 1.0 if faster else 0.0
    labels: list[tuple[float, str, bool]] = []
    most = max(max(result["ratio"][2], result["bar"] or 0) for result in results)
    y = 0.0
    for case, rows in groupby(results, key=lambda result: result["case"]):
        labels.append((y, case, True))
        for result in rows:
            y += 1
            least, median, greatest = result["ratio"]
            axis.barh(y, median - origin, left=origin, height=0.62, color=_colour(result))
            axis.plot([least, greatest], [y, y], color="black", linewidth=1)
            if result["bar"]:
                axis.plot([result["bar"]] * 2, [y - 0.42, y + 0.42], color="black", linewidth=2.4)
            beyond = max(greatest, result["bar"] or 0)
            place = beyond * 1.06 if faster else beyond + most * 0.012
            axis.text(place, y, _words(result), va="center", fontsize=8)
            labels.append((y, result["peer"], False))
        y += 1
    axis.set_ylim(y - 0.2, -0.7)
    axis.set_xlim(left=origin, right=most * (3 if faster else 1.22))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_yticks([place for place, _, _ in labels], [text for _, text, _ in labels], fontsize=8.5)
    for label, (_, _, is_case) in zip(axis.get_yticklabels(), labels, strict=True):
        label.set_fontweight("bold" if is_case else "normal")
    _plain(axis, "x")
    axis.tick_params(axis="y", length=0)


def history(records: list[dict[str, Any]], path: Path) -> Path:
    """Draw each ratio that has a bar over the records of one machine."""
    lines: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = {}
    for record in records:
        for result in record["results"]:
            if result.get("bar"):
                when = f"{record['date'][5:10]}\n{record['commit'][:7]}"
                lines.setdefault((result["case"], result["peer"]), []).append((when, result))
    rows = -(-len(lines) // _COLUMNS)
    figure, axes = plt.subplots(
        rows, _COLUMNS, figsize=(4.2 * _COLUMNS, 2.3 * rows + 0.4), layout="constrained", squeeze=False
    )
    for axis in axes.flat[len(lines) :]:
        axis.set_visible(False)
    for axis, ((case, peer), line) in zip(axes.flat, lines.items(), strict=False):
        _line(axis, line)
        axis.set_title(f"{case}\n{line[-1][1]['measure']}: {peer}", loc="left", fontsize=8)
    figure.suptitle(
        "Ratios over the records: median, least to most. Dashed: what must be reached, on the white side.",
        fontsize=9,
        color="#555555",
        x=0.01,
        ha="left",
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _line(axis: Axes, line: list[tuple[str, dict[str, Any]]]) -> None:
    places = range(len(line))
    least, median, most = zip(*(result["ratio"] for _, result in line), strict=True)
    axis.fill_between(places, least, most, color=MET, alpha=0.2, linewidth=0)
    axis.vlines(places, least, most, color=MET, linewidth=1)
    axis.plot(places, median, color=MET, linewidth=1.2)
    axis.scatter(places, median, color=[_colour(result) for _, result in line], zorder=3, s=26)
    last = line[-1][1]
    axis.annotate(
        f"{median[-1]:.3g}",
        (places[-1], median[-1]),
        (6, 0),
        textcoords="offset points",
        fontsize=8,
        va="center",
    )
    axis.axhline(last["bar"], color="black", linestyle="--", linewidth=1)
    top = 1.15 * max(*most, last["bar"])
    axis.axhspan(
        *((0, last["bar"]) if last["measure"] == FASTER else (last["bar"], 2 * top)), color=MISSED, alpha=0.06
    )
    axis.set_ylim(0, top)
    axis.set_xlim(-0.5, len(line) - 0.3)
    named = places if len(line) <= 4 else (0, len(line) - 1)
    axis.set_xticks(named, [line[place][0] for place in named], fontsize=7)
    axis.tick_params(axis="y", labelsize=7)
    _plain(axis, "y")


def _colour(result: dict[str, Any]) -> str:
    if result["bar"] is None:
        return NO_BAR
    median = result["ratio"][1]
    met = median >= result["bar"] if result["measure"] == FASTER else median <= result["bar"]
    return MET if met else MISSED


def _words(result: dict[str, Any]) -> str:
    median = f"{result['ratio'][1]:.3g}"
    if result["bar"] is None:
        return median
    return f"{median}   (at {'least' if result['measure'] == FASTER else 'most'} {result['bar']:g})"


def _plain(axis: Axes, grid: str) -> None:
    axis.grid(axis=grid, color="#dddddd")  # type: ignore[arg-type]
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
