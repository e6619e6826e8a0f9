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
    """Managing data; see the managers."""

    @takes(QueryOptions)
    def server_version(self, **options: Unpack[QueryOptions]) -> str:
        """Return the version of the server, such as "2.9.1"; the token needs no rights."""
        from db_influx.plans import version

        return self._run(version.version(), self._call(QueryOptions, options))  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def list_buckets(self, **options: Unpack[QueryOptions]) -> list[Bucket]:
        """Return the buckets of the organization, by name, as far as the token may read them.

        The buckets that InfluxDB makes for itself, ``_monitoring`` and ``_tasks``, are left out.
        """
        from db_influx.plans import buckets

        return self._run(buckets.listed(), self._call(QueryOptions, options))  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def create_bucket(
        self, name: str, *, retention: Length | None = None, **options: Unpack[QueryOptions]
    ) -> Bucket:
        """Make a bucket.

        Args:
            name: Its name.
            retention: How long it keeps points: text such as "30d", a timedelta, a numpy timedelta64 or a
                pandas offset, in whole seconds, of an hour or more. None is for ever.

        Raises:
            QueryError: There is a bucket of this name, or InfluxDB does not allow the name. `code` is
                "conflict" if there is one; after a broken connection it may be this call's own.
            AuthenticationError: Also if the token may not create buckets.
        """
        from db_influx.plans import buckets

        call = self._call(QueryOptions, options)
        plan = buckets.create(_arguments.text(name, "name"), _retention(retention), self._settings.org)
        return self._run(plan, call)  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def delete_bucket(self, name: str, **options: Unpack[QueryOptions]) -> None:
        """Delete a bucket and all of its points.

        Raises:
            NotFoundError: There is no such bucket, or the token may not read it.
            InvalidArgumentError: Also if the bucket is InfluxDB's own, ``_monitoring`` or ``_tasks``.
            AuthenticationError: Also if the token may not write the bucket.
        """
        from db_influx.plans import buckets

        plan = buckets.delete(_arguments.text(name, "name"))
        return self._run(plan, self._call(QueryOptions, options))  # type: ignore[no-any-return]

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
        """Return how many points each field has over all series, by the name of the field.

        Points of all types of a field count. A field without any is left out. The server counts.

        Args:
            start: None is from the first point on.
            stop: None is up to the last point, later than now too.
        """
        from db_influx.plans import extent

        call = self._call(RangeOptions, options)
        now = time.time_ns()
        begin = _times.EARLIEST if start is None else _times.instant(start, "start", now, call.tz)
        end = _times.LATEST if stop is None else _times.instant(stop, "stop", now, call.tz)
        begin, end = _times.ordered(begin, end)
        selection = selected(begin, end, measurement, EVERY, bucket, tags)
        return self._run(extent.count(self._databases, selection, call), call)  # type: ignore[no-any-return]

    @takes(PointOptions)
    def time_range(
        self, bucket: str, measurement: str, tags: Tags | None = None, **options: Unpack[PointOptions]
    ) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """Return the times of a measurement's first and last point, in UTC; None if it has no point.

        They are those of all series, fields and types. As `stop` of a read is left out, add a nanosecond
        to the last one to read that point too.
        """
        from db_influx.plans import extent

        call = self._call(PointOptions, options)
        selection = selected(_times.EARLIEST, _times.LATEST, measurement, EVERY, bucket, tags)
        return self._run(extent.time_range(self._databases, selection, call), call)  # type: ignore[no-any-return]

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
        """Delete points; when this returns, none of them is found any more.

        InfluxDB deletes whole points of series, by measurement and tags, never single fields. It does so
        shard by shard, and by a request for each combination of tag values: after an error, some
        points may be gone and others not. Deleting again is safe. A point that is written after it
        returned is kept.

        The server does not say how many points it deletes; ask `count` before. The series that are stored
        are looked at first, and whether any point is left afterwards. So the token must be allowed to
        read the bucket too.

        The server answers a request when it has deleted all, which takes a millisecond or more for each
        series: for tens of thousands of them, choose a longer `timeout`. It goes on after a timeout.

        Args:
            measurement: None is all of them.
            tags: As in reads, but InfluxDB can't delete by the absence of a tag: a value may not be empty.

        Raises:
            InvalidArgumentError: Also where InfluxDB 2.9.1 would acknowledge the deletion and not do it, or
                lose other points. A name has a NUL, a carriage return or ``#!~#``; a measurement's name
                begins with the key of a tag and an equals sign; or two series differ only in how their
                keys end, and one goes on with ``!``, ``"`` or a control character where the other ends.
            AuthenticationError: Also if the token may not write the bucket.
            IncompleteResultError: There still are points, which were written meanwhile, say.
        """
        from db_influx.plans import delete

        call = self._call(TimeOptions, options)
        begin, end = _times.time_range(start, stop, time.time_ns(), call.tz)
        name = "" if measurement is None else _arguments.text(measurement, "measurement")
        selection = _flux.Selection(
            _arguments.text(bucket, "bucket"), name, None, _flux.conditions(tags), begin, end
        )
        delete.check(selection)
        return self._run(delete.delete(self._databases, selection, call), call)  # type: ignore[no-any-return]

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

        Names, tags, types, values and times stay as they are. Copying again changes nothing. A point of the
        same series, field and time that the other bucket has is replaced.

        Args:
            to_bucket: Bucket to write, which must be there.
            measurement: None is all of them.
            fields: One field or several; None is all of each measurement.
            to: Manager of the server to write to, of the same class; None is this one.

        Returns:
            The measurements of which points were copied.

        Raises:
            CopyError: The copy ended when points had been written. It says which measurements are whole,
                and of the next one up to which time. What ends a copy before is raised as it is.
            SchemaConflictError: Points can't be read exactly: a name is one of InfluxQL's own; the name of a
                measurement has a carriage return; or a field has several types, and text is one of
                them, a tag has a carriage return, or the range is of more than a thousand shards.
            NotFoundError: Also if no database and retention policy lead to the bucket alone, as types of
                fields can't be told then.
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
        return self._collect(copy.copy(self._databases, selection, target, call), call)  # type: ignore[no-any-return]


def _retention(value: object) -> int:
    """Return the seconds of a retention; 0 is for ever."""
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
