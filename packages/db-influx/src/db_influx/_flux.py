"""Flux text: pure functions from checked arguments to queries.

Every piece of user text goes through `string`, every instant and length of
time through `_times`, every function name through a list: no input can change
a query. No query pivots; that is done natively.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from numbers import Real
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from db_influx import _times
from db_influx._arguments import invalid, is_missing, several, text

if TYPE_CHECKING:
    from db_core.annotated_csv import Decoder
    from db_influx._windows import Windows

__all__ = ["Query", "Selection", "Tags", "alternatives", "either"]

Tags: TypeAlias = "Mapping[str, str | Iterable[str | None] | None]"

_ESCAPES = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "$": "\\x24", "\0": "\\x00"}
)
_PATTERN = str.maketrans({character: f"\\{character}" for character in r"\.+*?()|[]{}^$/"})
# The server makes comparisons of a regular expression of up to a hundred alternatives.
FEW_NAMES = 100
_LONGEST_PATTERN = 1 << 16  # bytes; Flux's parser refuses a regular expression of 250 KB
# Go nests alternatives by the starts that they share, two levels a character, and allows a thousand levels.
_LONGEST_ALTERNATIVE = 400  # characters
_SHORTEST_SLICE = 86_400 * 1_000_000_000  # nanoseconds
_DAYS_OF_SHARD = 7  # unless a bucket was made with others
_UNUSED = ("_start", "_stop", "_measurement")
# What a list of a measurement's tag keys has besides its tags.
OWN_KEYS = ("_field", "_measurement", "_start", "_stop")
# Columns that no tag can have in a filter. The storage engine takes "$" for the value, and "_name" for the
# measurement.
OWN = ("_field", "_measurement", "_name", "_start", "_stop", "_time", "_value", "$")


@dataclass(frozen=True, slots=True)
class Query:
    """A Flux query as it is sent: a small value that can be pickled.

    Attributes:
        flux: The text.
        params: Values the text uses as ``params.name``, as a Flux AST file; see `_flux_params`.
    """

    path: ClassVar[str] = "api/v2/query"
    accept: ClassVar[str] = "application/csv"
    content_type: ClassVar[str] = "application/json"
    format: ClassVar[str] = "CSV"

    flux: str
    params: str | None = None

    def body(self) -> bytes:
        """Return the JSON body of a query request."""
        request: dict[str, object] = {
            "type": "flux",
            "query": self.flux,
            "dialect": {"header": True, "annotations": ["datatype", "group", "default"]},
        }
        if self.params is not None:
            request["extern"] = json.loads(self.params)
        return json.dumps(request).encode()

    def decoder(self) -> Decoder:
        """Return a new decoder of the answer."""
        from db_core.annotated_csv import Decoder  # it loads the native module

        return Decoder()


def string(text: str) -> str:
    """Return the Flux literal of a text; only here does text enter a query.

    A dollar sign is written by its code, since ``${`` would open an interpolation.
    """
    return f'"{text.translate(_ESCAPES)}"'


def strings(texts: Sequence[str]) -> str:
    """Return the Flux array of texts."""
    return f"[{', '.join(map(string, texts))}]"


def conditions(tags: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return checked tag keys with their values; an empty value matches series without the tag."""
    if tags is None:
        return ()
    if not isinstance(tags, Mapping):
        raise invalid("tags", f"must map tag keys to a value or a list of values, not {tags!r}")
    checked = []
    for key, values in tags.items():
        checked.append((tag_key(key, "tags", "a key"), _values(key, values)))
    return tuple(checked)


def tag_key(value: object, argument: str, place: str | None = None) -> str:
    """Return the key of a tag; `place` says where in the argument it is."""
    key = text(value, argument, place)
    if key in OWN:
        raise invalid(
            argument, f"must name {'tags' if place else 'a tag'}, not InfluxDB's own column {key!r}"
        )
    return key


def _values(key: str, values: object) -> tuple[str, ...]:
    """Return the values that a tag may have, each once; those of a set are sorted."""
    listed = [values] if values is None or isinstance(values, Real) else several(values)
    if not listed:
        raise invalid("tags", f"must have text or a collection of texts for {key!r}, not {values!r}")
    checked = dict.fromkeys(_value(key, value) for value in listed)
    return tuple(sorted(checked) if isinstance(values, set | frozenset) else checked)


def _value(key: str, value: object) -> str:
    if value is None or is_missing(value) or (isinstance(value, str) and not value):
        return ""
    if isinstance(value, Real) and not isinstance(value, bool):
        raise invalid("tags", f"must have values of text: expected '{value}' for {key!r}, not {value!r}")
    return text(value, "tags", f"a value of {key!r}")


@dataclass(frozen=True, slots=True)
class Selection:
    """The points of a read, by bucket, measurement, fields, tags and time. All attributes are checked.

    Attributes:
        bucket: Name of the bucket.
        measurement: Name of the measurement; it is empty only where points of all are deleted.
        fields: Names of the fields; None is all of them.
        tags: Tag keys with the values each may have; an empty value matches series without the tag.
        start: Nanoseconds since the epoch, included.
        stop: Nanoseconds since the epoch, excluded.
    """

    bucket: str
    measurement: str
    fields: tuple[str, ...] | None
    tags: tuple[tuple[str, tuple[str, ...]], ...]
    start: int
    stop: int

    def flux(self) -> str:
        """Return the query's source, range and filters, in the order that the storage engine runs itself."""
        lines = [
            f"from(bucket: {string(self.bucket)})",
            f"  |> range(start: {_times.time_literal(self.start)}, stop: {_times.time_literal(self.stop)})",
        ]
        if self.measurement:
            lines.append(f"  |> filter(fn: (r) => r._measurement == {string(self.measurement)})")
        if self.fields is not None:
            lines.append(f"  |> filter(fn: (r) => {_any_of('_field', self.fields)})")
        lines += [f"  |> filter(fn: (r) => {_any_of(key, values)})" for key, values in self.tags]
        return "\n".join(lines)


def _any_of(column: str, values: Sequence[str]) -> str:
    """Return the condition that a tag has one of the values; an empty value matches series without it.

    InfluxDB evaluates the whole condition for each series, so thousands of comparisons take quadratic time.
    Many values are therefore regular expressions.
    """
    cell = f"r[{string(column)}]"
    compared, patterns = alternatives(values)
    conditions = [f"{cell} =~ /{pattern}/" for pattern in patterns]
    conditions += [f"{cell} == {string(value)}" if value else f"not exists {cell}" for value in compared]
    return either(conditions, "or")


def alternatives(values: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide values into those to compare with, and regular expressions that match all others.

    The alternatives of an expression are sorted, as Go's regexp then walks along the starts that they
    share, and takes as long for many alternatives as for few.
    """
    compared = [value for value in values if not _is_plain(value)]
    patterns = []
    for group in _groups(sorted(set(values).difference(compared))):
        if len(group) > FEW_NAMES:
            patterns.append(f"^(?:{'|'.join(value.translate(_PATTERN) for value in group)})$")
        else:
            compared += group
    return compared, patterns


def _is_plain(value: str) -> bool:
    """Tell whether a value can be an alternative: U+FFFD can't, as Go's regexp takes invalid bytes for it."""
    return 0 < len(value) <= _LONGEST_ALTERNATIVE and value.isprintable() and "\ufffd" not in value


def _groups(values: Sequence[str]) -> Iterator[list[str]]:
    """Yield the values in groups that are no longer than a regular expression may be."""
    group: list[str] = []
    size = 0
    for value in values:
        length = len(value.translate(_PATTERN).encode()) + 1
        if size + length > _LONGEST_PATTERN:
            yield group
            group, size = [], 0
        group.append(value)
        size += length
    if group:
        yield group


def either(conditions: Sequence[str], operator: str) -> str:
    """Return the condition that one of several holds; `operator` is the language's word for "or"."""
    # Halves in parentheses, since the server takes a chain of two hundred for too deep a nesting.
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return f"({either(conditions[:half], operator)} {operator} {either(conditions[half:], operator)})"


def slices(selection: Selection, max_parallel: int) -> list[Selection]:
    """Divide the range into up to `max_parallel` parts of at least a day each.

    A slice costs the server some 40 us a series; in slices of a day or more, the points cost more than that.
    The server compares a long list of tag values with the series of each shard in each slice. So a slice
    of such a read is a shard at least.
    """
    names = sum(len(values) for _, values in selection.tags)
    length = selection.stop - selection.start
    shortest = _SHORTEST_SLICE * (_DAYS_OF_SHARD if names > FEW_NAMES else 1)
    count = max(1, min(max_parallel, length // shortest))
    edges = [selection.start + length * number // count for number in range(count + 1)]
    return [replace(selection, start=start, stop=stop) for start, stop in pairwise(edges)]


def raw(selection: Selection, *, with_field: bool = False) -> Query:
    """Ask for points as they are stored; `with_field` keeps the column of fields, also of one field."""
    unused = _UNUSED if with_field else _unused(selection)
    return Query(f"{selection.flux()}\n  |> drop(columns: {strings(unused)})")


def _unused(selection: Selection) -> tuple[str, ...]:
    """Return the columns that are not sent: also the column of fields, where a read is of one field."""
    return (*_UNUSED, "_field") if selection.fields is not None and len(selection.fields) == 1 else _UNUSED


def windows(selection: Selection, windows: Windows, function: str, *, label: str = "stop") -> list[Query]:
    """Ask for one value per window that has points, by a query for each segment.

    Args:
        selection: What to read.
        windows: The windows.
        function: One that the storage engine knows.
        label: "start" or "stop": which edge is a window's time.
    """
    return [Query(text) for text in _windows(selection, windows, function, label, _unused(selection))]


def several_windows(
    selection: Selection, windows: Windows, functions: Mapping[str, tuple[str, Sequence[str]]], *, label: str
) -> list[Query]:
    """Ask for several functions per window in one query, each with a result of its own.

    Each has its own source, since the storage engine computes no function of a source that two results share.

    Args:
        selection: What to read.
        windows: The windows.
        functions: By the name of the result, the function and the fields.
        label: "start" or "stop": which edge is a window's time.
    """
    texts = [
        [
            f'{text}\n  |> yield(name: "{result}")'
            for text in _windows(part, windows, function, label, _UNUSED)
        ]
        for result, (function, fields) in functions.items()
        for part in [replace(selection, fields=tuple(fields))]
    ]
    return [Query("\n".join(results)) for results in zip(*texts, strict=True)]


def _windows(
    selection: Selection, windows: Windows, function: str, label: str, unused: Sequence[str]
) -> list[str]:
    texts = []
    for part in windows.segments:
        source = replace(selection, start=part.start, stop=part.stop).flux()
        shift = f"offset: {part.offset}ns, " if part.offset else ""
        texts.append(
            f"{source}\n"
            f"  |> aggregateWindow(every: {part.every}, {shift}fn: {function}, createEmpty: false, "
            f'timeSrc: "_{label}")\n'
            f"  |> drop(columns: {strings(unused)})"
        )
    return texts


def extremes(selection: Selection) -> Query:
    """Ask for the smallest and the greatest value of each series and field, and how many there are."""
    unused = strings((*_UNUSED, "_time"))
    source, end = selection.flux(), f"drop(columns: {unused})"
    return Query(
        "\n".join(
            f'{source}\n  |> {function}()\n  |> {end}\n  |> yield(name: "{function}")'
            for function in ("min", "max", "count")
        )
    )


def counts(selection: Selection) -> Query:
    """Ask how many points each field has over all series."""
    return Query(f'{selection.flux()}\n  |> count()\n  |> group(columns: ["_field"])\n  |> sum()')


def edges(selection: Selection) -> Query:
    """Ask for the times of the first and of the last point."""
    source = selection.flux()
    return Query(
        "\n".join(
            f'{source}\n  |> {function}()\n  |> keep(columns: ["_time"])\n'
            f'  |> sort(columns: ["_time"], desc: {descending})\n  |> limit(n: 1)\n'
            f'  |> yield(name: "{function}")'
            for function, descending in (("first", "false"), ("last", "true"))
        )
    )


def series_tags(selection: Selection) -> Query:
    """Ask for the measurement and the tags of each series; an empty measurement stands for all of them."""
    unused = strings(("_start", "_stop", "_field", "_value"))
    return Query(f"{selection.flux()}\n  |> first()\n  |> drop(columns: {unused})\n  |> limit(n: 1)")


def width(start: int, stop: int, number: int) -> int:
    """Return the nanoseconds of each of about so many equal parts of a range."""
    return -((start - stop) // number)


def histogram(selection: Selection, number: int) -> Query:
    """Ask how many points each field has over all series in each of about so many equal windows of the range.

    A window's time is its start; those without points are left out.
    """
    every = width(selection.start, selection.stop, number)
    offset = selection.start % every
    return Query(
        f"{selection.flux()}\n  |> aggregateWindow(every: {every}ns, offset: {offset}ns, fn: count, "
        'createEmpty: false, timeSrc: "_start")\n'
        '  |> group(columns: ["_field", "_time"])\n  |> sum()'
    )


def average(selection: Selection, large: Container[str] = ()) -> Query:
    """Ask for the mean over the whole range, and for the newest time in it.

    Args:
        selection: What to read; fields are named.
        large: Fields of integers whose sum may not fit in 64 bits. The server converts each of
            their points to a double first, which is slower.
    """
    texts = [f"{selection.flux()}\n  |> last()\n  |> drop(columns: {strings((*_UNUSED, '_value'))})"]
    for is_large, function in ((False, "mean()"), (True, "toFloat()\n  |> mean()")):
        if fields := tuple(field for field in selection.fields or () if (field in large) == is_large):
            source = replace(selection, fields=fields).flux()
            texts.append(f"{source}\n  |> {function}\n  |> drop(columns: {strings(_UNUSED)})")
    return Query("\n".join(f'{text}\n  |> yield(name: "{name}")' for name, text in enumerate(texts)))


def series(selection: Selection, function: str = "first") -> Query:
    """Ask for one point of each series and field: the "first" or the "last"."""
    return Query(f"{selection.flux()}\n  |> {function}()\n  |> drop(columns: {strings(_UNUSED)})")


def last_before(selection: Selection) -> Query:
    """Ask for the last point of each series and field before the range, however old it is."""
    earlier = replace(selection, start=_times.EARLIEST, stop=selection.start)
    return Query(f"{earlier.flux()}\n  |> last()\n  |> drop(columns: {strings(_unused(selection))})")


def newest(selection: Selection) -> Query:
    """Ask for the last point of each series and field, whose tags do not matter."""
    # Tags of these names would be mistaken for columns of the answer itself.
    unused = strings((*_UNUSED, "result", "table"))
    return Query(f"{selection.flux()}\n  |> last()\n  |> drop(columns: {unused})")


def retention(bucket: str) -> Query:
    """Ask how long a bucket keeps its points: one row of nanoseconds, 0 for ever."""
    return Query(
        f"buckets()\n  |> filter(fn: (r) => r.name == {string(bucket)})\n"
        '  |> keep(columns: ["retentionPeriod"])'
    )


def measurements(bucket: str) -> Query:
    """Ask for the measurements of a bucket, over all time."""
    return _names("measurements", bucket=bucket)


def fields(bucket: str, measurement: str) -> Query:
    """Ask for the fields of a measurement, over all time."""
    return _names("measurementFieldKeys", bucket=bucket, measurement=measurement)


def tag_keys(bucket: str, measurement: str) -> Query:
    """Ask for the tag keys of a measurement, over all time; InfluxDB's own columns are among them.

    An empty measurement stands for all of them.
    """
    if not measurement:
        return _names("tagKeys", bucket=bucket)
    return _names("measurementTagKeys", bucket=bucket, measurement=measurement)


def tag_values(bucket: str, measurement: str, key: str) -> Query:
    """Ask for the values of a measurement's tag, over all time. An empty measurement means all of them."""
    if not measurement:
        return _names("tagValues", bucket=bucket, tag=key)
    return _names("measurementTagValues", bucket=bucket, measurement=measurement, tag=key)


def _names(function: str, **arguments: str) -> Query:
    # Without a range these functions look back 30 days.
    start, stop = _times.time_literal(_times.EARLIEST), _times.time_literal(_times.LATEST)
    texts = "".join(f"{name}: {string(text)}, " for name, text in arguments.items())
    return Query(
        f'import "influxdata/influxdb/schema"\nschema.{function}({texts}start: {start}, stop: {stop})'
    )
