"""Any query, and the queries that list names."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from db_core import annotated_csv
from db_influx import _flux
from db_influx._steps import Ask, Report, Stream, Work
from db_influx.plans.columns import TEXT, columns
from db_influx.plans.frames import bytes_of, converted

if TYPE_CHECKING:
    from db_core.annotated_csv import Answer
    from db_influx._options import Options
    from db_influx._steps import Query, Steps

__all__ = ["batches", "listed", "names_of", "tables", "tag_keys"]


def tables(query: Query, options: Options, *, split: bool) -> Steps[Any]:
    """Run a query; return the union of its tables, or with `split` a list of frames, one per schema."""
    answers = yield Ask([query], 1, counts=True)
    size = bytes_of(answers)
    [answer] = answers
    if not split:
        frame = yield Work(partial(annotated_csv.union, answer), size)
        return (yield from converted(frame, options.into))
    return (yield Work(lambda: [frame.release(options.into) for frame in annotated_csv.split(answer)], size))


def batches(query: Query, batch_rows: int, options: Options) -> Steps[None]:
    """Run a query and hand on its answer as it arrives."""
    yield Report(is_endless=True)
    yield Stream(query, batch_rows, options.into)


def listed(query: Query) -> Steps[list[str]]:
    """Run a query that lists names, and return them sorted."""
    answers = yield Ask([query], 1)
    names: list[str] = yield Work(partial(names_of, *answers), bytes_of(answers))
    return names


def tag_keys(bucket: str, measurement: str) -> Steps[list[str]]:
    """List the tag keys of a measurement, or of all if it is empty, over all time, sorted."""
    names: list[str] = yield from listed(_flux.tag_keys(bucket, measurement))
    return [name for name in names if name not in _flux.OWN_KEYS]


def names_of(answer: Answer) -> list[str]:
    """Return the names that an answer lists, sorted."""
    return sorted(name for rows, _ in columns(answer, _value=TEXT) for name in rows["_value"])
