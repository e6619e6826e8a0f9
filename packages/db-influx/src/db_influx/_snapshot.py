"""`Snapshot`: the shards of a bucket on this machine, read without a server."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from db_core.errors import InvalidArgumentError, NotFoundError
from db_influx import _arguments, _flux, _times
from db_influx._aggregates import Aggregate, check_types
from db_influx._field_types import KINDS
from db_influx._options import Options, StoredConsumptionOptions, StoredOptions, takes
from db_influx._parquet import NAME, ParquetFile, Writer, check_apart, check_installed, periods

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from types import GenericAlias, TracebackType
    from zoneinfo import ZoneInfo

    from typing_extensions import Unpack

    from db_core.frame import Frame, Into
    from db_influx._backup import File, Folder
    from db_influx._flux import Selection, Tags
    from db_influx._options import Missing
    from db_influx._parquet import Period
    from db_influx._stored import Stored
    from db_influx._times import Instant, Length

__all__ = ["Snapshot"]

# What a method returns whose arguments decide it; see `tools/stub.py`.
Framed: TypeAlias = Any
FramedIterator: TypeAlias = Any

_ROWS = 1 << 17  # of a frame that is written to Parquet


class Snapshot:
    """The points of a bucket at one moment, in files on this machine.

    `InfluxManager.snapshot` downloads a snapshot. `Snapshot.open` opens a backup, or the folder of a stopped
    server. A snapshot is a context manager, which removes its temporary folder at the end. It reads the
    files in its own threads, and its methods block until these are done. This is so for the snapshots of an
    `AsyncInfluxManager` too: call their methods with `asyncio.to_thread`. Threads may share a snapshot.

    The reads return the frames that `InfluxManager`'s reads of the same names return. They have no `bucket`,
    and of the common arguments only `start`, `stop`, `tags`, `by`, `into`, `tz` and `missing`. `read` returns
    points as they are stored: it has no windows, and so no `interval`. A `start` of None is the beginning of
    the snapshot, and a `stop` of None is its end. A range that extends beyond the snapshot raises an error.

    Common errors:
        InvalidArgumentError: An argument is invalid, or the snapshot is closed.
        ParseError, IncompleteResultError: A file is damaged. The message names the file and the offset.
        AmbiguousSeriesError: `by` does not tell apart series that have values for the same row and column.
        SchemaConflictError: A field has types that no one column can have.
        NotFoundError: A name does not exist, with ``missing="raise"``.
    """

    def __init__(
        self,
        files: Sequence[Sequence[File]],
        folder: Folder | None,
        *,
        start: int,
        stop: int,
        options: Options,
    ) -> None:
        """Open shards; `InfluxManager.snapshot` and `Snapshot.open` call this.

        Args:
            files: The files of each shard.
            folder: Folder to remove at the end.
            start: Nanoseconds since the epoch at which the range begins that the shards cover.
            stop: Nanoseconds since the epoch at which this range ends.
            options: Defaults of the reads.
        """
        from db_influx._stored import Stored

        self._folder = folder
        self._start, self._stop = start, stop
        self._options = options
        self._stored: Stored | None = Stored(files)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        bucket: str | None = None,
        *,
        into: Into = "pandas",
        tz: str | ZoneInfo = "UTC",
        missing: Missing = "warn",
    ) -> Self:
        """Open the shards of a bucket that are on this machine.

        Args:
            path: A folder that ``influx backup`` made. Its newest backup is opened, and packed shards
                are unpacked into a temporary folder. Or the engine folder of a stopped server, which is
                ``~/.influxdbv2/engine`` by default.
            bucket: Name or ID of the bucket. For an engine folder it must be the ID, as this folder has no
                names. None means the only bucket.
            into: Kind of the frames; a read may name another.
            tz: Time zone; a read may name another.
            missing: What to do about names that do not exist; a read may say something else.

        Raises:
            DiskSpaceError: There is too little space to unpack shards.
            IncompleteResultError: A file is missing, damaged or cut off.
            NotFoundError: The bucket does not exist.
        """
        from db_influx import _backup_folder

        options = Options.of(into=into, tz=tz, missing=missing)
        if bucket is not None:
            _arguments.text(bucket, "bucket")
        files, folder = _backup_folder.find(Path(path).absolute(), bucket)
        try:
            return cls(files, folder, start=_times.EARLIEST, stop=_times.LATEST, options=options)
        except BaseException:
            if folder is not None:
                folder.cleanup()
            raise

    def close(self) -> None:
        """Close the files and remove the temporary folder. Later reads raise an error."""
        self._stored = None
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __class_getitem__(cls, item: Any) -> GenericAlias:
        from types import GenericAlias

        return GenericAlias(cls, item)

    def __repr__(self) -> str:
        start, stop = map(_times.time_literal, (self._start, self._stop))
        return f"<Snapshot from {start} to {stop}{'' if self._stored else ', closed'}>"

    # Names

    def measurements(self) -> list[str]:
        """Return the names of the measurements, sorted."""
        return self._open().measurements()

    def fields(self, measurement: str) -> list[str]:
        """Return the names of a measurement's fields, sorted."""
        return list(self._open().types(_arguments.text(measurement, "measurement")))

    # Reading

    @takes(StoredOptions)
    def read(
        self,
        start: Instant | None,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str],
        tags: Tags | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[StoredOptions],
    ) -> Framed:
        """Read points as they are stored.

        Args:
            fields: One field or several. They are the columns, in this order.

        Returns:
            One frame, as `InfluxManager.read` returns with ``interval=None``.
        """
        call = self._options.but(StoredOptions, options, into=into)
        selection = self._selection(start, stop, msname, _arguments.names(fields, "fields"), tags, call)
        return self._frame(selection, call)

    @takes(StoredOptions)
    def read_all_fields(
        self,
        start: Instant | None,
        stop: Instant | None,
        msname: str,
        tags: Tags | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[StoredOptions],
    ) -> Framed:
        """Read every field of a measurement, as stored.

        Returns:
            One frame, as `InfluxManager.read_all_fields` returns.
        """
        call = self._options.but(StoredOptions, options, into=into)
        return self._frame(self._selection(start, stop, msname, None, tags, call), call, tag_columns=True)

    @takes(StoredOptions)
    def read_batches(
        self,
        start: Instant | None,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str],
        tags: Tags | None = None,
        *,
        batch_rows: int = 65_536,
        into: Into | None = None,
        **options: Unpack[StoredOptions],
    ) -> FramedIterator:
        """Read points as they are stored, frame by frame, in bounded memory.

        Args:
            fields: One field or several. They are the columns, in this order.
            batch_rows: The most rows of a frame.

        Returns:
            An iterator of frames, as `read` returns, all of one schema. Series come one after the other, in
            order of their tags. Within a series, rows are in order of time.

        Raises:
            SchemaConflictError: Also if a field has types in the range that no one column can have.
        """
        call = self._options.but(StoredOptions, options, into=into)
        selection = self._selection(start, stop, msname, _arguments.names(fields, "fields"), tags, call)
        rows = _arguments.count(batch_rows, "batch_rows", least=1)
        return self._batches(selection, rows, call)

    @takes(StoredConsumptionOptions)
    def read_accumulated_value(
        self,
        start: Instant | None,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str],
        timestep: Length,
        tags: Tags | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[StoredConsumptionOptions],
    ) -> Framed:
        """Read consumption per window, from meters that report running totals.

        The arguments and the frame are those of `InfluxManager.read_accumulated_value`. That method reads the
        last and the smallest total of each window, and points only where these are not enough. This
        method reads every point, so it also finds a fall that a later, higher total of the same window
        hides. It searches only the snapshot's shards for the total before `start`: let the snapshot begin
        before the first window.

        Args:
            fields: One field or several, each a running total.
            timestep: Length of a window in minutes, or a duration such as "1d".
        """
        from datetime import timedelta

        from db_influx.plans.consumption import consumption_spec

        of_read = {name: value for name, value in options.items() if name in StoredOptions.__annotations__}
        of_meter: Any = {name: value for name, value in options.items() if name not in of_read}
        self._options.but(StoredConsumptionOptions, of_meter)  # names that there are
        call = self._options.but(StoredOptions, of_read, into=into)
        every = _times.duration(timestep, "timestep", unit=timedelta(minutes=1)), "timestep"
        selection = self._selection(start, stop, msname, _arguments.names(fields, "fields"), tags, call)
        spec = consumption_spec(selection, every, of_meter, call)
        stored = self._open()
        names = {kind: name for name, kind in KINDS.items()}
        types = {field: tuple(names[kind] for kind in kinds) for field, kinds in stored.types(msname).items()}
        totals = [Aggregate(field, field, "consumption", "spread") for field in selection.fields or ()]
        check_types(totals, types, msname, argument="fields")
        labels = spec.windows.labels(spec.label, "`quality` and `gaps`") if spec.needs_labels else None
        edges = spec.windows.labels("stop", "this method")
        edges.insert(0, selection.start + spec.windows.late)
        policy = {**spec.policy, **spec.windows.as_arguments(spec.label), "label": spec.label, "grid": labels}
        frame = stored.consumption(selection, edges, policy, call)
        self._check_found(stored, selection, frame, call)
        return frame.release(call.into)

    @takes(StoredOptions)
    def write_parquet(
        self,
        folder: str | os.PathLike[str],
        start: Instant | None = None,
        stop: Instant | None = None,
        msname: str | Iterable[str] | None = None,
        fields: str | Iterable[str] | None = None,
        tags: Tags | None = None,
        *,
        name: str = NAME,
        **options: Unpack[StoredOptions],
    ) -> list[ParquetFile]:
        """Write points to Parquet files, one for each measurement and month, in bounded memory.

        A file appears under its name only when it is complete, and replaces a file of the same name. Rows are
        in order of series and time. Tags are dictionary columns: all tags, or those that `by` names.
        Times are nanoseconds, and fields have their stored types. This method needs pyarrow:
        ``pip install 'db-influx[parquet]'``.

        Args:
            folder: Folder for the files. It is made if it does not exist.
            msname: One measurement or several. None means all.
            fields: One field or several. None means all fields of the measurement.
            name: Template of the files' names, with {measurement}, {year} and {month} in `tz`. Months with
                the same name are written into one file. Measurements must have different names. Measurements
                whose names differ only in case get a hash, for disks that do not tell them apart. It may name
                folders: "{measurement}/{year}/{month}.parquet".

        Returns:
            The files, with their numbers of rows. A month without points has no file.

        Raises:
            MissingLibraryError: pyarrow is not installed.
            DiskSpaceError: The disk is full.
            SchemaConflictError: Also if a field has types in the range that no one column can have.
        """
        check_installed()
        call = replace(self._options.but(StoredOptions, options), into="arrow")
        stored = self._open()
        names = stored.measurements() if msname is None else _arguments.names(msname, "msname")
        fields = None if fields is None else _arguments.names(fields, "fields")
        alike = Counter(measurement.lower() for measurement in stored.measurements())
        planned: list[tuple[Selection, tuple[str, ...], dict[str, str], Period]] = []
        for measurement in names:
            selection = self._selection(start, stop, measurement, fields, tags, call)
            if selection.fields is None:
                selection = replace(selection, fields=tuple(stored.types(measurement)))
            self._check_found(stored, selection, None, call)
            first, after = stored.range(measurement) or (selection.stop, selection.start)
            begin, end = max(first, selection.start), min(after, selection.stop)
            by = tuple(stored.tag_keys(measurement)) if call.by is None else call.by
            is_hashed = alike[measurement.lower()] > 1
            files = []
            if begin < end:
                files = periods(folder, name, measurement, begin, end, call.tz, is_hashed=is_hashed)
            kinds = stored.kinds_of_all(selection)
            planned += [(selection, by, kinds, period) for period in files]
        check_apart(name, [(selection.measurement, period.path) for selection, *_, period in planned])
        written: list[ParquetFile] = []
        for selection, by, kinds, period in planned:
            part = replace(selection, start=period.start, stop=period.stop)
            with Writer(period.path) as writer:
                for frame in stored.batches(part, _ROWS, replace(call, by=by), kinds):
                    writer.write(frame.to_arrow())
                file = writer.finish()
            written += [file] if file else []
        return written

    def _open(self) -> Stored:
        if self._stored is None:
            raise InvalidArgumentError("the snapshot is closed. Make or open another one")
        return self._stored

    def _selection(
        self,
        start: Instant | None,
        stop: Instant | None,
        measurement: str,
        fields: tuple[str, ...] | None,
        tags: Tags | None,
        call: Options,
    ) -> Selection:
        first = _times.time_literal(self._start) if start is None else start
        last = _times.time_literal(self._stop) if stop is None else stop
        begin, end = _times.time_range(first, last, time.time_ns(), call.tz)
        for argument, value in (("start", begin), ("stop", end)):
            if not self._start <= value <= self._stop:
                held = f"{_times.time_literal(self._start)} to {_times.time_literal(self._stop)}"
                reason = f"must lie in the range of the snapshot, {held}, not at {_times.time_literal(value)}"
                raise _arguments.invalid(argument, reason)
        name = _arguments.text(measurement, "msname")
        return _flux.Selection("", name, fields, _flux.conditions(tags), begin, end)

    def _frame(self, selection: Selection, call: Options, *, tag_columns: bool = False) -> Any:
        stored = self._open()
        frame = stored.frame(selection, call, tag_columns=tag_columns)
        self._check_found(stored, selection, frame, call, caller=4)
        return frame.release(call.into)

    def _batches(self, selection: Selection, rows: int, call: Options) -> Generator[Any]:
        stored = self._open()
        self._check_found(stored, selection, None, call)
        for frame in stored.batches(selection, rows, call):
            yield frame.release(call.into)

    def _check_found(
        self, stored: Stored, selection: Selection, frame: Frame | None, call: Options, caller: int = 3
    ) -> None:
        """Warn or raise, as `missing` says, if names of a read do not exist; see `warnings` for `caller`."""
        if call.missing == "ignore":
            return
        problems = list(_unknown(stored, selection, call, nothing=frame is not None and not len(frame)))
        if problems and call.missing == "raise":
            raise NotFoundError("; ".join(problems))
        for problem in problems:
            warnings.warn(problem, UserWarning, stacklevel=caller)


def _unknown(stored: Stored, selection: Selection, call: Options, *, nothing: bool) -> Iterator[str]:
    from db_influx.plans.schema import similar

    name, types = selection.measurement, stored.types(selection.measurement)
    if not types:
        yield f"no measurement {name!r} in the snapshot{similar(name, stored.measurements())}"
        return
    for field in selection.fields or ():
        if field not in types:
            yield f"no field {field!r} in {name!r}{similar(field, list(types))}"
    conditions = [key for key, values in selection.tags if any(values)] if nothing else []
    keys = stored.tag_keys(name)
    for key in dict.fromkeys([*conditions, *(call.by or ())]):
        if key not in keys:
            yield f"no tag {key!r} in {name!r}{similar(key, keys)}"
