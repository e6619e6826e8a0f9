"""Values per window: those that the storage engine computes, and those that are computed here from points.

InfluxDB's storage engine computes count, sum, mean, min, max, first and last where the
points lie. For every other function InfluxDB 2.9.1 goes through all points window by window:
a year of minutes of 20 meters takes it two to four minutes, where reading these points takes
seconds. Some functions are also not what their name says: median and quantile are estimates,
and mode returns several values or none. So their points are read, and the native crate computes
them slice by slice as they arrive.

A mean or sum of integers can overflow in the server, which does not report it. So the extremes
are read in the same step, and where an overflow is possible, the points are read too.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from functools import partial
from itertools import pairwise
from operator import methodcaller
from typing import TYPE_CHECKING, NamedTuple

from db_core.errors import InvalidArgumentError
from db_core.pivot import pivot
from db_influx import _flux
from db_influx._aggregates import Aggregate, check_types
from db_influx._field_types import KINDS
from db_influx._steps import Ask, Reduced, Work
from db_influx.plans.columns import TEXT, columns
from db_influx.plans.frames import bytes_of

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Sequence

    from db_core.annotated_csv import Answer
    from db_core.frame import Frame
    from db_influx._field_types import FieldTypes
    from db_influx._flux import Query, Selection
    from db_influx._options import Edge, Options
    from db_influx._steps import Steps
    from db_influx._windows import Windows

__all__ = ["DownsampleSpec", "average", "downsample", "kind_of"]

_IN_STORAGE = ("count", "first", "last", "max", "mean", "min", "spread", "sum")
_MAY_OVERFLOW = ("mean", "sum")
_DAY = 86_400 * 1_000_000_000
_INTEGERS = frozenset(("integer", "unsigned"))
_LARGEST = {"int64": 2**63 - 1, "uint64": 2**64 - 1}
_LEAST = "\0least:"  # before the name of a column; no field's name in InfluxDB begins so


class DownsampleSpec(NamedTuple):
    """The windows and columns of a downsampled read.

    Attributes:
        windows: The windows.
        columns: The columns.
        label: The edge of a window that is its time.
        create_empty: Return windows without points too.
    """

    windows: Windows
    columns: Sequence[Aggregate]
    label: Edge
    create_empty: bool


def downsample(
    selection: Selection, spec: DownsampleSpec, labels: array[int] | None, types: FieldTypes, options: Options
) -> Steps[Frame]:
    """Read one value per window and column.

    Args:
        selection: What to read; fields are named.
        spec: The windows and columns.
        labels: The times of all windows, if the frame has those without points too.
        types: The types of the fields, as far as they are known.
        options: The number of slices, and the form of the frame.

    Raises:
        InvalidArgumentError: A sum or spread exceeds 64 bits, or there are too many windows.
    """
    columns = spec.columns
    summed = _fields(column for column in columns if column.function in _MAY_OVERFLOW)
    kinds = {column.column: kind for column in columns if (kind := kind_of(column, types))}
    make, size = partial(_Queries, selection, spec, options.max_parallel), 8 * spec.windows.count
    try:
        queries: _Queries = yield Work(make, size)
        answers, large = yield from _with_extremes(queries.queries, selection, summed, types, options)
        if large:
            queries = yield Work(partial(make, large), size)
            answers = yield Ask(queries.queries, options.max_parallel, counts=True)
        work = partial(
            pivot,
            answers,
            fields=queries.columns,
            by=options.by,
            empty_text=True,
            renamed=queries.renamed,
            kinds=kinds | {least: kinds[most] for most, least in queries.spreads if most in kinds},
            tz=options.tz,
            axis=labels,
            zeros=[column.column for column in columns if column.function == "count"] if labels else (),
            spreads=queries.spreads,
        )
        frame: Frame = yield Work(work, bytes_of(answers) + 8 * len(labels or ()))
        return frame  # noqa: TRY300 - of the block
    except InvalidArgumentError as error:
        if error.argument not in ("wanted", "spreads"):  # the native names of sums and spreads
            raise
        message = f"`agg_func`: {error}. Use 'mean' and 'count' for a sum, 'min' and 'max' for a spread"
        raise InvalidArgumentError(message, argument="agg_func") from error


def average(selection: Selection, types: FieldTypes, options: Options) -> Steps[Frame]:
    """Read the mean of each field over the whole range, one row per series, at the newest time in it.

    Arguments are those of `downsample`.
    """
    fields = selection.fields or ()
    means = [Aggregate(field, field, "mean", "mean") for field in fields]
    check_types(means, types, selection.measurement, argument="fields")
    queries = [_flux.average(selection)]
    answers, large = yield from _with_extremes(queries, selection, fields, types, options)
    if large:
        answers = yield Ask([_flux.average(selection, large)], 1)
    kinds = dict.fromkeys(fields, "float64")
    work = partial(pivot, answers, fields=fields, by=options.by, kinds=kinds, tz=options.tz)
    frame: Frame = yield Work(work, bytes_of(answers))
    return frame


def _with_extremes(
    queries: Sequence[Query | Reduced],
    selection: Selection,
    summed: Iterable[str],
    types: FieldTypes,
    options: Options,
) -> Steps[tuple[list[Answer], frozenset[str]]]:
    """Ask queries; return their answers, and those of the summed fields whose sum may not fit in 64 bits."""
    integers = [field for field in summed if not _INTEGERS.isdisjoint(types.get(field, ()))]
    extremes = [_flux.extremes(replace(selection, fields=tuple(integers)))] if integers else []
    answers = yield Ask([*queries, *extremes], options.max_parallel, counts=True)
    if not extremes:
        return answers, frozenset()
    answer = answers.pop()
    return answers, (yield Work(partial(_large, answer), bytes_of([answer])))


def _large(extremes: Answer) -> frozenset[str]:
    """Return the fields whose sum may not fit in 64 bits."""
    counts: dict[str, int] = {}
    values: list[tuple[str, int, int]] = []
    for rows, kinds in columns(extremes, result=TEXT, _field=TEXT, _value=("float64", "int64", "uint64")):
        for result, field, value in zip(rows["result"], rows["_field"], rows["_value"], strict=True):
            if result == "count":
                counts[field] = max(counts.get(field, 0), value)
            elif kinds["_value"] in _LARGEST:  # a field of integers may have doubles in this range
                values.append((field, abs(value), _LARGEST[kinds["_value"]]))
    return frozenset(field for field, value, largest in values if value * counts.get(field, 0) > largest)


class _Queries:
    """The queries of a downsampled read, and how their answers become columns.

    Attributes:
        queries: The queries.
        columns: The columns, then those that are only subtracted from others.
        renamed: Result, field and column of each; empty where fields are the columns.
        spreads: Columns of greatest values, with the columns of least values taken from them.
    """

    def __init__(
        self,
        selection: Selection,
        spec: DownsampleSpec,
        max_parallel: int,
        large: frozenset[str] = frozenset(),
    ) -> None:
        by_server: list[Aggregate] = []
        by_points: list[Aggregate] = []
        for column in spec.columns:
            may_overflow = column.field in large and column.function in _MAY_OVERFLOW
            in_storage = column.function in _IN_STORAGE and not may_overflow
            (by_server if in_storage else by_points).append(column)
        self.columns = [column.column for column in spec.columns]
        self.renamed: list[tuple[str, str, str]] = []
        self.spreads: list[tuple[str, str]] = []
        self.queries: list[Query | Reduced] = []
        functions = {column.label for column in spec.columns}
        if len(functions) == 1 and not by_points and self.columns == _fields(spec.columns):
            [function] = functions
            if function != "spread":
                self.queries += _flux.windows(selection, spec.windows, function, label=spec.label)
                return
        results: dict[str, tuple[str, list[str]]] = {}
        for column in by_server:
            parts = [(column.function, column.function, column.column)]
            if column.function == "spread":
                least = f"{_LEAST}{column.column}"
                self.spreads.append((column.column, least))
                parts = [("greatest", "max", column.column), ("least", "min", least)]
            for result, function, name in parts:
                results.setdefault(result, (function, []))[1].append(column.field)
                self.renamed.append((result, column.field, name))
        self.columns += [least for _, least in self.spreads]
        if results:
            self.queries += _flux.several_windows(selection, spec.windows, results, label=spec.label)
        if by_points:
            self._read_points(selection, spec, by_points, max_parallel)

    def _read_points(
        self, selection: Selection, spec: DownsampleSpec, columns: Sequence[Aggregate], max_parallel: int
    ) -> None:
        self.renamed += [(f"points:{column.label}", column.field, column.column) for column in columns]
        fields_of: dict[str, tuple[Aggregate, list[str]]] = {}
        for column in columns:
            fields_of.setdefault(column.label, (column, []))[1].append(column.field)
        functions = [
            (f"points:{label}", column.function, column.share, fields)
            for label, (column, fields) in fields_of.items()
        ]
        edges = spec.windows.labels("stop", without="functions that need every point")
        edges.insert(0, selection.start)
        reduce = methodcaller("aggregate", edges=edges, label=spec.label, wanted=functions)
        for start, stop in pairwise(_slice_edges(edges, max_parallel)):
            part = replace(selection, fields=tuple(_fields(columns)), start=start, stop=stop)
            self.queries.append(Reduced(_flux.raw(part, with_field=True), reduce))


def _slice_edges(edges: array[int], max_parallel: int) -> list[int]:
    """Return the edges of slices: edges of windows, at least a day apart where windows allow."""
    first, last = edges[0], edges[-1]
    count = max(1, min(max_parallel, (last - first) // _DAY))
    ideal = (first + (last - first) * number // count for number in range(1, count))
    return sorted({first, last, *(edges[bisect_left(edges, time)] for time in ideal)})


def _fields(columns: Iterable[Aggregate]) -> list[str]:
    return list(dict.fromkeys(column.field for column in columns))


def kind_of(column: Aggregate, types: FieldTypes) -> str | None:
    """Return the type of a column, if it is known without its values."""
    if column.function == "count":
        return "int64"
    if column.function in ("mean", "quantile", "skew", "stddev"):
        return "float64"
    stored = types.get(column.field, ())
    return KINDS[stored[0]] if len(stored) == 1 else None
