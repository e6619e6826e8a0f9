"""The methods that manage data: buckets, what is in a measurement, deletion and copies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from db_influx import _arguments, _flux, _times
from db_influx._base import Base
from db_influx._options import CopyOptions, PointOptions, QueryOptions, RangeOptions, TimeOptions, takes
from db_influx.methods.common import EVERY, selected

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from typing_extensions import Unpack

    from db_influx._bucket import Bucket
    from db_influx._flux import Tags
    from db_influx._times import Instant, Length
    from db_influx.methods.common import Manager

__all__ = ["Managing"]

_SECOND = 1_000_000_000
_SHORTEST, _LONGEST = 3_600, 9_223_372_036  # seconds of a retention; more wrap around in InfluxDB


class Managing(Base):
    """The methods of both managers that manage data."""

    @takes(QueryOptions)
    def server_version(self, **options: Unpack[QueryOptions]) -> str:
        """Return the version of the server, such as "2.9.1"; the token needs no rights."""
        from db_influx.plans import version

        return self._run(version.version(), self._call(QueryOptions, options), "server_version")  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def list_buckets(self, **options: Unpack[QueryOptions]) -> list[Bucket]:
        """Return the buckets of the organization that the token may read, sorted by name.

        InfluxDB's own buckets, ``_monitoring`` and ``_tasks``, are left out.
        """
        from db_influx.plans import buckets

        return self._run(buckets.listed(), self._call(QueryOptions, options), "list_buckets")  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def create_bucket(
        self, name: str, *, retention: Length | None = None, **options: Unpack[QueryOptions]
    ) -> Bucket:
        """Make a bucket.

        Args:
            name: Name of the bucket.
            retention: How long the bucket keeps points: text such as "30d", a timedelta, a numpy timedelta64
                or a pandas offset, in whole seconds, of an hour or more. None means for ever.

        Raises:
            QueryError: A bucket of this name exists (`code` is "conflict"), or InfluxDB does not allow the
                name. After a broken connection, this call itself may have made the existing bucket.
            AuthenticationError: Also if the token may not create buckets.
        """
        from db_influx.plans import buckets

        call = self._call(QueryOptions, options)
        plan = buckets.create(_arguments.text(name, "name"), _retention(retention), self._settings.org)
        return self._run(plan, call, "create_bucket", name)  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def delete_bucket(self, name: str, **options: Unpack[QueryOptions]) -> None:
        """Delete a bucket and all of its points.

        Raises:
            NotFoundError: The bucket does not exist, or the token may not read it.
            InvalidArgumentError: Also if the bucket is InfluxDB's own, ``_monitoring`` or ``_tasks``.
            AuthenticationError: Also if the token may not write the bucket.
        """
        from db_influx.plans import buckets

        plan = buckets.delete(_arguments.text(name, "name"))
        return self._run(plan, self._call(QueryOptions, options), "delete_bucket", name)  # type: ignore[no-any-return]

    @takes(RangeOptions)
    def count(
        self,
        bucket: str,
        measurement: str,
        start: Instant | None = None,
        stop: Instant | None = None,
        tags: Tags | None = None,
        **options: Unpack[RangeOptions],
    ) -> dict[str, int]:
        """Return the number of points of each field, over all series.

        The server counts. If a field has several types, the points of all types count. A field without
        points is left out.

        Args:
            start: None means the first point.
            stop: None means the last point, even if it is in the future.

        Returns:
            The names of the fields with their numbers of points.
        """
        from db_influx.plans import extent

        call = self._call(RangeOptions, options)
        now = time.time_ns()
        begin = _times.EARLIEST if start is None else _times.instant(start, "start", now, call.tz)
        end = _times.LATEST if stop is None else _times.instant(stop, "stop", now, call.tz)
        begin, end = _times.ordered(begin, end)
        selection = selected(begin, end, measurement, EVERY, bucket, tags)
        return self._run(extent.count(self._databases, selection, call), call, "count", bucket, measurement)  # type: ignore[no-any-return]

    @takes(PointOptions)
    def time_range(
        self, bucket: str, measurement: str, tags: Tags | None = None, **options: Unpack[PointOptions]
    ) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """Return the times of a measurement's first and last point, in UTC; None if it has no point.

        All series, fields and types count. Since a read excludes its `stop`, add a nanosecond to the last
        time to read the last point too.
        """
        from db_influx.plans import extent

        call = self._call(PointOptions, options)
        selection = selected(_times.EARLIEST, _times.LATEST, measurement, EVERY, bucket, tags)
        plan = extent.time_range(self._databases, selection, call)
        return self._run(plan, call, "time_range", bucket, measurement)  # type: ignore[no-any-return]

    @takes(TimeOptions)
    def delete(
        self,
        bucket: str,
        start: Instant,
        stop: Instant | None,
        measurement: str | None = None,
        tags: Tags | None = None,
        **options: Unpack[TimeOptions],
    ) -> None:
        """Delete points. When this method returns, reads do not find them any more.

        InfluxDB deletes whole points, which measurement and tags select. It never deletes a single field. It
        deletes shard by shard, and needs a request for each combination of tag values. So after an error,
        some points may be deleted and others not. Deleting again is safe. Points that are written after
        this method returned are kept.

        The server does not say how many points it deletes: call `count` before. This method reads the stored
        series first, and afterwards checks whether any point is left. So the token must be allowed to
        read the bucket too.

        The server answers a request when it has deleted all, which takes a millisecond or more for each
        series: for tens of thousands of them, choose a longer `timeout`. It goes on after a timeout.

        Do not delete while InfluxDB writes its cache to a file: it may lose other points of the selected
        series, until these are written again. It writes the cache when that has grown to 25 MB, ten minutes
        after the last write to a shard, and for `snapshot`, `write_parquet` and backups.

        Args:
            measurement: None means all measurements.
            tags: As in reads. InfluxDB can't select series without a tag here, so a value may not be empty.

        Raises:
            InvalidArgumentError: Also where InfluxDB 2.9.1 would acknowledge the deletion without carrying it
                out, or would remove other points too: a name has a NUL, a carriage return or ``#!~#``; a
                measurement's name begins with the key of a tag and an equals sign; or the key of one series
                is the beginning of another's key, and the other continues with ``!``, ``"`` or a control
                character.
            AuthenticationError: Also if the token may not write the bucket.
            IncompleteResultError: Points are left, for example points that were written meanwhile.
        """
        from db_influx.plans import delete

        call = self._call(TimeOptions, options)
        begin, end = _times.time_range(start, stop, time.time_ns(), call.tz)
        name = "" if measurement is None else _arguments.text(measurement, "measurement")
        selection = _flux.Selection(
            _arguments.text(bucket, "bucket"), name, None, _flux.conditions(tags), begin, end
        )
        delete.check(selection)
        return self._run(delete.delete(self._databases, selection, call), call, "delete", bucket, measurement)  # type: ignore[no-any-return]

    @takes(CopyOptions)
    def copy(
        self,
        bucket: str,
        to_bucket: str,
        *,
        start: Instant,
        stop: Instant | None,
        measurement: str | None = None,
        fields: str | Iterable[str] | None = None,
        tags: Tags | None = None,
        to: Manager | None = None,
        **options: Unpack[CopyOptions],
    ) -> list[str]:
        """Copy points to another bucket, of this server or of another, in bounded memory.

        Names, tags, types, values and times stay the same. Copying again changes nothing. If the other
        bucket has a point of the same series, field and time, the copy replaces it.

        Args:
            to_bucket: Bucket to write. It must exist.
            measurement: None means all measurements.
            fields: One field or several. None means all fields of each measurement.
            to: Manager of the server to write to, of the same class. None means this manager. The call is
                this manager's in any case: its `on_retry` is told of retries on both servers.

        Returns:
            The measurements of which points were copied.

        Raises:
            CopyError: The copy failed after it had written points. The error says which measurements are
                complete, and up to which time the next one is. A failure before the first write raises its
                own error.
            SchemaConflictError: Points can't be read exactly: a name is reserved in InfluxQL; the name of a
                measurement has a carriage return; or a field has several types, and one of them is text, a
                tag has a carriage return, or the range has more than a thousand shards.
            NotFoundError: Also if no database and retention policy are mapped to the bucket alone, since the
                types of fields can't be found then.
            AuthenticationError: Also if the token may not write the other bucket.
        """
        from db_influx.plans import copy

        call = self._call(CopyOptions, options)
        begin, end = _times.time_range(start, stop, time.time_ns(), call.tz)
        target = copy.Target(
            _arguments.written_bucket(to_bucket, "to_bucket"), None if to is None else self._wire_of(to, "to")
        )
        selection = _flux.Selection(
            _arguments.text(bucket, "bucket"),
            "" if measurement is None else _arguments.text(measurement, "measurement"),
            None if fields is None else _arguments.names(fields, "fields"),
            _flux.conditions(tags),
            begin,
            end,
        )
        if to is None and bucket == to_bucket:
            raise _arguments.invalid("to_bucket", f"must be another bucket than {bucket!r}")
        plan = copy.copy(self._databases, selection, target, call)
        return self._collect(plan, call, "copy", bucket, measurement)  # type: ignore[no-any-return]


def _retention(value: object) -> int:
    """Return the seconds of a retention; 0 means for ever."""
    if value is None:
        return 0
    seconds, rest = divmod(_times.length(value) or 0, _SECOND)
    if rest or not _SHORTEST <= seconds <= _LONGEST:
        raise _arguments.invalid(
            "retention",
            "must be None for ever, or from an hour to 292 years in whole seconds: a timedelta, or text such "
            f"as '36h' or '30d', without months and years. It is {value!r}",
        )
    return seconds
