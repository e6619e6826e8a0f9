"""The deletion of points: by which requests, and what must not be requested.

InfluxDB 2.9.1 takes a condition that tags equal values, all of them. It acknowledges more than it does, and
may do other things than it was asked for:

- It reads the name of a measurement up to an equals sign as the key of a tag.
- It deletes nothing of a series in whose names there is ``#!~#``, by which it parts series from fields.
- It compares the series to delete with those of a file of a shard, and takes both to be in the same order.
  But the file has ``#!~#`` and the field behind each key, so ``a!`` comes before ``a`` there. For two series
  whose order differs so, it may leave points of the one that is to be deleted. Worse, it may take a series
  for empty and forget it, with its points outside of the range, until it is written again.

So the names of what is stored are looked at first, and such a deletion is refused. The server also leaves
points that it is writing from its cache into a file at that moment. So it is asked afterwards whether any
are left, and the deletion is repeated.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import chain, product
from typing import TYPE_CHECKING

from db_core.errors import IncompleteResultError
from db_influx import _flux, _times
from db_influx._arguments import invalid
from db_influx._steps import Ask, Change, Work
from db_influx.plans.buckets import allowed, named
from db_influx.plans.columns import TEXT, columns
from db_influx.plans.frames import bytes_of
from db_influx.plans.query import listed, names_of, tag_keys

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from db_core.annotated_csv import Answer
    from db_influx._flux import Selection
    from db_influx._steps import Steps

__all__ = ["check", "delete"]

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_MARK = "#!~#"  # between the key of a series and a field
_HIGHEST = "\U0010ffff"  # in place of any field
_UNREAD = {"\0": "a NUL", "\r": "a carriage return", _MARK: repr(_MARK)}
_TRIES = 3  # to delete what the server is writing into a file
_SERIES = 100  # bytes of a key, about
# Columns of the answer that are no tags; a tag of these names can't be told from InfluxDB's own column.
_OWN = ("_measurement", "_time", "result", "table")


def check(selection: Selection) -> None:
    """Refuse what InfluxDB would take for another condition, or would not delete.

    Raises:
        InvalidArgumentError: Names the argument.
    """
    for argument, place, name in _names(selection):
        for characters, shown in _UNREAD.items():
            if characters in name:
                reason = f"InfluxDB deletes nothing by a name with {shown}"
                raise invalid(argument, f"{place}{name!r} has {shown}, but {reason}")
    for key, values in selection.tags:
        if "" in values:
            reason = "InfluxDB can't delete by the absence of a tag"
            raise invalid("tags", f"must have values that are not empty, but {key!r} has one: {reason}")
    taken = _taken_for_tag(selection.measurement, dict(selection.tags))
    if taken is not None:
        raise invalid(
            "tags",
            f"can't have the key {taken!r} here, since InfluxDB takes the start of measurement "
            f"{selection.measurement!r} for that tag, and would delete other series",
        )


def delete(selection: Selection, at_once: int) -> Steps[None]:
    """Delete the points of a selection that `check` accepts.

    Args:
        selection: What to delete; its measurement is empty for all of them.
        at_once: How many queries about names are sent at once.

    Raises:
        InvalidArgumentError: InfluxDB would not delete all of them, or others too.
        IncompleteResultError: Some are still there after several tries.
    """
    bucket = yield from named(selection.bucket)
    yield from _check_stored(selection, at_once)
    keys = [key for key, _ in selection.tags]
    left: set[str] = set()
    for _ in range(_TRIES):
        for values in product(*(values for _, values in selection.tags)):
            yield from _request(bucket.id, selection, dict(zip(keys, values, strict=True)))
        left = yield from _series(selection)
        if not left:
            return
    raise IncompleteResultError(
        f"InfluxDB acknowledged the deletion {_TRIES} times, and there are still points of {min(left)!r}. "
        "They were written meanwhile, or it is writing its cache to files; delete again"
    )


def _check_stored(selection: Selection, at_once: int) -> Steps[None]:
    """Refuse a deletion that would meet a fault of the server, by the names that are stored over all time."""
    stored: list[str] = yield from listed(_flux.measurements(selection.bucket))
    chosen = [name for name in stored if selection.measurement in ("", name)]
    for name in chosen:
        taken = _taken_for_tag(name, dict(selection.tags))
        if taken is not None:
            raise invalid(
                "measurement",
                f"must be named, since InfluxDB takes the start of measurement {name!r} for tag {taken!r}",
            )
    keys: list[str] = yield from tag_keys(selection.bucket, selection.measurement)
    queries = [_flux.tag_values(selection.bucket, selection.measurement, key) for key in keys]
    answers = yield Ask(queries, at_once)
    values: list[list[str]] = yield Work(lambda: [*map(names_of, answers)], bytes_of(answers))
    if any(map(_is_odd, chain(stored, keys, *values))):
        whole = replace(selection, start=_times.EARLIEST, stop=_times.LATEST)
        meant = yield from _series(whole)
        # Other measurements too, one of whose names may go on from the name of this one.
        all_of_them = yield from _series(replace(whole, measurement="", tags=()))
        yield Work(partial(_check_series, meant, all_of_them), _SERIES * len(all_of_them))


def _is_odd(name: str) -> bool:
    """Tell whether a name may change the order of series, or has the mark itself."""
    return _MARK[:2] in name or any(character < _MARK[0] and character != " " for character in name)


def _check_series(meant: set[str], stored: set[str]) -> None:
    """Refuse series that InfluxDB does not delete as it is asked to.

    Args:
        meant: Keys of the series to delete.
        stored: Those of all series.
    """
    for key in sorted(meant):
        if _MARK in key:
            message = f"can't select series {key!r}: InfluxDB deletes nothing by a name with {_MARK!r}"
            raise invalid("tags", message)
    for longer in sorted(stored):
        for place, character in enumerate(longer):
            key = longer[:place]
            if character > _MARK[0] or key not in stored or not meant & {key, longer}:
                continue
            if longer[place:] + _MARK < _MARK + _HIGHEST:  # so it comes first in a file
                raise invalid(
                    "tags",
                    f"can't select series {key!r} or {longer!r}: as there are both, InfluxDB would leave "
                    "points of them or lose others. Copy what is to stay to another bucket",
                )


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
