"""InfluxQL's answers in msgpack, made by hand as the server sends them with `epoch=ns`."""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["document", "packed", "series"]


def packed(value: object) -> bytes:  # noqa: PLR0911 - one for each type
    """Return a value in msgpack, each number in its longest form."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return struct.pack(">Bq", 0xD3, value) if value < 2**63 else struct.pack(">BQ", 0xCF, value)
        case float():
            return struct.pack(">Bd", 0xCB, value)
        case str():
            return struct.pack(">BI", 0xDB, len(value.encode())) + value.encode()
        case list():
            return struct.pack(">BI", 0xDD, len(value)) + b"".join(map(packed, value))
        case dict():
            pairs = b"".join(packed(key) + packed(cell) for key, cell in value.items())
            return struct.pack(">BI", 0xDF, len(value)) + pairs
    raise TypeError(value)


def series(columns: list[str], *rows: list[object], **tags: str) -> dict[str, Any]:
    """Return a series of measurement "m"."""
    tagged = {"tags": tags} if tags else {}
    return {"name": "m", **tagged, "columns": columns, "values": list(rows)}


def document(*found: dict[str, Any], statement: int = 0, **before: object) -> bytes:
    """Return an answer of one statement in one piece, with `before` in front of its series."""
    return packed({"results": [{"statement_id": statement, **before, "series": list(found)}]})
