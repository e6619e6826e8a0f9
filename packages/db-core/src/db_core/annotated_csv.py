"""Read annotated CSV, the format of InfluxDB 2.x's answers, from anything that yields bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from db_core._native import Answer, Decoder
from db_core.errors import InvalidArgumentError
from db_core.foreign import shown
from db_core.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from db_core._native import SeriesDecoder

__all__ = [
    "Answer",
    "BatchDecoder",
    "Decoder",
    "Source",
    "decode",
    "iter_annotated_csv",
    "read_annotated_csv",
    "split",
    "text_bytes_of_batch",
    "union",
]

Source: TypeAlias = "bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO | Iterable[bytes]"

_CHUNK = 1 << 20
# A batch holds at most 16 MiB of text, or 256 bytes a row if that is more, as rows may have very long cells.
_BATCH_BYTES = 16 << 20
_WIDE_ROW = 1 << 8
_SCHEMAS = 1_000  # about the most in a batch: each takes memory, even without rows


def read_annotated_csv(source: Source, *, require_end: bool = True) -> Frame:
    """Read annotated CSV into one frame.

    Args:
        source: Bytes, a path, a binary file, or an iterable of bytes split anywhere.
        require_end: Whether the text must end with InfluxDB's end mark, an empty line. An answer without
            it was cut off. Pass False for text from another source.

    Returns:
        The rows of all tables. Columns are in order of first appearance, and rows in order of arrival.
        Missing cells are null. An empty cell has the value of ``#default``, or is null if there is none.
        Columns are float64, int64, uint64, bool, timestamp[ns, UTC], duration[ns], string or binary.
        Strings of the group key are dictionaries. If a column is integer in one table and float in
        another, it is float64, provided that this is exact.

    Raises:
        IncompleteResultError: The text was cut off.
        ParseError: The text is not annotated CSV. The message names byte, table and row.
        QueryError: The text contains an error of the server.
        SchemaConflictError: A column has types in two tables that no one column can have; the message
            names both tables. Or the tables share so few columns that the frame would be large and nearly
            empty.
    """
    return union(decode(source, require_end=require_end))


def iter_annotated_csv(
    source: Source, *, batch_rows: int = 65_536, require_end: bool = True
) -> Iterator[Frame]:
    """Read annotated CSV as frames of at most `batch_rows` rows, each of one schema.

    The memory depends on the size of a frame, not on the size of the text. A frame has fewer rows if their
    cells are very long. The text was complete only if the iterator ends without an error.

    Args:
        source: As for `read_annotated_csv`.
        batch_rows: The most rows of a frame, at least 1.
        require_end: As for `read_annotated_csv`.

    Raises:
        InvalidArgumentError: `batch_rows` is below 1.
        DatabaseError: Any error of `read_annotated_csv`, when the iterator reaches the fault.
    """
    if not isinstance(batch_rows, int) or isinstance(batch_rows, bool) or batch_rows < 1:
        message = f"`batch_rows` must be a whole number, 1 or more, not {shown(batch_rows)}"
        raise InvalidArgumentError(message, argument="batch_rows")
    return _batches(source, batch_rows, require_end=require_end)


def decode(source: Source, *, require_end: bool = True) -> Answer:
    """Decode annotated CSV without joining its tables. Each schema keeps its own columns.

    The arguments and errors are those of `read_annotated_csv`. Conflicts arise only when tables are joined.
    """
    decoder = Decoder()
    # Bytes are not split: the pieces would be copies, which took a fifth of the time.
    for chunk in [source] if isinstance(source, bytes) else _chunks(source):
        decoder.feed(chunk)
    return decoder.finish(require_end=require_end)


def text_bytes_of_batch(batch_rows: int) -> int:
    """Return the most bytes of text that a batch may have, whatever its number of rows."""
    return max(_BATCH_BYTES, batch_rows * _WIDE_ROW)


def union(answer: Answer) -> Frame:
    """Return all tables as one frame; see `read_annotated_csv`."""
    return Frame(answer.union())


def split(answer: Answer) -> list[Frame]:
    """Return one frame for each schema, in order of first appearance."""
    return [Frame(batch) for batch in answer.split()]


class BatchDecoder:
    """Decode an answer that is pushed in pieces, into frames as `iter_annotated_csv` yields them.

    Args:
        batch_rows: The most rows of a frame.
        require_end: As for `read_annotated_csv`.
        decoder: Decoder of the answer. None means a new `Decoder`.
    """

    def __init__(
        self, batch_rows: int, *, require_end: bool = True, decoder: Decoder | SeriesDecoder | None = None
    ) -> None:
        self._decoder = Decoder() if decoder is None else decoder
        self._batch_rows = batch_rows
        self._require_end = require_end
        self._most_bytes = text_bytes_of_batch(batch_rows)
        self._held = 0
        self._is_finished = False

    def feed(self, piece: bytes) -> list[Frame]:
        """Decode a piece of the answer, and return the frames that are full."""
        self._decoder.feed(piece)
        self._held += len(piece)
        rows, schemas = self._decoder.rows, self._decoder.schemas
        if rows < self._batch_rows and self._held < self._most_bytes and schemas <= _SCHEMAS:
            return []
        self._held = 0
        return list(_frames_of(self._decoder.take(), self._batch_rows))

    def finish(self) -> list[Frame]:
        """Return the last frames, at the end of the answer. Later calls return none."""
        if self._is_finished:
            return []
        self._is_finished = True
        return list(_frames_of(self._decoder.finish(require_end=self._require_end), self._batch_rows))


def _batches(source: Source, batch_rows: int, *, require_end: bool) -> Iterator[Frame]:
    decoder = BatchDecoder(batch_rows, require_end=require_end)
    for chunk in _chunks(source):
        yield from decoder.feed(chunk)
    yield from decoder.finish()


def _frames_of(answer: Answer, batch_rows: int) -> Iterator[Frame]:
    for batch in answer.split():
        for start in range(0, len(batch), batch_rows):
            yield Frame(batch.slice(start, min(batch_rows, len(batch))))


def _chunks(source: Source) -> Iterator[bytes]:
    """Yield the bytes of a source in pieces of limited size."""
    if isinstance(source, str | os.PathLike):
        if "\0" in os.fspath(source):
            message = f"`source` must be a path without NUL characters, not {source!r}"
            raise InvalidArgumentError(message, argument="source")
        with Path(source).open("rb") as file:
            yield from _chunks(file)
    elif isinstance(source, bytes | bytearray | memoryview):
        view = memoryview(source)
        view = (view if view.c_contiguous else memoryview(view.tobytes())).cast("B")
        for start in range(0, len(view), _CHUNK):
            yield bytes(view[start : start + _CHUNK])
    elif hasattr(source, "read"):
        while chunk := source.read(_CHUNK):
            yield _bytes(chunk)
    elif isinstance(source, Iterable):
        for chunk in source:
            yield _bytes(chunk)
    else:
        message = (
            f"`source` must be bytes, a path, a binary file or an iterable of bytes, not {shown(source)}"
        )
        raise InvalidArgumentError(message, argument="source")


def _bytes(chunk: object) -> bytes:
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, bytearray | memoryview):
        return bytes(chunk)
    message = f"`source` must yield bytes, not {type(chunk).__name__}"
    raise InvalidArgumentError(message, argument="source")
