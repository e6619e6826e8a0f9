"""The newest value of each field, over all series or of each series."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from db_core.pivot import latest
from db_influx import _flux, _times
from db_influx._steps import Ask, Work
from db_influx.plans.columns import TEXT, VALUE, columns
from db_influx.plans.frames import bytes_of, converted, wide
from db_influx.plans.schema import Schema

if TYPE_CHECKING:
    from db_core.annotated_csv import Answer
    from db_core.frame import Frame
    from db_influx._flux import Selection
    from db_influx._options import Options
    from db_influx._steps import Steps
    from db_influx.plans.schema import Databases

__all__ = ["last_point", "last_points"]

# The ranges before now in which the last point is searched, one by one; then all time.
_LOOK_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=30))


def last_point(
    databases: Databases, selection: Selection, now: int, options: Options, *, with_time: bool
) -> Steps[dict[str, Any]]:
    """Read the newest value of each field.

    Args:
        databases: The known mappings of the manager.
        selection: What to read, over all time; fields are named.
        now: Nanoseconds since the epoch.
        options: What to do about names that do not exist.
        with_time: Return pairs of time and value.
    """
    fields = selection.fields or ()
    newest: dict[str, tuple[int, Any]] = {}
    schema = yield from Schema.of(databases, selection, options)
    yield from schema.check_types([selection], newest=True)
    # The server takes longer to compare thousands of tag values than to read the points of all time.
    is_quick = sum(len(values) for _, values in selection.tags) <= _flux.FEW_NAMES
    for back in (*(_LOOK_BACK if is_quick else ()), None):
        missing = tuple(field for field in fields if field not in newest)
        if not missing:
            break
        start = _times.EARLIEST if back is None else _times.instant(-back, "start", now)
        answers = yield Ask([_flux.newest(replace(selection, fields=missing, start=start))], 1)
        newest |= yield Work(partial(_newest, *answers), bytes_of(answers))
    yield from schema.check_found(selection, options, nothing=not newest)
    points = {field: newest[field] for field in fields if field in newest}
    if not with_time:
        return {field: value for field, (_, value) in points.items()}
    import pandas as pd

    return {field: (pd.Timestamp(at, unit="ns", tz="UTC"), value) for field, (at, value) in points.items()}


def _newest(answer: Answer) -> dict[str, tuple[int, Any]]:
    """Return the newest time and value of each field."""
    newest: dict[str, tuple[int, Any]] = {}
    for points, _ in columns(answer, _time=("timestamp",), _field=TEXT, _value=VALUE):
        rows = zip(points["_time"], points["_field"], points["_value"], strict=True)
        for moment, field, value in rows:
            if field not in newest or moment > newest[field][0]:
                # A stored point always has a value; the answer shows an empty string as none.
                newest[field] = (moment, "" if value is None else value)
    return newest


def last_points(databases: Databases, selection: Selection, options: Options) -> Steps[Any]:
    """Read the newest value of each field of each series, over all time, as one row per series."""
    schema = yield from Schema.of(databases, selection, options)
    yield from schema.check_types([selection], newest=True)
    answers = yield Ask([_flux.series(selection, "last")], 1)
    size = bytes_of(answers)
    points = yield from wide(answers, selection.fields, options, kinds=schema.kinds(selection.fields))
    frame: Frame = yield Work(partial(latest, points), size)
    yield from schema.check_frame(selection, frame, options)
    return (yield from converted(frame, options.into))
