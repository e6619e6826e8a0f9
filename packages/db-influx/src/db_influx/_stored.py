"""Reads of the shards of a snapshot: queries for the native reader, and frames of its answers."""

from __future__ import annotations

import os
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from db_core.errors import SchemaConflictError
from db_core.meter import Consumption
from db_core.pivot import pivot
from db_core.tsm import Shards

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from db_core.frame import Frame
    from db_core.tsm import Answer
    from db_influx._backup import File
    from db_influx._flux import Selection
    from db_influx._options import Options

__all__ = ["Stored"]

_MOST_VALUES = 1 << 18  # that are decoded at once for small batches
_READS_AHEAD = 4  # batches that are decoded at once, as one part
_PARTS_AHEAD = 2  # parts that are read at once, each by its share of the threads, while a frame is used
_NUMBERS = {"float64", "int64", "uint64"}


class _Part(NamedTuple):
    """Some series and a range of time, nanoseconds, half-open."""

    first: int
    series: int
    start: int
    stop: int

    def halves(self, *, is_whole: bool) -> list[_Part]:
        """Return the two halves of its series, or of its time; none where there is nothing to divide."""
        first, count, start, stop = self
        if count > 1 and not is_whole:
            half = count // 2
            return [_Part(first, half, start, stop), _Part(first + half, count - half, start, stop)]
        middle = (start + stop) // 2
        if middle == start:
            return []
        return [_Part(first, count, start, middle), _Part(first, count, middle, stop)]

    def as_arguments(self) -> dict[str, Any]:
        """Return it as arguments of the native reader."""
        return {"first": self.first, "count": self.series, "within": (self.start, self.stop)}


class Stored:
    """The points of a bucket's shards.

    Args:
        files: The files of each shard.
    """

    def __init__(self, files: Sequence[Sequence[File]]) -> None:
        self._shards = Shards(files)
        self._threads = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )

    def measurements(self) -> list[str]:
        """Return the names of the measurements, sorted."""
        return self._shards.measurements()

    def types(self, measurement: str) -> dict[str, list[str]]:
        """Return the fields of a measurement, sorted, and of each its types, as in `Frame.kinds`."""
        return dict(sorted(self._shards.fields(measurement)))

    def tag_keys(self, measurement: str) -> list[str]:
        """Return the tag keys of a measurement, sorted."""
        return self._shards.tag_keys(measurement)

    def range(self, measurement: str) -> tuple[int, int] | None:
        """Return the times of the first point of a measurement and after its last."""
        found = self._shards.range(measurement)
        return None if found is None else (found[0], found[1] + 1)

    def frame(self, selection: Selection, options: Options, *, tag_columns: bool = False) -> Frame:
        """Return points as they are stored, one row for each series and time."""
        kinds = self._kinds(selection)
        return _wide(self._answer(selection), selection, options, kinds, tag_columns=tag_columns)

    def batches(
        self, selection: Selection, rows: int, options: Options, kinds: Mapping[str, str] | None = None
    ) -> Iterator[Frame]:
        """Yield points in frames of at most so many rows, series by series, all of one schema.

        Args:
            selection: What to read.
            rows: Most rows of a frame.
            options: The levels and the zone of the frames.
            kinds: The types of the fields. None means those of `kinds_of_all`.
        """
        differing = self._shards.differing(**_arguments(selection))
        by = tuple(differing) if options.by is None else options.by
        options = replace(options, by=by)
        # Series that agree in `by` must be read together for each time.
        is_whole = not set(differing).issubset(by)
        kinds = self.kinds_of_all(selection) if kinds is None else kinds
        # By rows, not values: a row has a place for each field, also where a series has few of them.
        limit = max(_READS_AHEAD * rows, _MOST_VALUES // max(1, len(selection.fields or kinds)))
        parts = self._parts(selection, limit, is_whole=is_whole)
        for frame in self._ahead(parts, selection, options, kinds):
            for first in range(0, len(frame), rows):
                yield frame.slice(first, rows)

    def _ahead(
        self, parts: Iterable[_Part], selection: Selection, options: Options, kinds: Mapping[str, str]
    ) -> Iterator[Frame]:
        """Yield the frames of parts, in order, while threads read the next parts."""
        threads = max(1, self._threads // _PARTS_AHEAD)

        def read(part: _Part) -> Frame:
            return _wide(self._answer(selection, part, threads), selection, options, kinds)

        waiting: deque[Future[Frame]] = deque()
        pool = ThreadPoolExecutor(min(self._threads, _PARTS_AHEAD))
        try:
            for part in parts:
                waiting.append(pool.submit(read, part))
                if len(waiting) > _PARTS_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _parts(self, selection: Selection, limit: int, *, is_whole: bool) -> Iterator[_Part]:
        """Divide a selection into parts of at most so many rows: series by series, or if whole by time.

        More rows are in a part where most of its blocks reach into both halves of its time, as a block is
        decoded whole for each part that it reaches into.
        """
        count, rows = self._shards.series(**_arguments(selection))
        if not count:
            return
        parts = [_Part(0, count, selection.start, selection.stop)]
        if rows > limit and not is_whole:
            step = max(1, count * limit // rows)
            parts = [
                _Part(first, min(step, count - first), selection.start, selection.stop)
                for first in range(0, count, step)
            ]
        waiting = [(part, self._rows(selection, part)) for part in reversed(parts)]
        while waiting:
            part, rows = waiting.pop()
            halves = part.halves(is_whole=is_whole) if rows > limit else []
            counted = [(half, self._rows(selection, half)) for half in halves]
            if not counted or 2 * sum(rows for _, rows in counted) > 3 * rows:
                yield part
            else:
                waiting += reversed(counted)

    def _rows(self, selection: Selection, part: _Part) -> int:
        """Return about how many rows have to be decoded for a part."""
        return self._shards.series(**_arguments(selection), **part.as_arguments())[1]

    def consumption(
        self,
        selection: Selection,
        edges: array[int],
        policy: Mapping[str, Any],
        options: Options,
    ) -> Frame:
        """Return consumption per window, from every point.

        Args:
            selection: What to read; fields are named.
            edges: The edges of all windows.
            policy: How totals become consumption: arguments of `Consumption`.
            options: The levels and the zone of the frame.
        """
        first, _ = self.range(selection.measurement) or (edges[0], 0)
        answers = [self._answer(replace(selection, start=edges[0], stop=edges[-1]))]
        before = []
        if first < edges[0]:
            before.append(self._answer(replace(selection, start=first, stop=edges[0])))
        meters = Consumption(
            answers,
            before=before,
            fields=selection.fields or (),
            kinds=self._kinds(selection),
            by=options.by,
            tz=options.tz,
            edges=edges,
            **policy,
        )
        return meters.frame()

    def _answer(self, selection: Selection, part: _Part | None = None, threads: int | None = None) -> Answer:
        part = part or _Part(0, sys.maxsize, selection.start, selection.stop)
        threads = threads or self._threads
        return self._shards.read(**_arguments(selection), **part.as_arguments(), threads=threads)

    def _kinds(self, selection: Selection) -> dict[str, str]:
        """Return the types of those of the fields that have one type in all shards."""
        types = self.types(selection.measurement)
        return {field: types[field][0] for field in _named(selection, types) if len(types[field]) == 1}

    def kinds_of_all(self, selection: Selection) -> dict[str, str]:
        """Return a type for each field that holds for all frames of a read: numbers of several are floats.

        Raises:
            SchemaConflictError: A field has several types in the range, which have no common type.
        """
        kinds = self._kinds(selection)
        in_range = dict(self._shards.fields(selection.measurement, (selection.start, selection.stop)))
        for field in _named(selection, self.types(selection.measurement)):
            if field in kinds:
                continue
            found = in_range.get(field, [])
            if len(found) > 1 and not _NUMBERS.issuperset(found):
                raise SchemaConflictError(
                    f"field {field!r} of {selection.measurement!r} has the types {' and '.join(found)} in "
                    "this range, and a column has one. Read parts of the range with one type"
                )
            kinds[field] = found[0] if len(found) == 1 else "float64"
        return kinds


def _named(selection: Selection, types: Mapping[str, object]) -> list[str]:
    return [field for field in (types if selection.fields is None else selection.fields) if field in types]


def _wide(
    answer: Answer,
    selection: Selection,
    options: Options,
    kinds: Mapping[str, str],
    *,
    tag_columns: bool = False,
) -> Frame:
    return pivot(
        [answer],
        fields=selection.fields,
        by=options.by,
        tag_columns=tag_columns,
        empty_text=True,
        kinds=kinds,
        tz=options.tz,
    )


def _arguments(selection: Selection) -> dict[str, Any]:
    """Return the arguments of the native reader that tell which series are read, and when."""
    fields = None if selection.fields is None else list(selection.fields)
    named = {"measurement": selection.measurement, "fields": fields, "tags": selection.tags}
    return {**named, "start": selection.start, "stop": selection.stop}
