"""`import` of single files: nothing is lost or changed without a word, and faults are named by their row."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.influx.cli.conftest import Cli
    from tests.influx.conftest import Store

T0 = 1_767_225_600  # 2026-01-01T00:00:00Z, in seconds
CHUNK = 1 << 16  # rows that are compared with each other at once
LOAD = ("--measurement", "load")
THREE = "time,meter,power\n" + "".join(f"2026-01-01T00:00:00Z,{meter},{n}\n" for n, meter in enumerate("ABC"))


def values(store: Store, field: str) -> list[tuple[str, Any]]:
    """Give the type and the value of each point of a field."""
    return [(point.kind, point.value) for point in store.points() if point.field == field]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_rows_that_would_overwrite_each_other_are_refused(
    cli: Cli, own_store: Store, tmp_path: Path, name: str
) -> None:
    """The error names two rows and the option that is missing; nothing is written until an option says so."""
    rows = [line.split(",") for line in THREE.splitlines()[1:]]
    frame = pd.DataFrame(rows, columns=["time", "meter", "power"]).astype({"power": "int64"})
    if name.endswith("csv"):
        (tmp_path / name).write_text(THREE)
    elif name.endswith("jsonl"):
        frame.to_json(tmp_path / name, orient="records", lines=True)
    else:
        frame.to_parquet(tmp_path / name)
    first = 2 if name.endswith("csv") else 1
    said = cli("import", name, own_store.name, *LOAD, code=2).stderr.decode()

    assert f"{name}, row {first}, column 'meter': row {first + 2} has the same tags and time" in said
    assert 'If "meter" tells series apart, add it by --tag-column; to keep the last' in said
    assert "add --duplicates last" in said
    assert [] == own_store.points()

    cli("import", name, own_store.name, *LOAD, "--duplicates", "last")
    assert [("long", 2)] == values(own_store, "power")

    cli("import", name, own_store.name, "--measurement", "right", "--tag-column", "meter")
    right = [(one.tags["meter"], one.value) for one in own_store.points() if one.measurement == "right"]
    assert [("A", 0), ("B", 1), ("C", 2)] == sorted(right)


def test_neighbours_are_compared_across_tables(cli: Cli, own_store: Store, tmp_path: Path) -> None:
    """The last row of one and the first of the next; equal values and other fields lose nothing."""
    lines = [f"{T0 + n},{n}," for n in range(CHUNK)]
    same = f"{T0 + CHUNK - 1},{CHUNK - 1},\n{T0 + CHUNK - 1},,1\n"
    (tmp_path / "good.csv").write_text("\n".join(["time,power,other", *lines, same]))
    (tmp_path / "bad.csv").write_text("\n".join(["time,power,other", *lines, f"{T0 + CHUNK - 1},5,\n"]))
    said = cli("import", "bad.csv", own_store.name, *LOAD, "--precision", "s", code=2).stderr.decode()

    assert f"bad.csv, row {CHUNK + 1}, column 'power': row {CHUNK + 2} has the same tags and time" in said
    assert [] == own_store.points()
    cli("import", "good.csv", own_store.name, *LOAD, "--precision", "s")
    assert (CHUNK, 1) == (len(values(own_store, "power")), len(values(own_store, "other")))


def test_a_series_that_goes_back_far_is_refused(cli: Cli, own_store: Store, tmp_path: Path) -> None:
    """As meter after meter without the tag that tells them apart. With it, or newest first, it is stored."""
    count = 2 * CHUNK + 10
    meters = [f"{T0 + n},A,{n}\n" for n in range(count)] + [f"{T0 + n},B,{n}\n" for n in range(5)]
    (tmp_path / "meters.csv").write_text("time,meter,power\n" + "".join(meters))
    (tmp_path / "newest.csv").write_text("time,power\n" + "".join(f"{T0 - n},{n}\n" for n in range(count)))
    arguments = ("import", "meters.csv", own_store.name, *LOAD, "--precision", "s")
    said = cli(*arguments, code=2).stderr.decode()

    assert f"meters.csv, row {count + 2}: the file, which is a single series without tag columns" in said
    assert "goes back to 2026-01-01T00:00:00.000000000Z" in said
    assert "If a column such as 'meter' tells series apart, add it by --tag-column" in said
    assert [] == own_store.points()
    cli(*arguments, "--tag-column", "meter")
    assert count + 5 == len(own_store.points())
    cli("import", "newest.csv", own_store.name, "--measurement", "newest", "--precision", "s")
    assert count == len(own_store.points("newest"))


NUMBERS = [str(n) for n in range(CHUNK)]


@pytest.mark.parametrize(
    ("cells", "row", "told"),
    [
        (["1.0", "2.5", "n/a"], 4, "expected numbers, as in the rows before it, and got 'n/a'"),
        (["n/a", "2.5"], 3, "expected text, as in the rows before it, and got '2.5'"),
        (["true", "", "on"], 4, "expected booleans, as in the rows before it, and got 'on'"),
        (["1", "true"], 3, "expected numbers, as in the rows before it, and got 'true'"),
        (["1.5", "2,5"], 3, "expected a float, and got '2,5'"),
        (["2,5"], 2, "expected a float, and got '2,5'"),
        (["1", str(2**63)], 3, f"expected an integer, and got '{2**63}'"),
        ([*NUMBERS, "1", "n/a"], CHUNK + 3, "expected numbers, as in the rows before it, and got 'n/a'"),
    ],
)
def test_a_column_of_csv_with_numbers_and_text_is_refused(
    cli: Cli, own_store: Store, tmp_path: Path, cells: list[str], row: int, told: str
) -> None:
    """The error names row, column and value, and the option with which the column is text."""
    lines = [f'{T0 + n},"{cell}"\n' for n, cell in enumerate(cells)]
    (tmp_path / "rows.csv").write_text("time,v\n" + "".join(lines))
    arguments = ("import", "rows.csv", own_store.name, *LOAD, "--precision", "s")
    said = cli(*arguments, code=9).stderr.decode()

    assert f"rows.csv, row {row}, column 'v': {told}. " in said
    assert "--type v=string" in said
    assert [] == own_store.points()
    if len(cells) < CHUNK:
        cli(*arguments, "--type", "v=string")
        assert [("string", cell) for cell in cells] == values(own_store, "v")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([1, "n/a"], "expected numbers, as in the rows before it, and got 'n/a'"),
        (["a", 1], "expected text, as in the rows before it, and got 1"),
        ([1, {"a": 1}], "expected a number, a boolean or text, and got {'a': 1}"),
        ([True, 1], "expected booleans, as in the rows before it, and got 1"),
        ([1, 2**63], f"expected an integer, and got {2**63}"),
    ],
)
def test_a_column_of_json_with_several_types_is_refused(
    cli: Cli, own_store: Store, tmp_path: Path, cells: list[Any], told: str
) -> None:
    """By its line, also behind an empty one."""
    lines = [json.dumps({"time": T0 + n, "v": cell}) for n, cell in enumerate(cells)]
    (tmp_path / "rows.jsonl").write_text("\n\n".join(lines))
    said = cli("import", "rows.jsonl", own_store.name, *LOAD, "--precision", "s", code=9).stderr.decode()

    assert "rows.jsonl, row 3, column 'v': " + told in said
    assert [] == own_store.points()


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize(
    ("times", "row", "shown"),
    [
        (["2026-01-01T00:00:00Z", "2026-13-01"], 2, "'2026-13-01'"),
        (["yesterday"], 1, "'yesterday'"),
        ([str(T0), "2026-01-01"], 2, "'2026-01-01'"),
    ],
)
def test_a_bad_time_is_told(
    cli: Cli, own_store: Store, tmp_path: Path, name: str, times: list[str], row: int, shown: str
) -> None:
    """With its row, column and value."""
    if name == "rows.csv":
        row += 1
        text = "".join(f"{cell},1\n" for cell in ["time", *times])
    else:
        text = "".join(json.dumps({"time": cell, "v": 1}) + "\n" for cell in times)
    (tmp_path / name).write_text(text)
    said = cli("import", name, own_store.name, *LOAD, code=9).stderr.decode()

    assert f"{name}, row {row}, column 'time': expected a time such as 2026-07-01T12:30:00Z" in said
    assert f"got {shown}" in said


def test_types_are_those_of_all_values(cli: Cli, own_store: Store, tmp_path: Path) -> None:
    """Late fractions make floats, tags keep their zeros, dates stay text, and quotes do not matter."""
    lines = [f'{T0 + n},007,{n},,"","2026-01-01"\n' for n in range(CHUNK)]
    lines.append(f'{T0 + CHUNK},007,0.5,true,"-1","2026-01-02"\n')
    (tmp_path / "rows.csv").write_text("time,id,v,on,n,day\n" + "".join(lines))
    cli("import", "rows.csv", own_store.name, *LOAD, "--tag-column", "id", "--precision", "s")

    stored: dict[str, list[tuple[str, object]]] = {}
    for one in own_store.points():
        stored.setdefault(one.field, []).append((one.kind, one.value))
        assert {"id": "007"} == one.tags
    assert [("double", float(n)) for n in range(CHUNK)] + [("double", 0.5)] == stored.pop("v")
    assert {("string", "2026-01-01"), ("string", "2026-01-02")} == set(stored.pop("day"))
    assert {"on": [("boolean", True)], "n": [("long", -1)]} == stored


def test_times_may_have_offsets_or_none(cli: Cli, own_store: Store, tmp_path: Path) -> None:
    """In one file; without an offset they are in UTC."""
    times = ["2026-01-01", "2026-01-01 00:00:01", "2026-01-01T01:00:02.5+01:00", "2026-01-01T00:00:03Z"]
    (tmp_path / "rows.csv").write_text("time,v\n" + "".join(f"{time},1\n" for time in times))
    cli("import", "rows.csv", own_store.name, *LOAD)

    assert [T0 * 10**9 + n for n in (0, 10**9, 25 * 10**8, 3 * 10**9)] == [
        one.time for one in own_store.points()
    ]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "arrow"])
def test_a_file_of_an_export_says_itself_what_is_in_it(
    cli: Cli, own_store: Store, make_store: Callable[[str], Store], tmp_path: Path, kind: str
) -> None:
    """Its measurement, tags and types; Parquet from elsewhere has its tags."""
    own_store.write(*(f'm,meter={meter},site=1 v=1,n=1i,t="5",b=true {T0}000000000' for meter in "ABC"))
    target = make_store("import")
    cli("export", own_store.name, "out", "--format", kind)
    cli("import", f"out/m-2026-01.{kind}", target.name)

    assert 12 == len(target.points())
    assert own_store.points() == target.points()
    if kind == "parquet":
        elsewhere = make_store("elsewhere")
        (tmp_path / "out" / "m-2026-01.parquet").rename(tmp_path / "moved.parquet")
        said = cli("import", "moved.parquet", elsewhere.name, "--measurement", "m").stderr.decode()
        assert "Imported: 3 rows from moved.parquet, with meter, site as tags" in said
        assert own_store.points() == elsewhere.points()


def test_a_pipe_is_refused(cli: Cli, own_store: Store, tmp_path: Path) -> None:
    """Since it can't be read twice: to check it, and to write it."""
    os.mkfifo(tmp_path / "pipe.csv")
    said = cli("import", "pipe.csv", own_store.name, *LOAD, code=2).stderr.decode()

    assert "`source` must be a file, which is read twice" in said


def test_two_columns_of_one_name_are_refused(cli: Cli, own_store: Store, tmp_path: Path) -> None:
    """As one of them would be lost."""
    (tmp_path / "rows.csv").write_text("time,v,v\n2026-01-01,1,2\n")

    assert "two columns 'v'" in cli("import", "rows.csv", own_store.name, *LOAD, code=9).stderr.decode()
