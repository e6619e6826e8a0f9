"""Columns of a file of others: their types by their values, and errors that name row, column and value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from db_core.errors import SchemaConflictError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TYPES", "Columns"]

# InfluxDB's names of types.
TYPES = {
    "float": pa.float64(),
    "integer": pa.int64(),
    "unsigned": pa.uint64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
}
_NAMES = {kind: name for name, kind in TYPES.items()}

# What a value may be, and the types of columns of such values.
_INTEGER, _FLOAT, _BOOLEAN, _TEXT = range(4)
_FAMILY = {_INTEGER: "numbers", _FLOAT: "numbers", _BOOLEAN: "booleans", _TEXT: "text"}
_FAMILY_OF = {
    pa.int64(): "numbers",
    pa.uint64(): "numbers",
    pa.float64(): "numbers",
    pa.bool_(): "booleans",
    pa.string(): "text",
}
_OF_JSON = {int: _INTEGER, float: _FLOAT, bool: _BOOLEAN, str: _TEXT}
# A comma is no decimal point, but nobody should find such numbers stored as text.
_INTEGERS = r"^[+-]?\d+$"
_NUMBERS = r"^[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?$|^[+-]?(?i:nan|inf|infinity)$"
_BOOLEANS = r"^(?i:true|false)$"
_OFFSET = r"[T ].*(Z|[+-]\d{2}(:?\d{2})?)$"
_LONGEST = 60  # letters of a value in a message


class Columns:
    """Types the columns of a file, table by table; what one table has tells the types in all later ones.

    Args:
        source: Name of the file.
        known: The types of some columns.
        time_column: Name of the column of times.
        precision: Unit of times that are whole numbers.
    """

    def __init__(self, source: str, known: dict[str, Any], time_column: str, precision: str) -> None:
        self._source = source
        self._known = known
        self._found: dict[str, Any] = {}
        self._time_column = time_column
        self._precision = precision

    def of_text(self, table: Any, rows: Sequence[int]) -> Any:
        """Return a table of texts with types; columns without a value so far are left out.

        Args:
            table: The table.
            rows: The number of each row.

        Raises:
            SchemaConflictError: A value is of another type than the column. Names row, column and value.
        """
        made = {}
        for name, column in zip(table.column_names, table.columns, strict=True):
            cells = column.combine_chunks()
            if name == self._time_column:
                made[name] = self._times(cells, rows)
                continue
            if (values := self._typed(name, cells, rows)) is not None:
                made[name] = values
        return pa.table(made)

    def of_json(self, objects: list[dict[str, Any]], rows: Sequence[int]) -> Any:
        """Return the table of JSON objects; as `of_text`."""
        made = {}
        for name in dict.fromkeys(key for one in objects for key in one):
            values = [one.get(name) for one in objects]
            if name == self._time_column:
                made[name] = self._times_of_json(values, rows)
                continue
            for row, value in zip(rows, values, strict=True):
                if value is not None and type(value) not in _OF_JSON:
                    raise self._differs(name, row, value, "a number, a boolean or text")
            codes = pa.array([_OF_JSON.get(type(one)) for one in values], pa.int8())
            if (kind := self._kind(name, codes, rows, values)) is not None:
                made[name] = self._array(name, values, kind, rows)
        return pa.table(made)

    def of_columns(self, table: Any, rows: Sequence[int]) -> Any:
        """Return a table that has types, with times for texts or whole numbers in the column of times."""
        place = table.schema.get_field_index(self._time_column)
        if place < 0:
            return table
        return table.set_column(
            place, self._time_column, self._times(table.column(place).combine_chunks(), rows)
        )

    def _typed(self, name: str, cells: Any, rows: Sequence[int]) -> Any:
        """Return the texts of a column with its type; None if there is no value yet."""
        kind = self._known.get(name, self._found.get(name))
        words = pc.ascii_trim_whitespace(cells)
        words = pc.if_else(pc.equal(words, ""), None, words)
        if kind is None or (kind != pa.string() and name not in self._known and not _fits(words, kind)):
            kind = self._kind(name, _codes(words), rows, cells)
        if kind is None or kind == pa.string():
            return kind and cells
        return self._cast(name, words, kind, rows)

    def _kind(self, name: str, codes: Any, rows: Sequence[int], values: Any) -> Any:
        """Return the type of a column by its values so far; None if it has none."""
        before = self._known.get(name, self._found.get(name))
        present = pc.unique(codes.drop_null()).to_pylist()
        if not present:
            return before
        family = _FAMILY[present[0]] if before is None else _FAMILY_OF[before]
        for place, code in enumerate(
            codes.to_pylist() if {_FAMILY[one] for one in present} != {family} else ()
        ):
            if code is not None and _FAMILY[code] != family:
                raise self._differs(name, rows[place], values[place], f"{family}, as in the rows before it")
        if name in self._known:
            return before
        if family == "numbers":
            kind = pa.float64() if _FLOAT in present or before == pa.float64() else pa.int64()
        else:
            kind = pa.bool_() if family == "booleans" else pa.string()
        self._found[name] = kind
        return kind

    def _cast(self, name: str, words: Any, kind: Any, rows: Sequence[int]) -> Any:
        try:
            return words.cast(kind)
        except pa.ArrowInvalid:
            for row, word in zip(rows, words, strict=False):
                try:
                    word.cast(kind)
                except pa.ArrowInvalid:
                    raise self._differs(name, row, word, _a(kind)) from None
            raise

    def _array(self, name: str, values: list[Any], kind: Any, rows: Sequence[int]) -> Any:
        try:
            return pa.array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            for row, value in zip(rows, values, strict=False):
                try:
                    pa.array([value], kind)
                except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
                    raise self._differs(name, row, value, _a(kind)) from None
            raise

    def _differs(self, name: str, row: int, value: object, expected: str) -> SchemaConflictError:
        return SchemaConflictError(
            f"{self._source}, row {row}, column {name!r}: expected {expected}, and got {_shown(value)}. "
            f"Correct the file, or name the type of the column, as by --type {name}=string"
        )

    def _times_of_json(self, values: list[Any], rows: Sequence[int]) -> Any:
        expected = next((type(one) for one in values if one is not None), int)
        for row, value in zip(rows, values, strict=True):
            if value is not None and (type(value) is not expected or expected not in (int, str)):
                raise self._no_time(row, value)
        if expected is int:
            return self._times(self._array(self._time_column, values, pa.int64(), rows), rows)
        return self._times(pa.array(values, pa.string()), rows)

    def _times(self, cells: Any, rows: Sequence[int]) -> Any:
        """Return times of texts or whole numbers; others are returned as they are."""
        if types.is_integer(cells.type):
            return cells.cast(pa.int64()).cast(pa.timestamp(self._precision, "UTC"))
        if types.is_dictionary(cells.type):
            cells = cells.dictionary_decode()
        if not (types.is_string(cells.type) or types.is_large_string(cells.type)):
            return cells
        first = next(iter(cells.drop_null()), pa.scalar(""))
        read = self._whole if pc.match_substring_regex(first, _INTEGERS).as_py() else _read
        try:
            return read(cells)
        except pa.ArrowInvalid:
            for row, cell in zip(rows, cells, strict=False):
                try:
                    read(pa.array([cell.as_py()], pa.string()))
                except pa.ArrowInvalid:
                    raise self._no_time(row, cell) from None
            raise

    def _whole(self, texts: Any) -> Any:
        return texts.cast(pa.int64()).cast(pa.timestamp(self._precision, "UTC"))

    def _no_time(self, row: int, value: object) -> SchemaConflictError:
        return SchemaConflictError(
            f"{self._source}, row {row}, column {self._time_column!r}: expected a time such as "
            f"2026-07-01T12:30:00Z, and got {_shown(value)}"
        )


def _a(kind: Any) -> str:
    name = _NAMES.get(kind, str(kind))
    return f"an {name}" if name[0] in "iu" else f"a {name}"


def _shown(value: object) -> str:
    shown = repr(value.as_py() if isinstance(value, pa.Scalar) else value)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _fits(words: Any, kind: Any) -> bool:
    try:
        words.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _codes(words: Any) -> Any:
    """Return what each text is; a null where there is none."""
    code = pa.scalar(_TEXT, pa.int8())
    for pattern, found in ((_BOOLEANS, _BOOLEAN), (_NUMBERS, _FLOAT), (_INTEGERS, _INTEGER)):
        code = pc.if_else(pc.match_substring_regex(words, pattern), pa.scalar(found, pa.int8()), code)
    return code


def _read(texts: Any) -> Any:
    """Return times of ISO 8601; without an offset they are in UTC."""
    zoned = pc.match_substring_regex(texts, _OFFSET)
    instants = pc.if_else(zoned, texts, None).cast(pa.timestamp("ns", "UTC"))
    plain = pc.if_else(zoned, None, texts).cast(pa.timestamp("ns")).cast(pa.timestamp("ns", "UTC"))
    return pc.coalesce(instants, plain)
