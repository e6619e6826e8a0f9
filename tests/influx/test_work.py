"""Computations over many rows are steps of Work, so that an asyncio manager does them in a thread."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from db_core.annotated_csv import decode
from db_influx import _flux
from db_influx._options import Options
from db_influx._points import Points
from db_influx._steps import AskJson, Work
from db_influx.plans import check_write, last_point, query, read
from db_influx.plans.schema import Databases
from tests.influx.meter import HOUR, T0

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db_core.annotated_csv import Answer

ROWS = 5_000
SELECTION = _flux.Selection("b", "m", ("v",), (), T0, T0 + ROWS * HOUR)


def answer(types: str, names: str, rows: Sequence[str]) -> Answer:
    """Decode an answer of one table."""
    constant = ",".join("false" for _ in names.split(","))
    lines = [f"#datatype,string,long,{types}", f"#group,false,false,{constant}"]
    lines += [f"#default,_result,,{',' * names.count(',')}", f",result,table,{names}"]
    return decode("\r\n".join([*lines, *(f",,0,{row}" for row in rows), "", ""]).encode())


def run(plan: Any, *answers: Answer) -> tuple[list[int], Any]:
    """Do a plan whose queries have these answers; return the sizes of its Work, and its result."""
    left, sizes, reply = list(answers), [], None
    try:
        while True:
            match plan.send(reply):
                case Work(function, size):
                    sizes.append(size)
                    reply = function()
                case AskJson():
                    reply = {"buckets": []}
                case _:
                    reply = [left.pop(0)]
    except StopIteration as end:
        return sizes, end.value


def test_lists_of_names_are_sorted_by_work() -> None:
    """A tag may have a hundred thousand values."""
    names = [f"n{number:04}" for number in range(ROWS)]

    sizes, found = run(query.listed(_flux.measurements("b")), answer("string", "_value", names[::-1]))

    assert names == found
    assert ROWS <= sum(sizes)


def test_the_newest_of_many_points_is_found_by_work() -> None:
    """There is a point for each series."""
    rows = [f"2026-01-01T00:00:00.{number:09}Z,v,{number}" for number in range(ROWS)]
    plan = last_point.last_point(Databases(), SELECTION, T0 + HOUR, Options(), with_time=False)

    sizes, found = run(plan, answer("dateTime:RFC3339,string,long", "_time,_field,_value", rows))

    assert {"v": ROWS - 1} == found
    assert ROWS <= sum(sizes)


def test_the_rows_of_a_checked_frame_are_gone_through_by_work() -> None:
    """For their times, for those that are too old, and to join neighbours."""
    index = pd.date_range("2026-01-01", periods=ROWS, freq="h")
    frame = pd.DataFrame({"v": range(ROWS)}, index=index)
    hours = int(timedelta(hours=10).total_seconds()) * 10**9
    plan = check_write.check_write("b", frame, lambda: Points.of(frame, "m", None), T0 + ROWS * HOUR)

    sizes, found = run(
        plan,
        answer("long", "retentionPeriod", [str(hours)]),
        answer("string,double", "_field,_value", ["v,1"]),
    )

    assert [(0, ROWS - 10), (0, ROWS)] == [(one.start, one.stop) for one in found]
    frame_checks = 3  # sorting, faults and times, which are native
    assert frame_checks + 3 <= len([size for size in sizes if size >= ROWS])


def test_all_windows_are_listed_by_work_before_anything_is_asked() -> None:
    """A year of seconds takes a second to list."""
    hours = timedelta(hours=1)
    spec = read.downsample_spec(SELECTION, hours, "mean", "stop", Options(), create_empty=True)

    step = next(read.downsampled(Databases(), SELECTION, spec, Options()))

    assert isinstance(step, Work)
    assert ROWS <= step.size
    assert [T0 + HOUR, T0 + ROWS * HOUR] == [step.function()[0], step.function()[-1]]
