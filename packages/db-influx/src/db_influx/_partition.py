"""`Partition`: a part of a read for another process, which contains no secret."""

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

    It can be read in another process or on another machine. Neither its pickle nor its text has the token.
    The process that reads it takes the token from ``INFLUXDB_TOKEN``, or calls `connect`, which returns the
    manager. Only the process of the manager that made the partition uses that manager's token. The partition
    has the address, the organization and the transport of that manager. A process keeps its managers, so
    that its partitions share connections.

    All partitions of a call have one schema. Put together in order, they have the rows of the whole read.
    Rows are in order of time, then of their tags. In pandas the index is `time`, and integers and booleans
    are Int64, UInt64 and boolean, as another partition may have nulls. In polars and Arrow, `time` is the
    first column. Tags are categories.
    """

    connection: Connection
    layout: Layout
    within: tuple[int, int]
    conditions: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def start(self) -> pd.Timestamp:
        """Start of the range, which is included unless windows are closed at the right."""
        return self._timestamp(self.within[0])

    @property
    def stop(self) -> pd.Timestamp:
        """End of the range, which is excluded unless windows are closed at the right."""
        return self._timestamp(self.within[1])

    @property
    def earliest(self) -> pd.Timestamp:
        """Earliest time that a row can have."""
        return self._timestamp(self.within[0] + self.layout.labels_stop)

    @property
    def latest(self) -> pd.Timestamp:
        """Latest time that a row can have."""
        return self._timestamp(self.within[1] - 1 + self.layout.labels_stop)

    @property
    def schema(self) -> dict[str, str]:
        """Names and types of the columns, in order.

        "time" has the type "timestamp", and tags and qualities have "dictionary". Values have "float64",
        "int64", "uint64", "bool" or "string".
        """
        return self.layout.schema

    def read(self, columns: str | Iterable[str] | None = None, *, into: Into | None = None) -> Framed:
        """Read the partition.

        Args:
            columns: Some of the columns. The frame always has the time. None means all columns. The rows do
                not depend on the columns: a row may have a null in each of them. Only with `dense` does this
                ask the server for fewer fields.
            into: "pandas", "polars" or "arrow". None means the kind of the manager that made the partition.

        Returns:
            One frame, as the class describes.

        Raises:
            ConfigurationError: The process has no token.
            SchemaConflictError: A column has another type than when the partitions were made.
        """
        kind = self.layout.options.into if into is None else into
        return self.connection.manager().read_partition(self, columns, into=kind)

    def empty(self, columns: str | Iterable[str] | None = None, *, into: Into | None = None) -> Framed:
        """Return the frame that `read` returns, but without rows. Nothing is sent.

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
        """Return a partition with fewer rows and the same schema, or None if none of its rows are needed.

        A partition of stored points then has only the rows in the range. A partition of windows keeps all its
        rows, unless it lies outside of the range.

        Args:
            start: Rows before this time are not needed.
            stop: Rows at or after this time are not needed.
            tags: Further conditions on tags.
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
        """Return the names of some columns without the time; None means all.

        Raises:
            InvalidArgumentError: A column does not exist.
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
        """Return a key that distinguishes this partition from others, for Dask: the same in every process."""
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
