"""Signatures of the native extension, for use within db_core.

Every call releases the GIL while it computes. Errors are those of
`db_core.errors`. Threads may share the objects.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, final

from typing_extensions import Buffer

__all__ = [
    "Answer",
    "Array",
    "Consumption",
    "Decoder",
    "Encoder",
    "HttpBody",
    "Memory",
    "PieceReader",
    "PieceWriter",
    "PointEncoder",
    "SeriesDecoder",
    "Shards",
    "Table",
    "differences",
    "latest",
    "levels",
    "pivot",
    "split_lines",
]

_Kind: TypeAlias = Literal[
    "float64",
    "int64",
    "uint64",
    "bool",
    "timestamp",
    "duration",
    "string",
    "dictionary",
    "binary",
    "null",
]

@final
class Memory(Buffer):
    """Writable memory of a column, as a buffer of bytes; numpy can use it without a copy."""

    def __len__(self) -> int: ...

@final
class Array:
    """A column of any Arrow type. Its values can be taken once."""

    def __new__(
        cls,
        format: str,  # noqa: A002 - as Arrow calls it
        values: object,
        nulls: object | None = None,
        dictionary: Array | None = None,
        *,
        ordered: bool = False,
    ) -> Array:
        """Copy a column.

        Args:
            format: The type, as Arrow's C data interface spells it: "g" is float64.
            values: A buffer of bytes (numbers, times; booleans as bytes), a list of str or bytes
                with None, or for the null type its length.
            nulls: Bytes, 1 where null; not for lists.
            dictionary: The column of the values for which the codes in `values` stand.
            ordered: Whether the order of the dictionary means something.
        """

    @staticmethod
    def from_arrow(source: object) -> Array:
        """Return the first column of an object's `__arrow_c_stream__`."""

    def __len__(self) -> int: ...
    @property
    def format(self) -> str:
        """The type, in Arrow's spelling; for a dictionary, the type of its codes."""

    @property
    def ordered(self) -> bool:
        """Whether the order of the dictionary means something."""

    @property
    def kind(self) -> _Kind:
        """The kind of the values, for a column of a decoded frame."""

    def written(self) -> tuple[str, int] | None:
        """Return InfluxDB's name for the type that line protocol writes, and the number of values.

        Return None if there is no value to write.

        Raises:
            InvalidArgumentError: Line protocol can't have values of this type.
        """

    @property
    def null_count(self) -> int: ...
    def nulls(self) -> Memory | None:
        """Return bytes that are 1 where a value is null; None if there are no nulls."""

    def dictionary(self) -> Array | None:
        """Return the values for which the codes stand; None if the column has no dictionary."""

    def values(self) -> Any:
        """Take the values: memory (numbers, times, codes; booleans as bytes) or a list (str, bytes; None).

        The memory is the column's own if nothing else uses it, and a copy otherwise. In a list, texts that
        repeat are one object, unless there are many others in between.
        """

@final
class Table:
    """Batches of one schema, and its metadata; Arrow's PyCapsule protocol hands them on without a copy."""

    def __new__(
        cls, names: Sequence[str], arrays: Sequence[Array], rows: int, metadata: Mapping[str, str] = ...
    ) -> Table: ...
    @staticmethod
    def from_arrow(source: object) -> Table:
        """Read all of an object's `__arrow_c_stream__`."""

    def __len__(self) -> int: ...
    @property
    def names(self) -> list[str]: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    @property
    def extensions(self) -> list[str | None]:
        """For each column, the name of its extension type, or of an extension type within it."""

    def joined(self) -> Table:
        """Return the same rows in one batch."""

    def slice(self, start: int, rows: int) -> Table: ...
    def by_time(self, levels: int) -> Table:
        """Return the rows by time. The column of times, which follows the levels, becomes the first."""

    def columns(self) -> list[Array]: ...
    def release(self) -> list[Array]:
        """Return the columns, and leave the table without them. It can't be used again."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...

@final
class Answer:
    """A decoded answer, its tables kept apart by schema; `pivot` uses it up."""

    @property
    def rows(self) -> int: ...
    def aggregate(
        self, *, edges: Buffer, label: str, wanted: Sequence[tuple[str, str, float, Sequence[str]]]
    ) -> Answer:
        """Turn points into aggregates of windows; the answer is used up.

        Args:
            edges: Nanoseconds at which windows begin and end, int64, ascending.
            label: "start" or "stop": which edge is a window's time.
            wanted: Name of the result, function ("mean", "mode", "quantile", "skew", "stddev" or "sum"),
                share of a quantile, and fields.
        """

    def union(self) -> Table: ...
    def split(self) -> list[Table]: ...

@final
class Decoder:
    """Push decoder of annotated CSV. The result does not depend on how the input is split."""

    def __new__(cls) -> Decoder: ...
    def feed(self, chunk: bytes) -> None: ...
    @property
    def rows(self) -> int:
        """Number of rows that were decoded and not taken yet."""

    @property
    def schemas(self) -> int:
        """Number of schemas that were read and not taken yet; some may have no rows."""

    def take(self) -> Answer:
        """Return the rows decoded so far; decoding goes on after them."""

    def finish(self, *, require_end: bool = True) -> Answer: ...

@final
class SeriesDecoder:
    """Push decoder of InfluxQL's answers in msgpack. The result does not depend on how the input is split."""

    def __new__(cls, fields: Sequence[tuple[str, str]] | None = None) -> SeriesDecoder:
        """Start an answer.

        Args:
            fields: Names and kinds ("float64", "int64", "uint64", "bool" or "string") of the columns after
                "time", in their order. None takes names and types from the answer.
        """

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the answer.

        Raises:
            ParseError: The bytes are not an answer of InfluxQL in msgpack with times as integers.
            QueryError: The answer holds an error of the server.
            SchemaConflictError: A value is not of its field's kind.
        """

    @property
    def rows(self) -> int:
        """Number of rows that were decoded and not taken yet."""

    @property
    def schemas(self) -> int:
        """Number of layouts of series that were read and not taken yet; some may have no rows."""

    def take(self) -> Answer:
        """Return the rows decoded so far; decoding goes on after them."""

    def finish(self, *, require_end: bool = True) -> Answer:
        """Return the last rows; the answer may not end before the server said that it does.

        Args:
            require_end: Whether the answer must be complete. Otherwise it may end after any message.

        Raises:
            IncompleteResultError: The answer was cut off.
        """

    def messages(self) -> list[str]:
        """Return the server's messages in the answer so far, such as "warning: …"; also after `finish`."""

@final
class Encoder:
    """A checked frame, which is written as line protocol in bodies of a given size."""

    def __new__(
        cls,
        frame: Table,
        measurement: str,
        *,
        tag_columns: Sequence[str],
        time_column: str,
        tags: Sequence[tuple[str, str]],
        precision: str,
        duplicates: str,
    ) -> Encoder: ...
    @staticmethod
    def problems(
        frame: Table,
        measurement: str,
        *,
        tag_columns: Sequence[str],
        time_column: str,
        tags: Sequence[tuple[str, str]],
        precision: str,
        duplicates: str,
        most: int,
    ) -> list[tuple[int | None, str | None, str]]:
        """Return row, column and reason of each fault that prevents writing; at most `most` of them."""

    def __len__(self) -> int: ...
    def times(self) -> bytes:
        """Return the points' times: int64 nanoseconds."""

    def body(self, limit: int) -> tuple[bytes, int] | None:
        """Return the next lines and their number; None at the end.

        They are at least `limit` bytes, if so many are left.
        """

    def rows(self, start: int, stop: int) -> bytes:
        """Return the lines of the rows from `start` to `stop`, without an effect on `body`."""

@final
class PointEncoder:
    """Single points as line protocol, until they are taken."""

    def __new__(
        cls,
        measurement: str | None,
        *,
        tag_columns: Sequence[str],
        time_column: str,
        tags: Sequence[tuple[str, str]],
        instant: Callable[[object], int],
        most_rows: int,
        most_bytes: int,
    ) -> PointEncoder: ...
    def add(self, point: dict[str, Any], now: int) -> bool:
        """Add a point; return whether there are enough. One without a time gets `now`."""

    def add_text(self, text: str, now: int) -> bool:
        """Add lines of text, all or none; return whether there are enough."""

    def add_lines(self, lines: bytes, rows: int) -> bool:
        """Add lines of an `Encoder`; return whether there are enough."""

    def __len__(self) -> int: ...
    def take(self) -> tuple[bytes, int]:
        """Return all lines and their number; afterwards there are none."""

def split_lines(body: bytes) -> list[bytes]:
    """Return the lines of a body, each with its line feed."""

@final
class HttpBody:
    """Extracts the body of an HTTP/1.1 message from the bytes of a connection, however they are split."""

    def __new__(cls, length: int | None) -> HttpBody:
        """Start a body.

        Args:
            length: Its length in bytes. None means the chunked transfer coding.
        """

    def feed(self, data: bytes) -> bytes:
        """Take the connection's next bytes and return those of the body.

        The GIL is released for 32 KiB or more. For less, releasing it would take longer than the work.

        Raises:
            IncompleteResultError: The bytes are not chunks as RFC 9112 defines them. Close the connection.
        """

    @property
    def complete(self) -> bool:
        """Whether the message has ended."""

    @property
    def excess(self) -> int:
        """How many bytes were given after the message's end."""

def pivot(
    answers: Sequence[Answer],
    *,
    fields: Sequence[str] | None,
    levels: Sequence[str] | None,
    tag_columns: bool,
    empty_text: bool,
    renamed: Sequence[tuple[str, str, str]],
    kinds: Sequence[tuple[str, str]],
    tz: str,
    axis: Buffer | None,
    zeros: Sequence[str],
    spreads: Sequence[tuple[str, str]],
) -> tuple[Table, int]:
    """Turn tables of `_time`, `_value`, `_field` and tags, or InfluxQL's, into one row per series and time.

    Args:
        answers: The slices of one read; they are used up.
        fields: Columns, in this order. None means every field found, sorted by name.
        levels: Tags that are the first columns. None means those that differ.
        tag_columns: Append the other tags that a series has.
        empty_text: Empty cells of string fields are empty strings, not nulls.
        renamed: Result, field and the name of its column.
        kinds: Columns, and the kinds that they have in other answers.
        tz: Zone of the time column's type.
        axis: Times, int64, ascending, at which every row group has a row.
        zeros: Columns whose absent integers are 0.
        spreads: Columns of greatest values, each with the column of least values that is subtracted from it.

    Returns:
        Levels, `time`, fields, tags; and how many of the columns are levels.
    """

def latest(frame: Table, levels: int) -> Table:
    """Keep the last row of each row group, and in each field the last value that is not null.

    Args:
        frame: A pivot's columns, sorted by its levels and time.
        levels: How many of the columns are levels.
    """

def levels(times: Buffer) -> tuple[Memory, Memory]:
    """Return the position of each time among the distinct times.

    Args:
        times: Nanoseconds, int64; those of a series ascend.

    Returns:
        The positions as int32, and the distinct times as int64, ascending.
    """

def differences(frame: Table, *, keys: Sequence[int]) -> Table:
    """Replace all columns but the keys, given by position, by differences within each series."""

@final
class Consumption:
    """The totals of meters, read once from answers that are not needed after that."""

    def __new__(
        cls,
        totals: Sequence[Answer],
        *,
        before: Sequence[Answer],
        first: Sequence[Answer],
        lows: Sequence[Answer],
        fields: Sequence[str],
        kinds: Sequence[tuple[str, str]],
        levels: Sequence[str] | None,
        tz: str,
        on_reset: str,
        rollover: Sequence[tuple[str, float]],
        max_rate: Sequence[tuple[str, float]],
        gaps: str,
        grid: Buffer | None,
        adjacent_since: int | None,
        lead: int,
        late: int,
        longest: int,
        quality: bool,
        edges: Buffer | None,
        label: str,
    ) -> Consumption:
        """Read the answers; arguments as `db_core.meter.Consumption` has them."""

    def unsettled(
        self,
    ) -> tuple[list[str], list[list[str | None]], list[tuple[str, list[int], list[int]]]]:
        """Return the windows whose consumption their points decide.

        Returns:
            Names of tags; their values, by series; and a list of the field, the numbers of its series in
            doubt, and the labels of the windows.
        """

    def frame(self, points: Sequence[Answer], refined: Sequence[tuple[int, int, int]]) -> tuple[Table, int]:
        """Turn the totals into consumption per window; see `db_core.meter.Consumption.frame`.

        Returns:
            Levels, `time`, fields, qualities; and how many of the columns are levels.
        """

@final
class PieceWriter:
    """A table, written as pieces of Arrow IPC."""

    def __new__(cls, table: Table, limit: int) -> PieceWriter: ...
    def piece(self) -> bytes | None:
        """Return the next piece, at most `limit` bytes; None at the end."""

@final
class PieceReader:
    """Reads the pieces of a table, in order, however they are split."""

    def __new__(cls) -> PieceReader: ...
    def feed(self, piece: bytes) -> None: ...
    def finish(self) -> Table: ...

@final
class Shards:
    """The points in the files of shards, read from these files when they are asked for.

    Series are numbered in order of their tags. No file stays open between two calls.
    """

    def __new__(cls, shards: Sequence[Sequence[tuple[str, str, int, int | None]]]) -> Shards:
        """Open shards and read their indexes.

        Args:
            shards: For each shard, its files: the file's own name ("000000001-000000001.tsm",
                "….tombstone", "_00001.wal"), the path of the file that has its bytes, the offset there and
                the length (None: to the end). A file may be a member of an archive.

        Raises:
            InvalidArgumentError: A name is not that of a file of a shard.
            IncompleteResultError: A file is missing, or can't be read. Every method that reads may raise it.
            ParseError: A file is damaged. The message names it and the byte. Every method that reads may
                raise it.
        """

    def measurements(self) -> list[str]:
        """Return the names of the measurements that have points, sorted."""

    def fields(self, measurement: str, within: tuple[int, int] | None = None) -> list[tuple[str, list[str]]]:
        """Return the fields of a measurement, sorted by name, each with its one or several types.

        Args:
            measurement: The measurement.
            within: Start and stop of a half-open range, in nanoseconds. Only fields and types are listed
                that have points in it, as far as the indexes tell.
        """

    def tag_keys(self, measurement: str) -> list[str]:
        """Return the names of a measurement's tags, sorted."""

    def range(self, measurement: str) -> tuple[int, int] | None:
        """Return the first and last time of a measurement, in nanoseconds, as the indexes tell.

        It may be too wide if points were deleted.
        """

    def differing(
        self,
        measurement: str,
        *,
        fields: Sequence[str] | None,
        tags: Sequence[tuple[str, Sequence[str]]],
        start: int,
        stop: int,
    ) -> list[str]:
        """Return the tags that differ between the series that match, sorted."""

    def series(
        self,
        measurement: str,
        *,
        fields: Sequence[str] | None,
        tags: Sequence[tuple[str, Sequence[str]]],
        start: int,
        stop: int,
        first: int = 0,
        count: int = ...,
        within: tuple[int, int] | None = None,
    ) -> tuple[int, int]:
        """Count the series that match, and the rows of `count` of them.

        The rows of a series are estimated: 1,000 for each block of the field that has most blocks. So the
        count is usually too high. It is too low where the fields of a series have different times.

        Args:
            fields: These fields. None means all of them.
            tags: Names of tags and the values of each that match. An empty text matches series without the
                tag.
            first: Number of the first series whose rows are counted.
            count: How many series are counted from there; all by default.
            within: Half-open range in which rows are counted. None means `start` and `stop`.
        """

    def read(
        self,
        measurement: str,
        *,
        fields: Sequence[str] | None,
        tags: Sequence[tuple[str, Sequence[str]]],
        start: int,
        stop: int,
        first: int,
        count: int,
        threads: int,
        within: tuple[int, int] | None = None,
    ) -> Answer:
        """Read the points of `count` matching series, from number `first` on.

        The range is half-open, from `start` to `stop`. Each table of the answer has one series and field of
        one shard. Only the blocks of these series and this range are read. If `within` is given, the points
        are those of this half-open range, but the numbers of the series are still those of `start` and
        `stop`.
        """
