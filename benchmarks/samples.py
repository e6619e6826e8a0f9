"""Answers of InfluxDB as bytes, for the decoders alone, with what is in them.

They have the shape that the server gives: one block, CRLF, the end mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sample:
    """An answer.

    Attributes:
        answer: Annotated CSV.
        plain: Header and rows only, which is all that readers of any CSV can take.
        expected: Columns that must come out of it.
    """

    answer: bytes
    plain: bytes
    expected: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer: its cells are text, ready to be joined."""

    name: str
    datatype: str
    cells: list[str]
    constant: bool = False
    default: str = ""


def long_form(scale: int) -> Sample:
    """Make what a read of stored points asks for: 20 tables, times and floats."""
    return _long(tables=20, rows=12_500 // scale)


def short_tables(scale: int) -> Sample:
    """Make 10,000 tables of ten rows."""
    return _long(tables=10_000 // scale, rows=10)


def nanoseconds(scale: int) -> Sample:
    """Make the long form with times of nine digits after the point."""
    return _long(tables=20, rows=5_000 // scale, offset=123_456_789)


def wide_rows(scale: int) -> Sample:
    """Make rows of 50 floats, as a pivoted read gives them."""
    return _wide(rows=10_000 // scale, fields=50, nulls=0.0)


def many_nulls(scale: int) -> Sample:
    """Make rows of ten floats of which half are absent."""
    return _wide(rows=40_000 // scale, fields=10, nulls=0.5)


def quoted_strings(scale: int) -> Sample:
    """Make texts with commas and quotes, so that every one is quoted."""
    rows = 100_000 // scale
    times = _times(rows, 0)
    texts = [f'phase {row % 3}, "state {row % 7}", code {row}' for row in range(rows)]
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    return _sample(
        [*_head(["0"] * rows), Column("_time", _TIME, _stamps(times)), Column("_value", "string", quoted)],
        pd.DataFrame({"_time": times, "_value": pd.array(texts, dtype="str")}),
    )


SAMPLES: dict[str, Callable[[int], Sample]] = {
    "long form": long_form,
    "wide rows of 50 fields": wide_rows,
    "10,000 short tables": short_tables,
    "quoted strings": quoted_strings,
    "many nulls": many_nulls,
    "nanosecond stamps": nanoseconds,
}

_TIME = "dateTime:RFC3339"


def _long(*, tables: int, rows: int, offset: int = 0) -> Sample:
    times = np.tile(_times(rows, offset), tables)
    values = np.random.default_rng(1).normal(1_000, 100, tables * rows).round(3)
    meters = [f"meter-{table:05}" for table in range(tables) for _ in range(rows)]
    return _sample(
        [
            *_head([str(table) for table in range(tables) for _ in range(rows)]),
            Column("_time", _TIME, _stamps(times)),
            Column("_value", "double", _numbers(values)),
            Column("_field", "string", ["power"] * len(values), constant=True),
            Column("meter", "string", meters, constant=True),
        ],
        pd.DataFrame({"_time": times, "_value": values, "meter": pd.array(meters, dtype="str")}),
    )


def _wide(*, rows: int, fields: int, nulls: float) -> Sample:
    random = np.random.default_rng(2)
    times = _times(rows, 0)
    values = random.normal(100, 10, (fields, rows)).round(3)
    values[random.random(values.shape) < nulls] = np.nan
    names = [f"field_{number:02}" for number in range(fields)]
    columns = [Column(name, "double", _numbers(column)) for name, column in zip(names, values, strict=True)]
    return _sample(
        [*_head(["0"] * rows), Column("_time", _TIME, _stamps(times)), *columns],
        pd.DataFrame({"_time": times, **dict(zip(names, values, strict=True))}),
    )


def _head(tables: list[str]) -> list[Column]:
    """Give the two columns that every answer starts with."""
    return [
        Column("result", "string", [""] * len(tables), default="_result"),
        Column("table", "long", tables),
    ]


def _times(rows: int, offset: int) -> NDArray[np.datetime64]:
    start = np.datetime64("2026-01-01T00:00:00", "ns") + np.timedelta64(offset, "ns")
    return start + np.arange(rows) * np.timedelta64(10, "s")


def _stamps(times: NDArray[np.datetime64]) -> list[str]:
    whole = not (times.astype("int64") % 1_000_000_000).any()
    return [f"{text}Z" for text in np.datetime_as_string(times, "s" if whole else "ns").tolist()]


def _numbers(values: NDArray[np.float64]) -> list[str]:
    return ["" if value != value else repr(value) for value in values.tolist()]  # noqa: PLR0124 - NaN


def _sample(columns: list[Column], expected: pd.DataFrame) -> Sample:
    annotations = [
        ["#datatype", *(column.datatype for column in columns)],
        ["#group", *("true" if column.constant else "false" for column in columns)],
        ["#default", *(column.default for column in columns)],
    ]
    head = "".join(",".join(line) + "\r\n" for line in annotations)
    header = ",".join(["", *(column.name for column in columns)])
    rows = zip(*([""] * len(expected), *(column.cells for column in columns)), strict=True)
    plain = "\r\n".join([header, *map(",".join, rows), ""])
    return Sample(f"{head}{plain}\r\n".encode(), plain.encode(), expected)
