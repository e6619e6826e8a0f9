"""Parquet files: their names and periods, and a writer that leaves whole files or none."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from db_core.errors import MissingLibraryError
from db_influx._arguments import invalid, text
from db_influx._backup import about_space

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

__all__ = ["NAME", "ParquetFile", "Period", "Writer", "check_apart", "check_installed", "periods"]

NAME = "{measurement}-{year}-{month}.parquet"
_LONGEST = 230  # bytes of a name; the part of a file that is written has more
_LONGEST_MEASUREMENT = 160
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000_000


class ParquetFile(NamedTuple):
    """A file that was written.

    Attributes:
        path: Path of the file.
        rows: Number of rows in the file.
    """

    path: Path
    rows: int


class Period(NamedTuple):
    """A half-open range of time, in nanoseconds, that is written into one file."""

    path: Path
    start: int
    stop: int


def check_installed() -> None:
    """Raise an error if pyarrow is not installed.

    Raises:
        MissingLibraryError: It is not.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        message = "Parquet needs pyarrow, which is not installed: pip install 'db-influx[parquet]'"
        raise MissingLibraryError(message) from error


def periods(
    folder: object, name: object, measurement: str, start: int, stop: int, tz: str, *, is_hashed: bool = False
) -> list[Period]:
    """Divide a range into the periods of its files.

    Args:
        folder: Where the files go.
        name: Template of their names. Months with the same name go into one file.
        measurement: The measurement.
        start: Nanoseconds since the epoch.
        stop: Nanoseconds since the epoch, later than `start`.
        tz: IANA name of the zone of the months.
        is_hashed: Whether the names of the files have a hash of the measurement too.
    """
    if not isinstance(folder, str | os.PathLike):
        raise invalid("folder", f"must be the path of a folder, not {folder!r}")
    template = text(name, "name")
    safe = _file_name(measurement, is_hashed=is_hashed)
    months = []
    for begin, end, year, month in _months(start, stop, tz):
        try:
            made = template.format(measurement=safe, year=f"{year:04}", month=f"{month:02}")
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            message = f"must be a template of {{measurement}}, {{year}} and {{month}}, not {template!r}"
            raise invalid("name", message) from error
        parts = Path(made).parts
        if Path(made).is_absolute() or ".." in parts or not parts or "\0" in made:
            raise invalid("name", f"must name a file inside the folder, and {template!r} makes {made!r}")
        if max(len(part.encode()) for part in parts) > _LONGEST:
            raise invalid(
                "name", f"must make names of at most {_LONGEST} bytes, and {template!r} makes {made!r}"
            )
        months.append(Period(Path(folder) / made, begin, end))
    grouped = (list(group) for _, group in groupby(months, key=lambda month: month.path))
    found = [Period(group[0].path, group[0].start, group[-1].stop) for group in grouped]
    if len({period.path for period in found}) < len(found):
        raise invalid(
            "name", f"must give months of different years different names, as by {{year}}, not {template!r}"
        )
    return found


def check_apart(name: str, files: Iterable[tuple[str, Path]]) -> None:
    """Raise an error if a file of one measurement would take the place of another one's.

    Args:
        name: Template of the files' names.
        files: Measurements and the paths of their files.
    """
    owners: dict[Path, str] = {}
    for measurement, path in files:
        owner = owners.setdefault(path, measurement)
        if owner != measurement:
            reason = f"must give {owner!r} and {measurement!r} different names, as by {{measurement}}"
            raise invalid("name", f"{reason}, not {name!r}")


def _file_name(measurement: str, *, is_hashed: bool) -> str:
    """Return a measurement as a part of a file's name: what no name should hold is %XX."""
    name = quote(measurement, safe=" ,;=+@()")
    if not measurement.strip("."):
        name = name.replace(".", "%2E")
    if is_hashed or len(name) > _LONGEST_MEASUREMENT:
        return name[:_LONGEST_MEASUREMENT] + "~" + sha256(measurement.encode()).hexdigest()[:16]
    return name


def _months(start: int, stop: int, tz: str) -> Iterator[tuple[int, int, int, int]]:
    """Yield the parts of a range that lie in one month of the local calendar, with its year and number."""
    shown = (_EPOCH + timedelta(seconds=start // _SECOND)).astimezone(ZoneInfo(tz))
    year, month = shown.year, shown.month
    while start < stop:
        following = (year + month // 12, month % 12 + 1)
        begin_of_next = datetime(*following, 1, tzinfo=ZoneInfo(tz)).astimezone(UTC)
        end = min(stop, (begin_of_next - _EPOCH) // timedelta(seconds=1) * _SECOND)
        yield start, end, year, month
        start, (year, month) = end, following


def _encodings(schema: Any) -> dict[str, Any]:
    """Return how columns are written: only text by a dictionary, as numbers seldom come again."""
    from pyarrow import types

    words, encodings = [], {}
    for field in schema:
        if types.is_dictionary(field.type) or types.is_large_string(field.type):
            words.append(field.name)
        elif types.is_floating(field.type):
            encodings[field.name] = "BYTE_STREAM_SPLIT"
        elif types.is_integer(field.type) or types.is_timestamp(field.type):
            encodings[field.name] = "DELTA_BINARY_PACKED"
    return {"compression": "zstd", "use_dictionary": words or False, "column_encoding": encodings}


class Writer:
    """Writes a file beside its place, and moves it there when it is whole. Without rows there is no file.

    Args:
        path: Where the file goes. Its folder is made if there is none, and a file of that name replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        self._is_begun = False  # there may be a part, even if there is no writer of it
        self._is_over = False
        self._writer: Any = None
        self._rows = 0
        self._lock = Lock()  # where a task is cancelled, a thread may be writing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._is_over = True
            if self._writer is not None:
                with suppress(Exception):  # as when the disk is full, which has raised an error already
                    self._writer.close()
            if self._is_begun:
                self._part.unlink(missing_ok=True)

    def write(self, table: Any) -> None:
        """Append a pyarrow Table; all have one schema."""
        from pyarrow.parquet import ParquetWriter

        with self._lock, about_space(self._path.parent):
            if self._is_over:  # a thread comes late, and nobody waits for it
                return
            if self._writer is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._is_begun = True
                self._writer = ParquetWriter(self._part, table.schema, **_encodings(table.schema))
            self._writer.write_table(table)
        self._rows += table.num_rows

    def finish(self) -> ParquetFile | None:
        """Move the file to its place; None if nothing was written."""
        if self._writer is None:
            return None
        with self._lock, about_space(self._path.parent):
            self._writer.close()
            with self._part.open("rb") as part:
                os.fsync(part.fileno())
            self._part.replace(self._path)
        return ParquetFile(self._path, self._rows)
