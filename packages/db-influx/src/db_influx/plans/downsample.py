"""Values per window: which ones the storage engine works out, and which the points themselves are read for.

InfluxDB's storage engine works out count, sum, mean, min, max, first and last where the
points lie. For every other function InfluxDB 2.9.1 goes through all points window by window:
a year of minutes of 20 meters takes it two to four minutes, where reading these points takes
seconds. Some functions are also not what their name says: median and quantile are estimates, mode has several
answers or none. So their points are read, and the native crate works them out as they
arrive, slice by slice.

A mean or sum of integers overflows in the server without a word. So their extremes are
asked for beside them, and where an overflow is possible, the points are read too.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from functools import partial
from itertools import pairwise
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
    from collections.abc import Mapping, Sequence

    from db_core.annotated_csv import Answer
    from db_core.frame import Frame
    from db_influx._field_types import FieldTypes
    from db_influx._flux import Query, Selection
    from db_influx._options import Edge, Options
    from db_influx._steps import Steps
    from db_influx._windows import Windows

__all__ = ["Wanted", "average", "downsample"]

_IN_STORAGE = ("count", "first", "last", "max", "mean", "min", "spread", "sum")
_MAY_OVERFLOW = ("mean", "sum")
_DAY = 86_400 * 1_000_000_000
_INTEGERS = ("integer", "unsigned")
_LARGEST = {"int64": 2**63 - 1, "uint64": 2**64 - 1}
_LEAST = "\0least:"  # before the name of a column; no field's name that InfluxDB takes begins with it


class Wanted(NamedTuple):
    """What a downsampled read asks for, beside its points.

    Attributes:
        cut: The windows.
        columns: The columns.
        label: Whether a window's start or stop is its time.
        create_empty: Return windows without points too.
    """

    cut: Windows
    columns: Sequence[Aggregate]
    label: Edge
    create_empty: bool


def downsample(
    selection: Selection,
    wanted: Wanted,
    labels: array[int] | None,
    types: FieldTypes,
    options: Options,
) -> Steps[Frame]:
    """Read one value per window and column.

    Args:
        selection: What to read; fields are named.
        wanted: The windows and columns.
        labels: The times of all windows, if those without points are wanted too.
        types: The types of the fields, as far as they are known.
        options: Say in how many slices points are read, and what the frame is.

    Raises:
        InvalidArgumentError: A sum or spread exceeds 64 bits, or there are too many windows.
    """
    cut, every, label, _ = wanted
    added = {one.field: None for one in every if one.function in _MAY_OVERFLOW}
    integers = {field: None for field in added if _may_be_integer(field, types)}
    kinds = {one.column: kind for one in every if (kind := _kind(one, types))}
    try:
        make = partial(_Plan, selection, cut, every, label, options.max_parallel)
        plan: _Plan = yield Work(make, 8 * cut.count)
        answers, exact = yield from _with_bounds(plan.queries, selection, integers, options.max_parallel)
        if exact:
            plan = yield Work(partial(make, exact=exact), 8 * cut.count)
            answers = yield Ask(plan.queries, options.max_parallel)
        work = partial(
            pivot,
            answers,
            fields=plan.columns,
            by=options.by,
            empty_text=True,
            renamed=plan.renamed,
            kinds={**kinds, **{least: kinds[one] for one, least in plan.spreads if one in kinds}},
            tz=options.tz,
            axis=labels,
            zeros=[one.column for one in every if one.function == "count"] if labels else (),
            spreads=plan.spreads,
        )
        frame: Frame = yield Work(work, bytes_of(answers) + 8 * len(labels or ()))
        return frame  # noqa: TRY300 - of the block
    except InvalidArgumentError as error:
        if error.argument not in ("wanted", "spreads"):  # of a sum and a spread beyond 64 bits
            raise
        message = f"`agg_func`: {error}; use 'mean' and 'count' for a sum, 'min' and 'max' for a spread"
        raise InvalidArgumentError(message, argument="agg_func") from error


def average(selection: Selection, types: FieldTypes, options: Options) -> Steps[Frame]:
    """Read the mean of each field over the whole range, one row per series, at the newest time in it.

    Arguments are those of `downsample`.
    """
    fields = selection.fields or ()
    means = [Aggregate(field, field, "mean", "mean") for field in fields]
    check_types(means, types, selection.measurement, argument="fields")
    integers = {field: None for field in fields if _may_be_integer(field, types)}
    queries = [_flux.average(selection)]
    answers, large = yield from _with_bounds(queries, selection, integers, options.max_parallel)
    if large:
        answers = yield Ask([_flux.average(selection, large)], 1)
    kinds = dict.fromkeys(fields, "float64")
    work = partial(pivot, answers, fields=fields, by=options.by, kinds=kinds, tz=options.tz)
    frame: Frame = yield Work(work, bytes_of(answers))
    return frame


def _with_bounds(
    queries: Sequence[Query | Reduced], selection: Selection, integers: Mapping[str, object], at_once: int
) -> Steps[tuple[list[Answer], frozenset[str]]]:
    """Ask queries; return their answers, and those of the integer fields whose sum may overflow."""
    bounds = [_flux.extremes(_of_fields(selection, integers))] if integers else []
    answers = yield Ask([*queries, *bounds], at_once)
    if not bounds:
        return answers, frozenset()
    extremes = answers.pop()
    return answers, (yield Work(partial(_overflowing, extremes), bytes_of([extremes])))


def _may_be_integer(field: str, types: FieldTypes) -> bool:
    return any(kind in _INTEGERS for kind in types.get(field, ()))


def _overflowing(bounds: Answer) -> frozenset[str]:
    """Return the fields whose sum may not fit in 64 bits; `bounds` is the answer about their extremes."""
    most: dict[str, int] = {}
    extremes: list[tuple[str, int, int]] = []
    for found, kinds in columns(bounds, result=TEXT, _field=TEXT, _value=("float64", "int64", "uint64")):
        for result, field, value in zip(found["result"], found["_field"], found["_value"], strict=True):
            if result == "count":
                most[field] = max(most.get(field, 0), value)
            elif kinds["_value"] in _LARGEST:  # a field of integers may hold doubles in this range
                extremes.append((field, abs(value), _LARGEST[kinds["_value"]]))
    return frozenset(field for field, value, largest in extremes if value * most.get(field, 0) > largest)


class _Plan:
    """The queries of a read, and how their answers become columns.

    Attributes:
        queries: What is sent.
        columns: The columns, and behind them those that are only taken from others.
        renamed: Result, field and column of each; empty where fields are the columns.
        spreads: Columns of greatest values, with the columns of least values taken from them.
    """

    def __init__(
        self,
        selection: Selection,
        cut: Windows,
        wanted: Sequence[Aggregate],
        label: str,
        max_parallel: int,
        exact: frozenset[str] = frozenset(),
    ) -> None:
        stored: list[Aggregate] = []
        read: list[Aggregate] = []
        for one in wanted:
            overflows = one.field in exact and one.function in _MAY_OVERFLOW
            (stored if one.function in _IN_STORAGE and not overflows else read).append(one)
        self.columns = [one.column for one in wanted]
        self.renamed: list[tuple[str, str, str]] = []
        self.spreads: list[tuple[str, str]] = []
        self.queries: list[Query | Reduced] = []
        labels = {one.label for one in wanted}
        if len(labels) == 1 and not read and "spread" not in labels and self.columns == list(_fields(wanted)):
            self.queries += _flux.windows(selection, cut, wanted[0].function, label=label)
            return
        results: dict[str, tuple[str, list[str]]] = {}
        for one in stored:
            parts = [(one.function, one.function, one.column)]
            if one.function == "spread":
                least = f"{_LEAST}{one.column}"
                self.spreads.append((one.column, least))
                parts = [("greatest", "max", one.column), ("least", "min", least)]
            for result, function, column in parts:
                results.setdefault(result, (function, []))[1].append(one.field)
                self.renamed.append((result, one.field, column))
        self.columns += [least for _, least in self.spreads]
        if results:
            self.queries += _flux.several_windows(selection, cut, results, label=label)
        if read:
            self._read_points(selection, cut, read, label, max_parallel)

    def _read_points(
        self, selection: Selection, cut: Windows, read: Sequence[Aggregate], label: str, max_parallel: int
    ) -> None:
        self.renamed += [(f"points:{one.label}", one.field, one.column) for one in read]
        fields_of: dict[str, tuple[Aggregate, list[str]]] = {}
        for one in read:
            fields_of.setdefault(one.label, (one, []))[1].append(one.field)
        functions = [
            (f"points:{name}", one.function, one.share, fields) for name, (one, fields) in fields_of.items()
        ]
        edges = cut.labels("stop", without="functions that need every point")
        edges.insert(0, selection.start)
        reduce = partial(_reduced, edges=edges, label=label, wanted=functions)
        chosen = _of_fields(selection, _fields(read))
        for start, stop in pairwise(_cuts(edges, max_parallel)):
            query = _flux.raw(replace(chosen, start=start, stop=stop), with_field=True)
            self.queries.append(Reduced(query, reduce))


def _reduced(
    answer: Answer, *, edges: array[int], label: str, wanted: Sequence[tuple[str, str, float, Sequence[str]]]
) -> Answer:
    return answer.aggregate(edges=edges, label=label, wanted=wanted)


def _cuts(edges: array[int], max_parallel: int) -> list[int]:
    """Return where slices begin and end: at edges of windows, at least a day apart where windows allow."""
    first, last = edges[0], edges[-1]
    count = max(1, min(max_parallel, (last - first) // _DAY))
    ideal = (first + (last - first) * number // count for number in range(1, count))
    return sorted({first, last, *(edges[bisect_left(edges, time)] for time in ideal)})


def _of_fields(selection: Selection, fields: Mapping[str, object]) -> Selection:
    return replace(selection, fields=tuple(fields))


def _fields(wanted: Sequence[Aggregate]) -> dict[str, None]:
    return dict.fromkeys(one.field for one in wanted)


def _kind(one: Aggregate, types: FieldTypes) -> str | None:
    """Return what a column holds, if that is known without its values."""
    if one.function == "count":
        return "int64"
    if one.function in ("mean", "quantile", "skew", "stddev"):
        return "float64"
    held = types.get(one.field, ())
    return KINDS[held[0]] if len(held) == 1 else None
