"""The deletion of points: by which requests, and what must not be requested.

InfluxDB 2.9.1 takes a condition that tags equal values, all of them. It acknowledges more than it does, and
may do other things than it was asked for:

- It reads the name of a measurement up to an equals sign as the key of a tag.
- It deletes nothing of a series in whose names there is ``#!~#``, by which it parts series from fields.
- It compares the series to delete with those of a file of a shard, and takes both to be in the same order.
  But the file has ``#!~#`` and the field after each key, so ``a!`` comes before ``a`` there. For two series
  whose order differs so, it may leave points of the one that is to be deleted. Worse, it may take a series
  for empty and forget it, with its points outside of the range, until it is written again.

So the series that are stored are looked at first, and such a deletion is refused. The server also leaves
points that it is writing from its cache into a file at that moment. So it is asked afterwards whether any
are left, and the deletion is repeated.

Both are asked in InfluxQL where it knows the bucket. Flux finds nothing of a series whose field has another
type than in a shard before, and loses the carriage returns of names.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from db_core.errors import IncompleteResultError, SchemaConflictError
from db_influx import _flux, _influxql, _times
from db_influx._arguments import invalid
from db_influx._steps import Ask, Change, Work
from db_influx.plans.buckets import allowed, named
from db_influx.plans.columns import TEXT, columns
from db_influx.plans.extent import count
from db_influx.plans.frames import bytes_of
from db_influx.plans.schema import of_several_types

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from db_core.annotated_csv import Answer
    from db_influx._flux import Selection
    from db_influx._influxql import Database
    from db_influx._options import Options
    from db_influx._steps import Steps
    from db_influx.plans.schema import Databases

__all__ = ["check", "delete"]

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_MARK = "#!~#"  # between the key of a series and a field
_HIGHEST = "\U0010ffff"  # in place of any field
_UNREAD = {"\0": "a NUL", "\r": "a carriage return", _MARK: repr(_MARK)}
# What may change the order of series. A space can't, since a backslash precedes it.
_LOW = re.compile('[\0-\x1f!"#]')
_COMMA = re.compile(r"(?<!\\),")  # between the parts of a key
_ESCAPED = re.compile(r"\\([ ,])")  # in the name of a measurement
_TRIES = 3  # to delete what the server is writing into a file
_SERIES = 100  # bytes of a key, about
# Columns of the answer that are not tags. A tag with such a name looks like InfluxDB's column.
_OWN = ("_measurement", "_time", "result", "table")


def check(selection: Selection) -> None:
    """Refuse what InfluxDB would take for another condition, or would not delete.

    Raises:
        InvalidArgumentError: Names the argument.
    """
    for argument, place, name in _names(selection):
        for characters, shown in _UNREAD.items():
            if characters in name:
                reason = f"InfluxDB deletes nothing of a name with {shown}"
                raise invalid(argument, f"{place}{name!r} has {shown}, and {reason}")
    for key, values in selection.tags:
        if key in _influxql.SYSTEM and not selection.measurement:
            # Flux's storage reader panics, and the server hangs once such a bucket is deleted.
            reason = f"InfluxDB can't look for a tag {key!r} in all measurements"
            raise invalid("measurement", f"must be named, since {reason}")
        if "" in values:
            reason = "InfluxDB can't select series without a tag for deletion"
            raise invalid("tags", f"must have no empty value, as {key!r} has: {reason}")
    taken = _taken_for_tag(selection.measurement, dict(selection.tags))
    if taken is not None:
        raise invalid(
            "tags",
            f"can't have the key {taken!r} here, since InfluxDB reads the start of measurement "
            f"{selection.measurement!r} as that tag, and would delete other series",
        )


def delete(databases: Databases, selection: Selection, options: Options) -> Steps[None]:
    """Delete the points of a selection that `check` accepts.

    Args:
        databases: The known mappings of the manager.
        selection: What to delete; its measurement is empty for all of them.
        options: Options of the query for the points that are left.

    Raises:
        InvalidArgumentError: InfluxDB would not delete all of them, or others too.
        IncompleteResultError: Some are still there after several tries.
    """
    bucket = yield from named(selection.bucket)
    database = yield from databases.now(selection.bucket)
    mixed: list[str] | None = None
    if database is not None:
        mixed = yield from of_several_types(database, selection.measurement)
    yield from _check_stored(selection, None if mixed is None else database)
    keys = [key for key, _ in selection.tags]
    left: set[str] = set()
    for _ in range(_TRIES):
        for values in product(*(values for _, values in selection.tags)):
            yield from _request(bucket.id, selection, dict(zip(keys, values, strict=True)))
        left = yield from _series(selection)
        for name in mixed or ():
            if (yield from _is_any_left(databases, replace(selection, measurement=name), options)):
                left.add(_escaped(name, ""))
        if not left:
            return
    raise IncompleteResultError(
        f"InfluxDB acknowledged the deletion {_TRIES} times, and there are still points of {min(left)!r}. "
        "They were written meanwhile, or InfluxDB is writing its cache to files. Delete again"
    )


def _is_any_left(databases: Databases, selection: Selection, options: Options) -> Steps[bool]:
    """Tell whether there are points of a measurement, of all types of a field."""
    try:
        return bool((yield from count(databases, selection, replace(options, missing="ignore"))))
    except SchemaConflictError:  # InfluxQL takes a name for one of its own, and Flux saw none
        return False


def _check_stored(selection: Selection, database: Database | None) -> Steps[None]:
    """Refuse a deletion that would meet a fault of the server, by the series of all time."""
    if database is None:
        everything = replace(selection, measurement="", tags=(), start=_times.EARLIEST, stop=_times.LATEST)
        stored = yield from _series(everything)
    else:
        answers = yield Ask([_influxql.series(database)], 1)
        stored = yield Work(partial(_told, answers), bytes_of(answers))
    yield Work(partial(_check_series, selection, stored), _SERIES * len(stored))


def _told(answers: Sequence[Answer]) -> set[str]:
    return {key for answer in answers for rows, _ in columns(answer, key=TEXT) for key in rows["key"]}


def _check_series(selection: Selection, stored: Collection[str]) -> None:
    """Refuse series that InfluxDB does not delete as it is asked to.

    Args:
        selection: What to delete.
        stored: Keys of all series.

    Raises:
        InvalidArgumentError: Names the series.
    """
    if not selection.measurement:
        keys = dict(selection.tags)
        for name in sorted({_COMMA.split(key, maxsplit=1)[0] for key in stored}):
            measurement = _ESCAPED.sub(r"\1", name)
            taken = _taken_for_tag(measurement, keys)
            if taken is not None:
                raise invalid(
                    "measurement",
                    f"must be named, since InfluxDB reads the start of measurement {measurement!r} as tag "
                    f"{taken!r}",
                )
    is_meant = _condition(selection)
    for key in sorted(key for key in stored if _MARK in key and is_meant(key)):
        message = f"can't select series {key!r}: InfluxDB deletes nothing of a name with {_MARK!r}"
        raise invalid("tags", message)
    for longer in sorted(key for key in stored if _LOW.search(key)):
        for place in (found.start() for found in _LOW.finditer(longer)):
            key = longer[:place]
            if key not in stored or not (is_meant(key) or is_meant(longer)):
                continue
            if longer[place:] + _MARK < _MARK + _HIGHEST:  # so it comes first in a file
                raise invalid(
                    "tags",
                    f"can't select series {key!r} or {longer!r}: since both exist, InfluxDB would leave "
                    "some of their points or delete others. Copy the points to keep to another bucket",
                )


def _condition(selection: Selection) -> Callable[[str], bool]:
    """Return a function that takes the key of a series, and says whether the series is selected."""
    measurement = _escaped(selection.measurement, "")
    pairs = [{f"{_escaped(key)}={_escaped(one)}" for one in values} for key, values in selection.tags]

    def is_meant(key: str) -> bool:
        name, *tags = _COMMA.split(key)
        return measurement in ("", name) and not any(allowed.isdisjoint(tags) for allowed in pairs)

    return is_meant


def _names(selection: Selection) -> Iterator[tuple[str, str, str]]:
    """Yield the argument, the place in it and the text of all names of a selection."""
    yield "measurement", "", selection.measurement
    for key, values in selection.tags:
        yield "tags", "has a key that InfluxDB can't read: ", key
        yield from (("tags", f"has a value of {key!r} that InfluxDB can't read: ", value) for value in values)


def _taken_for_tag(measurement: str, keys: Collection[str]) -> str | None:
    """Return the tag key that InfluxDB takes the start of a measurement's name for; None if it does not."""
    plain = {key.replace("\\", ""): key for key in keys}
    starts = (measurement[:place].replace("\\", "") for place, sign in enumerate(measurement) if sign == "=")
    return next((plain[start] for start in starts if start in plain), None)


def _request(number: str, selection: Selection, tags: dict[str, str]) -> Steps[None]:
    """Delete the points of series that have these tags."""
    names = {"_measurement": selection.measurement} if selection.measurement else {}
    content = {
        "start": _times.time_literal(selection.start),
        # InfluxDB's stop is the last instant that it deletes.
        "stop": _times.time_literal(selection.stop - 1),
        "predicate": " AND ".join(
            f"{_quoted(key)}={_quoted(value)}" for key, value in (names | tags).items()
        ),
    }
    change = Change("POST", "api/v2/delete", (("bucketID", number),), content)
    yield from allowed(_do(change), f"write bucket {selection.bucket!r}")


def _do(change: Change) -> Steps[None]:
    yield change


def _quoted(name: str) -> str:
    return f'"{name.translate(_ESCAPES)}"'


def _series(selection: Selection) -> Steps[set[str]]:
    """Ask which series a selection has; return their keys as InfluxDB writes them."""
    answers = yield Ask([_flux.series_tags(selection)], 1)
    keys: set[str] = yield Work(partial(_keys, answers), bytes_of(answers))
    return keys


def _keys(answers: Sequence[Answer]) -> set[str]:
    keys = set()
    for answer in answers:
        for rows, _ in columns(answer, _measurement=TEXT):
            tags = sorted((name for name in rows if name not in _OWN), key=str.encode)
            for name, *values in zip(*(rows[column] for column in ("_measurement", *tags)), strict=True):
                pairs = [
                    f",{_escaped(tag)}={_escaped(one)}" for tag, one in zip(tags, values, strict=True) if one
                ]
                keys.add(f"{_escaped(name, '')}{''.join(pairs)}")
    return keys


def _escaped(name: str, sign: str = "=") -> str:
    return "".join(f"\\{character}" if character in f", {sign}" else character for character in name)
