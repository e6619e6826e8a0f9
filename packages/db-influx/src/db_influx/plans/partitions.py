"""Partitions of a read: one question, cut by time into parts of one schema that together are the whole read.

The columns and their types are decided once, from the types that the server knows and a point of each series
in the range. A part that has other ones, since something was written meanwhile, is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from db_core import meter
from db_core.errors import InvalidArgumentError, SchemaConflictError
from db_core.pivot import pivot
from db_influx import _flux
from db_influx._aggregates import Aggregate, check_types
from db_influx._arguments import invalid
from db_influx._steps import Ask, Work
from db_influx._times import EARLIEST, LATEST
from db_influx._windows import Windows
from db_influx.plans import read
from db_influx.plans.columns import TEXT, columns
from db_influx.plans.consumption import ConsumptionSpec
from db_influx.plans.downsample import DownsampleSpec, kind_of
from db_influx.plans.frames import wide
from db_influx.plans.points import source
from db_influx.plans.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from db_core.frame import Frame, Into
    from db_influx._flux import Selection
    from db_influx._options import Closed, Edge, Options
    from db_influx._steps import Steps
    from db_influx.plans.schema import Databases

__all__ = ["Layout", "Metered", "Reduction", "Windowed", "empty", "part", "planned", "released"]

_MOST = 100_000  # partitions of a read
_AT_ONCE = 64  # windows in which points are counted, for each range that is cut
_NULLABLE = {"int64": "Int64", "uint64": "UInt64", "bool": "boolean"}
_VALUE = 16  # bytes


@dataclass(frozen=True, slots=True)
class Windowed:
    """Values per window, of functions.

    Attributes:
        every: Length of a window, a Flux duration.
        columns: The columns.
        label: The edge of a window that is its time.
    """

    every: str
    columns: tuple[Aggregate, ...]
    label: Edge


@dataclass(frozen=True, slots=True)
class Metered:
    """Consumption per window.

    Attributes:
        every: Length of a window, a Flux duration.
        policy: How totals become consumption: arguments of `db_core.meter.Consumption`.
        closed: The edge that belongs to a window.
        label: The edge of a window that is its time.
    """

    every: str
    policy: dict[str, Any]
    closed: Closed
    label: Edge


Reduction: TypeAlias = "Windowed | Metered"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Layout:
    """What all partitions of a call have in common: the question, and the columns of the answers.

    Attributes:
        selection: What is read, over the whole range, with the names of all fields.
        reduction: What becomes of the points; None leaves them as they are stored.
        tags: The columns of tags.
        kinds: The columns of values with their types, as in `Frame.kinds`.
        dense: Each row has a value of every field.
        options: How it is read, and what the frames are.
    """

    selection: Selection
    reduction: Reduction | None
    tags: tuple[str, ...]
    kinds: dict[str, str]
    dense: bool
    options: Options

    @property
    def schema(self) -> dict[str, str]:
        """All columns with their types, in order."""
        return {"time": "timestamp", **dict.fromkeys(self.tags, "dictionary"), **self.kinds}

    @property
    def labels_stop(self) -> bool:
        """Tell whether the time of a row is the stop of its window."""
        return self.reduction is not None and self.reduction.label == "stop"

    def fields_of(self, asked: Sequence[str]) -> tuple[str, ...]:
        """Return the fields that a read of some columns has to query.

        The others decide which rows there are, unless each row has every field.
        """
        fields = self.selection.fields or ()
        reduction = self.reduction
        owner = {field: field for field in fields}
        if isinstance(reduction, Windowed):
            owner = {column.column: column.field for column in reduction.columns}
        elif isinstance(reduction, Metered) and reduction.policy["quality"]:
            owner |= {f"{field}_quality": field for field in fields}
        needed = {owner[column] for column in asked if column in owner}
        return tuple(field for field in fields if field in needed) if self.dense and needed else fields


def planned(
    databases: Databases,
    selection: Selection,
    reduction: Reduction | None,
    cut: tuple[str | None, int | None],
    options: Options,
    *,
    dense: bool,
    make: Callable[[Layout, list[int]], _T],
) -> Steps[_T]:
    """Decide on the columns of a read, and where it is cut.

    Args:
        databases: The known mappings of the manager.
        selection: What to read; fields are named.
        reduction: What becomes of the points.
        cut: The length of a partition, a Flux duration, or about how many rows one has.
        options: How it is read. `by` are the columns of tags; None is all that there are.
        dense: Each row has a value of every field.
        make: Makes the result of the layout and the edges of the partitions in nanoseconds, one more than
            there are partitions.
    """
    every, rows = cut
    edges = None if every is None else _by_length(selection, every, reduction, options.tz)
    schema = yield from Schema.of(databases, selection, options)
    if reduction is not None:
        yield from _check_reduction(schema, selection, reduction)
    else:
        source(schema, selection, options)  # raises what every part would
    # Windows that are closed at the right have the point at the stop of the range, and not that at its start.
    late = isinstance(reduction, Metered) and reduction.closed == "right"
    within = replace(selection, start=selection.start + late, stop=selection.stop + late)
    # A field may have another type in each shard, so that each is asked about such fields.
    queries = [_flux.series(one) for one in schema.apart([within])]
    answers = yield Ask(queries, options.max_parallel)
    known = schema.kinds(selection.fields)
    found = yield from wide(answers, selection.fields, options, kinds=known, tag_columns=options.by is None)
    del answers
    yield from schema.check_frame(selection, found, options)
    fields = selection.fields or ()
    names = found.columns
    tags = options.by or ()
    if options.by is None:
        tags = tuple(sorted([*found.index[:-1], *names[len(found.index) + len(fields) :]]))
    types = {field: kind for field, kind in found.kinds.items() if field in fields}
    if reduction is not None:
        types = _reduced(schema, reduction, known)
    columns = ["time", *tags, *types]
    if twice := [name for name in columns if columns.count(name) > 1]:
        message = (
            "and a tag or the time has this name too. Leave the field out, or leave the tag out with `by`"
        )
        raise invalid("fields", f"has {twice[0]!r}, {message}")
    options = replace(options, by=tags, missing="ignore")  # the whole range had its warning
    layout = Layout(selection, reduction, tags, types, dense, options)
    if reduction is not None:
        layout = replace(layout, kinds=_kinds_after(empty(layout), layout))
    if edges is None:
        edges = yield from _by_rows(selection, rows or 1, options)
        edges = _at_windows(edges, selection, reduction, options.tz)
    return make(layout, edges)


def part(
    databases: Databases,
    layout: Layout,
    within: tuple[int, int],
    tags: tuple[tuple[str, tuple[str, ...]], ...],
    asked: Sequence[str] | None,
    options: Options,
) -> Steps[Any]:
    """Read a partition.

    Args:
        databases: The known mappings of the manager.
        layout: The layout of the partition.
        within: Its range.
        tags: More conditions on tags.
        asked: Some of the columns; None is all.
        options: The options of the layout, with the kind of the frame.
    """
    names = list(layout.schema) if asked is None else ["time", *asked]
    fields = layout.fields_of(names)
    start, stop = within
    whole = layout.selection
    selection = replace(whole, fields=fields, tags=(*whole.tags, *tags), start=start, stop=stop)
    reduction = layout.reduction
    if reduction is None:
        frame = yield from read.stored(databases, selection, options, kinds=layout.kinds)
    elif isinstance(reduction, Windowed):
        columns = [column for column in reduction.columns if column.field in fields]
        windows = Windows(reduction.every, options.tz, start, stop)
        spec = DownsampleSpec(windows, columns, reduction.label, create_empty=False)
        frame = yield from read.downsampled(databases, selection, spec, options)
    else:
        # The first window of the whole range is shorter where the range begins within it.
        since = EARLIEST if start == whole.start else whole.start
        ends = start, stop, reduction.closed
        windows = Windows(reduction.every, options.tz, *ends, "timestep", since)
        metered = ConsumptionSpec(windows, reduction.label, _of_fields(reduction.policy, fields))
        frame = yield from read.accumulated(databases, selection, metered, options)
    size = _VALUE * len(frame) * len(frame.columns)
    held = [frame]
    del frame
    return (yield Work(partial(_handed, held, layout, names, options.into), size))


def empty(layout: Layout, asked: Sequence[str] | None = None) -> Frame:
    """Return the frame of a partition without rows."""
    reduction, options = layout.reduction, layout.options
    fields = layout.selection.fields or ()
    if isinstance(reduction, Metered):
        kinds = {field: layout.kinds.get(field, "float64") for field in fields}
        frame = meter.Consumption(
            (), fields=fields, kinds=kinds, by=layout.tags, tz=options.tz, **reduction.policy
        ).frame()
    else:
        frame = pivot((), fields=list(layout.kinds), kinds=layout.kinds, by=layout.tags, tz=options.tz)
    frame = frame.by_time()
    # As frames that are read: in Arrow, whether a column may be null is part of its type.
    return frame.only(frame.columns if asked is None else ["time", *asked])


def released(frame: Frame, into: Into) -> Any:
    """Hand a frame over; in pandas, integers and booleans have types that allow nulls.

    A partition can't know whether the others have nulls.
    """
    kinds = frame.kinds
    made: Any = frame.release(into)
    if into != "pandas":
        return made
    nullable = {name: _NULLABLE[kind] for name, kind in kinds.items() if kind in _NULLABLE}
    return made.astype(nullable) if nullable else made  # which takes a millisecond for nothing


def _handed(held: list[Frame], layout: Layout, names: Sequence[str], into: Into) -> Any:
    """Put a frame in order of time and hand it over. It is taken out of `held`, to be free by then."""
    frame = held.pop().by_time()
    kinds = frame.kinds
    expected = {name: kind for name, kind in layout.schema.items() if name != "time"}
    for name in names[1:]:
        if (kind := kinds.get(name)) != expected[name]:
            raise SchemaConflictError(
                f"column {name!r} of {layout.selection.measurement!r} was {expected[name]} when the "
                f"partitions were made, and is {kind or 'absent'} now. Make the partitions again"
            )
    return released(frame.only(names), into)


def _check_reduction(schema: Schema, selection: Selection, reduction: Reduction) -> Steps[None]:
    """Raise the error that a read of the whole range would raise about the types of its fields."""
    if isinstance(reduction, Metered):
        yield from schema.check_types([selection], newest=True)
        totals = [Aggregate(field, field, "consumption", "spread") for field in selection.fields or ()]
        check_types(totals, schema.types, selection.measurement, argument="fields")
        return
    newest = any(column.function == "last" for column in reduction.columns)
    yield from schema.check_types([selection], newest=newest)
    check_types(reduction.columns, schema.types, selection.measurement)


def _reduced(schema: Schema, reduction: Reduction, known: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of values and their types; for consumption, those of the totals that are known."""
    if isinstance(reduction, Metered):
        return dict(known)
    types = schema.types or {}
    kinds = {}
    for column in reduction.columns:
        kind = kind_of(column, types)
        if kind is None and len(types.get(column.field, ())) > 1:
            written = " and ".join(types[column.field])
            raise SchemaConflictError(
                f"field {column.field!r} was written as {written}, so the type of {column.column!r} may "
                "differ between windows, and partitions need one type. Write the field again with one type, "
                "or use `read`"
            )
        kinds[column.column] = kind or "float64"
    return kinds


def _kinds_after(frame: Frame, layout: Layout) -> dict[str, str]:
    return {name: kind for name, kind in frame.kinds.items() if name not in layout.tags}


def _of_fields(policy: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Return a policy about some of its fields."""
    per_field = {
        name: {field: value for field, value in policy[name].items() if field in fields}
        for name in ("rollover", "max_rate")
    }
    return {**policy, **per_field}


def _by_length(selection: Selection, every: str, reduction: Reduction | None, tz: str) -> list[int]:
    """Return the edges of partitions of one length: local days, say, and the ends of the range."""
    parts = Windows(every, tz, selection.start, selection.stop, argument="every")
    if parts.count > _MOST:
        raise _too_many("every", f"{every!r} makes {parts.count:,}", "longer")
    edges = [selection.start, *parts.labels("stop", "this method")]
    return _at_windows(edges, selection, reduction, tz)


def _at_windows(
    edges: Sequence[int], selection: Selection, reduction: Reduction | None, tz: str
) -> list[int]:
    """Return edges that divide no window: each is moved to the end of its window."""
    if reduction is None:
        return list(edges)
    windows = Windows(reduction.every, tz, selection.start, selection.stop)
    inner = {windows.edge_from(edge) for edge in edges[1:-1]}
    return sorted({edges[0], edges[-1], *(edge for edge in inner if edge < selection.stop)})


def _by_rows(selection: Selection, rows: int, options: Options) -> Steps[list[int]]:
    """Return edges between which there are about so many rows, by counting points.

    The rows of a range are about the points of its most frequent field. A range with more points than wanted
    is counted in windows, and those of its windows that have more are counted in windows again.
    """
    # 2.9.1 never ends counting in windows that reach beyond its times, or in 2^63 nanoseconds and more.
    end = min(selection.stop, LATEST - _AT_ONCE)
    halves = [selection.start, *([0] if selection.start < 0 < end else []), end]
    todo = [(start, stop) for start, stop in pairwise(halves) if start < stop]
    counted: list[tuple[int, int]] = []
    while todo:
        found = sum(count for _, count in counted)
        queries = [_flux.histogram(replace(selection, start=a, stop=b), _AT_ONCE) for a, b in todo]
        answers = yield Ask(queries, options.max_parallel)
        finer = []
        for (start, stop), answer in zip(todo, answers, strict=True):
            width = _flux.width(start, stop, _AT_ONCE)
            most: dict[int, int] = {}
            for table, _ in columns(answer, _field=TEXT, _time=("timestamp",), _value=("int64",)):
                for time, count in zip(table["_time"], table["_value"], strict=True):
                    most[time] = max(most.get(time, 0), count)
            found += sum(most.values())
            for time, count in most.items():
                end = min(time + width, stop)
                if count > rows and end - time > 1:
                    finer.append((time, end))
                else:
                    counted.append((time, count))
        todo = finer
        if found // rows > _MOST:
            raise _too_many("rows", f"{rows} makes more", "larger")
    edges, held = [selection.start], 0
    for time, count in sorted(counted):
        if held and held + count > rows:
            edges.append(time)
            held = 0
        held += count
    return [*edges, selection.stop]


def _too_many(argument: str, found: str, advice: str) -> InvalidArgumentError:
    return invalid(argument, f"must make at most {_MOST:,} partitions, and {found}. Use {advice} ones")
