"""Parquet files of a snapshot and of a manager's read: what is in them, their names, and what is left."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from db_core.errors import InvalidArgumentError, MissingLibraryError, NotFoundError, QueryError
from db_influx._parquet import Writer, periods
from tests.influx.answers import http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from db_influx import AsyncInfluxManager, InfluxManager, ParquetFile, Snapshot
    from tests.influx.conftest import Store
    from tests.peer import Peer

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
T0 = 1_769_817_600 * SECOND  # 2026-01-31T00:00:00Z
SPAN = ("2026-01-01", "2026-04-01")
TYPES = {
    "meter": "a",
    "site": "b",
    "time": pa.timestamp("ns", "UTC"),
    "f": pa.float64(),
    "i": pa.int64(),
    "u": pa.uint64(),
    "ok": pa.bool_(),
    "text": pa.large_string(),
}


@pytest.fixture(scope="module")
def full(store: Store) -> Store:
    """Give a bucket with two meters over three days and two months, every type, and another measurement."""
    lines = [
        f"power,meter={meter},site=x f={hour / 8},i={2**53 + 1 + hour}i,u={2**63 + hour}u,ok={hour % 2 == 0},"
        f'text="t{hour}" {T0 + hour * HOUR + 1}'
        for meter in "ab"
        for hour in range(72)
    ]
    store.write(*lines, f"a/b\\ .. v=1 {T0}", f"power,meter=c f=1 {T0}")
    return store


@pytest.fixture
def snapshot(manager: InfluxManager, full: Store) -> Iterator[Snapshot]:
    """Give a snapshot of it."""
    with manager.snapshot(full.name, *SPAN) as snapshot:
        yield snapshot


def checked(files: list[ParquetFile], folder: Path) -> list[tuple[str, int]]:
    """Return names and rows of files, which are all that there are."""
    assert sorted(file.path for file in files) == sorted(path for path in folder.rglob("*") if path.is_file())
    assert [pq.ParquetFile(file.path).metadata.num_rows for file in files] == [file.rows for file in files]
    return [(file.path.relative_to(folder).as_posix(), file.rows) for file in files]


def as_frame(files: list[ParquetFile]) -> pd.DataFrame:
    """Return the rows of files, by series and time."""
    frame = pd.concat([pd.read_parquet(file.path) for file in files])
    frame[["meter", "site"]] = frame[["meter", "site"]].astype("str")
    return frame.sort_values(["meter", "time"]).reset_index(drop=True)


def test_there_is_a_file_for_each_measurement_and_month(snapshot: Snapshot, tmp_path: Path) -> None:
    """A month without points has none; a name holds no slash."""
    expected = [("a%2Fb ..-2026-01.parquet", 1), ("power-2026-01.parquet", 49), ("power-2026-02.parquet", 96)]

    assert expected == checked(snapshot.write_parquet(tmp_path), tmp_path)


def test_a_file_has_the_types_that_are_stored(snapshot: Snapshot, tmp_path: Path) -> None:
    """Times of nanoseconds, tags as dictionaries, integers above 2^53, and nulls in none of them a float."""
    january, february = snapshot.write_parquet(tmp_path, msname="power")
    schema = pq.read_schema(january.path)

    assert schema == pq.read_schema(february.path)
    found = {field.name: field.type for field in schema}
    assert ["meter", "site", "time", "f", "i", "ok", "text", "u"] == list(found)
    assert all(pa.types.is_dictionary(found[tag]) for tag in ("meter", "site"))
    assert {name: kind for name, kind in TYPES.items() if name not in ("meter", "site")} == {
        name: found[name] for name in TYPES if name not in ("meter", "site")
    }
    rows = pq.read_table(january.path).to_pylist()
    assert {"meter": "a", "site": "x", "f": 0.0, "i": 2**53 + 1, "u": 2**63, "ok": True, "text": "t0"} == {
        name: value for name, value in rows[0].items() if name != "time"
    }
    assert {"meter": "c", "site": None, "f": 1.0, "i": None, "u": None, "ok": None, "text": None} == {
        name: value for name, value in rows[-1].items() if name != "time"
    }
    times = pq.read_table(january.path)["time"].cast(pa.int64()).to_pylist()
    assert [T0 + hour * HOUR + 1 for hour in range(24)] * 2 + [T0] == times


def test_other_libraries_read_the_files(snapshot: Snapshot, tmp_path: Path) -> None:
    """Polars and pandas; both files as one."""
    snapshot.write_parquet(tmp_path, msname="power")

    assert 145 == pl.scan_parquet(tmp_path / "*.parquet").collect().height
    assert 145 == len(pd.read_parquet(tmp_path))


def test_a_template_names_the_files(snapshot: Snapshot, tmp_path: Path) -> None:
    """With folders; months of one name are one file; months are those of the zone."""
    template = "{measurement}/year={year}/month={month}.parquet"
    files = snapshot.write_parquet(tmp_path, msname="power", name=template, tz="Pacific/Auckland")
    # 13 hours before UTC's, February begins with the 11th hour of January 31st.
    expected = [
        ("power/year=2026/month=01.parquet", 2 * 11 + 1),
        ("power/year=2026/month=02.parquet", 2 * 61),
    ]
    assert expected == checked(files, tmp_path)

    yearly = tmp_path / "yearly"
    assert [("power-2026.parquet", 145)] == checked(
        snapshot.write_parquet(yearly, msname="power", name="{measurement}-{year}.parquet"), yearly
    )


def test_a_selection_is_written(snapshot: Snapshot, tmp_path: Path) -> None:
    """Of time, fields and tags; with `by`, the other tags are left out."""
    [file] = snapshot.write_parquet(
        tmp_path, "2026-02-01", "2026-02-01T12:00:00Z", "power", ["i", "f"], {"meter": "b"}, by=["meter"]
    )

    assert 12 == file.rows
    assert ["meter", "time", "i", "f"] == pq.read_schema(file.path).names


def test_a_manager_writes_the_same_rows(
    manager: InfluxManager,
    make_async: Callable[..., AsyncInfluxManager],
    full: Store,
    snapshot: Snapshot,
    tmp_path: Path,
) -> None:
    """By queries, blocking or not; of all fields or some."""
    files = snapshot.write_parquet(tmp_path / "shards", msname="power")
    span = (*SPAN, "power", None, full.name)
    by_query = manager.write_parquet(tmp_path / "queries", *span)

    async def main() -> list[ParquetFile]:
        async with make_async() as other:
            return await other.write_parquet(tmp_path / "asyncio", *span)

    by_async = asyncio.run(main())
    assert checked(files, tmp_path / "shards") == checked(by_query, tmp_path / "queries")
    assert checked(files, tmp_path / "shards") == checked(by_async, tmp_path / "asyncio")
    for others in (by_query, by_async):
        assert pq.read_schema(files[0].path) == pq.read_schema(others[0].path)
        pd.testing.assert_frame_equal(as_frame(files), as_frame(others))
    [some] = manager.write_parquet(
        tmp_path, "2026-02-01", "2026-03-01", "power", "f", full.name, by=["meter"]
    )
    assert (96, ["meter", "time", "f"]) == (some.rows, pq.read_schema(some.path).names)


def test_a_name_may_have_dots(manager: InfluxManager, own_store: Store, tmp_path: Path) -> None:
    """With which Parquet tells a column within another."""
    own_store.write(f'm,a.b=x c.d=1.5,c=2i,e.="t",.="u" {T0}', f"m,a=y c.d=2 {T0}")
    with manager.snapshot(own_store.name, *SPAN) as snapshot:
        [file] = snapshot.write_parquet(tmp_path)

    rows = pq.read_table(file.path).drop(["time"]).to_pylist()
    assert [
        {"a": None, "a.b": "x", ".": "u", "c": 2, "c.d": 1.5, "e.": "t"},
        {"a": "y", "a.b": None, ".": None, "c": None, "c.d": 2.0, "e.": None},
    ] == rows


def test_a_file_is_replaced_when_the_new_one_is_whole(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where writing fails, the old one stays, and no part of the new one."""
    [file] = snapshot.write_parquet(tmp_path, "2026-02-01", None, "power", "f")
    [again] = snapshot.write_parquet(tmp_path, "2026-02-01", None, "power", ["f", "i"])
    assert file == again
    assert ["meter", "site", "time", "f", "i"] == pq.read_schema(file.path).names

    monkeypatch.setattr("db_influx._snapshot._ROWS", 50)  # the first of several batches
    frames = type(snapshot._stored).batches

    def broken(*arguments: Any) -> Iterator[Any]:
        yield next(frames(*arguments))
        raise KeyError

    monkeypatch.setattr("db_influx._stored.Stored.batches", broken)
    with pytest.raises(KeyError):
        snapshot.write_parquet(tmp_path, "2026-02-01", None, "power", "f")
    assert [file.path] == list(tmp_path.iterdir())
    assert ["meter", "site", "time", "f", "i"] == pq.read_schema(file.path).names


def test_a_file_that_can_not_be_begun_leaves_nothing(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where Ctrl-C comes after pyarrow has made it and before it has written its head."""

    def begun(path: Path, *_: object, **__: object) -> None:
        path.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter", begun)
    with pytest.raises(KeyboardInterrupt):
        snapshot.write_parquet(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_a_write_that_comes_too_late_leaves_nothing(tmp_path: Path) -> None:
    """As where a task was cancelled before its thread began to write."""
    with Writer(tmp_path / "m.parquet") as writer:
        pass
    writer.write(pa.table({"v": [1.0]}))
    assert [] == list(tmp_path.iterdir())


def test_two_measurements_need_two_names(snapshot: Snapshot, tmp_path: Path) -> None:
    """The files of one would replace those of the other. Nothing is written before that is known."""
    with pytest.raises(InvalidArgumentError, match=r"`name` must .*'a/b \.\.' and 'power' different names"):
        snapshot.write_parquet(tmp_path, name="{year}-{month}.parquet")
    assert [] == list(tmp_path.iterdir())
    [file] = snapshot.write_parquet(tmp_path, msname="a/b ..", name="{year}-{month}.parquet")
    assert "2026-01.parquet" == file.path.name


def test_names_that_differ_in_case_alone_have_different_files(
    manager: InfluxManager, own_store: Store, tmp_path: Path
) -> None:
    """On a disk that does not tell upper from lower case too, and the same ones if one is chosen."""
    own_store.write(*(f"{name} v=1 {T0}" for name in ("load", "Load", "LOAD", "loads")))
    with manager.snapshot(own_store.name, *SPAN) as snapshot:
        names = [file.path.name for file in snapshot.write_parquet(tmp_path)]
        [chosen] = snapshot.write_parquet(tmp_path, msname="Load")

    assert 4 == len({name.lower() for name in names})
    assert "loads-2026-01.parquet" in names
    assert chosen.path.name in names
    assert chosen.path.name.startswith("Load~")


def test_nothing_is_written_if_a_name_is_unknown(snapshot: Snapshot, tmp_path: Path) -> None:
    """Also where it is not the first one."""
    with pytest.raises(NotFoundError, match="powr"):
        snapshot.write_parquet(tmp_path, msname=["power", "powr"], missing="raise")
    assert [] == list(tmp_path.iterdir())


def test_a_read_that_breaks_off_leaves_nothing(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], tmp_path: Path
) -> None:
    """And is an error."""
    with pytest.raises(QueryError, match="503"):
        call_peer(peer(http(b"", status="503 Service Unavailable"))).write_parquet(
            tmp_path, *SPAN, "m", "v", "b"
        )
    assert [] == list(tmp_path.iterdir())


UNUSABLE: dict[str, tuple[str, dict[str, Any]]] = {
    "a folder that is a number": ("folder", {"folder": 5}),
    "a template of other words": ("name", {"name": "{day}.parquet"}),
    "a template that is broken": ("name", {"name": "{measurement"}),
    "a template without a name": ("name", {"name": ""}),
    "a file elsewhere": ("name", {"name": "../{measurement}-{year}-{month}.parquet"}),
    "a file at the root": ("name", {"name": "/tmp/{measurement}-{year}-{month}.parquet"}),
    "no fields": ("fields", {"fields": []}),
    "a number for a name": ("msname", {"msname": 5}),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_argument_is_named(
    manager: InfluxManager, full: Store, snapshot: Snapshot, tmp_path: Path, name: str
) -> None:
    """By both, before anything is written."""
    argument, given = UNUSABLE[name]
    arguments: dict[str, Any] = {
        "folder": tmp_path,
        "start": SPAN[0],
        "stop": SPAN[1],
        "msname": "power",
        "fields": "f",
    }
    for call in (snapshot.write_parquet, lambda **all_: manager.write_parquet(bucket=full.name, **all_)):
        with pytest.raises(InvalidArgumentError, match=argument) as caught:
            call(**arguments | given)
        assert argument == caught.value.argument
    assert [] == list(tmp_path.iterdir())


def test_months_of_two_years_need_two_names(tmp_path: Path) -> None:
    """Or one file would replace the other."""
    with pytest.raises(InvalidArgumentError, match="years"):
        periods(tmp_path, "{month}.parquet", "m", T0, T0 + 400 * 24 * HOUR, "UTC")


def test_without_pyarrow_it_is_told_what_to_install() -> None:
    """It is not a dependency of the package."""
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from db_influx import InfluxManager\n"
        "InfluxManager('http://127.0.0.1:9', 'o', 't').write_parquet('.', '-1d', None, 'm', 'v', 'b')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert run.stderr.splitlines()[-1].startswith(f"db_core.errors.{MissingLibraryError.__name__}: ")
    assert "pip install 'db-influx[parquet]'" in run.stderr
