"""What the tests of several modules draw from: texts, values, and answers of a server."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

I64 = (-(2**63), 2**63 - 1)
U64 = (0, 2**64 - 1)

# What has a meaning in CSV, in line protocol or in Flux, and what has not.
texts = st.lists(
    st.sampled_from(["a", "b c", ",", '"', "=", "\\", "\n", "#", "${}", "é", "日本", "🔌", "", "true", "1"]),
    max_size=5,
).map("".join)

integers = st.integers(*I64) | st.sampled_from([*I64, 0, -1, 2**53 + 1])
unsigned = st.integers(*U64) | st.sampled_from([*U64, 2**53 + 1])
floats = st.floats(allow_nan=False) | st.sampled_from([float("inf"), 5e-324, -0.0])
# Nanoseconds of every time that pandas can hold: the lowest number is NaT.
times = st.integers(I64[0] + 1, I64[1]) | st.integers(1_700_000_000_000_000_000, 1_700_000_100_000_000_000)


@dataclass(frozen=True)
class Column:
    """A column of an answer.

    Attributes:
        kind: Its datatype, as annotated CSV spells it.
        values: Its cells: times and durations in nanoseconds, None where null.
    """

    name: str
    kind: str
    values: tuple[Any, ...]


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": texts.filter(bool),
    "long": integers,
    "unsignedLong": unsigned,
    "double": floats,
    "boolean": st.booleans(),
    "dateTime:RFC3339": times,
    "duration": st.integers(I64[0] + 1, I64[1]),
    "base64Binary": st.binary(min_size=1, max_size=8),
}


def spell(kind: str, value: Any) -> str:
    """Give a cell's text as the server writes it."""
    if value is None:
        return ""
    if kind == "dateTime:RFC3339":
        return f"{np.datetime64(value, 'ns')}Z"
    if kind == "base64Binary":
        return base64.b64encode(value).decode()
    if kind == "boolean":
        return str(value).lower()
    return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), str(value))


def answer(*tables: Sequence[Column]) -> bytes:
    """Give the bytes of an answer: each table a block of its own, after Python's own CSV writer."""
    blocks = []
    for number, columns in enumerate(tables):
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(["#datatype", "string", "long", *(column.kind for column in columns)])
        writer.writerow(["#group", "false", "false", *("false" for _ in columns)])
        writer.writerow(["#default", "_result", "", *("" for _ in columns)])
        writer.writerow(["", "result", "table", *(column.name for column in columns)])
        for row in zip(*(column.values for column in columns), strict=True):
            cells = [spell(column.kind, value) for column, value in zip(columns, row, strict=True)]
            # A line feed inside a cell is written as a line end.
            writer.writerow(["", "", number, *(cell.replace("\n", "\r\n") for cell in cells)])
        blocks.append(text.getvalue().encode())
    return b"\r\n".join([*blocks, b""]) if blocks else b"\r\n"


@st.composite
def tables(draw: st.DrawFn, *, kinds: Sequence[str] = tuple(VALUES), nulls: bool = True) -> list[Column]:
    """Draw the columns of one table with at least one row."""
    rows = draw(st.integers(1, 6))
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=5))
    cells = [st.none() | VALUES[kind] if nulls else VALUES[kind] for kind in chosen]
    return [
        Column(f"c{number}", kind, tuple(draw(st.lists(values, min_size=rows, max_size=rows))))
        for number, (kind, values) in enumerate(zip(chosen, cells, strict=True))
    ]


@st.composite
def cut(draw: st.DrawFn, text: bytes) -> list[bytes]:
    """Draw pieces of a text, some of them empty."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[start:stop] for start, stop in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def damaged(draw: st.DrawFn, text: bytes) -> bytes:
    """Draw a text with one or a few places changed: bytes replaced, put in, or gone."""
    changed = bytearray(text)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(changed)))
        gone = draw(st.sampled_from([0, 1, 1, 8, 40]))
        changed[start : start + gone] = draw(
            st.binary(max_size=8) | st.sampled_from([b"\n", b",", b'"', b"#"])
        )
    return bytes(changed)
