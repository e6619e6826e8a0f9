"""Stored points over InfluxQL and over Flux: the same frames, and in InfluxQL what Flux's CSV loses."""

from __future__ import annotations

import math
import pickle
import uuid
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db_core.errors import InvalidArgumentError, NotFoundError, SchemaConflictError
from db_influx._times import EARLIEST, LATEST
from tests.influx.frames import T0

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

EVER = ("1677-09-21T00:12:43.145224194Z", "2262-04-11T23:47:16.854775806Z")  # all but the last nanosecond
WEEK = 7 * 86_400 * 1_000_000_000
PROTOCOLS = ("influxql", "flux")

# Names with what line protocol, InfluxQL and Flux give a meaning to; a carriage return is a case of its own.
ODD = "ab 9_-,='\"$%./*?[](){}|^:;#é😀"
NAMES = st.text(ODD, min_size=1, max_size=5).filter(lambda name: name.strip() and not name.startswith("#"))
TEXTS = st.text(ODD + "\\\n\0", max_size=6)
VALUES = {
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "bool": st.booleans(),
    "string": TEXTS,
}
TIMES = st.one_of(
    st.sampled_from([EARLIEST, LATEST - 1, -1, 0, T0 - 1, T0, T0 + WEEK]),
    st.integers(T0 - 3 * WEEK, T0 + 3 * WEEK),
)


def escaped(name: str, special: str) -> str:
    """Return a name as line protocol spells it."""
    return "".join(f"\\{character}" if character in special else character for character in name)


def literal(value: object, kind: str) -> str:
    """Return a field's value as line protocol spells it."""
    match kind:
        case "string":
            return '"' + escaped(str(value), '"\\') + '"'
        case "bool":
            return "true" if value else "false"
        case "float64":
            return repr(value)
    return f"{value}{'i' if kind == 'int64' else 'u'}"


def line(measurement: str, tags: dict[str, str], fields: dict[str, tuple[str, object]], time: int) -> str:
    """Return a point in line protocol."""
    key = "".join(f",{escaped(name, ',= ')}={escaped(value, ',= ')}" for name, value in tags.items() if value)
    cells = ",".join(
        f"{escaped(name, ',= ')}={literal(value, kind)}" for name, (kind, value) in fields.items()
    )
    return f"{escaped(measurement, ', ')}{key} {cells} {time}"


@st.composite
def histories(draw: Any) -> dict[str, Any]:
    """Draw fields with their types, series that differ in some tags, and points of these."""
    kinds = draw(st.dictionaries(NAMES, st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    kinds.pop("time", None)
    taken = set(kinds) | {"time"}
    keys = draw(st.lists(NAMES.filter(lambda name: name not in taken), min_size=1, max_size=2, unique=True))
    values = st.one_of(st.just(""), NAMES)
    series = draw(st.lists(st.tuples(*(values for _ in keys)), min_size=1, max_size=3, unique=True))
    points = draw(
        st.dictionaries(
            st.tuples(st.sampled_from(series), TIMES),
            st.fixed_dictionaries({}, optional={name: VALUES[kind] for name, kind in kinds.items()}).filter(
                bool
            ),
            min_size=1,
            max_size=12,
        )
    )
    return {"kinds": kinds, "keys": keys, "points": points}


def listed(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Return the rows of a frame, with times as nanoseconds and categories as text."""
    plain = frame.with_columns(pl.col("time").cast(pl.Int64), pl.col(pl.Categorical).cast(pl.String))
    return plain.rows()


def same(one: Iterable[tuple[Any, ...]], other: Iterable[tuple[Any, ...]]) -> bool:
    """Tell whether rows are equal in types and in every bit, also in the sign of a zero."""
    return [list(map(repr, row)) for row in one] == [list(map(repr, row)) for row in other]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_both_protocols_return_what_was_written(
    manager: InfluxManager, store: Store, history: dict[str, Any]
) -> None:
    """Names, types, nulls, texts, nanoseconds and order; series, fields and shards of all kinds."""
    kinds, keys, points = history["kinds"], history["keys"], history["points"]
    if not kinds:
        return
    msname = f"m{uuid.uuid4()}"
    store.write(
        *(
            line(
                msname, dict(zip(keys, tags, strict=True)), {f: (kinds[f], v) for f, v in cells.items()}, time
            )
            for (tags, time), cells in points.items()
        )
    )
    fields = list(kinds)
    expected = sorted(
        (
            (*(tag or None for tag in tags), time, *(cells.get(field) for field in fields))
            for (tags, time), cells in points.items()
        ),
        key=lambda row: ([(value is not None, value or "") for value in row[: len(keys)]], row[len(keys)]),
    )

    for protocol in PROTOCOLS:
        options: dict[str, Any] = {"by": keys, "into": "polars", "missing": "ignore", "protocol": protocol}
        frame = manager.read(*EVER, msname, fields, store.name, interval=None, **options)
        assert [*keys, "time", *fields] == frame.columns, protocol
        assert same(expected, listed(frame)), protocol
        batches = manager.read_batches(EVER[0], EVER[1], msname, fields, store.name, batch_rows=3, **options)
        found = sorted(
            (row for batch in batches for row in listed(batch)),
            key=lambda row: (
                [(value is not None, value or "") for value in row[: len(keys)]],
                row[len(keys)],
            ),
        )
        assert same(expected, found), protocol
    whole = [
        manager.read_all_fields(*EVER, msname, store.name, into="polars", protocol=protocol)
        for protocol in PROTOCOLS
    ]
    assert whole[0].schema == whole[1].schema
    assert same(*map(listed, whole))


def test_what_csv_loses_comes_as_it_was_written(manager: InfluxManager, store: Store, msname: str) -> None:
    """Carriage returns in a text, a tag's value and key, and a field's name; and an empty text."""
    store.write(
        f'{msname},k=a\rb,k\ry=1 s="a\r\nb",f\rx=1 {T0}',
        f'{msname},k=a\rb,k\ry=1 s="",t="x" {T0 + 1}',
    )

    frame = manager.read(
        EVER[0], EVER[1], msname, ["s", "t", "f\rx"], store.name, {"k": "a\rb"}, interval=None
    )
    assert ["a\r\nb", ""] == frame["s"].tolist()
    assert [None, "x"] == [None if pd.isna(value) else value for value in frame["t"]]
    assert 1.0 == frame["f\rx"].iloc[0]
    every = manager.read_all_fields(*EVER, msname, store.name)
    assert ["f\rx", "s", "t", "k", "k\ry"] == list(every.columns)
    assert [("a\rb", "1")] * 2 == list(zip(every["k"], every["k\ry"], strict=True))
    batch = next(manager.read_batches(*EVER, msname, "s", store.name, by=["k"]))
    assert [("a\rb", "a\r\nb"), ("a\rb", "")] == list(
        zip(batch.index.get_level_values("k"), batch["s"], strict=True)
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_field_and_a_tag_of_one_name_are_told_apart(
    manager: InfluxManager, store: Store, msname: str, protocol: Any
) -> None:
    """The condition is about the tag, and the values are the field's; also if the name is a keyword."""
    store.write(
        f"{msname},select=x select=1 {T0}", f"{msname},select=y select=2 {T0}", f"{msname} select=3 {T0}"
    )

    def values(tags: dict[str, Any]) -> list[float]:
        frame = manager.read(
            *EVER, msname, "select", store.name, tags, interval=None, by=[], protocol=protocol
        )
        return frame["select"].tolist()

    assert [1.0] == values({"select": "x"})
    assert [3.0] == values({"select": None})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_tag_of_other_series_alone_is_no_column(
    manager: InfluxManager, store: Store, msname: str, protocol: Any
) -> None:
    """Its series has points in the same shard, but none in the range; InfluxQL names it all the same."""
    store.write(f'{msname},k=a s="x" {T0}', f'{msname},k=a,other=b s="y" {T0 + 1}')

    frame = manager.read_all_fields("2025-12-01", pd.Timestamp(T0 + 1), msname, store.name, protocol=protocol)

    assert ["s", "k"] == list(frame.columns)


@pytest.mark.parametrize("name", ["_name", "_seriesKey", "_tagKey", "_tagValue"])
def test_a_field_with_a_name_of_influxqls_own_has_its_values(
    manager: InfluxManager, store: Store, msname: str, name: str
) -> None:
    """InfluxQL would return the measurement, the key of the series or its tags, at other times."""
    store.write(f'{msname},k=a {name}="x" {T0}', f'{msname},k=a {name}="y" {T0 + 1}')

    frame = manager.read(*EVER, msname, name, store.name, interval=None)
    assert ["x", "y"] == frame[name].tolist()
    assert [T0, T0 + 1] == frame.index.astype("int64").tolist()
    assert ["x", "y"] == manager.read_all_fields(*EVER, msname, store.name)[name].tolist()
    with pytest.raises(InvalidArgumentError, match=f"reserves the name '{name}' of a field"):
        manager.read_all_fields(*EVER, msname, store.name, protocol="influxql")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("count", [1, 99, 100, 101, 3_000])
def test_a_tag_may_have_one_of_many_values(
    manager: InfluxManager, store: Store, msname: str, count: int, protocol: Any
) -> None:
    """Whatever form the condition has: each named series is found, and no other; nor one without the tag."""
    names = [f"m.{number}|$" for number in range(count)]
    store.write(
        *(f"{msname},k={name} v={number} {T0}" for number, name in enumerate([*names, "m.", "m.0", "x"]))
    )
    store.write(f"{msname} v=-1 {T0}")

    frame = manager.read(
        *EVER,
        msname,
        "v",
        store.name,
        {"k": names},
        interval=None,
        by=["k"],
        into="polars",
        protocol=protocol,
    )
    assert {(name, float(number)) for number, name in enumerate(names)} == set(frame.select("k", "v").rows())
    without = manager.read(
        *EVER, msname, "v", store.name, {"k": [*names, ""]}, interval=None, by=["k"], protocol=protocol
    )
    assert count + 1 == len(without)


def test_a_field_of_two_types_is_read_whole(manager: InfluxManager, store: Store, msname: str) -> None:
    """Over Flux, shard by shard; insisting on InfluxQL, which would cast the integers, is an error."""
    store.write(f"{msname} v=5i {T0}", f"{msname} v=1.5 {T0 + 2 * WEEK}")

    span = ("2025-12-01", "2026-03-01")
    frame = manager.read(*span, msname, "v", store.name, interval=None)
    assert [5.0, 1.5] == frame["v"].tolist()
    with pytest.raises(SchemaConflictError, match="leave out 1 of its 2 points"):
        next(manager.read_batches(*span, msname, "v", store.name))
    with pytest.raises(InvalidArgumentError, match="convert the values of field 'v'") as caught:
        manager.read(*span, msname, "v", store.name, interval=None, protocol="influxql")
    assert "protocol" == caught.value.argument


def test_a_deleted_field_is_a_column_of_nulls(manager: InfluxManager, own_store: Store) -> None:
    """Its points are gone, also where InfluxQL still lists its name; those of the other field are there."""
    own_store.write(f"m,k=a v=1,w=2i {T0}", f"n w=3i {T0}")
    own_store.client.delete_api().delete(*EVER, '_measurement="n"', bucket=own_store.name)
    own_store.write(f"n v=4 {T0}")

    for protocol in PROTOCOLS:
        frame = manager.read(
            *EVER, "n", ["v", "w"], own_store.name, interval=None, protocol=protocol, missing="ignore"
        )
        assert ([4.0], [True]) == (frame["v"].tolist(), frame["w"].isna().tolist()), protocol


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_windows_are_read_as_ever(manager: InfluxManager, store: Store, msname: str, protocol: Any) -> None:
    """The option is about stored points; the server computes windows in Flux."""
    store.write(f"{msname} v=1 {T0}", f"{msname} v=2 {T0 + 1}")

    frame = manager.read(*EVER, msname, "v", store.name, interval="1h", protocol=protocol)
    assert [1.5] == frame["v"].tolist()


@pytest.mark.filterwarnings("ignore:InfluxQL knows bucket '/")
def test_the_option_of_the_manager_holds_for_calls_and_copies(
    make_manager: Callable[..., InfluxManager], make_store: Callable[[str], Store]
) -> None:
    """A bucket whose name starts with a slash has no database, so that insisting on InfluxQL is an error."""
    store = make_store("/")
    store.write(f"m v=1 {T0}")
    manager = make_manager(protocol="influxql")

    with pickle.loads(pickle.dumps(manager)) as copy:
        for one in (manager, copy):
            with pytest.raises(NotFoundError, match="no database and retention policy are mapped to"):
                one.read_all_fields(*EVER, "m", store.name)
            assert [1.0] == one.read_all_fields(*EVER, "m", store.name, protocol="auto")["v"].tolist()


@pytest.mark.parametrize("gzip", [False, True])
def test_long_answers_come_whole(
    make_manager: Callable[..., InfluxManager], store: Store, msname: str, *, gzip: bool
) -> None:
    """Over several pieces of a series, packed and plain, in slices and at once."""
    count = 25_000
    store.write(
        *(
            f"{msname},k={'ab'[number % 2]} v={number}i,w={number / 4} {T0 + number * 60 * 10**9}"
            for number in range(count)
        )
    )
    manager = make_manager(gzip=gzip, protocol="influxql")

    for slices in (1, 4):
        frame = manager.read(*EVER, msname, ["w", "v"], store.name, interval=None, max_parallel=slices)
        assert [*range(0, count, 2), *range(1, count, 2)] == frame["v"].tolist()
        assert math.fsum(number / 4 for number in range(count)) == math.fsum(frame["w"])
