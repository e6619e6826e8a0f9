"""`Partition`: a part of a read that another process can do, without a secret in what is sent there."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from db_influx import _arguments, _flux, _times
from db_influx.plans import partitions as plans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import GenericAlias

    import pandas as pd

    from db_core.frame import Into
    from db_influx._connection import Connection
    from db_influx._flux import Tags
    from db_influx._times import Instant
    from db_influx.plans.partitions import Layout

__all__ = ["Partition", "divided"]

# What a method returns whose arguments decide it; see `tools/stub.py`.
Framed: TypeAlias = Any


@dataclass(frozen=True, slots=True, eq=False, match_args=False)
class Partition:
    """A part of a read, small and picklable; `InfluxManager.partitions` makes them.

    It can be read in another process or on another machine. Neither its pickle nor its text has the token:
    where it is read, the token is that of ``INFLUXDB_TOKEN``, or `connect` returns the manager. Address,
    organization and transport are those of the manager that made it. In the process of that manager, its
    token is used. Managers are kept, so that the partitions of a process share connections.

    All partitions of a call have one schema, and put together in order they are the one read. Rows are in
    order of time, then of their tags. In pandas the index is `time`, and integers and booleans are Int64,
    UInt64 and boolean, as another partition may have nulls. In polars and Arrow, `time` is the first column.
    Tags are categories.
    """

    connection: Connection
    layout: Layout
    within: tuple[int, int]
    conditions: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def start(self) -> pd.Timestamp:
        """Start of its range, included unless windows are closed at the right."""
        return self._timestamp(self.within[0])

    @property
    def stop(self) -> pd.Timestamp:
        """Stop of its range, excluded unless windows are closed at the right."""
        return self._timestamp(self.within[1])

    @property
    def earliest(self) -> pd.Timestamp:
        """No row has a time before this."""
        return self._timestamp(self.within[0] + self.layout.labels_stop)

    @property
    def latest(self) -> pd.Timestamp:
        """No row has a time after this."""
        return self._timestamp(self.within[1] - 1 + self.layout.labels_stop)

    @property
    def schema(self) -> dict[str, str]:
        """The columns in order, and what each holds: "time" a timestamp, tags and qualities a "dictionary".

        Values are "float64", "int64", "uint64", "bool" or "string".
        """
        return self.layout.schema

    def read(self, columns: str | Iterable[str] | None = None, *, into: Into | None = None) -> Framed:
        """Read the partition.

        Args:
            columns: Some of the columns; the time always comes. None is all. The rows are the same whichever
                these are: a row may have a null in each of them. Only with `dense` is the server asked
                for fewer fields.
            into: "pandas", "polars" or "arrow"; None is what the manager that made it does.

        Returns:
            One frame; see the class.

        Raises:
            ConfigurationError: There is no token where it is read.
            SchemaConflictError: A column has another type than when the partitions were made.
        """
        kind = self.layout.options.into if into is None else into
        return self.connection.manager().read_partition(self, columns, into=kind)

    def empty(self, columns: str | Iterable[str] | None = None, *, into: Into | None = None) -> Framed:
        """Return the frame that `read` returns, without rows; nothing is sent.

        Args:
            columns: As for `read`.
            into: As for `read`.
        """
        from db_core.frame import check_into

        kind = self.layout.options.into if into is None else check_into(into)
        return plans.released(plans.empty(self.layout, self.checked_columns(columns)), kind)

    def narrowed(
        self, start: Instant | None = None, stop: Instant | None = None, tags: Tags | None = None
    ) -> Partition | None:
        """Return the partition for fewer rows, of the same schema; None if none of its rows are among them.

        A partition of stored points has those of a half-open range. One of windows stays whole, unless it
        lies outside of the range.

        Args:
            start: Rows before this are not needed.
            stop: Rows from this on are not needed.
            tags: Conditions beside those that it has.
        """
        now, tz = time.time_ns(), self.layout.options.tz
        begin, end = self.within
        first = begin if start is None else _times.instant(start, "start", now, tz)
        after = end + 1 if stop is None else _times.instant(stop, "stop", now, tz)
        late = self.layout.labels_stop
        if max(first, begin + late) >= min(after, end + late):
            return None
        if self.layout.reduction is None:
            begin, end = max(first, begin), min(after, end)
        conditions = (*self.conditions, *_flux.conditions(tags))
        return replace(self, within=(begin, end), conditions=conditions)

    def checked_columns(self, columns: str | Iterable[str] | None) -> tuple[str, ...] | None:
        """Return the names of some columns without the time; None is all.

        Raises:
            InvalidArgumentError: There is no such column.
        """
        if columns is None:
            return None
        names = _arguments.names(columns, "columns", least=0)
        if unknown := [name for name in names if name not in self.schema]:
            known = ", ".join(self.schema)
            raise _arguments.invalid(
                "columns", f"must name columns of the partition ({known}), not {unknown[0]!r}"
            )
        return tuple(name for name in names if name != "time")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Partition) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash((self.within, self.conditions, self.layout.selection))

    def __class_getitem__(cls, item: Any) -> GenericAlias:
        from types import GenericAlias

        return GenericAlias(cls, item)

    def __repr__(self) -> str:
        start, stop = map(_times.time_literal, self.within)
        return f"<Partition of {self.layout.selection.measurement!r} from {start} to {stop}>"

    def __dask_tokenize__(self) -> Any:
        """Return what tells this partition from others, for Dask: the same in every process."""
        return repr((type(self).__qualname__, self.connection.__dask_tokenize__(), *self._identity[1:]))

    @property
    def _identity(self) -> tuple[object, ...]:
        return self.connection, self.layout, self.within, self.conditions

    def _timestamp(self, nanoseconds: int) -> pd.Timestamp:
        import pandas as pd

        made: Any = pd.Timestamp(nanoseconds, unit="ns", tz="UTC")  # pandas has all times that InfluxDB has
        return made.tz_convert(self.layout.options.tz)  # type: ignore[no-any-return]


def divided(connection: Connection, layout: Layout, edges: Sequence[int]) -> list[Partition]:
    """Return the partitions between edges."""
    return [Partition(connection, layout, within) for within in pairwise(edges)]
