"""Reads of a snapshot, against the manager's reads of the same bucket and what was written."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from db_core.errors import (
    AmbiguousSeriesError,
    InvalidArgumentError,
    NotFoundError,
    SchemaConflictError,
)
from db_influx import _stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from influxdb_client import InfluxDBClient

    from db_influx import InfluxManager, Snapshot
    from tests.influx.conftest import Store

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
T0 = 1_767_571_200 * SECOND  # 2026-01-05T00:00:00Z, at which a shard begins
SPAN = ("2026-01-01", "2026-02-01")


def value(field: str, chance: random.Random) -> str:
    """Return a value of a field, as line protocol has it."""
    match field:
        case "f":
            return repr(chance.choice([chance.random(), -0.0, 5e-324, 1.7e308, round(chance.random(), 2)]))
        case "i":
            return f"{chance.choice([chance.randrange(-9, 9), 2**63 - 1, -(2**63), 2**53 + 1])}i"
        case "b":
            return chance.choice(["true", "false"])
    return '"' + chance.choice(["", "ok", 'a,\\"b', "é" * 9, "x" * chance.randrange(300)]) + '"'


def lines(chance: random.Random, count: int) -> Iterator[str]:
    """Yield points of some series over three shards; some times come again, with other values."""
    for _ in range(count):
        tags = f",meter={chance.choice('abc')}" if chance.random() < 0.8 else ""
        tags += f",site=s\\ {chance.randrange(2)}" if chance.random() < 0.5 else ""
        fields = chance.sample("fibs", chance.randrange(1, 5))
        time = T0 + chance.randrange(21 * 24 * 6) * 10 * MINUTE + chance.choice([0, 0, 0, 1])
        yield f"m{tags} {','.join(f'{field}={value(field, chance)}' for field in fields)} {time}"


@pytest.fixture(scope="module")
def history(store: Store, official: InfluxDBClient) -> Store:
    """Give a bucket with a history made by chance: writes, writes again, deletes, and points in the cache."""
    chance = random.Random(16)
    for _ in range(3):
        store.write(*lines(chance, 3_000))
        begin = T0 + chance.randrange(20) * DAY
        official.delete_api().delete(
            pd.Timestamp(begin).isoformat() + "Z",
            pd.Timestamp(begin + DAY).isoformat() + "Z",
            f'_measurement="m" AND meter="{chance.choice("abc")}"',
            bucket=store.name,
            org=official.org,
        )
    store.write(*lines(chance, 100))
    store.write(*(f"other,t=x v={number} {T0 + number}" for number in range(5)))
    return store


@pytest.fixture(scope="module")
def snapshot(history: Store, server: Any) -> Iterator[Snapshot]:
    """Give a snapshot of it."""
    from db_influx import InfluxManager

    with (
        InfluxManager(server.url, server.org, server.token) as manager,
        manager.snapshot(history.name, *SPAN) as snapshot,
    ):
        yield snapshot


RANGES = {
    "all": SPAN,
    "within a shard": ("2026-01-06T05:05:00Z", "2026-01-07T17:00:00.000000001Z"),
    "over the edge of two": ("2026-01-11T12:00:00Z", "2026-01-12T12:00:00Z"),
    "before all": ("2026-01-01", "2026-01-02"),
    "a nanosecond": (pd.Timestamp(T0), pd.Timestamp(T0 + 1)),
}
SELECTIONS: dict[str, dict[str, Any]] = {
    "every series": {},
    "a meter": {"tags": {"meter": "a"}},
    "some without a tag": {"tags": {"meter": ["b", None], "site": "s 1"}},
    "named levels": {"by": ["site", "meter", "nothing"], "missing": "ignore"},
    "nobody": {"tags": {"meter": "z"}, "missing": "ignore"},
}


@pytest.mark.parametrize("span", RANGES)
@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_read_is_the_managers(
    manager: InfluxManager, history: Store, snapshot: Snapshot, span: str, selection: str
) -> None:
    """Of any range and series: values, types, nulls, index and order."""
    fields = ["s", "f", "b", "i"]
    options = SELECTIONS[selection]
    expected = manager.read(*RANGES[span], "m", fields, history.name, interval=None, **options)

    pd.testing.assert_frame_equal(expected, snapshot.read(*RANGES[span], "m", fields, **options))


@pytest.mark.parametrize("into", ["pandas", "polars", "arrow"])
def test_a_read_of_all_fields_is_the_managers(
    manager: InfluxManager, history: Store, snapshot: Snapshot, into: Any
) -> None:
    """With the tags as columns, and in each library."""
    local = {"tz": "Europe/Lisbon", "into": into, "tags": {"meter": ["a", "b"]}}
    span = ("2026-01-05", "2026-01-20")
    expected = manager.read_all_fields(*span, "m", history.name, **local)
    found = snapshot.read_all_fields(*span, "m", **local)

    if into == "pandas":
        pd.testing.assert_frame_equal(expected, found)
    else:
        assert expected.equals(found)


def test_names_are_listed(snapshot: Snapshot) -> None:
    """Sorted, each once."""
    assert ["m", "other"] == snapshot.measurements()
    assert ["b", "f", "i", "s"] == snapshot.fields("m")
    assert [] == snapshot.fields("nothing")


@pytest.mark.parametrize("rows", [1_000, 65_536])
@pytest.mark.parametrize("by", [None, ["site", "meter"], ["meter"]])
def test_batches_are_the_rows_of_a_read(snapshot: Snapshot, by: list[str] | None, rows: int) -> None:
    """In parts, whose schema is one: of all series, of none, and where two of them have one place."""
    fields = ["f", "s"]
    selection: dict[str, Any] = {
        "into": "arrow",
        "by": by,
        "tags": {"site": "s 0"} if by == ["meter"] else None,
    }
    expected = snapshot.read(*SPAN, "m", fields, **selection)
    batches = list(snapshot.read_batches(*SPAN, "m", fields, **selection, batch_rows=rows))

    assert rows >= max(len(batch) for batch in batches)
    assert 1 == len({batch.schema for batch in batches})
    keys = [(name, "ascending") for name in ("site", "meter", "time") if name in expected.column_names]
    found = pa.concat_tables(batches).unify_dictionaries()
    assert as_text(expected).sort_by(keys).equals(as_text(found).sort_by(keys))


def as_text(table: pa.Table) -> pa.Table:
    """Return a table with plain text for dictionaries."""
    plain = [
        field.with_type(pa.large_string()) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(plain))


def test_batches_are_series_after_series(snapshot: Snapshot) -> None:
    """Each in order of time."""
    frames = snapshot.read_batches(*SPAN, "m", "f", tags={"site": None}, batch_rows=100, into="polars")
    frame = pl.concat([frame.with_columns(pl.col(pl.Categorical).cast(str)) for frame in frames])

    assert frame["meter"].is_sorted() or frame["meter"].is_sorted(nulls_last=True)
    assert all(part["time"].is_sorted() for part in frame.partition_by("meter"))


def test_batches_of_one_long_series_are_cut_by_time(
    manager: InfluxManager, own_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the memory is bounded; others beside it stay what they are."""
    monkeypatch.setattr("db_influx._stored._MOST_VALUES", 5_000)
    own_store.write(*(f"m,k=b v={number} {T0 + number * MINUTE}" for number in range(15_000)))
    own_store.write(f"m,k=a v=-1 {T0 + MINUTE}", f"m,k=c v=-2 {T0 + 9 * DAY}")
    with manager.snapshot(own_store.name, *SPAN) as snapshot:
        frames = list(snapshot.read_batches(None, None, "m", "v", batch_rows=1_000))
    frame = pd.concat(frames)

    assert [-1.0, *range(15_000), -2.0] == frame["v"].tolist()
    assert ["a", *"b" * 15_000, "c"] == frame.index.get_level_values("k").tolist()


def test_batches_of_fields_that_few_series_have_are_bounded_too(
    manager: InfluxManager, own_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rows have a place for each of the fields."""
    own_store.write(
        *(f"m,k=k{key:02} f{key:02}={row} {T0 + row * SECOND}" for key in range(40) for row in range(1_000))
    )
    sizes = []
    wide = _stored._wide

    def counted(*arguments: Any, **options: Any) -> Any:
        frame = wide(*arguments, **options)
        sizes.append(len(frame))
        return frame

    monkeypatch.setattr(_stored, "_wide", counted)
    with manager.snapshot(own_store.name, *SPAN) as snapshot:
        names = snapshot.fields("m")
        assert 40_000 == sum(map(len, snapshot.read_batches(None, None, "m", names, batch_rows=1_000)))
    assert max(sizes) <= max(4_000, _stored._MOST_VALUES // len(names))


def test_blocks_of_one_time_are_not_cut_by_it(
    manager: InfluxManager, own_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a few points have hundreds of fields: parts of their time need the same blocks again."""
    monkeypatch.setattr("db_influx._stored._MOST_VALUES", 1)
    names = [f"f{number:03}" for number in range(300)]
    own_store.write(
        *(f"m {','.join(f'{name}={row}' for name in names)} {T0 + row * 100}" for row in range(10))
    )
    with manager.snapshot(
        own_store.name, np.datetime64(T0, "ns"), np.datetime64(T0 + 1_000, "ns")
    ) as snapshot:
        frames = list(snapshot.read_batches(None, None, "m", names, batch_rows=10))

    assert [10] == [len(frame) for frame in frames]
    assert [list(map(float, range(10)))] * 300 == frames[0].to_numpy().T.tolist()


def test_two_values_in_one_place_are_an_error(snapshot: Snapshot) -> None:
    """In a read, and in batches, of which no one frame has all series."""
    for by in ([], ["site"]):
        with pytest.raises(AmbiguousSeriesError):
            snapshot.read(*SPAN, "m", "f", by=by)
        with pytest.raises(AmbiguousSeriesError):
            list(snapshot.read_batches(*SPAN, "m", "f", by=by, batch_rows=10))


# --- Types --------------------------------------------------------------------------


@pytest.fixture
def mixed(manager: InfluxManager, own_store: Store) -> Iterator[Snapshot]:
    """Give a snapshot of fields that have another type in the second shard."""
    own_store.write(
        f"m exact=1i,large={2**53 + 1}i,other=1 {T0}", f'm exact=0.5,large=0.5,other="x" {T0 + 7 * DAY}'
    )
    with manager.snapshot(own_store.name, *SPAN) as snapshot:
        yield snapshot


def test_an_integer_beside_a_float_is_one_where_that_is_exact(mixed: Snapshot) -> None:
    """All points of a field, also where Flux leaves out some."""
    assert [1.0, 0.5] == mixed.read(*SPAN, "m", "exact")["exact"].tolist()
    assert [[1.0], [0.5]] == [
        frame["exact"].tolist() for frame in mixed.read_batches(*SPAN, "m", "exact", batch_rows=1)
    ]
    assert np.dtype("int64") == mixed.read(*SPAN[:1], "2026-01-10", "m", "large")["large"].dtype
    with pytest.raises(SchemaConflictError, match="large"):
        mixed.read(*SPAN, "m", "large")
    with pytest.raises(SchemaConflictError, match="large"):
        list(mixed.read_batches(*SPAN, "m", "large"))


def test_types_that_do_not_unify_are_an_error(mixed: Snapshot) -> None:
    """Where both are in the range."""
    with pytest.raises(SchemaConflictError, match="other"):
        mixed.read(*SPAN, "m", "other")
    with pytest.raises(SchemaConflictError, match="other"):
        list(mixed.read_batches(*SPAN, "m", "other"))
    assert ["x"] == mixed.read("2026-01-10", SPAN[1], "m", "other")["other"].tolist()
    [frame] = mixed.read_batches("2026-01-10", SPAN[1], "m", "other")
    assert ["x"] == frame["other"].tolist()
    [frame] = mixed.read_batches(SPAN[0], "2026-01-10", "m", ["large", "other"])
    assert {"large": [2**53 + 1], "other": [1.0]} == frame.to_dict("list")
    assert [] == list(mixed.read_batches("2026-01-14", SPAN[1], "m", "other"))


def test_files_of_one_call_have_one_schema(mixed: Snapshot, tmp_path: Path) -> None:
    """Of which types that do not unify are an error before anything is written."""
    with pytest.raises(SchemaConflictError, match="'other' of 'm' has the types float64 and string"):
        mixed.write_parquet(tmp_path)
    assert [] == list(tmp_path.iterdir())
    [file] = mixed.write_parquet(tmp_path, "2026-01-10")
    assert {"exact": [0.5], "large": [0.5], "other": ["x"]} == (
        pl.read_parquet(file.path).drop("time").to_dict(as_series=False)
    )
    mixed.write_parquet(tmp_path, fields="exact", tz="Pacific/Kiritimati", name="{month}.parquet")
    assert pl.Float64 == pl.read_parquet(tmp_path / "01.parquet").schema["exact"]


# --- Names and ranges that are not there --------------------------------------------


def test_what_the_snapshot_does_not_hold_is_an_error(manager: InfluxManager, history: Store) -> None:
    """Not a frame without rows."""
    with manager.snapshot(history.name, "2026-01-06", "2026-01-08") as snapshot:
        assert len(snapshot.read(None, None, "m", "f"))
        for argument, span in {
            "start": ("2026-01-05", "2026-01-07"),
            "stop": ("2026-01-07", "2026-01-09"),
        }.items():
            with pytest.raises(InvalidArgumentError, match="range of the snapshot") as caught:
                snapshot.read(*span, "m", "f")
            assert argument == caught.value.argument


def test_a_name_that_is_not_there_is_told(snapshot: Snapshot) -> None:
    """With the names that are near; and is an error if asked for."""
    with pytest.warns(UserWarning, match=r"no measurement 'M'.*'m'") as told:
        assert 0 == len(snapshot.read(*SPAN, "M", "f"))
    assert __file__ == told[0].filename
    with pytest.warns(UserWarning, match="no field 'F'"):
        assert snapshot.read(*SPAN, "m", ["F", "f"])["F"].isna().all()
    with pytest.raises(NotFoundError, match=r"no tag 'metre'.*'meter'"):
        snapshot.read(*SPAN, "m", "f", {"metre": "a"}, missing="raise")
    with pytest.warns(UserWarning, match="no field 'F'") as told:
        list(snapshot.read_batches(*SPAN, "m", ["F", "f"]))
    assert __file__ == told[0].filename


UNUSABLE: dict[str, tuple[str, Callable[[Snapshot], Any]]] = {
    "no fields": ("fields", lambda s: s.read(*SPAN, "m", [])),
    "a measurement that is a number": ("msname", lambda s: s.read_all_fields(*SPAN, 5)),  # type: ignore[arg-type]
    "no rows": ("batch_rows", lambda s: s.read_batches(*SPAN, "m", "f", batch_rows=0)),
    "a tag without values": ("tags", lambda s: s.read(*SPAN, "m", "f", {"k": []})),
    "a kind of frame": ("into", lambda s: s.read(*SPAN, "m", "f", into="list")),  # type: ignore[call-overload]
    "an end before the start": ("start", lambda s: s.read("2026-01-09", "2026-01-08", "m", "f")),
    "a window": ("timestep", lambda s: s.read_accumulated_value(*SPAN, "m", "f", 0)),
    "a word": ("gaps", lambda s: s.read_accumulated_value(*SPAN, "m", "f", 60, gaps="x")),  # type: ignore[call-overload]
    "text for a total": ("fields", lambda s: s.read_accumulated_value(*SPAN, "m", "s", 60)),
    "a measurement of fields": ("measurement", lambda s: s.fields("")),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_argument_is_named(snapshot: Snapshot, name: str) -> None:
    """As the manager does."""
    argument, call = UNUSABLE[name]
    with pytest.raises(InvalidArgumentError, match=argument) as caught:
        call(snapshot)
    assert argument == caught.value.argument


def test_an_unknown_keyword_is_an_error(snapshot: Snapshot) -> None:
    """As in Python."""
    with pytest.raises(TypeError, match="timeout"):
        snapshot.read(*SPAN, "m", "f", timeout=5)  # type: ignore[call-overload]
