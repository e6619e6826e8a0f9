"""Signatures of the native extension, for use within db_core and db_influx's framing.

Every call releases the GIL while it computes. Errors are those of
`db_core.errors`. Objects may be shared between threads.
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
    """One column of any Arrow type, whose values are taken once."""

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
            dictionary: What the values are codes of.
            ordered: Whether the order of the dictionary means something.
        """

    @staticmethod
    def from_arrow(source: object) -> Array:
        """Return the first column of an object's `__arrow_c_stream__`."""

    def __len__(self) -> int: ...
    @property
    def format(self) -> str:
        """The type; of a dictionary that of its codes."""

    @property
    def ordered(self) -> bool:
        """Whether the order of the dictionary means something."""

    @property
    def kind(self) -> _Kind:
        """What a column of a decoded frame holds."""

    def written(self) -> tuple[str, int] | None:
        """Tell what line protocol writes of it: InfluxDB's word for the type and how many values, or None.

        Raises:
            InvalidArgumentError: It can't be written.
        """

    @property
    def null_count(self) -> int: ...
    def nulls(self) -> Memory | None:
        """Bytes, 1 where null; None if there are no nulls."""

    def dictionary(self) -> Array | None:
        """Return what the values are codes of, or None."""

    def values(self) -> Any:
        """Take the values: memory (numbers, times, codes; booleans as bytes) or a list (str, bytes; None).

        The memory is the column's own if nothing else holds it, else a copy. In a list, texts that repeat
        are one object, unless there are many others in between.
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
        """Of each column, the name of its extension type, or of one within it."""

    def joined(self) -> Table:
        """Return the same rows in one batch."""

    def slice(self, start: int, rows: int) -> Table: ...
    def by_time(self, levels: int) -> Table:
        """Return the rows in order of time. Its column follows the levels, and comes first in the result."""

    def columns(self) -> list[Array]: ...
    def release(self) -> list[Array]:
        """Hand the columns over; the table can't be used again."""

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
    """Push decoder of annotated CSV; the result is the same for every split of the input."""

    def __new__(cls) -> Decoder: ...
    def feed(self, chunk: bytes) -> None: ...
    @property
    def rows(self) -> int:
        """Rows decoded and not yet taken."""

    @property
    def schemas(self) -> int:
        """Schemas met and not yet taken, those without rows included."""

    def take(self) -> Answer:
        """Return the rows decoded so far; decoding goes on after them."""

    def finish(self, *, require_end: bool = True) -> Answer: ...

@final
class SeriesDecoder:
    """Push decoder of InfluxQL's answers in msgpack; the result is the same for every split of the input."""

    def __new__(cls, fields: Sequence[tuple[str, str]] | None = None) -> SeriesDecoder:
        """Start an answer.

        Args:
            fields: Names and kinds ("float64", "int64", "uint64", "bool" or "string") of the columns behind
                "time", by position. None takes names and types from the answer.
        """

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the answer.

        Raises:
            ParseError: They are no answer of InfluxQL in msgpack with times as integers.
            QueryError: The answer holds an error of the server.
            SchemaConflictError: A value is not of its field's kind.
        """

    @property
    def rows(self) -> int:
        """Rows decoded and not yet taken."""

    @property
    def schemas(self) -> int:
        """Layouts of series met and not yet taken, those without rows included."""

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
        """Return what the server said beside the answer so far, such as "warning: …"; also after `finish`."""

@final
class Encoder:
    """A checked frame, written as line protocol body by body."""

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
        """Return row, column and reason of what can't be written, at most so many."""

    def __len__(self) -> int: ...
    def times(self) -> bytes:
        """Return the points' times: int64 nanoseconds."""

    def body(self, limit: int) -> tuple[bytes, int] | None:
        """Return the next lines and their number; None at the end.

        They are at least `limit` bytes, if so many are left.
        """

    def rows(self, start: int, stop: int) -> bytes:
        """Return the lines of the rows from `start` to `stop`, wherever `body` has come to."""

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
    """Takes the body of an HTTP/1.1 message out of a connection's bytes; any split of them gives the same."""

    def __new__(cls, length: int | None) -> HttpBody:
        """Start a body.

        Args:
            length: Its length in bytes; None is the chunked transfer coding.
        """

    def feed(self, data: bytes) -> bytes:
        """Take the connection's next bytes and return those of the body.

        The GIL is released for 32 KiB or more; for less the hand-over takes longer than the work.

        Raises:
            IncompleteResultError: They are no chunks as RFC 9112 has them. Close the connection then.
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
        fields: Columns in this order; None is every field found, by name.
        levels: Tags that lead the frame; None is those that differ.
        tag_columns: Append the other tags that a series has.
        empty_text: Empty cells of string fields are empty strings, not nulls.
        renamed: Result, field and the name of its column.
        kinds: Columns and the kinds they have elsewhere.
        tz: Zone of the time column's type.
        axis: Times, int64, ascending, at which every row group has a row.
        zeros: Columns whose absent integers are 0.
        spreads: Columns of greatest values, each with the column of least values that is taken from it.

    Returns:
        Levels, `time`, fields, tags; and how many of the columns are levels.
    """

def latest(frame: Table, levels: int) -> Table:
    """Keep the last row of each row group, and in each field the last value that is no null.

    Args:
        frame: A pivot's columns, sorted by its levels and time.
        levels: How many of the columns are levels.
    """

def levels(times: Buffer) -> tuple[Memory, Memory]:
    """Tell where each time stands among the distinct times.

    Args:
        times: Nanoseconds, int64; those of a series ascend.

    Returns:
        For each time its place as int32; and the distinct times as int64, ascending.
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
        """Find the windows whose points are worth asking for.

        Returns:
            Names of tags; their values, by series; of each doubt the field, numbers of series, and labels.
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
    """Takes the pieces of a table, in order; any split gives the same."""

    def __new__(cls) -> PieceReader: ...
    def feed(self, piece: bytes) -> None: ...
    def finish(self) -> Table: ...

@final
class Shards:
    """The points in the files of shards, read where they lie.

    Series are numbered in order of their tags. No file stays open between two calls.
    """

    def __new__(cls, shards: Sequence[Sequence[tuple[str, str, int, int | None]]]) -> Shards:
        """Open shards and read their indexes.

        Args:
            shards: Of each shard its files: the file's own name ("000000001-000000001.tsm", "….tombstone",
                "_00001.wal"), the path where its bytes lie, the offset there and the length (None: to the
                end), as a file may be a member of an archive.

        Raises:
            InvalidArgumentError: A name is not that of a file of a shard.
            IncompleteResultError: A file is not there, or can't be read. So for every method that reads.
            ParseError: A file is damaged. The message names it and the byte. So for every method that reads.
        """

    def measurements(self) -> list[str]:
        """Return the names of the measurements that have points, sorted."""

    def fields(self, measurement: str, within: tuple[int, int] | None = None) -> list[tuple[str, list[str]]]:
        """Return the fields of a measurement, sorted by name, each with its types, one or several.

        Args:
            measurement: The measurement.
            within: Start and stop of a range, nanoseconds, half-open: only what has points in it, as far as
                the indexes tell.
        """

    def tag_keys(self, measurement: str) -> list[str]:
        """Return the names of a measurement's tags, sorted."""

    def range(self, measurement: str) -> tuple[int, int] | None:
        """Return the first and last time of a measurement, in nanoseconds, as the indexes tell.

        Where points were deleted, it may be wider than what is left.
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

        Rows are counted by the blocks of that field of a series which has most. These are taken to hold 1,000
        points, so there are fewer rows as a rule, and more where the fields of a series have different times.

        Args:
            fields: These fields; None is all of them.
            tags: Names of tags and the values of each that match. An empty text stands for no such tag.
            first: Number of the first series whose rows are counted.
            count: How many series are counted from there; all by default.
            within: From and to which time rows are counted, half-open; None is `start` and `stop`.
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

        They begin with `start`, and end before `stop`. A table of the answer is one series and field of
        one shard. Only the blocks of these series and this time are read.
        From `within` on, half-open, if given; the numbers of the series stay those of `start` and `stop`.
        """
