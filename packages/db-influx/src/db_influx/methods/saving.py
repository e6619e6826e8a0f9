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
    """The methods of both managers that save points to files."""

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

        The server sends whole shards as they are on its disk. This is many times faster than a query. The
        shards have all measurements of the bucket, and all points that were acknowledged when the download
        began. It needs the operator token, which the server's first setup made. Use the snapshot in a
        ``with`` block, whose end removes the files.

        If the server is writing its cache all the time, it leaves out its newest points. The manager detects
        this and tries again, unless the server does not publish its metrics.

        Args:
            folder: Folder in which a temporary folder for the files is made. None means the system's folder
                for temporary files.

        Returns:
            A `Snapshot`, with the options of this manager.

        Raises:
            AuthenticationError: Also if the token is not the operator token.
            DiskSpaceError: There is too little space. This is checked first if the server tells the sizes.
        """
        from db_influx._snapshot import Snapshot
        from db_influx.plans.snapshot import Wanted, download

        call = self._call(FetchOptions, options)
        begin, end = _times.time_range(start, stop, time.time_ns(), call.tz)
        wanted = Wanted(_arguments.text(bucket, "bucket"), self._settings.org, begin, end)
        make = partial(Snapshot, start=begin, stop=end, options=replace(call, progress=None))
        place = None if folder is None else _arguments.folder(folder, "folder")
        return self._enter(download(wanted, place, make), call, "snapshot", bucket)  # type: ignore[no-any-return]

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

        A file appears under its name only when it is complete, and replaces a file of the same name. Tags
        are dictionary columns: all tags, or those that `by` names. Times are nanoseconds, and fields have
        their stored types. Slices are in order of time, as in `read_batches`. `Snapshot.write_parquet` is
        faster, and writes one series after the other. This method needs pyarrow:
        ``pip install 'db-influx[parquet]'``.

        Args:
            folder: Folder for the files. It is made if it does not exist.
            fields: One field or several. None means all fields of the measurement.
            name: Template of the files' names, with {measurement}, {year} and {month} in `tz`. Months with
                the same name are written into one file. It may name folders:
                "{measurement}/{year}/{month}.parquet".

        Returns:
            The files, with their numbers of rows. A month without points has no file.

        Raises:
            MissingLibraryError: pyarrow is not installed.
            DiskSpaceError: The disk is full.
        """
        from db_influx import _parquet
        from db_influx.plans import parquet

        _parquet.check_installed()
        call = replace(self._call(ReadOptions, options), into="arrow")
        selection = in_range(start, stop, msname, EVERY if fields is None else fields, bucket, tags, call.tz)
        span = selection.start, selection.stop
        files = _parquet.periods(folder, name, selection.measurement, *span, call.tz)
        plan = parquet.write(self._databases, selection, files, call)
        return self._collect(plan, call, "write_parquet", bucket, msname)  # type: ignore[no-any-return]
