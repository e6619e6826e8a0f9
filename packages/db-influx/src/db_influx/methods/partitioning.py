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
    """The methods of both managers that make and read partitions."""

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

        This method decides the columns and their types for all partitions. It reads only one point of each
        series and field. Without `interval` and `timestep`, partitions have the points as they are stored.
        No window is divided. Consumption has no `gaps` and no `max_rate` here, since both need totals
        from beyond the edges of a partition: `read_accumulated_value` has them.

        Args:
            fields: One field or several.
            every: Length of a partition, as for `read`: "1d" makes local days. Pass either this or `rows`.
            rows: About how many rows a partition has. The server counts the stored points for this.
            interval: Length of a window, as for `read`.
            agg_func: Functions of the windows, as for `read`.
            timestep: Length of a window of consumption, as for `read_accumulated_value`.
            dense: States that each row has a value of every field. Then a read of some columns asks only for
                these fields. If the statement is wrong, rows without a value in these columns are left out.
            connect: Function without arguments that returns the manager where a partition is read. It must be
                picklable. None means a manager like this one, with the token of ``INFLUXDB_TOKEN``.
            on_reset, rollover, quality, closed: As for `read_accumulated_value`, with `timestep`.
            label: The edge of a window that is its time: "stop" or "start".
            by: The tags that are columns. None means all tags of the series in the range.

        Returns:
            The partitions in order of time, at most 100,000. Together they cover the whole range, also the
            times without points.

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
            raise _arguments.invalid("every", "and `rows` exclude each other. Pass exactly one of them")
        cut = None if every is None else _times.duration(every, "every"), rows
        if rows is not None:
            _arguments.count(rows, "rows", least=1)
        reduction = _reduction(selection, interval, agg_func, timestep, of_windows, call)
        _arguments.flag(dense, "dense")
        make = partial(_partition.divided, connection_of(self, connect))
        plan = plans.planned(self._databases, selection, reduction, cut, call, dense=dense, make=make)
        return self._run(plan, call, "partitions", bucket, msname)  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def read_partition(
        self,
        partition: Partition,
        columns: str | Iterable[str] | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[QueryOptions],
    ) -> Framed:
        """Read a partition with this manager, instead of the one that the partition would make.

        Args:
            partition: A partition that any manager's `partitions` returned.
            columns: As for `Partition.read`.

        Returns:
            One frame, as `Partition.read` returns.
        """
        from db_influx._partition import Partition
        from db_influx.plans import partitions as plans

        if not isinstance(partition, Partition):
            raise _arguments.invalid("partition", f"must be a Partition, not {partition!r}")
        call = self._call(QueryOptions, options, into)
        asked = partition.checked_columns(columns)
        of_read = replace(partition.layout.options, into=call.into)
        parts = partition.within, partition.conditions, asked
        plan = plans.part(self._databases, partition.layout, *parts, of_read)
        whole = partition.layout.selection
        return self._run(plan, call, "read_partition", whole.bucket, whole.measurement)


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
            "interval",
            "and `timestep` exclude each other. Pass `interval` for windows of functions, or "
            "`timestep` for consumption",
        )
    if timestep is not None:
        every = _times.duration(timestep, "timestep", unit=MINUTE)
        spec = consumption.consumption_spec(selection, (every, "timestep"), options, call)
        closed = _arguments.choice(options.get("closed", "right"), "closed", _CLOSED)
        return partitions.Metered(every, spec.policy, closed, spec.label)
    if unused := [name for name in options if interval is None or name != "label"]:
        need = "`timestep`" if interval is not None or unused != ["label"] else "`interval` or `timestep`"
        raise _arguments.invalid(unused[0], f"needs windows. Pass {need} too, or leave it out")
    if interval is None:
        return None
    label = _arguments.choice(options.get("label", "stop"), "label", LABELS)
    made = read.downsample_spec(selection, interval, agg_func, label, call, create_empty=False)
    return partitions.Windowed(made.windows.every, tuple(made.columns), label)
