"""Points of an engine's folder: as `influxd inspect export-lp` tells them, and as the native reader does."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from db_core.tsm import Shards
from tools.servers._build import built

if TYPE_CHECKING:
    from pathlib import Path

Value: TypeAlias = "tuple[str, float | int | bool | str]"
# Measurement, tags, field and nanoseconds, and the value with the name of its type.
Points: TypeAlias = "dict[tuple[str, tuple[tuple[str, str], ...], str, int], Value]"

_ALWAYS = {"start": -(2**63), "stop": 2**63 - 1}
_OWN = ("result", "table", "_time", "_value", "_field")


def opened(engine: Path, bucket: str) -> Shards:
    """Open all shards of a bucket, as a stopped server left them."""
    shards = []
    for data in (engine / "data" / bucket).glob("*/*"):
        wal = engine / "wal" / bucket / data.parent.name / data.name
        files = [*data.glob("*.tsm"), *data.glob("*.tombstone"), *wal.glob("*.wal")]
        shards.append([(file.name, str(file), 0, None) for file in files])
    return Shards(shards)


def read(shards: Shards, threads: int = 2) -> Points:
    """Read all points."""
    points: Points = {}
    for measurement in shards.measurements():
        series, _ = shards.series(measurement, fields=None, tags=[], **_ALWAYS)
        answer = shards.read(
            measurement, fields=None, tags=[], **_ALWAYS, first=0, count=series, threads=threads
        )
        for table in answer.split():
            frame = pl.DataFrame(table)
            kind = str(frame["_value"].dtype)
            frame = frame.with_columns(pl.col("_time").cast(pl.Int64))
            tags = sorted(name for name in frame.columns if name not in _OWN)
            for row in frame.iter_rows(named=True):
                own = tuple((tag, row[tag]) for tag in tags if row[tag] is not None)
                place = (measurement, own, row["_field"], row["_time"])
                assert place not in points
                points[place] = (kind, row["_value"])
    return points


def exported(engine: Path, bucket: str, lines: Path) -> Points:
    """Export all points by the server's own program; of those written again the last one stands."""
    program = shutil.which("influxd") or built()
    assert program
    subprocess.run(
        [
            *(program, "inspect", "export-lp"),
            *("--engine-path", str(engine), "--bucket-id", bucket, "--output-path", str(lines)),
        ],
        check=True,
        capture_output=True,
    )
    return dict(map(_point, lines.read_text(encoding="utf-8").splitlines()))


def _point(line: str) -> tuple[tuple[str, tuple[tuple[str, str], ...], str, int], Value]:
    key, rest = _cut(line, " ")
    field, rest = _cut(rest, "=")
    value, _, time = rest.rpartition(" ")
    measurement, *tags = re.split(r"(?<!\\),", key)
    pairs = tuple(tuple(map(_plain, _cut(tag, "="))) for tag in tags)
    return (_plain(measurement), pairs, _plain(field), int(time)), _value(value)  # type: ignore[return-value]


def _cut(text: str, at: str) -> tuple[str, str]:
    head, tail = re.split(rf"(?<!\\){at}", text, maxsplit=1)
    return head, tail


def _plain(text: str) -> str:
    return re.sub(r'\\([ ,="])', r"\1", text)


def _value(text: str) -> Value:
    if text.startswith('"'):
        return "String", re.sub(r"\\(.)", r"\1", text[1:-1])
    if text in ("true", "false"):
        return "Boolean", text == "true"
    if text.endswith("i"):
        return "Int64", int(text[:-1])
    if text.endswith("u"):
        return "UInt64", int(text[:-1])
    return "Float64", float(text)
