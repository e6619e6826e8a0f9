"""The methods that divide a read into partitions, and read one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from db_influx import _arguments, _times
from db_influx._base import Base, connection_of
from db_influx._options import PartitionOptions, QueryOptions, SeriesOptions, takes
from db_influx.methods.common import LABELS, MINUTE, in_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Unpack

    from db_core.frame import Into
    from db_influx._aggregates import AggFunc
    from db_influx._flux import Selection, Tags
    from db_influx._manager import InfluxManager
    from db_influx._options import Closed, Options
    from db_influx._partition import Partition
    from db_influx._times import Instant, Length
    from db_influx.methods.common import Framed
    from db_influx.plans.partitions import Reduction

__all__ = ["Partitioning"]

_CLOSED: tuple[Closed, ...] = ("right", "left")


class Partitioning(Base):
    """Partitions; see the managers."""

    @takes(PartitionOptions)
    def partitions(
        self,
        start: Instant,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str],
        bucket: str,
        tags: Tags | None = None,
        *,
        every: Length | None = None,
        rows: int | None = None,
        interval: Length | None = None,
        agg_func: AggFunc = "mean",
        timestep: Length | None = None,
        dense: bool = False,
        connect: Callable[[], InfluxManager] | None = None,
        **options: Unpack[PartitionOptions],
    ) -> list[Partition]:
        """Divide a read into partitions, which other processes and machines can read.

        The columns and their types are decided here, for all partitions. Of the points, only one of each
        series and field is read. Without `interval` and `timestep`, points are read as they are stored.
        Windows are never cut. Consumption has no `gaps` and no `max_rate` here, since both look at totals
        beyond the edges of a partition: `read_accumulated_value` has them.

        Args:
            fields: One field or several.
            every: Length of a partition as for `read`: "1d" makes local days. Give either this or `rows`.
            rows: About how many rows a partition has, by counting the points that there are.
            interval: Length of a window, as for `read`.
            agg_func: Functions of the windows, as for `read`.
            timestep: Length of a window of consumption, as for `read_accumulated_value`.
            dense: Each row has a value of every field. Then a read of some columns asks for their fields
                alone. Where this does not hold, rows without a value in these columns are left out.
            connect: Function without arguments that returns the manager where a partition is read; it must be
                picklable. None is a manager like this one, with the token of ``INFLUXDB_TOKEN``.
            on_reset, rollover, quality, closed: As for `read_accumulated_value`, with `timestep`.
            label: The edge of a window that is its time: "stop" or "start".
            by: The tags that are columns; None is all that the series in the range have.

        Returns:
            The partitions in order of time: together they are the range, with gaps between points in them.
            There are at most 100,000.

        Raises:
            SchemaConflictError: Also if a field of windows or consumption has several types.
        """
        from db_influx import _partition
        from db_influx.plans import partitions as plans

        of_read, of_windows = _parted(options, SeriesOptions)
        self._call(PartitionOptions, of_windows)  # keywords that there are
        call = self._call(SeriesOptions, of_read)
        selection = in_range(start, stop, msname, fields, bucket, tags, call.tz)
        if (every is None) == (rows is None):
            raise _arguments.invalid("every", "or `rows` must be given, and not both")
        cut = None if every is None else _times.duration(every, "every"), rows
        if rows is not None:
            _arguments.count(rows, "rows", least=1)
        reduction = _reduction(selection, interval, agg_func, timestep, of_windows, call)
        _arguments.flag(dense, "dense")
        make = partial(_partition.divided, connection_of(self, connect))
        plan = plans.planned(self._databases, selection, reduction, cut, call, dense=dense, make=make)
        return self._run(plan, call)  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def read_partition(
        self,
        partition: Partition,
        columns: str | Iterable[str] | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[QueryOptions],
    ) -> Framed:
        """Read a partition by this manager instead of one of its own.

        Args:
            partition: One that `partitions` of any manager returned.
            columns: As for `Partition.read`.

        Returns:
            As `Partition.read`.
        """
        from db_influx._partition import Partition
        from db_influx.plans import partitions as plans

        if not isinstance(partition, Partition):
            raise _arguments.invalid("partition", f"must be a Partition, not {partition!r}")
        call = self._call(QueryOptions, options, into)
        asked = partition.checked_columns(columns)
        of_read = replace(partition.layout.options, into=call.into)
        parts = partition.within, partition.conditions, asked
        return self._run(plans.part(self._databases, partition.layout, *parts, of_read), call)


def _parted(options: Any, keywords: type) -> tuple[Any, Any]:
    """Divide options into those of the keywords, and others."""
    known = {name: value for name, value in options.items() if name in keywords.__annotations__}
    return known, {name: value for name, value in options.items() if name not in known}


def _reduction(
    selection: Selection,
    interval: Length | None,
    agg_func: AggFunc,
    timestep: Length | None,
    options: Any,
    call: Options,
) -> Reduction | None:
    """Return what becomes of the points of partitions, checked."""
    from db_influx.plans import consumption, partitions, read

    if interval is not None and timestep is not None:
        raise _arguments.invalid(
            "interval", "is for windows of functions and `timestep` for those of consumption; give one"
        )
    if timestep is not None:
        every = _times.duration(timestep, "timestep", unit=MINUTE)
        spec = consumption.consumption_spec(selection, (every, "timestep"), options, call)
        closed = _arguments.choice(options.get("closed", "right"), "closed", _CLOSED)
        return partitions.Metered(every, spec.policy, closed, spec.label)
    if unused := [name for name in options if interval is None or name != "label"]:
        need = "`timestep`" if interval is not None or unused != ["label"] else "`interval` or `timestep`"
        raise _arguments.invalid(unused[0], f"needs windows: give {need} too, or leave it out")
    if interval is None:
        return None
    label = _arguments.choice(options.get("label", "stop"), "label", LABELS)
    made = read.downsample_spec(selection, interval, agg_func, label, call, create_empty=False)
    return partitions.Windowed(made.windows.every, tuple(made.columns), label)
