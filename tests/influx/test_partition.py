"""What a partition is, what it asks the server, and which arguments divide a read."""

from __future__ import annotations

import pickle
import warnings
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pytest

from db_core.errors import AmbiguousSeriesError, InvalidArgumentError, NotFoundError, SchemaConflictError
from tests.influx.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_influx import InfluxManager, Partition
    from tests.influx.conftest import Store
    from tools import servers

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
HOUR = 3_600_000_000_000
DAY = 24 * HOUR
SPAN = ("2026-01-01", "2026-01-03")


@pytest.fixture(scope="module")
def house(store: Store) -> Store:
    """Store two days of two meters in measurement "house": f every hour, and i, b and s now and then."""
    lines = []
    for hour in range(48):
        lines += [f"house,meter={meter},site=north f={hour / 4} {T0 + hour * HOUR}" for meter in "ab"]
    lines += [f'house,meter=a,site=north i={day}i,b=true,s="{day}" {T0 + day * DAY + 1}' for day in range(2)]
    store.write(*lines)
    return store


@pytest.fixture
def recorder(server: servers.InfluxDB) -> Iterator[Recorder]:
    """Give a proxy before the server, which keeps what is sent."""
    made = Recorder(server.url)
    yield made
    made.close()


def divide(manager: InfluxManager, house: Store, *fields: str, **options: Any) -> list[Partition]:
    """Divide the reads of all tests into days."""
    arguments: Any = {"start": SPAN[0], "stop": SPAN[1], "every": "1d", **options}
    return manager.partitions(
        msname="house", fields=fields or ("f", "i", "b", "s"), bucket=house.name, **arguments
    )


# --- Arguments ------------------------------------------------------------------

WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "neither a length nor rows": ("every", {}),
    "both": ("every", {"every": "1d", "rows": 5}),
    "a length of nothing": ("every", {"every": "0s"}),
    "a length that is none": ("every", {"every": "day"}),
    "too many parts": ("every", {"every": "1s"}),
    "no rows": ("rows", {"rows": 0}),
    "rows that are text": ("rows", {"rows": "5"}),
    "rows that are a flag": ("rows", {"rows": True}),
    "an interval that is none": ("interval", {"every": "1d", "interval": "x"}),
    "two kinds of windows": ("interval", {"every": "1d", "interval": "1h", "timestep": 60}),
    "a function that is none": ("agg_func", {"every": "1d", "interval": "1h", "agg_func": "average"}),
    "a step of nothing": ("timestep", {"every": "1d", "timestep": 0}),
    "a label without windows": ("label", {"every": "1d", "label": "start"}),
    "a label that is none": ("label", {"every": "1d", "interval": "1h", "label": "middle"}),
    "a reset without consumption": ("on_reset", {"every": "1d", "interval": "1h", "on_reset": "null"}),
    "a reset that is none": ("on_reset", {"every": "1d", "timestep": 60, "on_reset": "x"}),
    "closed that is none": ("closed", {"every": "1d", "timestep": 60, "closed": "both"}),
    "quality of windows": ("quality", {"every": "1d", "interval": "1h", "quality": True}),
    "quality that is text": ("quality", {"every": "1d", "timestep": 60, "quality": "yes"}),
    "a rollover of another field": (
        "rollover",
        {"every": "1d", "timestep": 60, "on_reset": "rollover", "rollover": {"w": 5}},
    ),
    "dense that is text": ("dense", {"every": "1d", "dense": "yes"}),
    "connect that is no function": ("connect", {"every": "1d", "connect": "http://localhost"}),
    "a zone that is none": ("tz", {"every": "1d", "tz": "Europe/Lisboa"}),
    "levels in a mapping": ("by", {"every": "1d", "by": {}}),
    "tags in a list": ("tags", {"every": "1d", "tags": ["a"]}),
    "no fields": ("fields", {"every": "1d", "fields": []}),
    "a start that is none": ("start", {"every": "1d", "start": "yesterday"}),
    "a stop before the start": ("start", {"every": "1d", "stop": "2025-01-01"}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_argument_is_named(nowhere: InfluxManager, wrong: str) -> None:
    """By the error's text and attribute, before anything is sent."""
    argument, given = WRONG[wrong]
    arguments: Any = {"start": "2026-01-01", "stop": "2026-02-01", "fields": "v", **given}

    with pytest.raises(InvalidArgumentError, match=f"`{argument}`") as caught:
        nowhere.partitions(msname="m", bucket="b", **arguments)

    assert argument == caught.value.argument


@pytest.mark.parametrize("option", ["gaps", "max_rate", "create_empty", "evry"])
def test_a_keyword_that_partitions_lack_is_told(nowhere: InfluxManager, option: str) -> None:
    """Also one that other reads have."""
    given: Any = {option: "book"}
    with pytest.raises(TypeError, match=option):
        nowhere.partitions(*SPAN, "m", "v", "b", every="1d", timestep=60, **given)


def test_parts_of_few_rows_are_not_too_many(manager: InfluxManager, house: Store) -> None:
    """The limit is about the parts of a read, and names the argument that makes them."""
    many = range(100_002)
    house.write(*(f"many v=1 {T0 + number}" for number in many))

    with pytest.raises(InvalidArgumentError, match=r"`rows`.*100,000") as caught:
        manager.partitions(*SPAN, "many", "v", house.name, rows=1)

    assert "rows" == caught.value.argument
    assert 2 <= len(manager.partitions(*SPAN, "many", "v", house.name, rows=60_000))


def test_a_wrong_argument_of_a_partition_is_named(manager: InfluxManager, house: Store) -> None:
    """Columns that it lacks, kinds of frames, times and tags; and what is no partition."""
    part = divide(manager, house)[0]
    wrong: Any = {
        "columns": [lambda: part.read(["f", "v"]), lambda: part.empty("v"), lambda: part.read([5])],  # type: ignore[list-item]
        "into": [lambda: part.read(into="csv"), lambda: part.empty(into="csv")],  # type: ignore[call-overload]
        "start": [lambda: part.narrowed(start="soon")],
        "stop": [lambda: part.narrowed(stop="soon")],
        "tags": [lambda: part.narrowed(tags=["meter"])],  # type: ignore[arg-type]
        "partition": [lambda: manager.read_partition("part")],  # type: ignore[call-overload]
    }
    for argument, calls in wrong.items():
        for call in calls:
            with pytest.raises(InvalidArgumentError, match=f"`{argument}`") as caught:
                call()
            assert argument == caught.value.argument


# --- Names ----------------------------------------------------------------------


def test_what_does_not_exist_is_told_once(manager: InfluxManager, house: Store) -> None:
    """When the read is divided; its parts are silent, have the column, and it is null."""
    with pytest.warns(UserWarning, match="no field 'F' in 'house'") as caught:
        parts = divide(manager, house, "f", "F")
    assert 1 == len(caught)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = pl.concat([part.read(into="polars") for part in parts])
    assert {"meter": 96, "f": 96, "F": 0} == {name: frame[name].count() for name in ("meter", "f", "F")}
    with pytest.raises(NotFoundError, match="no measurement 'home'"):
        manager.partitions(*SPAN, "home", "f", house.name, every="1d", missing="raise")


def test_a_range_without_points_has_parts(manager: InfluxManager, house: Store) -> None:
    """Their frames have the types that the fields are known to have, and no tags."""
    for cut in ({"every": "1d"}, {"rows": 5}):
        options: Any = {"start": "2020-01-01", "stop": "2020-01-03", "every": None, **cut}
        parts = divide(manager, house, **options)
        expected = {"time": "timestamp", "f": "float64", "i": "int64", "b": "bool", "s": "string"}
        assert [expected] * len(parts) == [part.schema for part in parts]
        assert 0 == sum(len(part.read()) for part in parts)
        assert parts[0].read().dtypes.equals(parts[0].empty().dtypes)


def test_tags_are_those_that_by_names(manager: InfluxManager, house: Store) -> None:
    """All that there are without it; one that no series has is null; and none insists on one series."""
    assert ["time", "meter", "site", "f"] == list(divide(manager, house, "f")[0].schema)
    parts = divide(manager, house, "f", by=["meter", "room"], missing="ignore")
    assert ["time", "meter", "room", "f"] == list(parts[0].schema)
    frame = parts[0].read(into="polars")
    assert [["a", None], ["b", None]] == [list(row) for row in frame[:2].select("meter", "room").rows()]
    [first, _] = divide(manager, house, "f", tags={"meter": "a"}, by=[])
    assert [hour / 4 for hour in range(24)] == first.read()["f"].tolist()
    with pytest.raises(AmbiguousSeriesError, match="meter"):
        divide(manager, house, "f", by=[])


def test_a_meter_whose_only_total_is_at_the_stop_has_its_tag(manager: InfluxManager, house: Store) -> None:
    """Windows that are closed at the right have it; those closed at the left have that at the start."""
    house.write(*(f"ends,meter={name} e=1i {T0 + day * DAY}" for name, day in (("a", 0), ("b", 2), ("c", 2))))

    for closed, meters in (("right", ["b", "c"]), ("left", ["a"])):
        options: Any = {"every": "1d", "timestep": "1h", "closed": closed}
        parts = manager.partitions(*SPAN, "ends", "e", house.name, **options)
        assert [["time", "meter", "e"]] * 2 == [list(part.schema) for part in parts]
        assert meters == [name for part in parts for name in part.read(into="arrow")["meter"].to_pylist()]


@pytest.mark.parametrize("closed", ["left", "right"])
def test_a_window_that_the_range_cuts_short_has_no_total_from_before_it(
    manager: InfluxManager, house: Store, closed: Any
) -> None:
    """Its neighbour after an edge has a gap before it, though the last total lies in the same local hour."""
    minutes = {10 * 60 + 10: 1, 11 * 60 + 30: 5, 12 * 60 + 30: 9}
    house.write(*(f"short e={total}i {T0 + at * HOUR // 60}" for at, total in minutes.items()))
    question: Any = ("2026-01-01T10:17:00", "2026-01-01T13:00:00", "short", "e", house.name)
    options: Any = {"timestep": "1h", "quality": True, "closed": closed}

    parts = manager.partitions(*question, every="1h", **options)
    rows = pl.concat([part.read(into="polars") for part in parts])

    assert 3 == len(parts)
    assert ["gap", "ok"] == rows["e_quality"].to_list()[-2:]
    whole = manager.read_accumulated_value(*question, **options)
    assert whole["e_quality"].tolist() == rows["e_quality"].to_list()


def test_a_field_that_is_named_as_a_tag_or_the_time_is_told(manager: InfluxManager, house: Store) -> None:
    """No frame could have both columns."""
    house.write(f"clash,meter=a meter=1,v=3 {T0}")

    for field in ("meter", "time"):
        with pytest.raises(
            InvalidArgumentError, match=f"'{field}', and a tag or the time has this name"
        ) as caught:
            manager.partitions(*SPAN, "clash", ["v", field], house.name, every="1d", missing="ignore")
        assert "fields" == caught.value.argument
    [part, _] = manager.partitions(*SPAN, "clash", ["v", "meter"], house.name, every="1d", by=[])
    assert [[3.0, 1.0]] == part.read().to_numpy().tolist()


# --- The frame --------------------------------------------------------------------


def test_a_part_knows_its_range_and_columns(manager: InfluxManager, house: Store) -> None:
    """Local days in `tz`; the frame has the columns of the schema, and times of its zone."""
    [first, second, third] = divide(manager, house, tz="Asia/Kathmandu", stop="2026-01-03T12:00:00")
    midnight = pd.Timestamp("2026-01-02", tz="Asia/Kathmandu")

    assert (midnight, midnight + pd.Timedelta(days=1)) == (second.start, second.stop)
    assert pd.Timestamp("2026-01-03T12:00", tz="Asia/Kathmandu") == third.stop
    assert (midnight, second.stop - pd.Timedelta(1)) == (second.earliest, second.latest)
    kinds = {"time": "timestamp", "meter": "dictionary", "site": "dictionary", "f": "float64"}
    assert kinds | {"i": "int64", "b": "bool", "s": "string"} == first.schema
    frame = second.read()
    assert "datetime64[ns, Asia/Kathmandu]" == frame.index.dtype
    assert "time" == frame.index.name
    types = ["category", "category", "float64", "Int64", "boolean", "str"]
    assert dict(zip(list(first.schema)[1:], types, strict=True)) == frame.dtypes.astype(str).to_dict()
    assert pl.Datetime("ns", "Asia/Kathmandu") == second.read(into="polars").schema["time"]


def test_some_columns_are_of_the_same_rows(manager: InfluxManager, house: Store) -> None:
    """In the order asked for, behind the time; none are the times of all rows."""
    part = divide(manager, house)[0]
    whole = part.read(into="polars")

    assert 49 == len(whole)
    for columns in (["i", "f"], ["s", "meter"], "b", [], ["time", "f"], list(part.schema)):
        names = [columns] if isinstance(columns, str) else [name for name in columns if name != "time"]
        expected = whole.select("time", *names)
        assert expected.equals(part.read(columns, into="polars"))
        assert expected.schema == part.empty(columns, into="polars").schema
        assert part.read(columns, into="arrow").schema == part.empty(columns, into="arrow").schema
    assert part.read(into="arrow").schema == part.empty(into="arrow").schema


def test_only_a_dense_read_asks_for_fewer_fields(
    make_manager: Callable[..., InfluxManager], house: Store, recorder: Recorder
) -> None:
    """Otherwise the fields that nobody asked for decide which rows there are."""
    manager = make_manager(url=recorder.url, protocol="flux")
    sparse, dense = divide(manager, house, "f", "i")[0], divide(manager, house, "f", "i", dense=True)[0]
    recorder.clear()

    assert 25 + 24 == len(sparse.read("i"))
    assert ['r._field == "f"', 'r._field == "i"'] == fields_of(recorder.flux)
    recorder.clear()
    assert [0] == dense.read("i")["i"].tolist()
    assert ['r._field == "i"'] == fields_of(recorder.flux)
    recorder.clear()
    assert 49 == len(dense.read(["meter"]))
    assert ['r._field == "f"', 'r._field == "i"'] == fields_of(recorder.flux)


def fields_of(queries: list[str]) -> list[str]:
    """Return the conditions on fields in queries."""
    return sorted({f'r._field == "{name}"' for query in queries for name in "fibs" if f'"{name}"' in query})


@pytest.mark.parametrize("reduction", [{}, {"interval": "1h", "agg_func": "max"}, {"timestep": 60}])
def test_a_type_that_changes_after_the_division_is_told(
    manager: InfluxManager, own_store: Store, reduction: dict[str, Any]
) -> None:
    """A part never has another type than the others; a division after that has the new one."""
    own_store.write(f"m v=1i {T0}", f"m v=2i {T0 + 10 * DAY}")
    question: Any = ("2026-01-01", "2026-02-01", "m", "v", own_store.name)
    parts = manager.partitions(*question, every="1w", **reduction)
    own_store.write(f"m v=2.5 {T0 + 20 * DAY}")

    with pytest.raises(SchemaConflictError, match="'v'"):
        [part.read() for part in parts]
    if not reduction:
        [frame] = [frame for part in manager.partitions(*question, rows=9) for frame in [part.read()]]
        assert [1.0, 2.0, 2.5] == frame["v"].tolist()


# --- Fewer rows -------------------------------------------------------------------


def test_a_part_of_points_is_cut_at_times(manager: InfluxManager, house: Store) -> None:
    """Half-open; it keeps its schema, and none is left outside of it."""
    part = divide(manager, house)[0]
    six, nine = "2026-01-01T06:00:00", "2026-01-01T09:00:00"

    assert [6, 7, 8] == hours(part.narrowed(six, nine, {"meter": "a"}))
    assert list(range(6, 24)) == hours(part.narrowed(six, None, {"meter": "b"}))
    assert list(range(9)) == hours(part.narrowed(stop=nine, tags={"meter": "b"}))
    assert part == part.narrowed("2025-01-01", "2027-01-01") == part.narrowed()
    assert None is part.narrowed("2026-01-02") is part.narrowed(stop="2026-01-01")
    assert None is part.narrowed(nine, six)
    narrow = part.narrowed(six, nine)
    assert narrow is not None
    assert part.schema == narrow.schema
    assert pd.Timestamp(six, tz="UTC") == narrow.start


def hours(part: Partition | None) -> list[int]:
    """Return the hours of the day of a part's rows."""
    assert part is not None
    return [time.hour for time in part.read(["f"]).index]


@pytest.mark.parametrize("label", ["start", "stop"])
@pytest.mark.parametrize("reduction", [{"interval": "1h"}, {"timestep": 60}])
def test_a_part_of_windows_stays_whole_unless_it_is_outside(
    manager: InfluxManager, house: Store, reduction: dict[str, Any], label: Any
) -> None:
    """Its rows are at the edge of a window that is their label."""
    [part, _] = divide(manager, house, "f", label=label, **reduction)
    rows = part.read(into="polars")
    moments = rows["time"].unique(maintain_order=True).to_list()

    for start, stop in ((moments[0], moments[1]), (moments[-1], None), (None, moments[0] + DAY_LONG)):
        narrow = part.narrowed(start, stop)
        assert narrow is not None
        assert rows.equals(narrow.read(into="polars"))
    last = moments[-1] + pd.Timedelta(microseconds=1)
    assert None is part.narrowed(stop=moments[0] - pd.Timedelta(hours=1))
    assert None is part.narrowed(last + pd.Timedelta(hours=1))


DAY_LONG = pd.Timedelta(days=1)


def test_tags_of_a_part_are_conditions_beside_those_it_has(manager: InfluxManager, house: Store) -> None:
    """Several values, none, and two conditions on one tag."""
    part = divide(manager, house, "f")[0]

    def meters(*tags: Any) -> list[str]:
        narrow: Partition | None = part
        for one in tags:
            assert narrow is not None
            narrow = narrow.narrowed(tags=one)
        assert narrow is not None
        return sorted(set(narrow.read(["meter"], into="polars")["meter"].to_list()))

    assert ["a", "b"] == meters({"meter": ["a", "b", "c"]})
    assert ["a"] == meters({"meter": "a", "site": "north"})
    assert [] == meters({"meter": None}) == meters({"site": "south"})
    assert ["b"] == meters({"meter": ["a", "b"]}, {"meter": ["b", "c"]})
    assert [] == meters({"meter": "a"}, {"meter": "b"})


# --- Values -----------------------------------------------------------------------


def test_a_partition_is_a_value(manager: InfluxManager, house: Store) -> None:
    """Two of the same question are equal, also copies; those of others are not."""
    first, second = divide(manager, house)
    again = divide(manager, house)

    assert [first, second] == again
    assert {first, second} == {*again, pickle.loads(pickle.dumps(first))}
    assert first != second
    assert first not in divide(manager, house, "f")
    assert first not in divide(manager, house, dense=True)
    assert first != "a text"
    copy: Any = pickle.loads(pickle.dumps(first))
    assert first.__dask_tokenize__() == copy.__dask_tokenize__() == again[0].__dask_tokenize__()
    assert first.__dask_tokenize__() != second.__dask_tokenize__()
    assert "<Partition of 'house' from 2026-01-01T" in repr(first)
    assert first.read().equals(deepcopy(first).read())  # by the token of its process


@pytest.mark.parametrize(
    "reduction", [{}, {"interval": "1h", "agg_func": ["mean", "max", "p95"]}, {"timestep": 60}]
)
def test_a_pickle_is_small_and_has_no_secret(
    manager: InfluxManager, house: Store, server: servers.InfluxDB, reduction: dict[str, Any]
) -> None:
    """Nor does any other text that is made of a part."""
    part = divide(manager, house, "f", "i", tags={"site": "north"}, tz="Europe/Lisbon", **reduction)[0]
    copy = pickle.dumps(part)

    assert 4_096 > len(copy)
    shown = [
        copy,
        repr(part).encode(),
        repr(part.__dask_tokenize__()).encode(),
        repr(part.connection).encode(),
    ]
    assert not any(server.token.encode() in text for text in shown)


def test_rows_are_counted_where_they_are(manager: InfluxManager, house: Store) -> None:
    """A burst of a thousand points within a second is cut as well as a month with ten."""
    house.write(
        *(f"bursts v={number} {T0 + number * 1_000_000}" for number in range(1_000)),
        *(f"bursts v=1 {T0 + day * DAY}" for day in range(1, 30)),
    )

    parts = manager.partitions("2026-01-01", "2026-02-01", "bursts", "v", house.name, rows=100)
    rows = [len(part.read()) for part in parts]

    assert 1_029 == sum(rows)
    assert max(rows) <= 100
    assert len(rows) <= 25


def test_all_of_time_is_divided_by_rows(make_manager: Callable[..., InfluxManager], house: Store) -> None:
    """From the first nanosecond that InfluxDB has to the last, without a query that never ends."""
    first, last = -(2**63) + 2, 2**63 - 2
    house.write(*(f"ages v={number} {time}" for number, time in enumerate((first, -1, 0, T0, last - 1))))
    start, stop = (pd.Timestamp(time, unit="ns", tz="UTC") for time in (first, last))
    manager = make_manager(timeout=10, retries=0)

    parts = manager.partitions(start, stop, "ages", "v", house.name, rows=1)

    assert (start, stop) == (parts[0].start, parts[-1].stop)
    assert [0, 1, 2, 3, 4] == [value for part in parts for value in part.read()["v"]]
    assert 4 <= len(parts)
