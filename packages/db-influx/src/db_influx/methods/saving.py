"""The methods that save points to files on this machine: as shards of the server, or as Parquet."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from db_influx import _arguments, _times
from db_influx._base import Base
from db_influx._options import FetchOptions, ReadOptions, takes
from db_influx._parquet import NAME
from db_influx.methods.common import EVERY, in_range

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from typing_extensions import Unpack

    from db_influx._flux import Tags
    from db_influx._parquet import ParquetFile
    from db_influx._snapshot import Snapshot
    from db_influx._times import Instant

__all__ = ["Saving"]


class Saving(Base):
    """Saving to files; see the managers."""

    @takes(FetchOptions)
    def snapshot(
        self,
        bucket: str,
        start: Instant,
        stop: Instant | None = None,
        *,
        folder: str | os.PathLike[str] | None = None,
        **options: Unpack[FetchOptions],
    ) -> Snapshot:
        """Download the shards of a bucket that overlap a range, to read them on this machine.

        Whole shards come as they lie on the server's disk, which is many times faster than an answer to a
        query. They hold all measurements of the bucket, and what was acknowledged when the download began.
        It needs the operator token, that of the server's first setup. Use the snapshot in a ``with``
        block, whose end removes the files.

        The server leaves out its newest points where it is writing its cache all the while. This
        is seen and tried again, unless the server does not publish its metrics.

        Args:
            folder: Folder for the files, in a temporary folder of their own; else the system's.

        Returns:
            A `Snapshot`, with the options of this manager.

        Raises:
            AuthenticationError: Also if the token is not the operator's.
            DiskSpaceError: There is too little space. It is checked first if the server tells sizes.
        """
        from db_influx._snapshot import Snapshot
        from db_influx.plans.snapshot import Wanted, download

        call = self._call(FetchOptions, options)
        begin, end = _times.time_range(start, stop, time.time_ns(), call.tz)
        wanted = Wanted(_arguments.text(bucket, "bucket"), self._settings.org, begin, end)
        make = partial(Snapshot, start=begin, stop=end, options=replace(call, progress=None))
        place = None if folder is None else _arguments.folder(folder, "folder")
        return self._enter(download(wanted, place, make), call)  # type: ignore[no-any-return]

    @takes(ReadOptions)
    def write_parquet(
        self,
        folder: str | os.PathLike[str],
        start: Instant,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str] | None,
        bucket: str,
        tags: Tags | None = None,
        *,
        name: str = NAME,
        **options: Unpack[ReadOptions],
    ) -> list[ParquetFile]:
        """Write points as they are stored to Parquet files, one for each month, in bounded memory.

        A file is written beside its place, and moved there when it is whole; one of the same name is
        replaced. Tags are dictionaries, all of them unless `by` names some, times are nanoseconds, and fields
        have the types that are stored. Rows are in order of time from slice to slice, as in `read_batches`;
        `Snapshot.write_parquet` is faster, and writes series after series. Needs pyarrow:
        ``pip install 'db-influx[parquet]'``.

        Args:
            folder: Where the files go; it is made if there is none.
            fields: One field or several; None is all of the measurement.
            name: Template of the files' names, of {measurement}, {year} and {month} in `tz`. Months that it
                gives one name are one file. It may name folders: "{measurement}/{year}/{month}.parquet".

        Returns:
            The files, with their rows; a month without points has none.

        Raises:
            ConfigurationError: pyarrow is not installed.
            DiskSpaceError: The disk is full.
        """
        from db_influx import _parquet
        from db_influx.plans import parquet

        _parquet.check_installed()
        call = replace(self._call(ReadOptions, options), into="arrow")
        selection = in_range(start, stop, msname, EVERY if fields is None else fields, bucket, tags, call.tz)
        span = selection.start, selection.stop
        files = _parquet.periods(folder, name, selection.measurement, *span, call.tz)
        return self._collect(parquet.write(self._databases, selection, files, call), call)  # type: ignore[no-any-return]
